//! Strings: whether bytes are UTF-8, and the `str` that they are.
//!
//! Most are short and of ASCII. That is known at a glance, where `std::str::from_utf8` looks at single
//! bytes until they are aligned, and at single bytes again at the end.

use ascii::AsAsciiStr as _;

/// Whether bytes are UTF-8.
#[inline(always)]
pub(super) fn is_utf8(text: &[u8]) -> bool {
    is_short_ascii(text) || is_other_utf8(text)
}

/// Both halves are looked at in one go; they may overlap.
#[inline(always)]
fn is_short_ascii(text: &[u8]) -> bool {
    match text.len() {
        0..4 => text.iter().fold(0, |all, byte| all | byte) < 0x80,
        4..8 => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => {
                (u32::from_le_bytes(*first) | u32::from_le_bytes(*last)) & HIGH as u32 == 0
            }
            _ => false,
        },
        8..=16 => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => {
                (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGH == 0
            }
            _ => false,
        },
        17..=32 => is_wide_ascii(text),
        33..=64 => {
            let (left, right) = text.split_at(text.len() / 2);
            is_wide_ascii(left) && is_wide_ascii(right)
        }
        _ => false,
    }
}

/// Of 16 to 32 bytes.
#[inline(always)]
fn is_wide_ascii(text: &[u8]) -> bool {
    const WIDE_HIGH: u128 = (HIGH as u128) << 64 | HIGH as u128;
    match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => {
            (u128::from_le_bytes(*first) | u128::from_le_bytes(*last)) & WIDE_HIGH == 0
        }
        _ => false,
    }
}

#[inline(never)]
fn is_other_utf8(text: &[u8]) -> bool {
    match text.len() {
        0..SIMD_BYTES_MIN => text.is_ascii() || std::str::from_utf8(text).is_ok(),
        _ => simdutf8::basic::from_utf8(text).is_ok(),
    }
}

/// Bytes that were found to be UTF-8 when they were decoded. Rust does not know that: they are looked at
/// once more. That is a call: whoever reads strings keeps its own in registers.
#[inline(never)]
pub(super) fn text(checked: &[u8]) -> &str {
    if checked.len() < SIMD_BYTES_MIN
        && let Ok(ascii) = checked.as_ascii_str()
    {
        return ascii.as_str();
    }
    other_text(checked)
}

#[cold]
fn other_text(checked: &[u8]) -> &str {
    simdutf8::basic::from_utf8(checked).unwrap_or_default()
}

/// The bit of each of eight bytes that no ASCII has.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// From this length on simdutf8 is the fastest; below, it is `std::str::from_utf8`.
const SIMD_BYTES_MIN: usize = 64;
