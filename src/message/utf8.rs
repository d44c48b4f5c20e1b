//! Strings: whether bytes are UTF-8, and the `str` that they are.
//!
//! Most are short and of ASCII. That is known at a glance, where `std::str::from_utf8` looks at single
//! bytes until they are aligned, and at single bytes again at the end.

use ascii::AsAsciiStr as _;

/// Whether bytes are UTF-8.
#[inline]
pub(super) fn is_utf8(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let high = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) if text.len() <= 16 => {
            (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGH
        }
        (None, None) => text.iter().fold(0, |all, byte| all | u64::from(*byte)) & 0x80,
        _ => return is_long_utf8(text),
    };
    high == 0 || std::str::from_utf8(text).is_ok()
}

fn is_long_utf8(text: &[u8]) -> bool {
    match text.len() {
        0..SIMD_BYTES_MIN => text.is_ascii() || std::str::from_utf8(text).is_ok(),
        _ => simdutf8::basic::from_utf8(text).is_ok(),
    }
}

/// Bytes that were found to be UTF-8 when they were decoded. Rust does not know that: they are looked at
/// once more.
#[inline]
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

/// From this length on simdutf8 is the fastest; below, it is `std::str::from_utf8`.
const SIMD_BYTES_MIN: usize = 64;
