//! `google.protobuf.FieldMask` in an update (field_mask.proto, "Field Masks in Update Operations").

use super::key::internal;
use crate::{
    grpc::Status,
    limits,
    message::Message,
    schema::{Field, Kind, MessageType},
};

/// The fields that an update means.
#[derive(Debug)]
pub(super) struct FieldMask {
    /// Each with those that it is reached through before it; never empty.
    paths: Vec<Vec<Field>>,
}

impl FieldMask {
    /// Reads a request's mask. `None` means all fields: "if a field mask is not present on update,
    /// the operation is applied to all fields", and so does `*` (google.aip.dev/134).
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a path that leads to no field of the resource, or deeper than messages
    /// are nested, and for more than [`limits::FIELD_MASK_PATHS_MAX`] paths.
    pub(super) fn read(
        request: &Message,
        field: &Field,
        resource: &MessageType,
    ) -> Result<Option<Self>, Status> {
        let Some(mask) = request.message(field).map_err(internal)? else {
            return Ok(None);
        };
        let paths = mask.list("paths").map_err(internal)?;
        if paths.len() > limits::FIELD_MASK_PATHS_MAX {
            return Err(Status::invalid_argument(format!(
                "the field mask has {} paths; it may have at most {}",
                paths.len(),
                limits::FIELD_MASK_PATHS_MAX
            )));
        }
        let paths: Vec<&str> = paths.iter().filter_map(|path| path.as_str()).collect();
        if paths.is_empty() || paths.contains(&"*") {
            return Ok(None);
        }
        let paths = paths.iter().map(|path| fields_of(path, resource));
        Ok(Some(Self {
            paths: paths.collect::<Result<_, _>>()?,
        }))
    }

    /// Gives the fields of the mask the values that they have in `new`; those that are unset there
    /// become unset. Lists and maps are replaced as a whole.
    pub(super) fn apply(&self, new: &Message, merged: &mut Message) -> Result<(), Status> {
        self.paths
            .iter()
            .try_for_each(|path| apply(path, new, merged))
    }
}

/// The fields that a path leads through.
fn fields_of(path: &str, resource: &MessageType) -> Result<Vec<Field>, Status> {
    let mut fields = Vec::new();
    let mut holder = resource.clone();
    let mut rest = path;
    loop {
        let (name, below) = match rest.split_once('.') {
            Some((name, below)) => (name, Some(below)),
            None => (rest, None),
        };
        let no_such = |part: &str| no_such_path(path, &holder, part);
        let field = holder.field(name).ok_or_else(|| no_such(name))?;
        let inner = match field.kind() {
            Kind::Message(inner) if !field.is_list() && !field.is_map() => Ok(inner),
            _ => Err(no_such(rest)),
        };
        fields.push(field);
        match below {
            None => return Ok(fields),
            Some(_) if fields.len() > limits::MESSAGE_NESTING_MAX => return Err(too_deep()),
            Some(below) => (holder, rest) = (inner?, below),
        }
    }
}

fn apply(path: &[Field], new: &Message, merged: &mut Message) -> Result<(), Status> {
    let (field, below) = match path {
        [] => return Ok(()),
        [last] => return replace(last, new, merged),
        [field, below @ ..] => (field, below),
    };
    let has = |outer: &Message| outer.has(field).map_err(internal);
    // What neither has is not made present by a path into it.
    if !has(new)? && !has(merged)? {
        return Ok(());
    }
    let Kind::Message(inner_type) = field.kind() else {
        return Ok(());
    };
    let inner = |outer: &Message| -> Result<Message, Status> {
        let inner = outer.message(field).map_err(internal)?;
        Ok(inner.map_or_else(|| Message::new(&inner_type), |inner| inner.to_owned()))
    };
    let mut merged_inner = inner(merged)?;
    apply(below, &inner(new)?, &mut merged_inner)?;
    merged.set(field, merged_inner).map_err(internal)
}

fn replace(field: &Field, new: &Message, merged: &mut Message) -> Result<(), Status> {
    if new.has(field).map_err(internal)? {
        let value = new.get(field).map_err(internal)?.to_owned();
        merged.set(field, value).map_err(internal)
    } else {
        merged.clear(field).map_err(internal)
    }
}

fn too_deep() -> Status {
    let limit = limits::MESSAGE_NESTING_MAX;
    Status::invalid_argument(format!(
        "the field mask has a path that leads through more than {limit} messages"
    ))
}

fn no_such_path(whole: &str, message_type: &MessageType, part: &str) -> Status {
    let of = message_type.full_name();
    Status::invalid_argument(format!(
        "the field mask has the path `{whole}`, but {of} has no field `{part}`"
    ))
}
