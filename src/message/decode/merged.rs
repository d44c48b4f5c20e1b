//! Putting together what was sent in pieces: a sub-message whose field comes more than once is the
//! merger of all its pieces (protobuf's encoding, "Last One Wins"), and that is their concatenation.
//!
//! It is rare, and so the bytes are written anew, and read like any others. Nothing is copied but to
//! where it ends up: a message is a list of the places where its pieces are, each of whose fields is
//! read once.

use std::collections::BTreeMap;

use crate::{
    message::{
        scan::{Record, Records, is_len, is_named},
        wire,
    },
    schema::layout::{Cardinality, FieldLayout, FieldType, Layout, Tables, WireType},
};

/// Bytes that say the same, each sub-message in one piece. They have been checked.
pub(super) fn in_one_piece(tables: &Tables, layout: &Layout, bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer {
        tables,
        bytes,
        out: Vec::with_capacity(bytes.len()),
    };
    writer.message(layout, &Parts::Whole(0, bytes.len()));
    writer.out.shrink_to_fit();
    writer.out
}

struct Writer<'a> {
    tables: &'a Tables,
    bytes: &'a [u8],
    out: Vec<u8>,
}

/// Where the fields of a message are.
#[derive(Clone, Copy)]
enum Parts<'p> {
    Whole(usize, usize),
    /// In pieces, whose keys are at these places.
    Pieces(&'p [u32]),
}

/// A sub-message of a field that holds one.
struct Collected {
    count: usize,
    /// The places of the keys of its pieces.
    keys: Vec<u32>,
    /// That of the last one.
    last: u32,
}

impl<'a> Writer<'a> {
    fn message(&mut self, layout: &Layout, parts: &Parts<'_>) {
        // They are counted first, so that a million of them take no more room than they need.
        let counted = self.collect(layout, parts, &BTreeMap::new());
        let collected = self.collect(layout, parts, &counted);
        for record in records(self.bytes, parts) {
            let known = layout.by_number(record.key >> 3);
            let known = known.filter(|(_, field)| field.value_key() == record.key);
            let Some((slot, field)) = known.filter(|(_, field)| field.field_type.is_message())
            else {
                self.out
                    .extend_from_slice(&self.bytes[record.key_at..record.end]);
                continue;
            };
            match collected.get(&slot) {
                Some(of) if of.count > 1 => {
                    if of.last == record.key_at as u32 {
                        self.inner(field, record.key, &Parts::Pieces(&of.keys));
                    }
                }
                _ => {
                    let (start, end) = contents(self.bytes, record);
                    self.inner(field, record.key, &Parts::Whole(start, end));
                }
            }
        }
    }

    /// Which sub-messages there are, and the keys of those that were counted and have several. Another
    /// member of its oneof drops one.
    fn collect(
        &self,
        layout: &Layout,
        parts: &Parts<'_>,
        counted: &BTreeMap<u16, Collected>,
    ) -> BTreeMap<u16, Collected> {
        let (mut collected, mut members) = (BTreeMap::<u16, Collected>::new(), BTreeMap::new());
        for record in records(self.bytes, parts) {
            let Some((slot, field)) = layout.by_number(record.key >> 3) else {
                continue;
            };
            if field.oneof != 0
                && is_named(self.tables, field, self.bytes, record.value_at)
                && let Some(before) = members.insert(field.oneof, slot)
                && before != slot
            {
                collected.remove(&before);
            }
            if field.cardinality != Cardinality::One || !field.field_type.is_message() {
                continue;
            }
            let of = collected.entry(slot).or_insert_with(|| {
                let counted = counted.get(&slot).filter(|of| of.count > 1);
                Collected {
                    count: 0,
                    keys: Vec::with_capacity(counted.map_or(0, |of| of.count)),
                    last: 0,
                }
            });
            of.count += 1;
            of.last = record.key_at as u32;
            if of.keys.capacity() > 0 {
                of.keys.push(of.last);
            }
        }
        collected
    }

    /// Writes a sub-message with its key, its own sub-messages in one piece.
    fn inner(&mut self, field: &FieldLayout, key: u32, parts: &Parts<'_>) {
        let layout = self.tables.layout(field.inner);
        wire::push_varint(&mut self.out, key.into());
        if field.field_type == FieldType::Group {
            self.message(layout, parts);
            return wire::push_varint(&mut self.out, end_key(field).into());
        }
        let length_at = self.out.len();
        self.message(layout, parts);
        let mut length = Vec::new();
        wire::push_varint(&mut length, (self.out.len() - length_at) as u64);
        self.out.splice(length_at..length_at, length);
    }
}

fn records<'b>(bytes: &'b [u8], parts: &Parts<'b>) -> impl Iterator<Item = Record> + use<'b> {
    let (whole, pieces) = match *parts {
        Parts::Whole(start, end) => (Some((start, end)), &[][..]),
        Parts::Pieces(keys) => (None, keys),
    };
    let pieces = pieces.iter().filter_map(move |key_at| {
        let piece = Records::new(bytes, *key_at as usize, bytes.len()).next()?;
        Some(contents(bytes, piece))
    });
    whole
        .into_iter()
        .chain(pieces)
        .flat_map(move |(start, end)| Records::new(bytes, start, end))
}

/// What stands behind the length, or between the keys of a group.
fn contents(bytes: &[u8], record: Record) -> (usize, usize) {
    let mut start = record.value_at;
    let end = match is_len(record.key) {
        true => wire::length(bytes, &mut start).unwrap_or(start),
        // A key may be written longer than it need be, so that the end is to be looked for.
        false => {
            let end = wire::skip_group(bytes, &mut { start }, record.key, usize::MAX);
            end.unwrap_or(start)
        }
    };
    (start, end)
}

fn end_key(field: &FieldLayout) -> u32 {
    field.number << 3 | WireType::EndGroup as u32
}
