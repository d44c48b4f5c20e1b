//! Packed lists: how many elements they have, and where.

use super::{HIGH, number, skip_varint};
use crate::schema::layout::{FieldType, WireType};

/// How many elements a packed list has, of a closed enum only those whose number is `named`; `None`
/// if they are not whole, or a varint is too long.
pub(in crate::message) fn count_packed(
    field_type: FieldType,
    packed: &[u8],
    named: impl Fn(u64) -> bool,
) -> Option<usize> {
    let width = match field_type.wire_type() {
        WireType::I32 => 4,
        WireType::I64 => 8,
        _ if field_type == FieldType::ClosedEnum => {
            let (mut at, mut count) = (0, 0);
            while at < packed.len() {
                count += usize::from(named(number(field_type, packed, &mut at)?));
            }
            return Some(count);
        }
        _ => return count_varints(packed),
    };
    packed
        .len()
        .is_multiple_of(width)
        .then_some(packed.len() / width)
}

/// How many varints there are in a packed list; `None` if they are not whole, or one is too long.
fn count_varints(packed: &[u8]) -> Option<usize> {
    if packed.last().is_some_and(|last| *last >= 0x80) {
        return None;
    }
    let (blocks, rest) = packed.as_chunks::<64>();
    let (mut count, mut before, mut suspicious) = (0, 0, false);
    for block in blocks {
        let more = more_follow(block);
        count += 64 - more.count_ones() as usize;
        suspicious |= has_row_of_nine(before, more);
        before = more;
    }
    let more = more_follow(rest);
    count += rest.len() - more.count_ones() as usize;
    suspicious |= has_row_of_nine(before, more);
    if suspicious {
        // The tenth byte has one bit, and no eleventh follows.
        let mut at = 0;
        while at < packed.len() {
            skip_varint(packed, &mut at)?;
        }
    }
    Some(count)
}

/// A bit for each of up to 64 bytes, set if it says that more follow.
#[inline]
fn more_follow(block: &[u8]) -> u64 {
    let (eights, rest) = block.as_chunks::<8>();
    let (mut all, mut shift) = (0, 0);
    for eight in eights {
        all |= gathered(*eight) << shift;
        shift += 8;
    }
    match block.last_chunk() {
        Some(last) if !rest.is_empty() => {
            // Some of these were seen before.
            all |= gathered(*last) << (block.len() - 8);
        }
        _ => {
            for byte in rest {
                all |= u64::from(byte >> 7) << shift;
                shift += 1;
            }
        }
    }
    all
}

/// The high bits of eight bytes next to each other.
#[inline]
fn gathered(eight: [u8; 8]) -> u64 {
    // Puts them, moved down by seven, next to each other at the top.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    ((u64::from_le_bytes(eight) & HIGH) >> 7).wrapping_mul(GATHER) >> 56
}

/// Whether nine bytes in a row say that more follow, as only in the longest of varints, in a block or
/// from the one before into it.
#[inline]
fn has_row_of_nine(before: u64, more: u64) -> bool {
    let both = u128::from(more) << 8 | u128::from(before >> 56);
    let two = both & both >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & both >> 8 != 0
}

/// Reads over so many varints, or all if there are fewer; gives where the next one is, and how many were
/// missing. They are whole.
pub(in crate::message) fn skip_varints(
    bytes: &[u8],
    mut at: usize,
    mut count: usize,
) -> (usize, usize) {
    while count > 0
        && let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk)
    {
        // A bit for each of the eight that is the last of its varint.
        let mut ends = !u64::from_le_bytes(*eight) & HIGH;
        let ended = ((ends >> 7).wrapping_mul(0x0101_0101_0101_0101) >> 56) as usize;
        if ended < count {
            (at, count) = (at + 8, count - ended);
            continue;
        }
        for _ in 1..count {
            ends &= ends - 1;
        }
        return (at + ends.trailing_zeros() as usize / 8 + 1, 0);
    }
    while count > 0
        && let Some(byte) = bytes.get(at)
    {
        at += 1;
        count -= usize::from(*byte < 0x80);
    }
    (at, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_reflect::prost::encoding::decode_varint;

    use super::*;

    proptest! {
        /// prost is the oracle.
        #[test]
        fn packed_varints(bytes in prop::collection::vec(prop_oneof![Just(0xff_u8), Just(0x80), any::<u8>(), 0..3_u8], 0..64)) {
            let mut rest = &bytes[..];
            let mut expected = Some(0);
            while !rest.is_empty() {
                expected = match decode_varint(&mut rest) {
                    Ok(_) => expected.map(|count| count + 1),
                    Err(_) => None,
                };
                if expected.is_none() {
                    break;
                }
            }
            prop_assert_eq!(count_varints(&bytes), expected);
        }
    }
}
