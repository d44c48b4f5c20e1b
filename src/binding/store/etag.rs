//! Etags: nobody replaces or deletes what they have not seen (google.aip.dev/154).
//!
//! A resource with a string field `etag` is stored with one that follows from all its other fields. Who
//! sends it back with an update or a delete is answered only if the resource is still the same, else
//! with ABORTED; who leaves it unset is not asked. A row that was written before the resource had the
//! field gets it when it is read.

use std::hash::{DefaultHasher, Hasher};

use bytes::Bytes;

use super::{
    field_bytes::has_text,
    key::{Key, internal},
    request::is_one,
    resource::Resource,
};
use crate::{
    grpc::Status,
    message::{Message, MessageRef},
    schema::{Field, Kind, MessageType},
    store::Row,
};

/// The field of a resource that holds its etag.
pub(super) fn field_of(message_type: &MessageType, key: &Field) -> Option<Field> {
    let field = message_type.field("etag")?;
    (is_one(&field) && field.kind() == Kind::String && field != *key).then_some(field)
}

/// A resource with its key, and the etag of what it has become.
pub(super) fn stamped(
    etag: &Field,
    row: MessageRef<'_>,
    key: (&Field, &Key<'_>),
) -> Result<Message, Status> {
    let mut stamped = row.to_owned();
    match key {
        (field, Key::Text(text)) => stamped.set(field, &**text),
        (field, Key::Signed(number)) => stamped.set(field, *number),
        (field, Key::Unsigned(number)) => stamped.set(field, *number),
    }
    .map_err(internal)?;
    stamped.clear(etag).map_err(internal)?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&stamped.deterministic());
    let hash = format!("{:016x}", hasher.finish());
    stamped.set(etag, hash).map_err(internal)?;
    Ok(stamped)
}

/// Gives a stored row its etag if it has none.
pub(super) fn fill(resource: &Resource, row: &mut Row) {
    if let Some(value) = lacking(resource, row) {
        row.value = value;
    }
}

/// What a row that lacks its etag is with it.
fn lacking(resource: &Resource, row: &Row) -> Option<Bytes> {
    let etag = resource.etag()?;
    if has_text(etag, &row.value) {
        return None;
    }
    let (message_type, value) = (resource.message_type(), row.value.clone());
    // What cannot be read is told by who needs to.
    let row = Message::decode_within(message_type, value, usize::MAX).ok()?;
    let key = Key::read(row.as_ref(), resource.key()).ok()??;
    let stamped = stamped(etag, row.as_ref(), (resource.key(), &key)).ok()?;
    Some(stamped.as_ref().encode_to_bytes())
}

/// # Errors
/// ABORTED if an etag was sent, and the stored resource has another.
pub(super) fn check(what: &str, sent: &str, stored: &str) -> Result<(), Status> {
    match sent.is_empty() || sent == stored {
        true => Ok(()),
        false => Err(Status::aborted(format!(
            "{what} has changed: its `etag` is {stored:?} by now, and {sent:?} was sent; read it \
             again"
        ))),
    }
}
