//! Reading a message.

use std::{borrow::Cow, fmt};

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
};

use crate::{
    message::{
        FieldError, FieldKey, ListRef, MapRef, Message, ValueRef, equality::is_same,
        lending::Lender, text,
    },
    schema::{Field, MessageType, Oneof},
};

/// A message, borrowed: the outermost one or one inside it. Cheap to copy.
///
/// Every getter takes the field's name, number or handle ([`FieldKey`]). A field that is not set
/// reads as its default; [`has`](Self::has) tells the difference where there is one.
///
/// # Errors
/// Each getter fails if the message type has no such field, or if the field is of another type.
/// Integer getters read every integer type whose values always fit: [`i64`](Self::i64) reads
/// `int32`, `uint32` and `int64`, [`i32`](Self::i32) only the signed 32-bit types.
/// [`f64`](Self::f64) reads `float` too.
#[derive(Clone, Copy)]
pub struct MessageRef<'a> {
    message: &'a DynamicMessage,
    lender: &'a Lender,
}

impl<'a> MessageRef<'a> {
    /// The message's type.
    pub fn message_type(self) -> &'a MessageType {
        &self.lender.type_entry(&self.descriptor()).message_type
    }

    /// The value of a `string` field.
    pub fn str(self, field: impl FieldKey) -> Result<&'a str, FieldError> {
        self.read(field, "be read as a string", ValueRef::as_str)
    }

    /// The value of a `bytes` field.
    pub fn bytes(self, field: impl FieldKey) -> Result<&'a [u8], FieldError> {
        self.read(field, "be read as bytes", ValueRef::as_bytes)
    }

    /// The value of a `bool` field.
    pub fn bool(self, field: impl FieldKey) -> Result<bool, FieldError> {
        self.read(field, "be read as a bool", ValueRef::as_bool)
    }

    /// The value of an `int32`, `sint32` or `sfixed32` field.
    pub fn i32(self, field: impl FieldKey) -> Result<i32, FieldError> {
        self.read(field, "be read as an i32", ValueRef::as_i32)
    }

    /// The value of any integer field but `uint64` and `fixed64`.
    pub fn i64(self, field: impl FieldKey) -> Result<i64, FieldError> {
        self.read(field, "be read as an i64", ValueRef::as_i64)
    }

    /// The value of a `uint32` or `fixed32` field.
    pub fn u32(self, field: impl FieldKey) -> Result<u32, FieldError> {
        self.read(field, "be read as a u32", ValueRef::as_u32)
    }

    /// The value of a `uint64`, `fixed64`, `uint32` or `fixed32` field.
    pub fn u64(self, field: impl FieldKey) -> Result<u64, FieldError> {
        self.read(field, "be read as a u64", ValueRef::as_u64)
    }

    /// The value of a `float` field.
    pub fn f32(self, field: impl FieldKey) -> Result<f32, FieldError> {
        self.read(field, "be read as an f32", ValueRef::as_f32)
    }

    /// The value of a `double` or `float` field.
    pub fn f64(self, field: impl FieldKey) -> Result<f64, FieldError> {
        self.read(field, "be read as an f64", ValueRef::as_f64)
    }

    /// The number of an enum field's value.
    pub fn enum_number(self, field: impl FieldKey) -> Result<i32, FieldError> {
        self.read(field, "be read as an enum", ValueRef::as_enum_number)
    }

    /// The name of an enum field's value; `None` if the file does not name its number.
    pub fn enum_name(self, field: impl FieldKey) -> Result<Option<&'a str>, FieldError> {
        let field = field.resolve(&self.descriptor())?;
        match (field.kind(), self.value(&field)) {
            (Kind::Enum(kind), ValueRef::Enum(number)) => {
                let value = self.lender.enum_value(&kind, number);
                Ok(value.map(|value| value.name()))
            }
            _ => Err(FieldError::wrong_type(&field, "be read as an enum")),
        }
    }

    /// A sub-message; `None` if it is not set.
    pub fn message(self, field: impl FieldKey) -> Result<Option<Self>, FieldError> {
        let field = field.resolve(&self.descriptor())?;
        match self.value(&field) {
            ValueRef::Message(message) => Ok(self.message.has_field(&field).then_some(message)),
            _ => Err(FieldError::wrong_type(&field, "be read as a message")),
        }
    }

    /// The elements of a repeated field.
    pub fn list(self, field: impl FieldKey) -> Result<ListRef<'a>, FieldError> {
        self.read(field, "be read as a list", ValueRef::as_list)
    }

    /// The entries of a map field.
    pub fn map(self, field: impl FieldKey) -> Result<MapRef<'a>, FieldError> {
        self.read(field, "be read as a map", ValueRef::as_map)
    }

    /// The value of a field of any type. A sub-message that is not set reads as an empty one.
    pub fn get(self, field: impl FieldKey) -> Result<ValueRef<'a>, FieldError> {
        let field = field.resolve(&self.descriptor())?;
        Ok(self.value(&field))
    }

    /// Whether a field is set: for one without presence (a plain scalar of proto3, a list, a map),
    /// whether it differs from its default.
    pub fn has(self, field: impl FieldKey) -> Result<bool, FieldError> {
        let field = field.resolve(&self.descriptor())?;
        Ok(self.message.has_field(&field))
    }

    /// Which member of a oneof is set, if any.
    ///
    /// # Errors
    /// If the message type has no such oneof.
    pub fn which_oneof(self, name: &str) -> Result<Option<&'a Field>, FieldError> {
        let message_type = self.message_type();
        let oneof = message_type.oneofs().find(|oneof| oneof.name() == name);
        match oneof {
            Some(oneof) => Ok(self.set_member(&oneof)),
            None => Err(FieldError::unknown_oneof(message_type.descriptor(), name)),
        }
    }

    /// The fields that are set, with their values, in the order of their numbers. Extensions are
    /// not among them.
    pub fn fields(self) -> impl Iterator<Item = (&'a Field, ValueRef<'a>)> {
        let entry = self.lender.type_entry(&self.descriptor());
        self.message.fields().filter_map(move |(field, value)| {
            let field = entry.field(field.number())?;
            Some((field, ValueRef::stored(value, self.lender)))
        })
    }

    /// An owned copy.
    pub fn to_owned(self) -> Message {
        Message::from(self.message.clone())
    }

    pub(super) fn new(message: &'a DynamicMessage, lender: &'a Lender) -> Self {
        Self { message, lender }
    }

    pub(super) fn reflected(self) -> &'a DynamicMessage {
        self.message
    }

    pub(super) fn set_member(self, oneof: &Oneof) -> Option<&'a Field> {
        let member = oneof
            .fields()
            .find(|field| self.message.has_field(field.descriptor()))?;
        let entry = self.lender.type_entry(&self.descriptor());
        entry.field(member.number())
    }

    fn descriptor(self) -> MessageDescriptor {
        self.message.descriptor()
    }

    fn read<T>(
        self,
        field: impl FieldKey,
        wanted: &str,
        convert: impl FnOnce(ValueRef<'a>) -> Option<T>,
    ) -> Result<T, FieldError> {
        let field = field.resolve(&self.descriptor())?;
        convert(self.value(&field)).ok_or_else(|| FieldError::wrong_type(&field, wanted))
    }

    fn value(self, field: &FieldDescriptor) -> ValueRef<'a> {
        match self.message.get_field(field) {
            Cow::Borrowed(value) => ValueRef::stored(value, self.lender),
            Cow::Owned(_) => ValueRef::default_of_field(field, self.lender),
        }
    }
}

impl PartialEq for MessageRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        is_same(self.message, other.message)
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::debug(self.message, f)
    }
}

impl fmt::Display for MessageRef<'_> {
    /// The text format on one line; `{:#}` on several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::text(self.message, f.alternate()))
    }
}
