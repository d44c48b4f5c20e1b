//! Integers with a prefix of less than a byte (RFC 7541, 5.1).

use super::Malformed;

/// Reads an integer whose first byte was `first`; 4 to 7 bits of it are the prefix.
pub(super) fn decode(first: u8, prefix_bits: u32, input: &mut &[u8]) -> Result<usize, Malformed> {
    let mask = (1_u8 << prefix_bits) - 1;
    let prefix = first & mask;
    if prefix < mask {
        return Ok(usize::from(prefix));
    }
    let mut value = u64::from(prefix);
    for shift in (0..MORE_BYTES_MAX).map(|index| 7 * index) {
        let (byte, rest) = input
            .split_first()
            .ok_or(Malformed("an integer is cut off"))?;
        *input = rest;
        value += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // No length or index comes near 2^32.
            let value = u32::try_from(value).map_err(|_| Malformed("an integer is too large"))?;
            return Ok(value as usize);
        }
    }
    Err(Malformed("an integer is too long"))
}

/// Writes an integer; `flags` are the bits of the first byte above the prefix.
pub(super) fn encode(value: usize, flags: u8, prefix_bits: u32, out: &mut Vec<u8>) {
    let mask = (1_usize << prefix_bits) - 1;
    if value < mask {
        // It is below 2^prefix_bits.
        return out.push(flags | value as u8);
    }
    out.push(flags | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// With these, a number has 35 bits.
const MORE_BYTES_MAX: u32 = 5;
