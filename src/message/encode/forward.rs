//! Appending to a buffer that grows: what needs no length in front of it that is not known goes there
//! at once, the rest by way of the thread's buffer.

use bytes::BufMut;

use super::{Backward, write_field};
use crate::{
    message::{
        body::{Slot, Slots},
        wire,
    },
    schema::layout::{FieldLayout, Layout, Tables, WireType},
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
        match value {
            Slot::Text(text) => delimited(buffer, field, text.as_bytes()),
            Slot::Bytes(bytes) => delimited(buffer, field, bytes),
            Slot::Bits(bits) => number(buffer, field, *bits),
            Slot::Cleared => {}
            Slot::Message(_) | Slot::Numbers(_) | Slot::Values(_) | Slot::Map(_) => Backward::with(
                |out| write_field(out, tables, field, value),
                |written| buffer.put_slice(written),
            ),
        }
    }
}

/// How long the encoding is, if that can be told without encoding: of numbers, strings and bytes.
pub(in crate::message) fn flat_len(layout: &Layout, slots: &Slots) -> Option<usize> {
    slots.values.iter().try_fold(0, |all, (slot, value)| {
        let field = layout.field(*slot);
        let value = match value {
            Slot::Text(text) => delimited_len(text.len()),
            Slot::Bytes(bytes) => delimited_len(bytes.len()),
            Slot::Bits(bits) => match field.field_type.wire_type() {
                WireType::I32 => 4,
                WireType::I64 => 8,
                _ => varint_len(wire::to_varint(field.field_type, *bits)),
            },
            Slot::Cleared => return Some(all),
            Slot::Message(_) | Slot::Numbers(_) | Slot::Values(_) | Slot::Map(_) => return None,
        };
        Some(all + varint_len(field.key.into()) + value)
    })
}

#[inline]
fn delimited_len(bytes: usize) -> usize {
    varint_len(bytes as u64) + bytes
}

/// Most are of one byte.
#[inline]
fn varint_len(value: u64) -> usize {
    match value {
        0..0x80 => 1,
        value => wire::varint_len(value),
    }
}

#[inline]
fn delimited(buffer: &mut impl BufMut, field: &FieldLayout, bytes: &[u8]) {
    if field.key < 0x80 && bytes.len() < 0x80 {
        buffer.put_slice(&[field.key as u8, bytes.len() as u8]);
    } else {
        varint(buffer, field.key.into());
        varint(buffer, bytes.len() as u64);
    }
    buffer.put_slice(bytes);
}

#[inline]
fn number(buffer: &mut impl BufMut, field: &FieldLayout, bits: u64) {
    varint(buffer, field.key.into());
    match field.field_type.wire_type() {
        WireType::I32 => buffer.put_slice(&(bits as u32).to_le_bytes()),
        WireType::I64 => buffer.put_slice(&bits.to_le_bytes()),
        _ => varint(buffer, wire::to_varint(field.field_type, bits)),
    }
}

#[inline]
fn varint(buffer: &mut impl BufMut, mut value: u64) {
    if value < 0x80 {
        return buffer.put_u8(value as u8);
    }
    let mut bytes = [0; wire::VARINT_BYTES_MAX];
    let length = wire::varint_len(value);
    for byte in &mut bytes[..length] {
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    bytes[length - 1] &= 0x7f;
    buffer.put_slice(&bytes[..length]);
}
