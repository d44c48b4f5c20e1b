//! Encoding: back to front, so that each length is known when it is written.
//!
//! What was received and not changed is a copy of its bytes.

mod backward;
mod deterministic;
mod forward;

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
    out: &mut Backward<'_>,
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

fn write_field(out: &mut Backward<'_>, tables: &Tables, field: &FieldLayout, value: &Slot) {
    match value {
        Slot::Cleared => {}
        Slot::Numbers(items) if field.packed => {
            let mark = out.mark();
            out.numbers(field.field_type, items);
            out.length_since(mark);
            out.varint(field.key.into());
        }
        Slot::Numbers(items) => {
            for bits in items.iter().rev() {
                out.number(field.field_type, *bits);
                out.varint(field.value_key().into());
            }
        }
        Slot::Values(items) => {
            for item in items.iter().rev() {
                write_value(out, tables, field, item);
            }
        }
        Slot::Map(entries) if field.cardinality == Cardinality::Map => {
            let entry = tables.layout(field.inner);
            for (key, value) in entries.iter().rev() {
                let mark = out.mark();
                write_value(out, tables, entry.field(1), value);
                out.map_key(entry.field(0), key.into());
                out.length_since(mark);
                out.varint(field.key.into());
            }
        }
        one => write_value(out, tables, field, one),
    }
}

/// Writes one value with its key.
fn write_value(out: &mut Backward<'_>, tables: &Tables, field: &FieldLayout, value: &Slot) {
    match value {
        Slot::Bits(bits) => out.number(field.field_type, *bits),
        Slot::Text(text) => return out.delimited_field(field.value_key(), text.as_bytes()),
        Slot::Bytes(bytes) => return out.delimited_field(field.value_key(), bytes),
        Slot::Message(body) if field.field_type == FieldType::Group => {
            out.varint((field.number << 3 | WireType::EndGroup as u32).into());
            write(out, tables, tables.layout(field.inner), body.parts());
        }
        Slot::Message(body) => {
            let mark = out.mark();
            write(out, tables, tables.layout(field.inner), body.parts());
            out.length_since(mark);
        }
        Slot::Cleared | Slot::Numbers(_) | Slot::Values(_) | Slot::Map(_) => return,
    }
    out.varint(field.value_key().into());
}
