//! Protobuf's wire format (<https://protobuf.dev/programming-guides/encoding/>): varints, keys, and how
//! a value is read over.
//!
//! Everything reads at a place of a slice and moves it on; `None` where the bytes end too early or
//! are none of the format.

mod packed;

pub(super) use packed::{count_packed, fold_varints, skip_varints};

use crate::schema::layout::{FieldType, WireType};

/// Reads a varint of up to ten bytes.
#[inline(always)]
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(first.into());
    }
    if let Some([first, second]) = bytes.get(*at..*at + 2)
        && *second < 0x80
    {
        *at += 2;
        return Some(u64::from(first & 0x7f) | u64::from(*second) << 7);
    }
    let (value, length) = longer_varint(bytes, *at);
    *at += length;
    (length > 0).then_some(value)
}

/// Gives a varint and its length, 0 where there is none. The place comes by value, so that whoever
/// reads keeps it in a register.
#[inline(never)]
fn longer_varint(bytes: &[u8], at: usize) -> (u64, usize) {
    bytes.get(at..).map_or((0, 0), long_varint)
}

/// The same at the beginning of the bytes.
#[inline(always)]
fn long_varint(bytes: &[u8]) -> (u64, usize) {
    let eight = bytes.first_chunk();
    let in_eight = eight.and_then(|eight| varint_of_eight(*eight));
    in_eight.unwrap_or_else(|| longest_varint(bytes))
}

/// The varint at the beginning of eight bytes, and its length; `None` if it does not end in them.
#[inline]
fn varint_of_eight(eight: [u8; 8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(eight);
    let ends = !word & HIGH;
    if ends == 0 {
        return None;
    }
    // The lowest end, and what is below it.
    let own = word & (ends ^ (ends - 1));
    Some((joined(own), ends.trailing_zeros() as usize / 8 + 1))
}

/// The seven bits that count of each of eight bytes, next to each other.
#[inline]
fn joined(word: u64) -> u64 {
    let twos = joined_twos(word);
    let fours = twos & 0x0000_3fff_0000_3fff | (twos & 0x3fff_0000_3fff_0000) >> 2;
    fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4
}

/// The same for each two bytes: four numbers of 14 bits.
#[inline]
fn joined_twos(word: u64) -> u64 {
    word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1
}

fn longest_varint(bytes: &[u8]) -> (u64, usize) {
    if let Some((eight, rest)) = bytes.split_first_chunk()
        && let [ninth @ 0..0x80, ..] = rest
    {
        let low = joined(u64::from_le_bytes(*eight));
        return (low | u64::from(*ninth) << 56, 9);
    }
    let mut value = 0;
    for (index, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            // Of the tenth byte one bit is left.
            let fits = index < VARINT_BYTES_MAX - 1 || *byte <= 1;
            return if fits { (value, index + 1) } else { (0, 0) };
        }
    }
    (0, 0)
}

/// Reads over a varint.
#[inline]
pub(super) fn skip_varint(bytes: &[u8], at: &mut usize) -> Option<()> {
    *at = varint_end(bytes, *at)?;
    Some(())
}

/// Where a varint ends.
#[inline(always)]
pub(super) fn varint_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    if *rest.first()? < 0x80 {
        return Some(at + 1);
    }
    if let Some(eight) = rest.first_chunk() {
        let ends = !u64::from_le_bytes(*eight) & HIGH;
        if ends != 0 {
            return Some(at + ends.trailing_zeros() as usize / 8 + 1);
        }
    }
    let (_, length) = longer_varint(bytes, at);
    (length > 0).then_some(at + length)
}

/// Reads a key: field number and wire type. There is no number 0, and none above 2^29 - 1.
#[inline(always)]
pub(super) fn key(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let first = u32::from(*bytes.get(*at)?);
    if first < 0x80 {
        *at += 1;
        return (first >= 1 << 3).then_some(first);
    }
    let key = u32::try_from(varint(bytes, at)?).ok()?;
    (key >= 1 << 3).then_some(key)
}

/// Reads a length, and gives the end of what has it; `None` if that is behind the end of `bytes`.
#[inline]
pub(super) fn length(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let length = varint(bytes, at)?;
    let end = usize::try_from(length).ok()?.checked_add(*at)?;
    (end <= bytes.len()).then_some(end)
}

/// Reads what stands behind a length.
#[inline]
pub(super) fn delimited<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let end = length(bytes, at)?;
    let delimited = bytes.get(*at..end)?;
    *at = end;
    Some(delimited)
}

/// What stands behind a length, in bytes that were checked.
#[inline(always)]
pub(super) fn delimited_at(bytes: &[u8], at: usize) -> &[u8] {
    match bytes.get(at..) {
        Some([length @ 0..0x80, rest @ ..]) if usize::from(*length) <= rest.len() => {
            &rest[..usize::from(*length)]
        }
        _ => longer_delimited(bytes, at),
    }
}

#[inline(never)]
fn longer_delimited(bytes: &[u8], mut at: usize) -> &[u8] {
    delimited(bytes, &mut at).unwrap_or_default()
}

/// What stands behind a key and a length, both of one byte, and what follows it.
#[inline(always)]
pub(super) fn short(bytes: &[u8], key: u32) -> Option<(&[u8], &[u8])> {
    match bytes {
        [first, length @ 0..0x80, rest @ ..] if u32::from(*first) == key => {
            rest.split_at_checked(usize::from(*length))
        }
        _ => None,
    }
}

#[inline]
pub(super) fn skip_bytes(bytes: &[u8], at: &mut usize, count: usize) -> Option<()> {
    let end = at.checked_add(count)?;
    if end > bytes.len() {
        return None;
    }
    *at = end;
    Some(())
}

/// Why a value cannot be read over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The bytes end too early, or are none of the format.
    Malformed,
    /// Groups lie too deep inside each other.
    TooDeep,
}

/// Reads over the value behind a key; `levels` groups may lie inside each other in it.
pub(super) fn skip(bytes: &[u8], at: &mut usize, key: u32, levels: usize) -> Result<(), Unread> {
    let skipped = match WireType::of_key(key) {
        Some(WireType::Varint) => skip_varint(bytes, at),
        Some(WireType::I64) => skip_bytes(bytes, at, 8),
        Some(WireType::Len) => delimited(bytes, at).map(|_| ()),
        Some(WireType::I32) => skip_bytes(bytes, at, 4),
        Some(WireType::StartGroup) => return skip_group(bytes, at, key, levels).map(|_| ()),
        Some(WireType::EndGroup) | None => None,
    };
    skipped.ok_or(Unread::Malformed)
}

/// Where the value behind a key ends, in bytes that were checked.
#[cold]
pub(super) fn skipped(bytes: &[u8], mut at: usize, key: u32) -> Option<usize> {
    skip(bytes, &mut at, key, usize::MAX).ok()?;
    Some(at)
}

/// Reads over a group, behind its start key; gives where its end key stands.
pub(super) fn skip_group(
    bytes: &[u8],
    at: &mut usize,
    start: u32,
    levels: usize,
) -> Result<usize, Unread> {
    let levels = levels.checked_sub(1).ok_or(Unread::TooDeep)?;
    loop {
        let end = *at;
        let key = key(bytes, at).ok_or(Unread::Malformed)?;
        if WireType::of_key(key) == Some(WireType::EndGroup) {
            let same = key >> 3 == start >> 3;
            return same.then_some(end).ok_or(Unread::Malformed);
        }
        skip(bytes, at, key, levels)?;
    }
}

/// How many groups lie inside each other in the rest of one, behind its start key.
pub(super) fn groups(rest: &[u8]) -> usize {
    let (mut at, mut open, mut deepest) = (0, 1_usize, 1);
    while let Some(key) = key(rest, &mut at) {
        match WireType::of_key(key) {
            Some(WireType::StartGroup) => open += 1,
            Some(WireType::EndGroup) => open = open.saturating_sub(1),
            _ => {
                if skip(rest, &mut at, key, 0).is_err() {
                    break;
                }
            }
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// Reads a number in its form in memory (see [`FieldType`]).
#[inline(always)]
pub(super) fn number(field_type: FieldType, bytes: &[u8], at: &mut usize) -> Option<u64> {
    match field_type.wire_type() {
        WireType::Varint => Some(from_varint(field_type, varint(bytes, at)?)),
        WireType::I32 => {
            let four = bytes.get(*at..)?.first_chunk::<4>()?;
            *at += 4;
            Some(from_four(field_type, *four))
        }
        WireType::I64 => {
            let eight = bytes.get(*at..)?.first_chunk::<8>()?;
            *at += 8;
            Some(u64::from_le_bytes(*eight))
        }
        _ => None,
    }
}

#[inline]
pub(super) fn from_varint(field_type: FieldType, raw: u64) -> u64 {
    match field_type {
        FieldType::Int32 | FieldType::Enum | FieldType::ClosedEnum => i64::from(raw as i32) as u64,
        FieldType::Uint32 => u64::from(raw as u32),
        FieldType::Sint32 => {
            let raw = raw as u32;
            let value = (raw >> 1) as i32 ^ -((raw & 1) as i32);
            i64::from(value) as u64
        }
        FieldType::Sint64 => ((raw >> 1) as i64 ^ -((raw & 1) as i64)) as u64,
        FieldType::Bool => u64::from(raw != 0),
        _ => raw,
    }
}

#[inline]
fn from_four(field_type: FieldType, four: [u8; 4]) -> u64 {
    match field_type {
        FieldType::Sfixed32 => i64::from(i32::from_le_bytes(four)) as u64,
        _ => u32::from_le_bytes(four).into(),
    }
}

/// What is written for a number that travels as varint.
#[inline]
pub(super) fn to_varint(field_type: FieldType, bits: u64) -> u64 {
    match field_type {
        FieldType::Sint32 => zigzag_32(bits),
        FieldType::Sint64 => zigzag_64(bits),
        _ => bits,
    }
}

#[inline]
pub(super) fn zigzag_32(bits: u64) -> u64 {
    let value = bits as i32;
    u64::from((value << 1 ^ value >> 31) as u32)
}

#[inline]
pub(super) fn zigzag_64(bits: u64) -> u64 {
    let value = bits as i64;
    (value << 1 ^ value >> 63) as u64
}

/// How many bytes a varint takes.
#[inline]
pub(super) fn varint_len(value: u64) -> usize {
    // One byte for each seven bits that are used, and one for 0: up to 64 bits that is the same as nine
    // bytes for each 64, without a division.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// Appends a varint.
#[inline]
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) const VARINT_BYTES_MAX: usize = 10;

/// The bit of each of eight bytes that says that more follow.
const HIGH: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_reflect::prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

    use super::*;

    proptest! {
        /// prost is the oracle.
        #[test]
        fn varints(value: u64, shift in 0..64_u32, tail in prop::collection::vec(any::<u8>(), 0..12)) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut expected = Vec::new();
            encode_varint(value, &mut expected);
            prop_assert_eq!(&bytes, &expected);
            prop_assert_eq!(varint_len(value), encoded_len_varint(value));
            bytes.extend(&tail);
            for bytes in [&bytes[..], &tail[..]] {
                let (mut at, mut rest) = (0, bytes);
                let ours = varint(bytes, &mut at);
                prop_assert_eq!(ours, decode_varint(&mut rest).ok());
                if ours.is_some() {
                    prop_assert_eq!(at, bytes.len() - rest.len());
                }
            }
        }
    }
}
