//! How deeply messages lie inside each other.
//!
//! The wire decoder stops at [`MESSAGE_NESTING_MAX`]; the checks here hold the text format to the same
//! limit.

use prost_reflect::{DynamicMessage, Value as Reflected};

use crate::limits::MESSAGE_NESTING_MAX;

/// Whether a message could be decoded again from its encoding.
pub(super) fn is_within_limit(message: &DynamicMessage) -> bool {
    fits(message, MESSAGE_NESTING_MAX).is_some()
}

/// Whether the brackets of a message in the text format nest within the limit, in braces or angle
/// brackets, with strings in either kind of quotes. An entry of a map has brackets around those of its
/// value, and counts: prost-reflect's parser needs stack for both. Reads no more of it than where strings
/// begin and end; what is no text format at all is the parser's to tell. A comment's brackets count:
/// nobody writes a hundred of them.
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

/// Whether at most `levels` messages lie inside each other below `message`.
fn fits(message: &DynamicMessage, levels: usize) -> Option<()> {
    let fields = message.fields().map(|(_, value)| value);
    let extensions = message.extensions().map(|(_, value)| value);
    fields
        .chain(extensions)
        .try_for_each(|value| value_fits(value, levels))
}

fn value_fits(value: &Reflected, levels: usize) -> Option<()> {
    match value {
        Reflected::Message(message) => fits(message, levels.checked_sub(1)?),
        Reflected::List(items) => items.iter().try_for_each(|item| value_fits(item, levels)),
        Reflected::Map(entries) => entries
            .values()
            .try_for_each(|value| value_fits(value, levels)),
        _ => Some(()),
    }
}
