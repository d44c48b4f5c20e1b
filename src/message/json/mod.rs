//! Messages from and to JSON, by protobuf's canonical mapping
//! (<https://protobuf.dev/programming-guides/json/>).

mod read;
mod text;
mod write;

use std::{cell::RefCell, fmt};

use serde::{Serialize, Serializer, de::DeserializeSeed as _};

use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{Message, MessageRef, path::Path},
    schema::MessageType,
};

/// How JSON is written and read. The default is the canonical mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonOptions {
    proto_names: bool,
    defaults: bool,
    enum_numbers: bool,
    ignore_unknown: bool,
    pretty: bool,
}

impl JsonOptions {
    /// The canonical mapping.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes field names as they are in the file instead of in lowerCamelCase. Both are read.
    #[must_use = "the options are returned"]
    pub fn proto_names(mut self, yes: bool) -> Self {
        self.proto_names = yes;
        self
    }

    /// Writes fields without presence even if they have their default value.
    #[must_use = "the options are returned"]
    pub fn defaults(mut self, yes: bool) -> Self {
        self.defaults = yes;
        self
    }

    /// Writes enum values as numbers instead of names. Both are read.
    #[must_use = "the options are returned"]
    pub fn enum_numbers(mut self, yes: bool) -> Self {
        self.enum_numbers = yes;
        self
    }

    /// Reads over fields that the message does not have, and over values that an enum does not have,
    /// which are an error otherwise.
    #[must_use = "the options are returned"]
    pub fn ignore_unknown(mut self, yes: bool) -> Self {
        self.ignore_unknown = yes;
        self
    }

    /// Writes a field a line, indented.
    #[must_use = "the options are returned"]
    pub fn pretty(mut self, yes: bool) -> Self {
        self.pretty = yes;
        self
    }
}

impl Message {
    /// The message as JSON.
    ///
    /// # Errors
    /// If a well-known type holds what JSON cannot say: a Timestamp outside the years 1 to 9999, an
    /// `Any` whose type is not in the schema, a `Value` that is not a number.
    pub fn to_json(&self) -> Result<String, JsonError> {
        self.as_ref().to_json()
    }

    /// The message as JSON, with options.
    ///
    /// # Errors
    /// As for [`to_json`](Self::to_json).
    pub fn to_json_with(&self, options: &JsonOptions) -> Result<String, JsonError> {
        self.as_ref().to_json_with(options)
    }

    /// Reads a message from JSON. Of a map's key that is there twice the last entry counts.
    ///
    /// # Errors
    /// If it is not JSON, or not of this type; and if messages in what it says nest deeper than
    /// [`MESSAGE_NESTING_MAX`], for then it could not be sent on.
    pub fn from_json(message_type: &MessageType, json: &str) -> Result<Self, JsonError> {
        Self::from_json_with(message_type, json, &JsonOptions::default())
    }

    /// Reads a message from JSON, with options.
    ///
    /// # Errors
    /// As for [`from_json`](Self::from_json).
    pub fn from_json_with(
        message_type: &MessageType,
        json: &str,
        options: &JsonOptions,
    ) -> Result<Self, JsonError> {
        let path = RefCell::default();
        let seed = read::MessageSeed {
            index: message_type.index(),
            context: read::Context {
                tables: message_type.tables(),
                options,
                levels: MESSAGE_NESTING_MAX,
                path: &path,
            },
        };
        let mut deserializer = read::deserializer(json);
        let read = seed.deserialize(&mut deserializer);
        read.and_then(|body| {
            deserializer
                .end()
                .map(|()| Self::of_body(message_type, body))
        })
        .map_err(|source| JsonError {
            message_type: message_type.full_name().into(),
            path: path.take(),
            kind: Kind::Read(source),
        })
    }
}

impl MessageRef<'_> {
    /// The message as JSON; see [`Message::to_json`].
    ///
    /// # Errors
    /// As there.
    pub fn to_json(self) -> Result<String, JsonError> {
        self.to_json_with(&JsonOptions::default())
    }

    /// The message as JSON, with options; see [`Message::to_json`].
    ///
    /// # Errors
    /// As there.
    pub fn to_json_with(self, options: &JsonOptions) -> Result<String, JsonError> {
        write::write(self, options).map_err(|(path, why)| JsonError {
            message_type: self.message_type().full_name().into(),
            path,
            kind: Kind::Write(why),
        })
    }
}

/// As in JSON's canonical mapping, for printing and for JSON around it. There is no way back without
/// the message type, so that `Message` is not `Deserialize`; see [`Message::from_json`]. To put a
/// message into a message, use [`Message::set`]: here its 64-bit integers and bytes are strings.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().serialize(serializer)
    }
}

/// By way of the text of JSON, which [`to_json`](MessageRef::to_json) gives at once.
impl Serialize for MessageRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.to_json().map_err(serde::ser::Error::custom)?;
        let mut parsed = serde_json::Deserializer::from_str(&json);
        parsed.disable_recursion_limit();
        serde_transcode::transcode(&mut parsed, serializer)
    }
}

/// Why a message could not be read from JSON or written as JSON.
pub struct JsonError {
    message_type: Box<str>,
    path: Path,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Read(serde_json::Error),
    Write(String),
}

impl JsonError {
    /// The line of the text, from 1, where reading stopped.
    pub fn line(&self) -> Option<usize> {
        match &self.kind {
            Kind::Read(source) => Some(source.line()),
            Kind::Write(_) => None,
        }
    }

    /// The column in bytes, from 1, where reading stopped.
    pub fn column(&self) -> Option<usize> {
        match &self.kind {
            Kind::Read(source) => Some(source.column()),
            Kind::Write(_) => None,
        }
    }

    /// The value that is wrong: `user.groups[3].labels["a"]`. Empty if it is the message itself.
    pub fn path(&self) -> String {
        self.path.to_string()
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message_type = &self.message_type;
        match &self.kind {
            Kind::Read(_) => write!(f, "the JSON is no `{message_type}`: ")?,
            Kind::Write(_) => write!(f, "`{message_type}` cannot be JSON: ")?,
        }
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        match &self.kind {
            Kind::Read(source) => source.fmt(f),
            Kind::Write(why) => f.write_str(why),
        }
    }
}

impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Read(source) => Some(source),
            Kind::Write(_) => None,
        }
    }
}

struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it nests deeper than {MESSAGE_NESTING_MAX} levels")
    }
}
