//! The text format, for people to read.

use std::fmt;

use prost_reflect::{DynamicMessage, ReflectMessage as _, text_format::FormatOptions};

use crate::message::Message;

impl Message {
    /// The message in protobuf's text format, a field a line.
    pub fn to_text(&self) -> String {
        text(&self.inner, true)
    }
}

pub(super) fn text(message: &DynamicMessage, pretty: bool) -> String {
    // An `Any` stays as it is: payloads inside payloads are as deep as the sender likes.
    let options = FormatOptions::new().pretty(pretty).expand_any(false);
    message.to_text_format_with_options(&options)
}

pub(super) fn debug(message: &DynamicMessage, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = message.descriptor();
    let name = name.full_name();
    if f.alternate() {
        write!(f, "{name} {{\n{}\n}}", text(message, true))
    } else {
        write!(f, "{name} {{{}}}", text(message, false))
    }
}
