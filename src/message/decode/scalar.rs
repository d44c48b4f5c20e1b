//! Values that are looked at without tables: numbers, strings and keys of maps.

use super::Why;
use crate::{message::wire, schema::layout::FieldType};

/// A value that is looked at without tables.
pub(super) enum Scalar {
    /// Its entry.
    Read(u32),
    Wrong(Why),
    /// It is none.
    Other,
}

#[inline(always)]
pub(super) fn scalar(field_type: FieldType, bytes: &[u8], at: &mut usize) -> Scalar {
    let value_at = *at;
    let read = match field_type {
        FieldType::String => match wire::delimited(bytes, at) {
            Some(text) if is_utf8(text) => Some(()),
            Some(_) => return Scalar::Wrong(Why::Utf8),
            None => None,
        },
        FieldType::Bytes => wire::delimited(bytes, at).map(|_| ()),
        FieldType::Message | FieldType::Group | FieldType::ClosedEnum => return Scalar::Other,
        FieldType::Fixed32 | FieldType::Sfixed32 | FieldType::Float => {
            wire::skip_bytes(bytes, at, 4)
        }
        FieldType::Fixed64 | FieldType::Sfixed64 | FieldType::Double => {
            wire::skip_bytes(bytes, at, 8)
        }
        _ => match wire::skip_varint(bytes, at) {
            Some(()) => Some(()),
            None => return Scalar::Wrong(Why::Varint),
        },
    };
    match read {
        Some(()) => Scalar::Read(value_at as u32),
        None => Scalar::Wrong(Why::Cut),
    }
}

/// The hash of a map's key. What is written in several ways is the same number.
#[inline]
pub(super) fn hash_of(field_type: FieldType, bytes: &[u8], mut at: usize) -> usize {
    match field_type {
        FieldType::String => hash(wire::delimited(bytes, &mut at).unwrap_or_default()),
        number => match wire::number(number, bytes, &mut at) {
            // As a key that is left out.
            Some(0) | None => hash(&[]),
            Some(bits) => hash(&bits.to_le_bytes()),
        },
    }
}

/// A number below 64 that is mostly another for another key.
#[inline]
pub(super) fn hash(key: &[u8]) -> usize {
    let ends = match (key.first_chunk(), key.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
        }
        _ => key.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    let mixed = (ends ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 58) as usize
}

/// Short texts, which most are, and long ones of ASCII are known for UTF-8 at a glance.
#[inline]
fn is_utf8(text: &[u8]) -> bool {
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
        0..64 => text.is_ascii() || std::str::from_utf8(text).is_ok(),
        _ => simdutf8::basic::from_utf8(text).is_ok(),
    }
}
