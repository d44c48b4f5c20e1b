//! `google.protobuf.FieldMask` in an update (field_mask.proto, "Field Masks in Update Operations").

use super::key::internal;
use crate::{
    grpc::Status,
    message::Message,
    schema::{Field, Kind, MessageType},
};

/// The paths of the fields that an update means.
#[derive(Debug)]
pub(super) struct FieldMask {
    paths: Vec<String>,
}

impl FieldMask {
    /// Reads a request's mask. `None` means all fields: "if a field mask is not present on update,
    /// the operation is applied to all fields", and so does `*` (google.aip.dev/134).
    pub(super) fn read(request: &Message, field: &Field) -> Result<Option<Self>, Status> {
        let Some(mask) = request.message(field).map_err(internal)? else {
            return Ok(None);
        };
        let paths = mask.list("paths").map_err(internal)?.iter();
        let paths: Vec<String> = paths
            .filter_map(|path| path.as_str().map(str::to_owned))
            .collect();
        let all = paths.is_empty() || paths.iter().any(|path| path == "*");
        Ok((!all).then_some(Self { paths }))
    }

    /// Gives the fields of the mask the values that they have in `new`; those that are unset there
    /// become unset. Lists and maps are replaced as a whole.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a path that leads to no field.
    pub(super) fn apply(&self, new: &Message, merged: &mut Message) -> Result<(), Status> {
        self.paths
            .iter()
            .try_for_each(|path| apply(path, path, new, merged))
    }
}

fn apply(whole: &str, path: &str, new: &Message, merged: &mut Message) -> Result<(), Status> {
    let (name, below) = match path.split_once('.') {
        Some((name, below)) => (name, Some(below)),
        None => (path, None),
    };
    let message_type = merged.message_type().clone();
    let field = message_type
        .field(name)
        .ok_or_else(|| no_such_path(whole, &message_type, name))?;
    let Some(below) = below else {
        return replace(&field, new, merged);
    };
    let Kind::Message(inner_type) = field.kind() else {
        return Err(no_such_path(whole, &message_type, path));
    };
    if field.is_list() || field.is_map() {
        return Err(no_such_path(whole, &message_type, path));
    }
    let inner = |outer: &Message| -> Result<Message, Status> {
        let inner = outer.message(&field).map_err(internal)?;
        Ok(inner.map_or_else(|| Message::new(&inner_type), |inner| inner.to_owned()))
    };
    let mut merged_inner = inner(merged)?;
    apply(whole, below, &inner(new)?, &mut merged_inner)?;
    merged.set(&field, merged_inner).map_err(internal)
}

fn replace(field: &Field, new: &Message, merged: &mut Message) -> Result<(), Status> {
    if new.has(field).map_err(internal)? {
        let value = new.get(field).map_err(internal)?.to_owned();
        merged.set(field, value).map_err(internal)
    } else {
        merged.clear(field).map_err(internal)
    }
}

fn no_such_path(whole: &str, message_type: &MessageType, part: &str) -> Status {
    let of = message_type.full_name();
    Status::invalid_argument(format!(
        "the field mask has the path `{whole}`, but {of} has no field `{part}`"
    ))
}
