//! The ways to say which field is meant.

use std::borrow::Cow;

use prost_reflect::{FieldDescriptor, MessageDescriptor};

use crate::{message::FieldError, schema::Field};

/// Names a field of a message: its name in the file (`&str`), its number (`u32`), or a [`Field`]
/// handle that was looked up once and is used many times.
///
/// A handle of another message type, or of the same type in another schema, is a [`FieldError`].
pub trait FieldKey: resolve::Resolve {}

impl FieldKey for &str {}
impl FieldKey for &String {}
impl FieldKey for u32 {}
impl FieldKey for &Field {}

/// Seals [`FieldKey`]: what a key resolves to is no part of the public surface.
pub(super) mod resolve {
    use super::{Cow, FieldDescriptor, FieldError, MessageDescriptor};

    pub trait Resolve: Copy {
        fn resolve(&self, message_type: &MessageDescriptor) -> Resolved<'_>;
    }

    pub(super) type Resolved<'a> = Result<Cow<'a, FieldDescriptor>, FieldError>;
}

use resolve::Resolved;

impl resolve::Resolve for &str {
    fn resolve(&self, message_type: &MessageDescriptor) -> Resolved<'_> {
        by_name(message_type, self)
    }
}

impl resolve::Resolve for &String {
    fn resolve(&self, message_type: &MessageDescriptor) -> Resolved<'_> {
        by_name(message_type, self)
    }
}

impl resolve::Resolve for u32 {
    fn resolve(&self, message_type: &MessageDescriptor) -> Resolved<'_> {
        match message_type.get_field(*self) {
            Some(field) => Ok(Cow::Owned(field)),
            None => Err(FieldError::unknown_number(message_type, *self)),
        }
    }
}

impl resolve::Resolve for &Field {
    fn resolve(&self, message_type: &MessageDescriptor) -> Resolved<'_> {
        if self.descriptor().parent_message() == message_type {
            Ok(Cow::Borrowed(self.descriptor()))
        } else {
            Err(FieldError::foreign(message_type, self.descriptor()))
        }
    }
}

fn by_name(message_type: &MessageDescriptor, name: &str) -> Resolved<'static> {
    match message_type.get_field_by_name(name) {
        Some(field) => Ok(Cow::Owned(field)),
        None => Err(FieldError::unknown_name(message_type, name)),
    }
}
