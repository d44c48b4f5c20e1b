//! Keys: the value of a resource's key field, and its bytes in the store.

use std::{borrow::Cow, fmt};

use crate::{
    grpc::Status,
    limits,
    message::{MessageRef, ValueRef},
    schema::{Field, Kind},
};

/// The key of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// Never empty.
    Text(Cow<'a, str>),
    Signed(i64),
    Unsigned(u64),
}

impl<'a> Key<'a> {
    /// Whether a field may hold a key: one string or integer. A key that is put into a oneof would
    /// take the place of what the caller has in it.
    pub(super) fn can_be_in(field: &Field) -> bool {
        let singular = !field.is_list() && !field.is_map();
        singular
            && field.oneof().is_none()
            && (field.kind() == Kind::String || is_integer(&field.kind()))
    }

    /// A key of a string, which is not empty, for a field of this name.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a string longer than [`limits::RESOURCE_KEY_BYTES`].
    pub(super) fn text(name: &str, text: impl Into<Cow<'a, str>>) -> Result<Self, Status> {
        let text = text.into();
        match text.len() {
            ..=limits::RESOURCE_KEY_BYTES => Ok(Self::Text(text)),
            length => Err(too_long(name, length)),
        }
    }

    /// Reads a key field; `None` if it is unset. An empty string is never a key, and neither is 0,
    /// with presence or without: the requests that ask for it may have none.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a string longer than [`limits::RESOURCE_KEY_BYTES`].
    pub(super) fn read(message: MessageRef<'a>, field: &Field) -> Result<Option<Self>, Status> {
        if !message.has(field).map_err(internal)? {
            return Ok(None);
        }
        let key = match message.get(field).map_err(internal)? {
            ValueRef::Str("")
            | ValueRef::I32(0)
            | ValueRef::I64(0)
            | ValueRef::U32(0)
            | ValueRef::U64(0) => None,
            ValueRef::Str(text) => Some(Self::text(field.name(), text)?),
            ValueRef::I32(number) => Some(Self::Signed(number.into())),
            ValueRef::I64(number) => Some(Self::Signed(number)),
            ValueRef::U32(number) => Some(Self::Unsigned(number.into())),
            ValueRef::U64(number) => Some(Self::Unsigned(number)),
            _ => None,
        };
        Ok(key)
    }

    /// The key for the `count`th resource (from 0) that came without one: a string counts from
    /// `"0"`, an integer from 1 because its 0 means "not set". `None` if the type has no more.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is longer than [`limits::RESOURCE_KEY_BYTES`] behind this prefix.
    pub(super) fn counted(
        field: &Field,
        prefix: &str,
        count: u64,
        digits: &'a mut itoa::Buffer,
    ) -> Result<Option<Self>, Status> {
        if field.kind() != Kind::String {
            return Ok(Self::counted_number(&field.kind(), count));
        }
        let digits = digits.format(count);
        let text: Cow<'a, str> = match prefix {
            "" => digits.into(),
            prefix => [prefix, digits].concat().into(),
        };
        Self::text(field.name(), text).map(Some)
    }

    fn counted_number(kind: &Kind, count: u64) -> Option<Self> {
        let number = count.checked_add(1)?;
        match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                i32::try_from(number).ok().map(|n| Self::Signed(n.into()))
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                i64::try_from(number).ok().map(Self::Signed)
            }
            Kind::Uint32 | Kind::Fixed32 => {
                u32::try_from(number).ok().map(|n| Self::Unsigned(n.into()))
            }
            Kind::Uint64 | Kind::Fixed64 => Some(Self::Unsigned(number)),
            _ => None,
        }
    }

    /// Appends the key's bytes, whose order is the keys' natural order ([`super::rows`] draws them).
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Text(text) => encode_text(text, bytes),
            // Shifted so that the lowest is 0: the bytes of negative numbers come first.
            Self::Signed(number) => {
                let shifted = number.cast_unsigned() ^ (1 << 63);
                bytes.extend(shifted.to_be_bytes());
            }
            Self::Unsigned(number) => bytes.extend(number.to_be_bytes()),
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Signed(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
        }
    }
}

/// Writes every run of digits as `0`, its length, and the digits: `book2` sorts before `book10`.
/// The bytes that a text which does not end in a digit is written as are the beginning of those of
/// every text that begins with it.
pub(super) fn encode_text(text: &str, bytes: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let first_digit = rest.iter().position(u8::is_ascii_digit);
        let (plain, behind) = rest.split_at(first_digit.unwrap_or(rest.len()));
        bytes.extend_from_slice(plain);
        let digits = behind.iter().take(DIGITS_MAX.into());
        let run = digits.take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, behind) = behind.split_at(run);
        if let (1.., Ok(length)) = (run, u8::try_from(run)) {
            bytes.extend_from_slice(&[b'0', length]);
            bytes.extend_from_slice(digits);
        }
        rest = behind;
    }
}

/// Whether an encoded text has a slash; the length of a run of digits may look like one.
pub(super) fn has_slash(mut encoded: &[u8]) -> bool {
    while let [first, rest @ ..] = encoded {
        encoded = match (first, rest) {
            (b'/', _) => return true,
            (b'0', [run, digits @ ..]) => digits.get(usize::from(*run)..).unwrap_or_default(),
            _ => rest,
        };
    }
    false
}

fn is_integer(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Int32
            | Kind::Int64
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64
    )
}

pub(super) fn too_long(name: &str, length: usize) -> Status {
    let limit = limits::RESOURCE_KEY_BYTES;
    Status::invalid_argument(format!(
        "`{name}` has {length} bytes; a key has at most {limit}"
    ))
}

/// Reading a field by the handle of its own type cannot fail.
pub(super) fn internal(error: impl fmt::Display) -> Status {
    Status::internal(error.to_string())
}

/// Longer runs of digits are written as several.
const DIGITS_MAX: u8 = u8::MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(key: &Key<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        key.encode(&mut bytes);
        bytes
    }

    fn text(text: &str) -> Vec<u8> {
        bytes(&Key::Text(text.into()))
    }

    #[test]
    fn the_bytes_are_those_that_are_documented() {
        assert_eq!(text("10"), b"0\x0210");
        assert_eq!(text("shelves/7/b"), b"shelves/0\x017/b");
        assert_eq!(
            bytes(&Key::Signed(-1)),
            [0x7f, 255, 255, 255, 255, 255, 255, 255]
        );
        assert_eq!(bytes(&Key::Unsigned(258)), [0, 0, 0, 0, 0, 0, 1, 2]);
        let long = "7".repeat(300);
        let expected = [b"0\xff".as_slice(), &[b'7'; 255], b"0\x2d", &[b'7'; 45]].concat();
        assert_eq!(text(&long), expected);
    }

    proptest! {
        #[test]
        fn numbers_in_text_are_in_the_order_of_numbers(a: u64, b: u64, prefix in "[a-z/]{0,3}") {
            let (x, y) = (format!("{prefix}{a}"), format!("{prefix}{b}"));
            prop_assert_eq!(text(&x).cmp(&text(&y)), a.cmp(&b));
            prop_assert_eq!(bytes(&Key::Unsigned(a)).cmp(&bytes(&Key::Unsigned(b))), a.cmp(&b));
        }

        #[test]
        fn signed_numbers_are_in_their_order(a: i64, b: i64) {
            prop_assert_eq!(bytes(&Key::Signed(a)).cmp(&bytes(&Key::Signed(b))), a.cmp(&b));
        }

        #[test]
        fn two_texts_never_share_their_bytes(a in "[0-2ab\u{0}-\u{3}]{0,6}", b in "[0-2ab\u{0}-\u{3}]{0,6}") {
            prop_assert_eq!(text(&a) == text(&b), a == b);
        }

        #[test]
        fn texts_without_digits_are_in_the_order_of_their_bytes(a in "[^0-9]{0,8}", b in "[^0-9]{0,8}") {
            prop_assert_eq!(text(&a).cmp(&text(&b)), a.cmp(&b));
        }

        #[test]
        fn a_slash_is_told_from_a_length(a in "a?[0-9]{40,50}[a/]?[0-9]?") {
            prop_assert_eq!(has_slash(&text(&a)), a.contains('/'));
        }

        #[test]
        fn a_text_keeps_its_beginnings(a in "[0-9a/]{0,5}/", b in "[0-9a/]{0,5}") {
            let longer = format!("{a}{b}");
            prop_assert!(text(&longer).starts_with(&text(&a)));
        }
    }
}
