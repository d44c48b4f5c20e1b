//! The text format, for people.

use std::fmt;

use prost_reflect::{DynamicMessage, text_format::FormatOptions};

use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{
        Message, MessageRef,
        convert::reflected,
        nesting::{is_text_within_limit, is_within_limit},
    },
    schema::MessageType,
};

impl Message {
    /// Reads a message from protobuf's text format
    /// (<https://protobuf.dev/reference/protobuf/textformat-spec/>).
    ///
    /// # Errors
    /// If it is not of this type, or nests deeper than [`MESSAGE_NESTING_MAX`] brackets: a message in an
    /// entry of a map has two.
    pub fn from_text(message_type: &MessageType, text: &str) -> Result<Self, TextError> {
        let error = |why: String| TextError {
            message_type: message_type.full_name().into(),
            why,
        };
        let too_deep = || error(format!("it nests deeper than {MESSAGE_NESTING_MAX} levels"));
        if !is_text_within_limit(text) {
            return Err(too_deep());
        }
        let descriptor = message_type.descriptor().clone();
        let dynamic = DynamicMessage::parse_text_format(descriptor, text)
            .map_err(|source| error(source.to_string()))?;
        match is_within_limit(&dynamic) {
            true => Ok(Self::from(dynamic)),
            false => Err(too_deep()),
        }
    }

    /// The message in protobuf's text format, a field a line.
    pub fn to_text(&self) -> String {
        text(self.as_ref(), true)
    }
}

/// Why a text is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is no `{message_type}`: {why}")]
pub struct TextError {
    message_type: Box<str>,
    why: String,
}

pub(super) fn text(message: MessageRef<'_>, pretty: bool) -> String {
    // An `Any` stays as it is: payloads inside payloads are as deep as the sender likes.
    let options = FormatOptions::new().pretty(pretty).expand_any(false);
    reflected(message).to_text_format_with_options(&options)
}

pub(super) fn debug(message: MessageRef<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = message.layout.descriptor.full_name();
    if f.alternate() {
        write!(f, "{name} {{\n{}\n}}", text(message, true))
    } else {
        write!(f, "{name} {{{}}}", text(message, false))
    }
}
