//! Packed lists: how many elements they have, and where.

use super::{HIGH, joined_twos, long_varint, number, skip_varint};
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
    let two = more & more >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & more >> 8 != 0 || before.leading_ones() + more.trailing_ones() >= 9
}

/// Folds the varints of a packed list; says how many there are. Eight bytes are looked at in one go: what
/// stands beside a small number is mostly small, too.
#[inline]
pub(in crate::message) fn fold_varints<B>(
    packed: &[u8],
    init: B,
    mut f: impl FnMut(B, u64) -> B,
) -> (B, usize) {
    /// What says that more follow, where each varint is of two bytes.
    const TWOS: u64 = 0x0080_0080_0080_0080;
    let (mut at, mut count, mut all) = (0, 0, init);
    loop {
        let rest = packed.get(at..).unwrap_or_default();
        let eight = rest.first_chunk();
        if let Some(eight) = eight {
            let word = u64::from_le_bytes(*eight);
            if word & HIGH == 0 {
                all = eight.iter().fold(all, |all, byte| f(all, (*byte).into()));
                (at, count) = (at + 8, count + 8);
                continue;
            }
            if word & HIGH == TWOS {
                let twos = joined_twos(word).to_le_bytes();
                let (twos, _) = twos.as_chunks();
                let twos = twos.iter().map(|two| u16::from_le_bytes(*two));
                all = twos.fold(all, |all, two| f(all, two.into()));
                (at, count) = (at + 8, count + 4);
                continue;
            }
        }
        let (raw, length) = match *rest {
            [one @ ..0x80, ..] => (one.into(), 1),
            [low, high @ ..0x80, ..] => (u64::from(low & 0x7f) | u64::from(high) << 7, 2),
            _ => long_varint(rest),
        };
        if length == 0 {
            return (all, count);
        }
        all = f(all, raw);
        (at, count) = (at + length, count + 1);
    }
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
    use prost_reflect::prost::encoding::{decode_varint, encode_varint};

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

        /// Runs of short ones among others; prost is the oracle.
        #[test]
        fn folded_varints(runs in prop::collection::vec((0..64_u32, 1..20_usize, any::<u64>()), 0..8)) {
            let mut expected = Vec::new();
            for (shift, count, number) in runs {
                expected.extend((0..count as u64).map(|at| number.wrapping_mul(2 * at + 1) >> shift));
            }
            let mut packed = Vec::new();
            expected.iter().for_each(|number| encode_varint(*number, &mut packed));
            let (numbers, count) = fold_varints(&packed, Vec::new(), |mut all, number| {
                all.push(number);
                all
            });
            prop_assert_eq!(count, numbers.len());
            prop_assert_eq!(numbers, expected);
        }
    }
}
