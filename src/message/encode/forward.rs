//! Appending to a buffer that grows: what needs no length in front of it that is not known goes there
//! at once, the rest by way of the thread's buffer.

use bytes::BufMut;

use super::{Backward, varint, write_field};
use crate::{
    message::{
        body::{Slot, Slots},
        wire,
    },
    schema::layout::{FieldLayout, FieldType, Layout, Tables, WireType},
};

/// Appends the fields that were set in a message of which nothing was received.
pub(in crate::message) fn append(
    buffer: &mut impl BufMut,
    tables: &Tables,
    layout: &Layout,
    slots: &Slots,
) {
    for (slot, value) in &slots.values {
        let field = layout.field(*slot);
        let delimited = match value {
            Slot::Text(text) => text.as_bytes(),
            Slot::Bytes(bytes) => bytes,
            other => {
                append_other(buffer, tables, field, other);
                continue;
            }
        };
        head(buffer, field.key, delimited.len());
        buffer.put_slice(delimited);
    }
}

fn append_other(buffer: &mut impl BufMut, tables: &Tables, field: &FieldLayout, value: &Slot) {
    match value {
        Slot::Bits(bits) => number(buffer, field, *bits),
        Slot::Numbers(items) if field.packed => {
            head(buffer, field.key, packed_len(field.field_type, items));
            for some in items.chunks(NUMBERS_AT_ONCE) {
                Backward::with(
                    |out| out.numbers(field.field_type, some),
                    |written| buffer.put_slice(written),
                );
            }
        }
        Slot::Cleared => {}
        many => Backward::with(
            |out| write_field(out, tables, field, many),
            |written| buffer.put_slice(written),
        ),
    }
}

/// How long the encoding is, if that can be told without encoding: of numbers, strings and bytes.
pub(in crate::message) fn flat_len(layout: &Layout, slots: &Slots) -> Option<usize> {
    // Fields are in the order of their numbers.
    let last = slots.values.last().map(|(slot, _)| layout.field(*slot).key);
    let has_short_keys = last < Some(0x80);
    slots.values.iter().try_fold(0, |all, (slot, value)| {
        let length = match value {
            Slot::Text(text) if has_short_keys && text.len() < 0x80 => 2 + text.len(),
            value => field_len(layout.field(*slot), value)?,
        };
        Some(all + length)
    })
}

fn field_len(field: &FieldLayout, value: &Slot) -> Option<usize> {
    Some(match value {
        Slot::Text(text) => delimited_len(field, text.len()),
        Slot::Bytes(bytes) => delimited_len(field, bytes.len()),
        Slot::Bits(bits) => varint_len(field.key.into()) + number_len(field.field_type, *bits),
        Slot::Numbers(items) if field.packed => {
            delimited_len(field, packed_len(field.field_type, items))
        }
        Slot::Cleared => 0,
        Slot::Message(_) | Slot::Numbers(_) | Slot::Values(_) | Slot::Map(_) => return None,
    })
}

#[inline]
fn delimited_len(field: &FieldLayout, length: usize) -> usize {
    varint_len(field.key.into()) + varint_len(length as u64) + length
}

#[inline]
fn number_len(field_type: FieldType, bits: u64) -> usize {
    match field_type.wire_type() {
        WireType::I32 => 4,
        WireType::I64 => 8,
        _ => varint_len(wire::to_varint(field_type, bits)),
    }
}

/// How long the numbers of a packed list are.
fn packed_len(field_type: FieldType, items: &[u64]) -> usize {
    let sum = |to_varint: fn(u64) -> u64| {
        let items = items.iter();
        items.map(|bits| wire::varint_len(to_varint(*bits))).sum()
    };
    match field_type.wire_type() {
        WireType::I32 => 4 * items.len(),
        WireType::I64 => 8 * items.len(),
        _ => match field_type {
            FieldType::Sint32 => sum(wire::zigzag_32),
            FieldType::Sint64 => sum(wire::zigzag_64),
            _ => sum(|bits| bits),
        },
    }
}

/// Most are of one byte.
#[inline]
fn varint_len(value: u64) -> usize {
    match value {
        0..0x80 => 1,
        value => wire::varint_len(value),
    }
}

/// Key and length.
#[inline]
fn head(buffer: &mut impl BufMut, key: u32, length: usize) {
    match key < 0x80 && length < 0x80 {
        true => buffer.put_slice(&[key as u8, length as u8]),
        false => put_varints(buffer, key.into(), length as u64),
    }
}

#[inline]
fn number(buffer: &mut impl BufMut, field: &FieldLayout, bits: u64) {
    let key = field.key.into();
    match field.field_type.wire_type() {
        WireType::I32 => {
            put_varint(buffer, key);
            buffer.put_slice(&(bits as u32).to_le_bytes());
        }
        WireType::I64 => {
            put_varint(buffer, key);
            buffer.put_slice(&bits.to_le_bytes());
        }
        _ => match wire::to_varint(field.field_type, bits) {
            value if key | value < 0x80 => buffer.put_slice(&[key as u8, value as u8]),
            value => put_varints(buffer, key, value),
        },
    }
}

#[inline(never)]
fn put_varints(buffer: &mut impl BufMut, first: u64, second: u64) {
    put_varint(buffer, first);
    put_varint(buffer, second);
}

#[inline]
fn put_varint(buffer: &mut impl BufMut, value: u64) {
    let mut room = [0; 16];
    let at = varint::put_before(&mut room, 16, value);
    buffer.put_slice(&room[at..]);
}

/// So many numbers stay in the processor's cache between the thread's buffer and the one that grows.
const NUMBERS_AT_ONCE: usize = 512;
