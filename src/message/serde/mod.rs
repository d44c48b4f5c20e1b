//! Rust values from and to messages through serde, without JSON in between.

mod de;
mod error;
mod names;
mod plan;
mod ser;
mod well_known;

use serde::{Serialize, de::DeserializeOwned};

pub use error::SerdeError;
pub(crate) use plan::check_deserialize;
pub(super) use well_known::{from_text as message_of_text, to_text as text_of_well_known};

use crate::{
    message::{Message, MessageRef},
    schema::MessageType,
};

/// Typed Rust values.
///
/// **Names.** A struct's field is the message's field of that name; else the one whose JSON name it
/// is, or whose name it is in snake_case (`value` ↔ `Value`). If two could be meant, that is an
/// error. Fields of the message that the struct lacks are ignored when it is read and left unset
/// when it is written; a field of the struct that the message lacks is an error.
/// (`#[serde(flatten)]` makes serde look names up itself: then only the names of the file fit.)
///
/// **Presence.** A field without presence (a plain scalar of proto3, a list, a map) always has a
/// value, its default at least. One with presence (a sub-message, `optional`, a member of a oneof,
/// everything of proto2) is an `Option`. It may be a plain type too: then it must be set in what is
/// read, or have `#[serde(default)]`, and is always set in what is written. `None` leaves a field
/// unset.
///
/// **Types.** Integers of any width, with a check of the range both ways; `float` also as `f64`;
/// `bytes` as `Vec<u8>`, `[u8; N]`, `bytes::Bytes` or what serde_bytes has (JSON values have no
/// bytes: a message with a `bytes` field is no `serde_json::Value`); lists as `Vec`; maps as
/// `HashMap` or `BTreeMap` with keys of their own type. Types that serde writes in one way for
/// people and in another for machines, a UUID for one, are text in a `string` field and bytes in a
/// `bytes` field.
///
/// **Enums** by number (any integer type) or by name (a `String`, or an enum with unit variants).
/// A variant is the value of the same letters, with or without the prefix that is the enum type's
/// name: `Active` ↔ `STATUS_ACTIVE` of `enum Status`.
///
/// **Oneofs** as one `Option` a member, or as one field with the name of the oneof: an enum whose
/// variants hold one value each, `Contact::Phone(String)`, or none or several for members that are
/// messages. As an `Option` it may be unset. A message whose fields are all of one oneof may be
/// such an enum itself.
///
/// **Well-known types.** Timestamp, Duration and FieldMask as strings in their JSON form (what
/// chrono, jiff and time write) or as structs of their fields; `std::time::Duration` and
/// `SystemTime` fit. Wrappers as `Option` of the scalar. Struct, Value and ListValue as
/// `serde_json::Value` and all that can be read from it. Any as a struct of `type_url` and `value`.
/// Empty, or any message whose fields do not matter, as `()`.
impl Message {
    /// A message that holds what a Rust value does.
    ///
    /// # Errors
    /// If the value's shape is not that of the message type, or one of its numbers, names or
    /// strings does not fit. The error names the place: `user.User.address[2].zip`.
    pub fn from_serialize<T: Serialize + ?Sized>(
        message_type: &MessageType,
        value: &T,
    ) -> Result<Self, SerdeError> {
        ser::message_from(message_type, value)
            .map_err(|error| error.in_message(message_type.full_name()))
    }

    /// A Rust value that holds what the message does.
    ///
    /// # Errors
    /// If the type's shape is not that of the message type, or a value is missing, out of range or
    /// refused by the type. The error names the place.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, SerdeError> {
        self.as_ref().deserialize()
    }
}

impl MessageRef<'_> {
    /// A Rust value that holds what the message does; see [`Message::deserialize`].
    ///
    /// # Errors
    /// As there.
    pub fn deserialize<T: DeserializeOwned>(self) -> Result<T, SerdeError> {
        T::deserialize(de::MessageDeserializer::new(self))
            .map_err(|error| error.in_message(self.message_type().full_name()))
    }
}
