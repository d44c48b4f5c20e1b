//! Putting together what was sent in pieces: a sub-message whose field comes more than once is the
//! merger of all its pieces (protobuf's encoding, "Last One Wins"), and that is their concatenation.
//!
//! It is rare, and so the bytes are written anew, and read like any others. Nothing is copied but to
//! where it ends up: a message is a list of the places where its pieces are, each of whose fields is
//! read once.

use std::ops::Range;

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
    writer.message(layout, &[0..bytes.len() as u32]);
    writer.out
}

struct Writer<'a> {
    tables: &'a Tables,
    bytes: &'a [u8],
    out: Vec<u8>,
}

/// Where a part of a message is.
type Piece = Range<u32>;

/// A sub-message of a field that holds one.
struct Whole {
    slot: u16,
    pieces: Vec<Piece>,
    /// The key of the last one.
    last: usize,
}

impl<'a> Writer<'a> {
    fn message(&mut self, layout: &Layout, pieces: &[Piece]) {
        let mut wholes = self.collect(layout, pieces);
        for record in self.records(pieces) {
            let known = layout.by_number(record.key >> 3);
            let known = known.filter(|(_, field)| field.value_key() == record.key);
            let Some((slot, field)) = known.filter(|(_, field)| field.field_type.is_message())
            else {
                self.out
                    .extend_from_slice(&self.bytes[record.key_at..record.end]);
                continue;
            };
            let contents = self.contents(record);
            match wholes.iter_mut().find(|whole| whole.slot == slot) {
                Some(whole) if whole.pieces.len() > 1 => {
                    if whole.last == record.key_at {
                        let pieces = std::mem::take(&mut whole.pieces);
                        self.inner(field, record.key, &pieces);
                        // What else is in it was written, or is not to be.
                        whole.pieces = vec![0..0, 0..0];
                    }
                }
                _ => self.inner(field, record.key, &[contents]),
            }
        }
    }

    /// Which sub-messages there are, in what pieces. Another member of its oneof drops one.
    fn collect(&self, layout: &Layout, pieces: &[Piece]) -> Vec<Whole> {
        let mut wholes: Vec<Whole> = Vec::new();
        for record in self.records(pieces) {
            let Some((slot, field)) = layout.by_number(record.key >> 3) else {
                continue;
            };
            if field.oneof != 0 && is_named(self.tables, field, self.bytes, record.value_at) {
                let members = &layout.oneofs[usize::from(field.oneof) - 1];
                wholes.retain(|whole| whole.slot == slot || !members.contains(&whole.slot));
            }
            if field.cardinality != Cardinality::One || !field.field_type.is_message() {
                continue;
            }
            let piece = self.contents(record);
            match wholes.iter_mut().find(|whole| whole.slot == slot) {
                Some(whole) => {
                    whole.last = record.key_at;
                    // An empty one says that the message is there, and no more than the others.
                    if whole.pieces.len() < 2 || !piece.is_empty() {
                        whole.pieces.push(piece);
                    }
                }
                None => wholes.push(Whole {
                    slot,
                    pieces: vec![piece],
                    last: record.key_at,
                }),
            }
        }
        wholes
    }

    fn records(&self, pieces: &[Piece]) -> impl Iterator<Item = Record> + use<'a> {
        let bytes = self.bytes;
        let pieces: Vec<Piece> = pieces.to_vec();
        pieces
            .into_iter()
            .flat_map(|piece| Records::new(bytes, piece.start as usize, piece.end as usize))
    }

    /// What stands behind the length, or between the keys of a group.
    fn contents(&self, record: Record) -> Piece {
        let mut start = record.value_at;
        let end = match is_len(record.key) {
            true => wire::length(self.bytes, &mut start).unwrap_or(start),
            // A key may be written longer than it need be, so that the end is to be looked for.
            false => {
                let end = wire::skip_group(self.bytes, &mut { start }, record.key, usize::MAX);
                end.unwrap_or(start)
            }
        };
        start as u32..end as u32
    }

    /// Writes a sub-message with its key, its own sub-messages in one piece.
    fn inner(&mut self, field: &FieldLayout, key: u32, pieces: &[Piece]) {
        let layout = self.tables.layout(field.inner);
        wire::push_varint(&mut self.out, key.into());
        if field.field_type == FieldType::Group {
            self.message(layout, pieces);
            return wire::push_varint(&mut self.out, end_key(field).into());
        }
        let length_at = self.out.len();
        self.message(layout, pieces);
        let mut length = Vec::new();
        wire::push_varint(&mut length, (self.out.len() - length_at) as u64);
        self.out.splice(length_at..length_at, length);
    }
}

fn end_key(field: &FieldLayout) -> u32 {
    field.number << 3 | WireType::EndGroup as u32
}
