//! Typed values that should, or should not, fit messages.

#![allow(
    dead_code,
    unused_macros,
    clippy::unwrap_used,
    reason = "each test file uses its part, and a failure is the test's"
)]

use std::fmt::Debug;

use reflectd::{Message, message::SerdeError, schema::MessageType};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Serializing gives the message that JSON does, and deserializing gives the value again.
#[track_caller]
pub(crate) fn fits<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    ty: &MessageType,
    value: &T,
    json: &serde_json::Value,
) {
    let message = Message::from_serialize(ty, value).unwrap();
    assert_eq!(message, Message::from_json(ty, &json.to_string()).unwrap());
    assert_eq!(message.deserialize::<T>().unwrap(), *value);
}

#[track_caller]
pub(crate) fn refuses_to_serialize<T: Serialize>(ty: &MessageType, value: T, expected: &str) {
    let error = Message::from_serialize(ty, &value).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[track_caller]
pub(crate) fn refuses_to_deserialize<T: DeserializeOwned + Debug>(
    ty: &MessageType,
    json: &serde_json::Value,
    expected: &str,
) -> SerdeError {
    let message = Message::from_json(ty, &json.to_string()).unwrap();
    let error = message.deserialize::<T>().unwrap_err();
    assert_eq!(error.to_string(), expected);
    error
}

/// A struct with one field, made where it is used.
macro_rules! one {
    ($field:ident: $type:ty) => {{
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct One {
            $field: $type,
        }
        |$field: $type| One { $field }
    }};
}

/// Expects that a struct with one field cannot be read.
macro_rules! refuse_type {
    ($ty:expr, $field:ident: $type:ty, $json:tt, $expected:expr) => {{
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "it is never made")]
        struct One {
            $field: $type,
        }
        typed::refuses_to_deserialize::<One>(&$ty, &json!($json), $expected)
    }};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) zip_code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    non_camel_case_types,
    clippy::enum_variant_names,
    reason = "names as in the file fit too"
)]
pub(crate) enum Status {
    Unspecified,
    StatusActive,
    #[serde(rename = "IN_REVIEW")]
    Reviewed,
    STATUS_GONE,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Contact {
    Email(String),
    PhoneNumber(i64),
    Visit { name: String, zip_code: i32 },
    Nobody,
}
