//! The one encoding of what a message says: fields in the order of their numbers, entries of maps in
//! that of their keys, no defaults that need not be written, and last what the schema does not know.

use super::Backward;
use crate::{
    message::{MessageRef, ValueRef},
    schema::layout::{FieldLayout, FieldType, WireType},
};

/// Writes a message in front of what is written.
pub(in crate::message) fn write_deterministic(out: &mut Backward<'_>, message: MessageRef<'_>) {
    out.slice(&message.unknown());
    for (slot, value) in message.set_values().rev() {
        let field = message.layout.field(slot);
        match value {
            ValueRef::List(items) => {
                let items: Vec<_> = items.iter().collect();
                match field.packed {
                    true => write_packed(out, field, &items),
                    false => items
                        .iter()
                        .rev()
                        .for_each(|item| write_one(out, field, *item)),
                }
            }
            ValueRef::Map(entries) => {
                let (key_field, value_field) = (entries.key_field(), entries.value_field());
                for (key, value) in entries.sorted().into_iter().rev() {
                    let mark = out.mark();
                    write_one(out, value_field, value);
                    out.map_key(key_field, key);
                    out.length_since(mark);
                    out.varint(field.key.into());
                }
            }
            value => write_one(out, field, value),
        }
    }
}

fn write_packed(out: &mut Backward<'_>, field: &FieldLayout, items: &[ValueRef<'_>]) {
    let mark = out.mark();
    for item in items.iter().rev() {
        out.number(field.field_type, item.bits());
    }
    out.length_since(mark);
    out.varint(field.key.into());
}

/// Writes one value with its key.
fn write_one(out: &mut Backward<'_>, field: &FieldLayout, value: ValueRef<'_>) {
    match value {
        ValueRef::Str(text) => return out.delimited_field(field.value_key(), text.as_bytes()),
        ValueRef::Bytes(bytes) => return out.delimited_field(field.value_key(), bytes),
        ValueRef::Message(message) if field.field_type == FieldType::Group => {
            out.varint((field.number << 3 | WireType::EndGroup as u32).into());
            write_deterministic(out, message);
        }
        ValueRef::Message(message) => {
            let mark = out.mark();
            write_deterministic(out, message);
            out.length_since(mark);
        }
        number => out.number(field.field_type, number.bits()),
    }
    out.varint(field.value_key().into());
}
