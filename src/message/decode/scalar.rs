//! Values that are looked at without tables: numbers, strings and keys of maps.

use super::Why;
use crate::{
    message::{utf8::is_utf8, wire},
    schema::layout::FieldType,
};

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
