//! Varints written from their end.

use crate::message::wire;

/// Writes a varint that ends at a place, and gives where it begins; writes over up to seven bytes in
/// front of it, for whole words are stored. The place is at least ten bytes behind the front.
#[inline]
pub(super) fn put_before(bytes: &mut [u8], at: usize, value: u64) -> usize {
    let room = &mut bytes[..at];
    if value < 0x80 {
        if let Some(last) = room.last_mut() {
            *last = value as u8;
        }
        at - 1
    } else if value < 0x4000 {
        if let Some(two) = room.last_chunk_mut() {
            *two = [value as u8 | 0x80, (value >> 7) as u8];
        }
        at - 2
    } else {
        put_long_before(room, value)
    }
}

fn put_long_before(room: &mut [u8], value: u64) -> usize {
    // Groups of seven bits are put a byte apart: by four, by two, by one.
    let fours = value & 0x0fff_ffff | (value & 0x00ff_ffff_f000_0000) << 4;
    let twos = fours & 0x0000_3fff_0000_3fff | (fours & 0x0fff_c000_0fff_c000) << 2;
    let ones = twos & 0x007f_007f_007f_007f | (twos & 0x3f80_3f80_3f80_3f80) << 1;
    let word = ones | 0x8080_8080_8080_8080;
    let count = wire::varint_len(value);
    let at = room.len();
    if count <= 8 {
        // The last byte says that no more follow.
        let word = (word << (64 - 8 * count)) & (u64::MAX >> 1);
        if let Some(eight) = room.last_chunk_mut() {
            *eight = word.to_le_bytes();
        }
    } else if let Some(ten) = room.last_chunk_mut::<10>() {
        // The top bit of the ninth byte is the value's, and says that the tenth follows.
        let from = 10 - count;
        ten[from..from + 8].copy_from_slice(&word.to_le_bytes());
        ten[from + 8] = (value >> 56) as u8;
        if count == 10 {
            ten[9] = 1;
        }
    }
    at - count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_reflect::prost::encoding::encode_varint;

    use super::*;

    proptest! {
        /// prost is the oracle.
        #[test]
        fn varints(value: u64, shift in 0..64_u32) {
            let value = value >> shift;
            let mut expected = Vec::new();
            encode_varint(value, &mut expected);
            let mut room = [0xff; 12];
            let at = put_before(&mut room, 11, value);
            prop_assert_eq!(&room[at..11], &expected);
            prop_assert_eq!(room[11], 0xff, "nothing behind it is written over");
        }
    }
}
