//! Entries of maps.

use super::{
    Fault, Why,
    layout::{Decoder, Open, node_of},
    scalar::{Scalar, hash, hash_of, scalar},
};
use crate::{
    message::{
        received::{Node, run},
        utf8::is_utf8,
        wire,
    },
    schema::layout::{FieldLayout, FieldType, Layout},
};

impl<'a> Decoder<'a> {
    /// Reads an entry of a map, and those that follow it at once, as mostly all do; gives where the last
    /// one ends.
    #[inline(never)]
    pub(super) fn entries(
        &mut self,
        around: &Open<'a>,
        slot: u16,
        mut key_at: usize,
        mut at: usize,
        field: &FieldLayout,
    ) -> Result<usize, Box<Fault>> {
        let layout = self.tables.layout(field.inner);
        loop {
            at = self.entry(around, layout, slot, key_at, at)?;
            key_at = at;
            if wire::key(&self.bytes[..around.limit], &mut at) != Some(field.key) {
                return Ok(key_at);
            }
        }
    }

    /// Reads an entry, a message with the key as field 1 and the value as field 2; gives where it ends.
    /// One whose value is to be kept as unknown is none of the map's.
    #[inline(always)]
    fn entry(
        &mut self,
        around: &Open<'a>,
        layout: &Layout,
        slot: u16,
        key_at: usize,
        mut at: usize,
    ) -> Result<usize, Box<Fault>> {
        let Some(limit) = wire::length(&self.bytes[..around.limit], &mut at) else {
            return Err(Fault::new(Why::Cut, at));
        };
        let bytes = &self.bytes[..limit];
        if let Some(key) = text_key(layout, &bytes[at..]) {
            if let Some(run) = self.add_elements(around, slot, key_at, 1, Node::NONE) {
                add_key(run, hash(key));
            }
            return Ok(limit);
        }
        let (mut node, mut values, mut known) = (Node::NONE, 0, true);
        let mut key_hash = hash(&[]);
        while at < limit {
            let part_at = at;
            let Some(key) = wire::key(bytes, &mut at) else {
                return Err(Fault::new(Why::Key, part_at));
            };
            let part = match &*layout.fields {
                [part, _] | [_, part] if part.key == key => part,
                _ => {
                    at = self.stray(layout, bytes, (part_at, at), key, around.levels)?;
                    continue;
                }
            };
            let value_at = at;
            let entry = match scalar(part.field_type, key, bytes, at) {
                Scalar::Read(end) => {
                    at = end;
                    Some(value_at as u32)
                }
                Scalar::Wrong(why) => return Err(Fault::new(why, value_at)),
                // The entry itself counts as no level, here and wherever else levels are counted.
                Scalar::Other => {
                    let mut behind = at;
                    let entry = self.value(around, limit, &mut behind, part)?;
                    at = behind;
                    entry
                }
            };
            if part.number == VALUE_NUMBER {
                known = entry.is_some();
                values += 1;
                node = entry.map_or(Node::NONE, node_of);
                self.split |= values > 1 && part.field_type.is_message();
            } else {
                key_hash = hash_of(part.field_type, bytes, value_at);
            }
        }
        if known && let Some(run) = self.add_elements(around, slot, key_at, 1, node) {
            add_key(run, key_hash);
        }
        Ok(at)
    }

    /// What stands in an entry and is neither key nor value.
    #[cold]
    fn stray(
        &mut self,
        layout: &Layout,
        bytes: &[u8],
        (key_at, at): (usize, usize),
        key: u32,
        levels: usize,
    ) -> Result<usize, Box<Fault>> {
        let Some((_, part)) = layout.by_number(key >> 3) else {
            return self.unknown(bytes, at, key, levels);
        };
        let expected = part.field_type.wire_type();
        Err(Fault::new(Why::WireType { expected, key }, key_at))
    }
}

/// The key of an entry of two short strings, as encoders write it: the key and then the value.
#[inline(always)]
fn text_key<'a>(layout: &Layout, entry: &'a [u8]) -> Option<&'a [u8]> {
    let [key_part, value_part] = &*layout.fields else {
        return None;
    };
    if key_part.field_type != FieldType::String || value_part.field_type != FieldType::String {
        return None;
    }
    let (key, rest) = wire::short(entry, key_part.key)?;
    let (value, rest) = wire::short(rest, value_part.key)?;
    (rest.is_empty() && is_utf8(key) && is_utf8(value)).then_some(key)
}

/// Notes a key of a map: where two may be the same, whoever iterates has to look.
#[inline]
fn add_key(run: &mut [u32; run::WORDS], bit: usize) {
    let seen = &mut run[run::KEYS + bit / 32];
    if *seen >> (bit % 32) & 1 == 1 {
        run[run::COUNT] |= run::MAY_REPEAT;
    } else {
        *seen |= 1 << (bit % 32);
    }
}

/// The number of the value in the entry of a map.
const VALUE_NUMBER: u32 = 2;
