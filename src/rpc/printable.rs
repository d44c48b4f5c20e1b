//! Text from outside, fit for a log.

use std::borrow::Cow;

use super::Call;
use crate::limits;

/// The service and the method of a call; for a path that no method has, what the client has sent.
pub(super) fn names(call: &Call) -> (Cow<'_, str>, Cow<'_, str>) {
    if let Some(method) = call.method() {
        return (method.service().into(), method.name().into());
    }
    let path = call.path();
    let names = path
        .strip_prefix('/')
        .and_then(|path| path.rsplit_once('/'));
    let (service, method) = names.unwrap_or(("", path));
    (printable(service), printable(method))
}

/// A text on one line, none of whose characters do anything to a terminal, cut where it is longer
/// than [`LOGGED_TEXT_BYTES`](limits::LOGGED_TEXT_BYTES).
///
/// Without this, who chooses the text could write lines of the log (CWE-117). A text that is in order
/// is borrowed.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let kept = cut(text, limits::LOGGED_TEXT_BYTES);
    if kept.len() == text.len() && !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(kept.len() + 16);
    for character in kept.chars() {
        match acts(character) {
            true => written.extend(character.escape_default()),
            false => written.push(character),
        }
    }
    if kept.len() < text.len() {
        written.push('…');
    }
    Cow::Owned(written)
}

/// The start of a text, at most so many bytes.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut ends = (0..=bytes_max.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Whether a character does something in place of being seen: C0 and C1 controls, line and paragraph
/// separators, and what turns the direction of writing (Unicode, "Bidi_Control").
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}
