//! How much memory a message will take, found from its bytes before it is decoded.
//!
//! One byte on the wire can become hundreds in memory: an element of a list takes [`VALUE_BYTES`], a
//! sub-message with a field in it a tree node of [`LEAF_BYTES`]. So the bytes are walked once
//! without making anything of them, and a message that would take too much is refused before any of
//! it is decoded. The walk keeps its own stack: nesting is limited, but whoever sends the bytes does
//! not know that.
//!
//! What is counted is what prost-reflect allocates. It is never less than that where bytes decode;
//! where they do not, the walk ends at the same place as the decoder, which tells why.

mod plan;

use std::mem::size_of;

use prost_reflect::{
    MapKey, MessageDescriptor, UnknownField, Value,
    prost::encoding::{WireType, decode_key, decode_varint},
};

use crate::limits::MESSAGE_NESTING_MAX;
use plan::{FieldPlan, Plans, Scalar, Shape};

/// Whether a message takes more than `bytes_max` when it is decoded.
///
/// Short messages, which most are, are not looked at: they cannot.
pub(crate) fn exceeds(descriptor: &MessageDescriptor, encoded: &[u8], bytes_max: usize) -> bool {
    encoded.len() > bytes_max / AMPLIFICATION_MAX
        && cost(descriptor, encoded, bytes_max) > bytes_max
}

/// The bytes that a message takes when it is decoded, beyond those of its encoding that it shares;
/// a number above `bytes_max` where it is more than that.
pub(crate) fn cost(descriptor: &MessageDescriptor, encoded: &[u8], bytes_max: usize) -> usize {
    let mut walk = Walk {
        plans: Plans::default(),
        open: Vec::new(),
        rest: encoded,
        bytes: 0,
    };
    let root = Contents::Message(walk.plans.of_type(descriptor));
    walk.open.push(Open::new(root, End::Remaining(0)));
    while walk.bytes <= bytes_max && walk.step().is_some() {}
    walk.bytes
}

struct Walk<'a> {
    plans: Plans,
    /// The message that is walked, and those it lies in.
    open: Vec<Open>,
    rest: &'a [u8],
    bytes: usize,
}

/// A message that has begun and not ended.
struct Open {
    contents: Contents,
    end: End,
    /// The fields that have come, by their numbers as far as these are small; and the last one.
    seen: u128,
    last: u32,
    /// How many elements the list of the last one has; not known of one that comes again after others.
    elements: Option<usize>,
    /// What these elements fill; and those of the lists before, which double if they go on.
    filled_bytes: usize,
    left_bytes: usize,
    /// How many different ones have come, or more.
    fields: usize,
}

#[derive(Clone, Copy)]
enum Contents {
    /// Of the type with this index among the plans.
    Message(usize),
    /// The same for the entry of a map, which is no message in memory.
    Entry(usize),
    /// A group that no descriptor knows.
    Unknown,
}

#[derive(Clone, Copy)]
enum End {
    /// When as many bytes are left as this.
    Remaining(usize),
    /// With the end tag of this number.
    Group(u32),
}

impl Walk<'_> {
    /// Walks one field, or closes what is open; `None` at the end, and where the decoder will stop.
    fn step(&mut self) -> Option<()> {
        let open = self.open.last()?;
        if let End::Remaining(end) = open.end
            && self.rest.len() <= end
        {
            let ends_there = self.rest.len() == end;
            self.open.pop();
            return ends_there.then_some(());
        }
        let (contents, end) = (open.contents, open.end);
        let (number, wire_type) = decode_key(&mut self.rest).ok()?;
        if let End::Group(begun) = end
            && wire_type == WireType::EndGroup
        {
            self.open.pop();
            return (begun == number).then_some(());
        }
        let plan = match contents {
            Contents::Message(index) | Contents::Entry(index) => self.plans.field(index, number),
            Contents::Unknown => None,
        };
        match plan {
            Some(plan) => self.known(number, wire_type, plan),
            None => self.unknown(number, wire_type),
        }
    }

    fn known(&mut self, number: u32, wire_type: WireType, plan: FieldPlan) -> Option<()> {
        let first = self.enter_field(number);
        match plan.shape {
            Shape::One => {}
            Shape::List if wire_type == WireType::LengthDelimited && plan.scalar.is_packable() => {
                return self.packed(plan.scalar);
            }
            Shape::List => self.add_elements(1, VALUE_BYTES),
            Shape::Map => {
                self.bytes += if first { MAP_BYTES } else { MAP_ENTRY_BYTES };
                // prost-reflect reads an entry whatever the wire type says, be it the end of a group.
                return self.open_length(Contents::Entry(plan.contents));
            }
        }
        match plan.scalar {
            Scalar::Number(of) if of == wire_type => self.skip(wire_type),
            Scalar::Bytes if wire_type == WireType::LengthDelimited => self.skip(wire_type),
            Scalar::Text if wire_type == WireType::LengthDelimited => self.text(),
            Scalar::Message if wire_type == WireType::LengthDelimited => {
                self.open_length(Contents::Message(plan.contents))
            }
            Scalar::Group if wire_type == WireType::StartGroup => {
                self.open(Contents::Message(plan.contents), End::Group(number))
            }
            _ => None,
        }
    }

    /// The elements of a packed list, counted without a walk over them.
    fn packed(&mut self, scalar: Scalar) -> Option<()> {
        let packed = self.take()?;
        let elements = match scalar {
            Scalar::Number(WireType::ThirtyTwoBit) => packed.len().div_ceil(4),
            Scalar::Number(WireType::SixtyFourBit) => packed.len().div_ceil(8),
            // The last byte of a varint is the one without the high bit.
            _ => packed.iter().filter(|byte| **byte < 0x80).count(),
        };
        self.add_elements(elements, VALUE_BYTES);
        Some(())
    }

    fn unknown(&mut self, number: u32, wire_type: WireType) -> Option<()> {
        // In an unknown group all fields are in one list.
        if !matches!(self.open.last()?.contents, Contents::Unknown) {
            self.enter_field(number);
        }
        self.add_elements(1, UNKNOWN_BYTES);
        if wire_type == WireType::StartGroup {
            return self.open(Contents::Unknown, End::Group(number));
        }
        self.skip(wire_type)
    }

    /// Counts the place of a field in its message; whether it is the first of its number.
    fn enter_field(&mut self, number: u32) -> bool {
        let Some(open) = self.open.last_mut() else {
            return true;
        };
        let bit = 1_u128.checked_shl(number).unwrap_or(0);
        if open.last == number {
            return false;
        }
        let seen = open.seen & bit != 0;
        open.left_bytes += std::mem::take(&mut open.filled_bytes);
        if seen || bit == 0 {
            self.bytes += std::mem::take(&mut open.left_bytes);
        }
        open.seen |= bit;
        open.last = number;
        open.elements = (!seen).then_some(0);
        if seen {
            return false;
        }
        open.fields += 1;
        if let Contents::Message(_) = open.contents {
            self.bytes += match open.fields {
                1 => LEAF_BYTES,
                // A full leaf is split in the middle, and there is a node above the two.
                fields if fields > LEAF_FIELDS && fields % (LEAF_FIELDS / 2 + 1) == 0 => {
                    LEAF_BYTES + INTERNAL_BYTES
                }
                _ => 0,
            };
        }
        true
    }

    /// Counts what a list takes when elements are added one by one: it begins with room for four, and
    /// doubles.
    fn add_elements(&mut self, elements: usize, element_bytes: usize) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let places = match open.elements {
            Some(before) => {
                let after = before + elements;
                open.elements = Some(after);
                open.filled_bytes += elements * element_bytes;
                capacity(after) - capacity(before)
            }
            None => 2 * elements,
        };
        self.bytes += places * element_bytes;
        if open.elements == Some(elements) && elements > 0 {
            self.bytes += ALLOCATION_BYTES;
        }
    }

    fn text(&mut self) -> Option<()> {
        let text = self.take()?;
        if !text.is_empty() {
            self.bytes += text.len() + ALLOCATION_BYTES;
        }
        Some(())
    }

    fn skip(&mut self, wire_type: WireType) -> Option<()> {
        let length = match wire_type {
            WireType::Varint => return decode_varint(&mut self.rest).ok().map(|_| ()),
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => return self.take().map(|_| ()),
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        self.rest = self.rest.get(length..)?;
        Some(())
    }

    /// What stands behind a length.
    fn take(&mut self) -> Option<&[u8]> {
        let length = decode_varint(&mut self.rest).ok()?;
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn open_length(&mut self, contents: Contents) -> Option<()> {
        let length = usize::try_from(decode_varint(&mut self.rest).ok()?).ok()?;
        // Longer than the message around it is for the decoder to find, and it decodes it first.
        let end = self.rest.len().checked_sub(length)?;
        self.open(contents, End::Remaining(end))
    }

    fn open(&mut self, contents: Contents, end: End) -> Option<()> {
        // The root, and with each message below it an entry at the most.
        if self.open.len() > 2 * MESSAGE_NESTING_MAX + 1 {
            return None;
        }
        self.open.push(Open::new(contents, end));
        Some(())
    }
}

impl Open {
    fn new(contents: Contents, end: End) -> Self {
        Self {
            contents,
            end,
            seen: 0,
            last: 0,
            elements: Some(0),
            filled_bytes: 0,
            left_bytes: 0,
            fields: 0,
        }
    }
}

fn capacity(elements: usize) -> usize {
    match elements {
        0 => 0,
        _ => elements.max(4).next_power_of_two(),
    }
}

/// The most that one byte can become, 540: a message of two bytes that is a map with an empty entry.
/// Of longer ones it is 470: a message in a list of one, in a message in a list of one, and so on,
/// each of two bytes.
pub(crate) const AMPLIFICATION_MAX: usize = 576;

const VALUE_BYTES: usize = size_of::<Value>();
const UNKNOWN_BYTES: usize = size_of::<UnknownField>();

/// What an allocation takes beyond what was asked for.
const ALLOCATION_BYTES: usize = 24;

/// The fields of a message are a B-tree by number, with up to eleven in a node.
const LEAF_FIELDS: usize = 11;
const LEAF_BYTES: usize = LEAF_FIELDS * (4 + VALUE_BYTES) + 16 + ALLOCATION_BYTES;
const INTERNAL_BYTES: usize = LEAF_BYTES + (LEAF_FIELDS + 1) * size_of::<usize>();

/// A hash table keeps a byte with each place, and an eighth to more than a half of them free.
const MAP_SLOT_BYTES: usize = size_of::<(MapKey, Value)>() + 1;
const MAP_ENTRY_BYTES: usize = MAP_SLOT_BYTES * 16 / 7 + 1;
const MAP_BYTES: usize = 4 * MAP_SLOT_BYTES + 32 + ALLOCATION_BYTES;
