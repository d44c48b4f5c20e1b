//! A fast hash of bytes: tells a row that was damaged on disk.

/// The hash of `parts`, one after the other; where one part ends and the next begins counts.
///
/// Not for adversaries: who can choose the bytes can choose the hash. Each step (exclusive or, then
/// a multiplication by an odd number and a rotation) can be undone, so two inputs that differ in one
/// word of eight bytes never have the same 64 bits.
pub(super) fn checksum(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(SEED, |hash, part| {
        let (words, rest) = part.as_chunks::<8>();
        let hash = words
            .iter()
            .fold(hash, |hash, word| step(hash, u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        step(step(hash, u64::from_le_bytes(last)), part.len() as u64)
    })
}

fn step(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(FACTOR).rotate_left(29)
}

/// The first digits of the golden ratio's fraction in binary: odd, and as many ones as zeros.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// Not 0, so that zeros count from the first word on.
const SEED: u64 = 0xd6e8_feb8_6659_fd93;
