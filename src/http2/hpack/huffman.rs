//! The Huffman code of strings (RFC 7541, 5.2 and Appendix B).
//!
//! The code is canonical: its words follow from their lengths. Both tables are made of these by the
//! compiler.

use super::Malformed;

/// Appends what `encoded` stands for.
pub(super) fn decode(encoded: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    // No word is shorter than five bits.
    out.reserve(encoded.len() * 8 / 5);
    let mut state = ROOT;
    for byte in encoded {
        for nibble in [byte >> 4, byte & 0xf] {
            let step = STEPS
                .get(usize::from(state))
                .and_then(|steps| steps.get(usize::from(nibble)))
                .copied()
                .unwrap_or(Step::NONE);
            match step.emits {
                Emits::Nothing => {}
                Emits::Symbol => out.push(step.symbol),
                // "A Huffman-encoded string literal containing the EOS symbol MUST be treated as a
                // decoding error."
                Emits::EndOfString => return Err(Malformed("EOS within a string")),
            }
            state = step.next;
        }
    }
    match ENDS.get(usize::from(state)) {
        Some(true) => Ok(()),
        // "A padding strictly longer than 7 bits MUST be treated as a decoding error. A padding not
        // corresponding to the most significant bits of the code for the EOS symbol MUST be …"
        _ => Err(Malformed("a string with false padding")),
    }
}

/// How long `plain` is when it is encoded.
pub(super) fn encoded_len(plain: &[u8]) -> usize {
    let bits: usize = plain.iter().map(|byte| usize::from(word(*byte).1)).sum();
    bits.div_ceil(8)
}

/// Appends `plain` encoded.
pub(super) fn encode(plain: &[u8], out: &mut Vec<u8>) {
    // The bits that do not fill a byte yet are the lowest of `bits`; at most 7 of them, and 30 more.
    let (mut bits, mut count) = (0_u64, 0);
    for byte in plain {
        let (word, length) = word(*byte);
        bits = bits << length | u64::from(word);
        count += u32::from(length);
        while count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    if count > 0 {
        // The most significant bits of EOS are ones.
        out.push((bits << (8 - count)) as u8 | 0xff >> count);
    }
}

fn word(byte: u8) -> (u32, u8) {
    let at = usize::from(byte);
    let word = WORDS.get(at).zip(LENGTHS.get(at));
    word.map_or((0, 0), |(word, length)| (*word, *length))
}

/// What four more bits do.
#[derive(Clone, Copy)]
struct Step {
    next: u8,
    emits: Emits,
    symbol: u8,
}

#[derive(Clone, Copy)]
enum Emits {
    Nothing,
    Symbol,
    EndOfString,
}

impl Step {
    const NONE: Self = Self {
        next: ROOT,
        emits: Emits::Nothing,
        symbol: 0,
    };
}

/// The inner nodes of the code's tree, and what is below each: a node, or `LEAF` and a symbol.
#[allow(clippy::indexing_slicing, reason = "run by the compiler")]
const fn tree() -> [[u16; 2]; NODES] {
    let mut tree = [[NONE; 2]; NODES];
    let mut nodes = 1;
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let mut node = 0;
        let mut left = LENGTHS[symbol];
        while left > 1 {
            left -= 1;
            let bit = (WORDS[symbol] >> left & 1) as usize;
            if tree[node][bit] == NONE {
                tree[node][bit] = nodes;
                nodes += 1;
            }
            node = tree[node][bit] as usize;
        }
        tree[node][(WORDS[symbol] & 1) as usize] = LEAF | symbol as u16;
        symbol += 1;
    }
    tree
}

#[allow(clippy::indexing_slicing, reason = "run by the compiler")]
const fn steps() -> [[Step; 16]; NODES] {
    let tree = tree();
    let mut steps = [[Step::NONE; 16]; NODES];
    let mut state = 0;
    while state < NODES {
        let mut nibble = 0;
        while nibble < 16 {
            let mut step = Step::NONE;
            let mut node = state;
            let mut left = 4;
            while left > 0 {
                left -= 1;
                let below = tree[node][nibble >> left & 1];
                if below & LEAF == 0 {
                    node = below as usize;
                    continue;
                }
                let symbol = below & !LEAF;
                // No word is shorter than five bits, so no step emits twice.
                step.symbol = symbol as u8;
                step.emits = if symbol == EOS {
                    Emits::EndOfString
                } else {
                    Emits::Symbol
                };
                node = 0;
            }
            step.next = node as u8;
            steps[state][nibble] = step;
            nibble += 1;
        }
        state += 1;
    }
    steps
}

/// Where a string may end: after a whole word, and up to seven ones.
#[allow(clippy::indexing_slicing, reason = "run by the compiler")]
const fn ends() -> [bool; NODES] {
    let tree = tree();
    let mut ends = [false; NODES];
    let mut node = 0;
    let mut ones = 0;
    while ones <= 7 {
        ends[node] = true;
        node = tree[node][1] as usize;
        ones += 1;
    }
    ends
}

/// Word after word in the order of their lengths, and then of their symbols, counts up by one.
#[allow(clippy::indexing_slicing, reason = "run by the compiler")]
const fn words() -> [u32; SYMBOLS] {
    let mut words = [0; SYMBOLS];
    let mut word = 0;
    let mut length = 1;
    while length <= 30 {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] == length {
                words[symbol] = word;
                word += 1;
            }
            symbol += 1;
        }
        word <<= 1;
        length += 1;
    }
    words
}

const ROOT: u8 = 0;
const SYMBOLS: usize = 257;
/// A binary tree with 257 leaves has 256 inner nodes.
const NODES: usize = 256;
const LEAF: u16 = 1 << 15;
const NONE: u16 = 0;
const EOS: u16 = 256;

static STEPS: [[Step; 16]; NODES] = steps();
static ENDS: [bool; NODES] = ends();
static WORDS: [u32; SYMBOLS] = words();

/// How many bits the word of each byte has, and at the end that of EOS (Appendix B).
#[rustfmt::skip]
static LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
