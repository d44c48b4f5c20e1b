//! Encoding: back to front, so that each length is known when it is written.
//!
//! What was received and not changed is a copy of its bytes.

mod backward;
mod deterministic;
mod forward;
mod varint;

use bytes::Bytes;

use super::{
    body::{Body, Slot, Slots},
    scan::Records,
};
use crate::schema::layout::{Cardinality, FieldLayout, FieldType, Layout, Tables, WireType};
pub(super) use backward::Backward;
pub(super) use deterministic::write_deterministic;
pub(super) use forward::{append, flat_len};

impl Body {
    /// What was received and what was set since.
    pub(super) fn parts(&self) -> (&[u8], &Slots) {
        (self.received.bytes(), &self.slots)
    }

    /// The encoding, if it is there as it is.
    pub(super) fn untouched(&self) -> Option<&Bytes> {
        self.slots.is_empty().then_some(&self.received.bytes)
    }
}

/// Writes a message, what was received of it and what was set since, in front of what is written.
pub(super) fn write(
    out: &mut Backward,
    tables: &Tables,
    layout: &Layout,
    (bytes, slots): (&[u8], &Slots),
) {
    if slots.is_empty() {
        return out.slice(bytes);
    }
    for (slot, value) in slots.values.iter().rev() {
        write_field(out, tables, layout.field(*slot), value);
    }
    if !bytes.is_empty() {
        for (start, end) in untouched_ranges(layout, bytes, slots).into_iter().rev() {
            out.slice(&bytes[start..end]);
        }
    }
}

/// What was received and is still to be written: all but the fields that were set since.
fn untouched_ranges(layout: &Layout, bytes: &[u8], slots: &Slots) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for record in Records::new(bytes, 0, bytes.len()) {
        let known = layout.by_number(record.key >> 3);
        if known.is_some_and(|(slot, _)| slots.get(slot).is_some()) {
            continue;
        }
        match ranges.last_mut() {
            Some((_, end)) if *end == record.key_at => *end = record.end,
            _ => ranges.push((record.key_at, record.end)),
        }
    }
    ranges
}

/// Writes what a field holds, with its key.
#[inline]
fn write_field(out: &mut Backward, tables: &Tables, field: &FieldLayout, value: &Slot) {
    match value {
        Slot::Bits(bits) => out.number_field(field, *bits),
        Slot::Text(text) => out.delimited_field(field.key, text.as_bytes()),
        Slot::Bytes(bytes) => out.delimited_field(field.key, bytes),
        Slot::Message(body) => write_message(out, tables, field, body),
        many => write_many(out, tables, field, many),
    }
}

fn write_message(out: &mut Backward, tables: &Tables, field: &FieldLayout, body: &Body) {
    let layout = tables.layout(field.inner);
    if field.field_type == FieldType::Group {
        out.varint((field.number << 3 | WireType::EndGroup as u32).into());
        write(out, tables, layout, body.parts());
        out.varint(field.key.into());
    } else {
        let mark = out.mark();
        write(out, tables, layout, body.parts());
        out.head_since(field.key, mark);
    }
}

fn write_many(out: &mut Backward, tables: &Tables, field: &FieldLayout, value: &Slot) {
    match value {
        Slot::Numbers(items) if field.packed => {
            let mark = out.mark();
            out.numbers(field.field_type, items);
            out.head_since(field.key, mark);
        }
        Slot::Numbers(items) => {
            let items = items.iter().rev();
            items.for_each(|bits| out.number_field(field, *bits));
        }
        Slot::Values(items) => {
            let items = items.iter().rev();
            items.for_each(|item| write_field(out, tables, field, item));
        }
        Slot::Map(entries) if field.cardinality == Cardinality::Map => {
            let entry = tables.layout(field.inner);
            let (key_field, value_field) = (entry.field(0), entry.field(1));
            for (key, value) in entries.iter().rev() {
                let mark = out.mark();
                write_field(out, tables, value_field, value);
                out.map_key(key_field, key.into());
                out.head_since(field.key, mark);
            }
        }
        _ => {}
    }
}
