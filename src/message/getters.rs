//! The getters of [`MessageRef`], on an owned message.

use crate::{
    message::{FieldError, FieldKey, ListRef, MapRef, Message, MessageRef, ValueRef},
    schema::Field,
};

/// Reading: every getter is that of [`MessageRef`], and fails as it does.
impl Message {
    /// The message, borrowed.
    #[inline]
    pub fn as_ref(&self) -> MessageRef<'_> {
        MessageRef::new(&self.inner.context, &self.inner.body)
    }

    /// The value of a `string` field.
    pub fn str(&self, field: impl FieldKey) -> Result<&str, FieldError> {
        self.as_ref().str(field)
    }

    /// The value of a `bytes` field.
    pub fn bytes(&self, field: impl FieldKey) -> Result<&[u8], FieldError> {
        self.as_ref().bytes(field)
    }

    /// The value of a `bool` field.
    pub fn bool(&self, field: impl FieldKey) -> Result<bool, FieldError> {
        self.as_ref().bool(field)
    }

    /// The value of an `int32`, `sint32` or `sfixed32` field.
    pub fn i32(&self, field: impl FieldKey) -> Result<i32, FieldError> {
        self.as_ref().i32(field)
    }

    /// The value of any integer field but `uint64` and `fixed64`.
    pub fn i64(&self, field: impl FieldKey) -> Result<i64, FieldError> {
        self.as_ref().i64(field)
    }

    /// The value of a `uint32` or `fixed32` field.
    pub fn u32(&self, field: impl FieldKey) -> Result<u32, FieldError> {
        self.as_ref().u32(field)
    }

    /// The value of a `uint64`, `fixed64`, `uint32` or `fixed32` field.
    pub fn u64(&self, field: impl FieldKey) -> Result<u64, FieldError> {
        self.as_ref().u64(field)
    }

    /// The value of a `float` field.
    pub fn f32(&self, field: impl FieldKey) -> Result<f32, FieldError> {
        self.as_ref().f32(field)
    }

    /// The value of a `double` or `float` field.
    pub fn f64(&self, field: impl FieldKey) -> Result<f64, FieldError> {
        self.as_ref().f64(field)
    }

    /// The number of an enum field's value.
    pub fn enum_number(&self, field: impl FieldKey) -> Result<i32, FieldError> {
        self.as_ref().enum_number(field)
    }

    /// The name of an enum field's value; `None` if the file does not name its number.
    pub fn enum_name(&self, field: impl FieldKey) -> Result<Option<&str>, FieldError> {
        self.as_ref().enum_name(field)
    }

    /// A sub-message; `None` if it is not set.
    pub fn message(&self, field: impl FieldKey) -> Result<Option<MessageRef<'_>>, FieldError> {
        self.as_ref().message(field)
    }

    /// The elements of a repeated field.
    pub fn list(&self, field: impl FieldKey) -> Result<ListRef<'_>, FieldError> {
        self.as_ref().list(field)
    }

    /// The entries of a map field.
    pub fn map(&self, field: impl FieldKey) -> Result<MapRef<'_>, FieldError> {
        self.as_ref().map(field)
    }

    /// The value of a field of any type. A sub-message that is not set reads as an empty one.
    pub fn get(&self, field: impl FieldKey) -> Result<ValueRef<'_>, FieldError> {
        self.as_ref().get(field)
    }

    /// Whether a field is set; see [`MessageRef::has`].
    pub fn has(&self, field: impl FieldKey) -> Result<bool, FieldError> {
        self.as_ref().has(field)
    }

    /// Which member of a oneof is set, if any.
    pub fn which_oneof(&self, name: &str) -> Result<Option<&Field>, FieldError> {
        self.as_ref().which_oneof(name)
    }

    /// The fields that are set, with their values, in the order of their numbers.
    pub fn fields(&self) -> impl Iterator<Item = (&Field, ValueRef<'_>)> {
        self.as_ref().fields()
    }
}
