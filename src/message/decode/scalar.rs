//! Values that are looked at without tables: numbers, strings and keys of maps.

use super::Why;
use crate::{
    message::{utf8::is_utf8, wire},
    schema::layout::{FieldType, WireType},
};

/// A value that is looked at without tables.
pub(super) enum Scalar {
    /// Where it ends.
    Read(usize),
    Wrong(Why),
    /// It is none.
    Other,
}

/// Looks at a value behind its key, which is one of its type.
#[inline(always)]
pub(super) fn scalar(field_type: FieldType, key: u32, bytes: &[u8], at: usize) -> Scalar {
    const VARINT: u32 = WireType::Varint as u32;
    const LEN: u32 = WireType::Len as u32;
    const I64: u32 = WireType::I64 as u32;
    const I32: u32 = WireType::I32 as u32;
    let mut end = at;
    match key & 7 {
        LEN => {
            if field_type == FieldType::Message {
                return Scalar::Other;
            }
            let Some(text) = wire::delimited(bytes, &mut end) else {
                return Scalar::Wrong(Why::Cut);
            };
            if field_type == FieldType::String && !is_utf8(text) {
                return Scalar::Wrong(Why::Utf8);
            }
        }
        VARINT => {
            if field_type == FieldType::ClosedEnum {
                return Scalar::Other;
            }
            let Some(behind) = wire::varint_end(bytes, at) else {
                return Scalar::Wrong(Why::Varint);
            };
            end = behind;
        }
        I64 if wire::skip_bytes(bytes, &mut end, 8).is_some() => {}
        I32 if wire::skip_bytes(bytes, &mut end, 4).is_some() => {}
        I64 | I32 => return Scalar::Wrong(Why::Cut),
        _ => return Scalar::Other,
    }
    Scalar::Read(end)
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
    let ends = if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
    } else if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
    } else {
        key.iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
    };
    let mixed = (ends ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 58) as usize
}
