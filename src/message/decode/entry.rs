//! Entries of maps.

use super::{
    Fault, Why,
    layout::{Decoder, Open, node_of},
    scalar::{Scalar, hash, hash_of, scalar},
};
use crate::{
    message::{
        received::{Node, run},
        wire,
    },
    schema::layout::FieldLayout,
};

impl<'a> Decoder<'a> {
    /// Reads an entry of a map, a message with the key as field 1 and the value as field 2; gives the
    /// node of the value and a hash of the key, or `None` if it is to be kept as unknown.
    pub(super) fn entry(
        &mut self,
        around: &Open<'a>,
        bytes: &'a [u8],
        at: &mut usize,
        field: &FieldLayout,
    ) -> Result<Option<(Node, usize)>, Box<Fault>> {
        let mut here = *at;
        let Some(limit) = wire::length(bytes, &mut here) else {
            return Err(Fault::new(Why::Cut, here));
        };
        let bytes = &bytes[..limit];
        let layout = self.tables.layout(field.inner);
        let (mut node, mut values, mut known) = (Node::NONE, 0, true);
        let mut key_hash = hash(&[]);
        while here < limit {
            let key_at = here;
            let Some(key) = wire::key(bytes, &mut here) else {
                return Err(Fault::new(Why::Key, key_at));
            };
            let Some((_, part)) = layout.by_number(key >> 3) else {
                here = self.unknown(bytes, here, key, around.levels)?;
                continue;
            };
            if part.value_key() != key {
                let expected = part.field_type.wire_type();
                return Err(Fault::new(Why::WireType { expected, key }, key_at));
            }
            let value_at = here;
            let entry = match scalar(part.field_type, bytes, &mut here) {
                Scalar::Read(entry) => Some(entry),
                Scalar::Wrong(why) => return Err(Fault::new(why, value_at)),
                Scalar::Other => {
                    let mut behind = here;
                    // The entry itself counts as no level, here and wherever else levels are counted.
                    let entry = self.value(around, bytes, &mut behind, part)?;
                    here = behind;
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
        *at = here;
        Ok(known.then_some((node, key_hash)))
    }

    /// Notes a key of a map: where two may be the same, whoever iterates has to look.
    pub(super) fn add_key(&mut self, run: usize, bit: usize) {
        let seen = &mut self.arena[run + run::KEYS + bit / 32];
        if *seen >> (bit % 32) & 1 == 1 {
            self.arena[run + run::COUNT] |= run::MAY_REPEAT;
        } else {
            *seen |= 1 << (bit % 32);
        }
    }
}

/// The number of the value in the entry of a map.
const VALUE_NUMBER: u32 = 2;
