//! Dynamic messages: built, read, decoded and encoded by their descriptor, without generated code.
//!
//! [`Message`] owns, [`MessageRef`] reads; setters take a [`Value`], getters give what they borrow
//! from the message. Typed Rust structs go in and out through serde
//! ([`Message::from_serialize`], [`Message::deserialize`]), JSON by the canonical mapping
//! ([`Message::to_json`], [`Message::from_json`]).

mod body;
mod codec;
mod convert;
mod decode;
pub(crate) mod decode_cost;
mod encode;
mod equality;
mod field_error;
mod field_key;
mod fit;
mod getters;
mod index;
mod json;
mod lending;
mod list_ref;
mod map_keys;
mod map_ref;
mod message_ref;
mod nesting;
mod path;
mod pool;
mod received;
mod required;
mod scan;
mod serde;
mod setters;
mod text;
mod utf8;
mod value;
mod value_ref;
mod wire;

use std::fmt;

pub use self::serde::SerdeError;
pub(crate) use self::serde::check_deserialize;
pub use codec::{DecodeError, EncodeError};
pub use field_error::FieldError;
pub use field_key::FieldKey;
pub use json::{JsonError, JsonOptions};
pub use list_ref::{ListIter, ListRef};
pub use map_ref::{MapIter, MapKeyRef, MapRef};
pub use message_ref::MessageRef;
pub use text::TextError;
pub use value::{MapKey, Value};
pub use value_ref::ValueRef;

use crate::schema::MessageType;
use body::Body;
use pool::Pooled;

/// A message of a type that is known at run time.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use reflectd::{Message, Schema};
///
/// let schema = Schema::compile(["proto/user.proto"], ["proto"])?;
/// let user_type = schema.message("user.User").ok_or("no such message")?;
///
/// let mut user = Message::new(&user_type);
/// user.set("name", "Ada")?;
/// let received = Message::decode(&user_type, user.encode_to_bytes())?;
/// assert_eq!(received.str("name")?, "Ada");
/// assert_eq!(received.to_json()?, r#"{"name":"Ada"}"#);
/// # Ok(())
/// # }
/// ```
///
/// `{}` prints the text format, `{:#}` on several lines.
#[derive(Clone)]
pub struct Message {
    inner: Pooled,
}

impl Message {
    /// An empty message: no field is set.
    pub fn new(message_type: &MessageType) -> Self {
        Self {
            inner: Pooled::new(message_type),
        }
    }

    /// A message that holds this.
    fn of_body(message_type: &MessageType, body: Body) -> Self {
        let mut message = Self::new(message_type);
        message.inner.body = body;
        message
    }

    /// How many messages lie inside each other in it, at most.
    fn height(&self) -> usize {
        self.inner.body.height()
    }

    fn into_body(mut self) -> Body {
        std::mem::take(&mut self.inner.body)
    }

    /// The message's type.
    pub fn message_type(&self) -> &MessageType {
        &self.inner.context.message_type
    }
}

/// Equal if they are of the same type of the same schema and say the same, unknown fields
/// included. A field without presence that is set to its default is one that is not set.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}
