//! Reading every field of every sub-message once, by each way to read. The sums are equal.
//!
//! A number counts as itself, a string or bytes by its length and its ends; adding is all that is
//! done with them, so that maps may be in any order.

use prost_reflect::{DynamicMessage, MapKey, Value};
use reflectd::{
    message::{MapKeyRef, MessageRef, ValueRef},
    schema::{Field, Kind, MessageType},
};

use crate::generated::{Batch, Numbers, Record, User};

/// A generated type.
pub(crate) trait Sum {
    /// The sum of all that is in it.
    fn sum(&self) -> u64;
}

impl Sum for User {
    fn sum(&self) -> u64 {
        text(&self.id) + text(&self.name) + text(&self.description)
    }
}

impl Sum for Batch {
    fn sum(&self) -> u64 {
        let records = self.records.iter().map(Sum::sum);
        let owner = self.owner.as_ref().map_or(0, Sum::sum);
        records
            .fold(text(&self.tenant), u64::wrapping_add)
            .wrapping_add(owner)
    }
}

impl Sum for Record {
    fn sum(&self) -> u64 {
        let position = self.position.as_ref().map_or(0, |position| {
            double(position.latitude)
                .wrapping_add(double(position.longitude))
                .wrapping_add(integer(position.altitude.into()))
        });
        let labels = self
            .labels
            .iter()
            .map(|(key, value)| text(key) + text(value));
        let samples = self.samples.iter().map(|sample| integer((*sample).into()));
        [
            self.id,
            integer(self.kind.into()),
            text(&self.name),
            text(&self.source),
            text(&self.trace),
            double(self.score),
            position,
            bytes(&self.payload),
            integer(self.created),
            self.attempts.into(),
            self.active.into(),
            self.delta.map_or(0, |delta| integer(delta.into())),
        ]
        .into_iter()
        .chain(labels)
        .chain(samples)
        .fold(0, u64::wrapping_add)
    }
}

impl Sum for Numbers {
    fn sum(&self) -> u64 {
        let integers = self.integers.iter().map(|value| integer(*value));
        let deltas = self.deltas.iter().map(|value| integer((*value).into()));
        let doubles = self.doubles.iter().map(|value| double(*value));
        let hashes = self.hashes.iter().map(|value| u64::from(*value));
        let sum = integers.fold(0, u64::wrapping_add);
        let sum = deltas.fold(sum, u64::wrapping_add);
        let sum = doubles.fold(sum, u64::wrapping_add);
        hashes.fold(sum, u64::wrapping_add)
    }
}

/// prost-reflect's message: all that is set in it.
pub(crate) fn sum_reflected(message: &DynamicMessage) -> u64 {
    let values = message
        .fields()
        .map(|(_, value)| sum_reflected_value(value));
    values.fold(0, u64::wrapping_add)
}

fn sum_reflected_value(value: &Value) -> u64 {
    match value {
        Value::Bool(value) => u64::from(*value),
        Value::I32(value) | Value::EnumNumber(value) => integer((*value).into()),
        Value::I64(value) => integer(*value),
        Value::U32(value) => (*value).into(),
        Value::U64(value) => *value,
        Value::F32(value) => double((*value).into()),
        Value::F64(value) => double(*value),
        Value::String(value) => text(value),
        Value::Bytes(value) => bytes(value),
        Value::Message(message) => sum_reflected(message),
        Value::List(items) => items
            .iter()
            .map(sum_reflected_value)
            .fold(0, u64::wrapping_add),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = match key {
                    MapKey::String(key) => text(key),
                    _ => 0,
                };
                key.wrapping_add(sum_reflected_value(value))
            });
            entries.fold(0, u64::wrapping_add)
        }
    }
}

/// The handles of a type's fields, resolved once, and of those of its sub-messages.
pub(crate) struct Reader {
    fields: Vec<(Field, Read)>,
}

/// How a field is read: the getter that a handler that knows its schema calls.
enum Read {
    Text,
    Bytes,
    Bool,
    Integer,
    Unsigned,
    Double,
    Enum,
    Message(Reader),
    Messages(Reader),
    Numbers,
    Texts,
}

impl Reader {
    /// For a type that does not contain itself.
    pub(crate) fn new(message_type: &MessageType) -> Self {
        let fields = message_type.fields().map(|field| {
            let read = match field.kind() {
                _ if field.is_map() => Read::Texts,
                Kind::Message(of) if field.is_list() => Read::Messages(Self::new(&of)),
                _ if field.is_list() => Read::Numbers,
                Kind::Message(of) => Read::Message(Self::new(&of)),
                Kind::String => Read::Text,
                Kind::Bytes => Read::Bytes,
                Kind::Bool => Read::Bool,
                Kind::Enum(_) => Read::Enum,
                Kind::Float | Kind::Double => Read::Double,
                Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => Read::Unsigned,
                _ => Read::Integer,
            };
            (field, read)
        });
        Self {
            fields: fields.collect(),
        }
    }

    /// The sum of all that is in a message.
    pub(crate) fn sum(&self, message: MessageRef<'_>) -> u64 {
        let values = self.fields.iter().map(|(field, read)| match read {
            Read::Text => message.str(field).map(text),
            Read::Bytes => message.bytes(field).map(bytes),
            Read::Bool => message.bool(field).map(u64::from),
            Read::Integer => message.i64(field).map(integer),
            Read::Unsigned => message.u64(field),
            Read::Double => message.f64(field).map(double),
            Read::Enum => message
                .enum_number(field)
                .map(|value| integer(value.into())),
            Read::Message(reader) => {
                let inner = message.message(field);
                inner.map(|inner| inner.map_or(0, |inner| reader.sum(inner)))
            }
            Read::Messages(reader) => message.list(field).map(|items| {
                let items = items.iter().filter_map(ValueRef::as_message);
                items
                    .map(|item| reader.sum(item))
                    .fold(0, u64::wrapping_add)
            }),
            Read::Numbers => message
                .list(field)
                .map(|items| items.iter().map(number).fold(0, u64::wrapping_add)),
            Read::Texts => message.map(field).map(|entries| {
                let entries = entries.iter().map(|(key, value)| match key {
                    MapKeyRef::Str(key) => text(key) + value.as_str().map_or(0, text),
                    _ => 0,
                });
                entries.fold(0, u64::wrapping_add)
            }),
        });
        let values = values.map(|value| value.expect("the handle is the type's"));
        values.fold(0, u64::wrapping_add)
    }

    /// Whether all fields are lists of numbers.
    pub(crate) fn has_only_numbers(&self) -> bool {
        let mut reads = self.fields.iter().map(|(_, read)| read);
        reads.all(|read| matches!(read, Read::Numbers))
    }

    /// The sum of the elements of the lists of numbers, each by its index.
    pub(crate) fn sum_by_index(&self, message: MessageRef<'_>) -> u64 {
        let lists = self.fields.iter().map(|(field, _)| {
            let list = message.list(field).expect("the handle is the type's");
            let items = (0..list.len()).filter_map(|index| list.get(index));
            items.map(number).fold(0, u64::wrapping_add)
        });
        lists.fold(0, u64::wrapping_add)
    }
}

fn number(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::I32(value) => integer(value.into()),
        ValueRef::I64(value) => integer(value),
        ValueRef::U32(value) => value.into(),
        ValueRef::F64(value) => double(value),
        _ => 0,
    }
}

fn text(text: &str) -> u64 {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> u64 {
    match bytes {
        [] => 0,
        [first, ..] => {
            let last = bytes[bytes.len() - 1];
            bytes.len() as u64 + u64::from(*first) + u64::from(last)
        }
    }
}

fn integer(value: i64) -> u64 {
    value as u64
}

fn double(value: f64) -> u64 {
    value.to_bits()
}
