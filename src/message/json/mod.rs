//! Messages from and to JSON, by protobuf's canonical mapping
//! (<https://protobuf.dev/programming-guides/json/>).

mod read;
mod write;

use std::fmt;

use serde::{Serialize, Serializer, de::DeserializeSeed as _};

use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{Message, MessageRef, nesting::is_json_within_limit},
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

    /// Reads over fields that the message does not have, which are an error otherwise.
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

    /// Reads a message from JSON.
    ///
    /// # Errors
    /// If it is not JSON, or not of this type; and if brackets in the text, or messages in what it
    /// says, nest deeper than [`MESSAGE_NESTING_MAX`], for then it could not be sent on.
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
        let error = |kind| JsonError::new(message_type, kind);
        if !is_json_within_limit(json) {
            return Err(error(Kind::TooDeep));
        }
        let seed = read::MessageSeed {
            index: message_type.index(),
            context: read::Context {
                tables: message_type.tables(),
                options,
                levels: MESSAGE_NESTING_MAX,
            },
        };
        let mut deserializer = serde_json::Deserializer::from_str(json);
        seed.deserialize(&mut deserializer)
            .and_then(|message| deserializer.end().map(|()| message))
            .map_err(|source| error(Kind::Read(source)))
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
        let (start, end) = self.range();
        let mut json = Vec::with_capacity(64 + 2 * (end - start));
        let written = if options.pretty {
            self.write_json(&mut serde_json::Serializer::pretty(&mut json), options)
        } else {
            self.write_json(&mut serde_json::Serializer::new(&mut json), options)
        };
        written
            .and_then(|()| String::from_utf8(json).map_err(serde::ser::Error::custom))
            .map_err(|source| JsonError::new(self.message_type(), Kind::Write(source)))
    }

    fn write_json<S: Serializer>(
        self,
        serializer: S,
        options: &JsonOptions,
    ) -> Result<S::Ok, S::Error> {
        let context = write::Context {
            options,
            levels: MESSAGE_NESTING_MAX,
        };
        write::Shown {
            message: self,
            context,
        }
        .serialize(serializer)
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

impl Serialize for MessageRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write_json(serializer, &JsonOptions::default())
    }
}

/// Why a message could not be read from JSON or written as JSON.
pub struct JsonError {
    message_type: Box<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Read(serde_json::Error),
    Write(serde_json::Error),
    TooDeep,
}

impl JsonError {
    /// The line of the text, from 1, where reading stopped.
    pub fn line(&self) -> Option<usize> {
        match &self.kind {
            Kind::Read(source) => Some(source.line()),
            Kind::Write(_) | Kind::TooDeep => None,
        }
    }

    /// The column in bytes, from 1, where reading stopped.
    pub fn column(&self) -> Option<usize> {
        match &self.kind {
            Kind::Read(source) => Some(source.column()),
            Kind::Write(_) | Kind::TooDeep => None,
        }
    }

    fn new(message_type: &MessageType, kind: Kind) -> Self {
        Self {
            message_type: message_type.full_name().into(),
            kind,
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message_type = &self.message_type;
        match &self.kind {
            Kind::Read(source) => write!(f, "the JSON is no `{message_type}`: {source}"),
            Kind::Write(source) => write!(f, "`{message_type}` cannot be JSON: {source}"),
            Kind::TooDeep => write!(f, "the JSON is no `{message_type}`: {TooDeep}"),
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
            Kind::Read(source) | Kind::Write(source) => Some(source),
            Kind::TooDeep => None,
        }
    }
}

struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it nests deeper than {MESSAGE_NESTING_MAX} levels")
    }
}
