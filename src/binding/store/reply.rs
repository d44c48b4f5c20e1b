//! What the fields of a reply stand for, and replies made of stored rows.

use bytes::Bytes;

use super::{
    field_bytes::{key_room, put_bytes, put_key, put_true},
    key::Key,
    request::{Told, is_message, is_one},
    resource::Resource,
};
use crate::{
    grpc::{RawMessage, Status},
    schema::{Field, Kind, MessageType},
};

/// What a method answers with.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// The resource.
    Row,
    /// A message with the resource in a field.
    RowIn(Field),
    /// A message with the key in a field.
    Key(Field),
    /// A message with a `bool` that says that it was done.
    Done(Field),
    /// A message without fields.
    Empty,
}

impl Reply {
    /// Reads the type of a reply that may be any of them.
    pub(super) fn of(reply: &MessageType, resource: &Resource, told: Told) -> Result<Self, String> {
        if let Ok(with_row) = Self::with_row(reply, resource, told) {
            return Ok(with_row);
        }
        let fields: Vec<Field> = reply.fields().collect();
        match fields.as_slice() {
            [] => return Ok(Self::Empty),
            [only] if is_done(only) => return Ok(Self::Done(only.clone())),
            _ => {}
        }
        let key = fields
            .iter()
            .find(|field| is_one(field) && resource.has_its_key_in(field));
        match key {
            Some(key) if fields.len() == 1 || told == Told::ByHand => Ok(Self::Key(key.clone())),
            _ => Err(format!(
                "`{}` is neither empty nor one `{}` or its key",
                reply.name(),
                resource.message_type().name()
            )),
        }
    }

    /// Reads the type of a reply that must hold the resource.
    pub(super) fn with_row(
        reply: &MessageType,
        resource: &Resource,
        told: Told,
    ) -> Result<Self, String> {
        if reply == resource.message_type() {
            return Ok(Self::Row);
        }
        let mut of_type = reply
            .fields()
            .filter(|field| is_message(field, resource.message_type()));
        match (of_type.next(), of_type.next()) {
            (Some(field), None) if told == Told::ByHand || reply.fields().len() == 1 => {
                Ok(Self::RowIn(field))
            }
            (Some(_), None) => Err(format!(
                "nothing tells how to fill the other fields of `{}`",
                reply.name()
            )),
            _ => Err(format!(
                "`{}` is no `{}` and does not hold just one",
                reply.name(),
                resource.message_type().name()
            )),
        }
    }

    /// Whether it holds the resource.
    pub(super) fn has_row(&self) -> bool {
        matches!(self, Self::Row | Self::RowIn(_))
    }

    /// The reply for one stored row.
    pub(super) fn make(
        &self,
        key: &Key<'_>,
        row: impl FnOnce() -> Result<Bytes, Status>,
    ) -> Result<RawMessage, Status> {
        let mut reply = Vec::new();
        match self {
            Self::Row => return row().map(RawMessage::new),
            Self::RowIn(field) => put_bytes(field, &row()?, &mut reply),
            Self::Key(field) => {
                reply.reserve_exact(key_room(field, key));
                put_key(field, key, &mut reply);
            }
            Self::Done(field) => put_true(field, &mut reply),
            Self::Empty => {}
        }
        Ok(RawMessage::new(reply))
    }
}

fn is_done(field: &Field) -> bool {
    is_one(field) && field.kind() == Kind::Bool && DONE.contains(&field.name())
}

/// What the `bool` of a reply is called that says no more than that it was done.
const DONE: &[&str] = &[
    "acknowledged",
    "created",
    "deleted",
    "done",
    "ok",
    "removed",
    "saved",
    "success",
    "updated",
    // google.protobuf.BoolValue
    "value",
];
