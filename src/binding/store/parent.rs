//! The parent of resource names: `shelves/7`, of which `shelves/7/books/1` is one.

use super::key::{internal, too_long};
use crate::{grpc::Status, limits, message::Message, schema::Field};

/// The field of a request that names the parent of what is created or listed (google.aip.dev/132 and
/// 133), and the collection below it.
#[derive(Debug)]
pub(super) struct Parent {
    field: Field,
    collection: String,
}

impl Parent {
    pub(super) fn new(field: Field, collection: &str) -> Self {
        Self {
            field,
            collection: collection.to_owned(),
        }
    }

    /// As it is told in a reason: `{parent}/books/`.
    pub(super) fn told(&self) -> String {
        format!("{{parent}}/{}/", self.collection)
    }

    /// The parent in a request.
    pub(super) fn read<'a>(&self, request: &'a Message) -> Result<&'a str, Status> {
        match request.str(&self.field).map_err(internal)? {
            "" => Err(Status::invalid_argument("`parent` is not set")),
            parent => Ok(parent),
        }
    }

    /// What the names begin with: `shelves/7/books/`.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a parent that is no name: what is below it could not be listed.
    pub(super) fn prefix(&self, request: &Message) -> Result<String, Status> {
        let parent = self.read(request)?;
        if parent.len() > limits::RESOURCE_KEY_BYTES {
            return Err(too_long(self.field.name(), parent.len()));
        }
        // google.aip.dev/159: `-` stands for every name.
        let is_no_name = |part: &str| matches!(part, "" | "-") || part.contains(char::is_control);
        if parent.split('/').any(is_no_name) {
            return Err(Status::invalid_argument(format!(
                "`parent` is {parent:?}; it must be names with single slashes between them, none of \
                 them `-`, and without control characters"
            )));
        }
        Ok(format!("{parent}/{}/", self.collection))
    }
}
