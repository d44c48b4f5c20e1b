//! How deeply messages lie inside each other.
//!
//! The wire decoder stops at [`MESSAGE_NESTING_MAX`]; the checks here hold the other ways in and
//! out to the same limit.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _, Value as Reflected};

use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::decode_cost::{self, memory_bytes_max},
};

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It nests deeper than [`MESSAGE_NESTING_MAX`].
    TooDeep,
    /// The payload of an `Any` would take too much memory.
    TooLarge,
}

/// Whether a message could be decoded again from its encoding, by any implementation.
pub(super) fn is_within_limit(message: &DynamicMessage) -> bool {
    fits(message, MESSAGE_NESTING_MAX, Payloads::Opaque).is_ok()
}

/// Whether a message nests within the limit when the payload of each `google.protobuf.Any` counts
/// as lying inside it. JSON writes payloads out, and on the wire they are only bytes: a message of
/// one megabyte can hold 20,000 of them inside each other, or one that takes half a gigabyte.
pub(super) fn fits_expanded(message: &DynamicMessage) -> Result<(), Unfit> {
    fits(message, MESSAGE_NESTING_MAX, Payloads::Expanded)
}

/// Whether the brackets of a JSON text nest within the limit. Reads no more of JSON than where
/// strings begin and end; what is no JSON at all is the parser's to tell.
pub(super) fn is_json_within_limit(json: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MESSAGE_NESTING_MAX {
            return false;
        }
    }
    true
}

/// The same for the text format, whose messages stand in braces or angle brackets and whose strings
/// in either kind of quotes. A comment's brackets count: nobody writes a hundred of them.
pub(super) fn is_text_within_limit(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if let Some(open) = quote {
            // No string goes on behind the end of its line: an apostrophe in a comment ends there,
            // whatever stands before it.
            let escaped = (byte == b'\\').then(|| bytes.next()).flatten();
            if byte == open || byte == b'\n' || escaped == Some(b'\n') {
                quote = None;
            }
            continue;
        }
        match byte {
            b'"' | b'\'' => quote = Some(byte),
            b'{' | b'<' | b'[' => depth += 1,
            b'}' | b'>' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MESSAGE_NESTING_MAX {
            return false;
        }
    }
    true
}

#[derive(Clone, Copy, PartialEq)]
enum Payloads {
    Opaque,
    Expanded,
}

/// Whether at most `levels` messages lie inside each other below `message`.
fn fits(message: &DynamicMessage, levels: usize, payloads: Payloads) -> Result<(), Unfit> {
    if payloads == Payloads::Expanded {
        payload_fits(message, levels)?;
    }
    for (_, value) in message.fields() {
        value_fits(value, levels, payloads)?;
    }
    for (_, value) in message.extensions() {
        value_fits(value, levels, payloads)?;
    }
    Ok(())
}

fn value_fits(value: &Reflected, levels: usize, payloads: Payloads) -> Result<(), Unfit> {
    match value {
        Reflected::Message(message) => fits(message, below(levels)?, payloads),
        Reflected::List(items) => items
            .iter()
            .try_for_each(|item| value_fits(item, levels, payloads)),
        // On the wire an entry is a message with the value inside it, and prost counts it.
        Reflected::Map(entries) => {
            let levels = below(levels)?;
            entries
                .values()
                .try_for_each(|value| value_fits(value, levels, payloads))
        }
        _ => Ok(()),
    }
}

fn below(levels: usize) -> Result<usize, Unfit> {
    levels.checked_sub(1).ok_or(Unfit::TooDeep)
}

/// Whether the message inside an `Any` fits, if its type is known and its bytes are one.
fn payload_fits(message: &DynamicMessage, levels: usize) -> Result<(), Unfit> {
    let Some((payload_type, encoded)) = any_payload(message) else {
        return Ok(());
    };
    if decode_cost::exceeds(&payload_type, &encoded, memory_bytes_max(encoded.len())) {
        return Err(Unfit::TooLarge);
    }
    match DynamicMessage::decode(payload_type, encoded) {
        Ok(payload) => fits(&payload, below(levels)?, Payloads::Expanded),
        // The writer tells what is no message of its type.
        Err(_) => Ok(()),
    }
}

fn any_payload(message: &DynamicMessage) -> Option<(MessageDescriptor, Bytes)> {
    let descriptor = message.descriptor();
    if descriptor.full_name() != "google.protobuf.Any" {
        return None;
    }
    let type_url = message.get_field_by_number(1)?;
    let (_, name) = type_url.as_str()?.rsplit_once('/')?;
    let payload_type = descriptor.parent_pool().get_message_by_name(name)?;
    let value = message.get_field_by_number(2)?;
    Some((payload_type, value.as_bytes()?.clone()))
}
