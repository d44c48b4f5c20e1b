//! Reading every field of every sub-message once, by each way to read. The sums are equal.
//!
//! A number counts as itself, a string or bytes by its length and its ends; adding is all that is
//! done with them, so that maps may be in any order.

use prost_reflect::{DynamicMessage, MapKey, Value};
use reflectd::{
    message::{FieldError, ListRef, MapKeyRef, MessageRef, ValueRef},
    schema::{Field, Kind, MessageType},
};

use crate::generated::{Batch, Numbers, Record, User};

/// A generated type.
pub(crate) trait Sum {
    /// How a message of the type is read.
    type Read: Read;

    /// The sum of all that is in it.
    fn sum(&self) -> u64;
}

impl Sum for User {
    type Read = UserFields;

    fn sum(&self) -> u64 {
        text(&self.id) + text(&self.name) + text(&self.description)
    }
}

impl Sum for Batch {
    type Read = BatchFields;

    fn sum(&self) -> u64 {
        let records = self.records.iter().map(Sum::sum);
        let owner = self.owner.as_ref().map_or(0, Sum::sum);
        records
            .fold(text(&self.tenant), u64::wrapping_add)
            .wrapping_add(owner)
    }
}

impl Sum for Record {
    type Read = RecordFields;

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
    type Read = NumbersFields;

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

/// How a handler that knows its schema reads a type: by the handles of its fields, resolved once.
pub(crate) trait Read {
    fn new(message_type: &MessageType) -> Self;

    /// The sum of all that is in a message.
    fn sum(&self, message: MessageRef<'_>) -> Result<u64, FieldError>;

    /// The same by the index of each element, for a type that has nothing but lists of numbers.
    fn sum_by_index(&self, _message: MessageRef<'_>) -> Option<u64> {
        None
    }
}

pub(crate) struct UserFields {
    id: Field,
    name: Field,
    description: Field,
}

impl Read for UserFields {
    fn new(message_type: &MessageType) -> Self {
        let field = |name| handle(message_type, name);
        Self {
            id: field("id"),
            name: field("name"),
            description: field("description"),
        }
    }

    fn sum(&self, user: MessageRef<'_>) -> Result<u64, FieldError> {
        Ok(text(user.str(&self.id)?)
            + text(user.str(&self.name)?)
            + text(user.str(&self.description)?))
    }
}

pub(crate) struct BatchFields {
    tenant: Field,
    records: Field,
    owner: Field,
    record: RecordFields,
    user: UserFields,
}

impl Read for BatchFields {
    fn new(message_type: &MessageType) -> Self {
        let field = |name| handle(message_type, name);
        Self {
            tenant: field("tenant"),
            records: field("records"),
            owner: field("owner"),
            record: RecordFields::new(&inner(&field("records"))),
            user: UserFields::new(&inner(&field("owner"))),
        }
    }

    fn sum(&self, batch: MessageRef<'_>) -> Result<u64, FieldError> {
        let mut sum = text(batch.str(&self.tenant)?);
        for item in batch
            .list(&self.records)?
            .iter()
            .filter_map(ValueRef::as_message)
        {
            sum = sum.wrapping_add(self.record.sum(item)?);
        }
        if let Some(owner) = batch.message(&self.owner)? {
            sum = sum.wrapping_add(self.user.sum(owner)?);
        }
        Ok(sum)
    }
}

pub(crate) struct RecordFields {
    id: Field,
    kind: Field,
    name: Field,
    source: Field,
    trace: Field,
    score: Field,
    position: Field,
    labels: Field,
    samples: Field,
    payload: Field,
    created: Field,
    attempts: Field,
    active: Field,
    delta: Field,
    place: PositionFields,
}

impl Read for RecordFields {
    fn new(message_type: &MessageType) -> Self {
        let field = |name| handle(message_type, name);
        Self {
            id: field("id"),
            kind: field("kind"),
            name: field("name"),
            source: field("source"),
            trace: field("trace"),
            score: field("score"),
            position: field("position"),
            labels: field("labels"),
            samples: field("samples"),
            payload: field("payload"),
            created: field("created"),
            attempts: field("attempts"),
            active: field("active"),
            delta: field("delta"),
            place: PositionFields::new(&inner(&field("position"))),
        }
    }

    fn sum(&self, record: MessageRef<'_>) -> Result<u64, FieldError> {
        let position = match record.message(&self.position)? {
            Some(position) => self.place.sum(position)?,
            None => 0,
        };
        let labels = record.map(&self.labels)?.iter().map(|entry| match entry {
            (MapKeyRef::Str(key), value) => text(key) + value.as_str().map_or(0, text),
            _ => 0,
        });
        let sums = [
            record.u64(&self.id)?,
            integer(record.enum_number(&self.kind)?.into()),
            text(record.str(&self.name)?),
            text(record.str(&self.source)?),
            text(record.str(&self.trace)?),
            double(record.f64(&self.score)?),
            position,
            labels.fold(0, u64::wrapping_add),
            numbers(record.list(&self.samples)?),
            bytes(record.bytes(&self.payload)?),
            integer(record.i64(&self.created)?),
            record.u32(&self.attempts)?.into(),
            record.bool(&self.active)?.into(),
            integer(record.i32(&self.delta)?.into()),
        ];
        Ok(sums.into_iter().fold(0, u64::wrapping_add))
    }
}

pub(crate) struct PositionFields {
    latitude: Field,
    longitude: Field,
    altitude: Field,
}

impl Read for PositionFields {
    fn new(message_type: &MessageType) -> Self {
        let field = |name| handle(message_type, name);
        Self {
            latitude: field("latitude"),
            longitude: field("longitude"),
            altitude: field("altitude"),
        }
    }

    fn sum(&self, position: MessageRef<'_>) -> Result<u64, FieldError> {
        Ok(double(position.f64(&self.latitude)?)
            .wrapping_add(double(position.f64(&self.longitude)?))
            .wrapping_add(integer(position.i32(&self.altitude)?.into())))
    }
}

pub(crate) struct NumbersFields {
    integers: Field,
    deltas: Field,
    doubles: Field,
    hashes: Field,
}

impl NumbersFields {
    fn lists<'a>(&self, message: MessageRef<'a>) -> Result<[ListRef<'a>; 4], FieldError> {
        Ok([
            message.list(&self.integers)?,
            message.list(&self.deltas)?,
            message.list(&self.doubles)?,
            message.list(&self.hashes)?,
        ])
    }
}

impl Read for NumbersFields {
    fn new(message_type: &MessageType) -> Self {
        let field = |name| handle(message_type, name);
        Self {
            integers: field("integers"),
            deltas: field("deltas"),
            doubles: field("doubles"),
            hashes: field("hashes"),
        }
    }

    fn sum(&self, message: MessageRef<'_>) -> Result<u64, FieldError> {
        let lists = self.lists(message)?;
        Ok(lists.map(numbers).into_iter().fold(0, u64::wrapping_add))
    }

    fn sum_by_index(&self, message: MessageRef<'_>) -> Option<u64> {
        let lists = self.lists(message).ok()?;
        let sums = lists.into_iter().map(|list| {
            let items = (0..list.len()).filter_map(|index| list.get(index));
            items.map(number).fold(0, u64::wrapping_add)
        });
        Some(sums.fold(0, u64::wrapping_add))
    }
}

fn handle(message_type: &MessageType, name: &str) -> Field {
    message_type.field(name).expect("codec.proto has it")
}

fn inner(field: &Field) -> MessageType {
    match field.kind() {
        Kind::Message(inner) => inner,
        kind => panic!("a message, not {kind:?}"),
    }
}

fn numbers(list: ListRef<'_>) -> u64 {
    list.iter().map(number).fold(0, u64::wrapping_add)
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
