//! Random bytes that are an encoding of a message, or nearly one.
//!
//! An encoder writes each field once, in order and in its shortest form. What is made here has all
//! that the wire allows: fields in any order and again, packed and not, varints that are longer than
//! need be, entries without key or value, sub-messages in pieces, numbers that nobody knows.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use prost_reflect::{
    Kind, MessageDescriptor, Syntax,
    prost::encoding::{WireType, encode_key, encode_varint},
};

use crate::random_message::Random;

/// An encoding of a message of that type, with sub-messages down to `depth` levels.
pub(crate) fn random_wire(
    descriptor: &MessageDescriptor,
    random: &mut Random,
    depth: u32,
) -> Vec<u8> {
    let fields = fields(descriptor);
    let mut wire = Vec::new();
    for _ in 0..random.below(10) {
        if fields.is_empty() || random.below(12) == 0 {
            unknown(&mut wire, random, depth);
            continue;
        }
        let field = &fields[random.below(fields.len() as u64) as usize];
        // The same field again, at once.
        for _ in 0..1 + random.below(5) / 3 {
            known(&mut wire, field, random, depth);
        }
    }
    wire
}

/// The encoding with something wrong in it; sometimes nothing.
pub(crate) fn corrupted(mut wire: Vec<u8>, random: &mut Random) -> Vec<u8> {
    if wire.is_empty() {
        return wire;
    }
    let len = wire.len() as u64;
    let at = random.below(len) as usize;
    let end = at + random.below(len - at as u64 + 1) as usize;
    match random.below(8) {
        0 => wire[at] ^= 1 << random.below(8),
        1 => wire.truncate(at),
        2 => wire.insert(at, random.next() as u8),
        3 => drop(wire.remove(at)),
        // Where it is a tag, another wire type.
        4 => wire[at] = wire[at] & !7 | random.below(8) as u8,
        5 => {
            let again = wire[at..end].to_vec();
            wire.extend(again);
        }
        6 => wire[at..end].fill([0x00, 0x80, 0xff][random.below(3) as usize]),
        _ => wire.rotate_left(at),
    }
    wire
}

/// A field or an extension.
struct Shape {
    number: u32,
    kind: Kind,
    list: bool,
    map: bool,
    group: bool,
}

fn fields(descriptor: &MessageDescriptor) -> Vec<Shape> {
    let fields = descriptor.fields().map(|field| Shape {
        number: field.number(),
        kind: field.kind(),
        list: field.is_list(),
        map: field.is_map(),
        group: field.is_group(),
    });
    let extensions = descriptor.extensions().map(|extension| Shape {
        number: extension.number(),
        kind: extension.kind(),
        list: extension.is_list(),
        map: false,
        group: extension.is_group(),
    });
    fields.chain(extensions).collect()
}

fn known(wire: &mut Vec<u8>, field: &Shape, random: &mut Random, depth: u32) {
    let wire_type = field.kind.wire_type();
    match &field.kind {
        Kind::Message(entry) if field.map => {
            let entry = map_entry(entry, random, depth);
            length_delimited(wire, field.number, &entry);
        }
        Kind::Message(_) if depth == 0 => {}
        Kind::Message(message) if field.group => {
            encode_key(field.number, WireType::StartGroup, wire);
            wire.extend(random_wire(message, random, depth - 1));
            encode_key(field.number, WireType::EndGroup, wire);
        }
        kind if field.list && wire_type != WireType::LengthDelimited && random.below(2) == 0 => {
            let mut packed = Vec::new();
            for _ in 0..random.below(5) {
                value(&mut packed, kind, random, depth);
            }
            length_delimited(wire, field.number, &packed);
        }
        kind => {
            encode_key(field.number, wire_type, wire);
            value(wire, kind, random, depth);
        }
    }
}

/// Key and value, one of them, none, each twice, in any order, and something else.
fn map_entry(entry: &MessageDescriptor, random: &mut Random, depth: u32) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut fields = fields(entry);
    if random.below(4) == 0 {
        fields.reverse();
    }
    for field in &fields {
        for _ in 0..[1, 1, 1, 1, 0, 2][random.below(6) as usize] {
            known(&mut wire, field, random, depth);
        }
    }
    if random.below(8) == 0 {
        unknown(&mut wire, random, 1);
    }
    wire
}

fn value(wire: &mut Vec<u8>, kind: &Kind, random: &mut Random, depth: u32) {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
            wire.extend(double_bits(random).to_le_bytes());
        }
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
            wire.extend(float_bits(random).to_le_bytes());
        }
        Kind::String => {
            let text = TEXTS[random.below(TEXTS.len() as u64) as usize];
            // Now and then no UTF-8.
            let cut = usize::from(!text.is_empty() && random.below(30) == 0);
            let text = &text.as_bytes()[..text.len() - cut];
            encode_varint(text.len() as u64, wire);
            wire.extend(text);
        }
        Kind::Bytes => {
            let bytes: Vec<u8> = (0..random.below(20)).map(|_| random.next() as u8).collect();
            encode_varint(bytes.len() as u64, wire);
            wire.extend(bytes);
        }
        Kind::Message(message) => {
            let inner = match depth {
                0 => Vec::new(),
                _ => random_wire(message, random, depth - 1),
            };
            encode_varint(inner.len() as u64, wire);
            wire.extend(inner);
        }
        Kind::Enum(kind) => {
            let values: Vec<_> = kind.values().collect();
            let value = values[random.below(values.len() as u64) as usize].number();
            // Now and then a number that has no name, seldom where that is no value of the enum.
            let closed = kind.parent_file().syntax() == Syntax::Proto2;
            let value = match random.below(if closed { 40 } else { 4 }) {
                0 => random.bits() as i32,
                _ => value,
            };
            varint(wire, value as u64, random);
        }
        Kind::Bool => varint(wire, random.below(3), random),
        // An int32 of more bits than it has is cut off.
        _ => {
            let bits = random.bits();
            varint(wire, bits, random);
        }
    }
}

/// In its shortest form or with bytes of nothing behind it.
fn varint(wire: &mut Vec<u8>, value: u64, random: &mut Random) {
    encode_varint(value, wire);
    if random.below(10) == 0 && value < 1 << 40 {
        let last = wire.len() - 1;
        wire[last] |= 0x80;
        wire.extend([0x80, 0x00]);
    }
}

/// A field of a number that is seldom one of the type's.
fn unknown(wire: &mut Vec<u8>, random: &mut Random, depth: u32) {
    let number = [60 + random.below(20), 1_100, 536_870_911][random.below(3) as usize] as u32;
    match random.below(5) {
        0 => {
            encode_key(number, WireType::Varint, wire);
            let bits = random.bits();
            varint(wire, bits, random);
        }
        1 => {
            encode_key(number, WireType::SixtyFourBit, wire);
            wire.extend(random.next().to_le_bytes());
        }
        2 => {
            encode_key(number, WireType::ThirtyTwoBit, wire);
            wire.extend((random.next() as u32).to_le_bytes());
        }
        3 => length_delimited(wire, number, &random.next().to_le_bytes()),
        _ => {
            encode_key(number, WireType::StartGroup, wire);
            if depth > 0 {
                unknown(wire, random, depth - 1);
            }
            encode_key(number, WireType::EndGroup, wire);
        }
    }
}

fn length_delimited(wire: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, wire);
    encode_varint(bytes.len() as u64, wire);
    wire.extend(bytes);
}

fn double_bits(random: &mut Random) -> u64 {
    match random.below(10) {
        0..4 => (random.below(2000) as f64 / 8.0 - 100.0).to_bits(),
        4 => DOUBLES[random.below(5) as usize].to_bits(),
        _ => random.next(),
    }
}

fn float_bits(random: &mut Random) -> u32 {
    match random.below(10) {
        0..4 => (random.below(2000) as f32 / 8.0 - 100.0).to_bits(),
        4 => (DOUBLES[random.below(5) as usize] as f32).to_bits(),
        _ => random.next() as u32,
    }
}

const DOUBLES: [f64; 5] = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];

const TEXTS: [&str; 7] = [
    "",
    "a",
    "Ada \"the\" \\ first",
    "été 日本 \u{1f600}",
    "\u{0}\n",
    "a text that is longer than sixteen bytes, all of them ASCII",
    "one that is longer than that and not all of it ASCII: naïve",
];
