//! The one encoding of what a message says: fields in the order of their numbers, entries of maps in
//! that of their keys, no defaults that need not be written, and last what the schema does not know.

use super::Backward;
use crate::{
    message::{MessageRef, ValueRef},
    schema::layout::{FieldLayout, FieldType, WireType},
};

/// Writes a message in front of what is written.
pub(in crate::message) fn write_deterministic(out: &mut Backward, message: MessageRef<'_>) {
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
                    out.head_since(field.key, mark);
                }
            }
            value => write_one(out, field, value),
        }
    }
}

fn write_packed(out: &mut Backward, field: &FieldLayout, items: &[ValueRef<'_>]) {
    let mark = out.mark();
    for item in items.iter().rev() {
        out.numbers(field.field_type, &[item.bits()]);
    }
    out.head_since(field.key, mark);
}

/// Writes one value with its key.
fn write_one(out: &mut Backward, field: &FieldLayout, value: ValueRef<'_>) {
    match value {
        ValueRef::Str(text) => out.delimited_field(field.key, text.as_bytes()),
        ValueRef::Bytes(bytes) => out.delimited_field(field.key, bytes),
        ValueRef::Message(message) if field.field_type == FieldType::Group => {
            out.varint((field.number << 3 | WireType::EndGroup as u32).into());
            write_deterministic(out, message);
            out.varint(field.key.into());
        }
        ValueRef::Message(message) => {
            let mark = out.mark();
            write_deterministic(out, message);
            out.head_since(field.key, mark);
        }
        number => out.number_field(field, number.bits()),
    }
}
