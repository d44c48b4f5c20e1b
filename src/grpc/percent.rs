//! Status-Message → Percent-Encoded.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// Percent-encodes as much of a message as fits; also returns the length of what was kept.
///
/// All bytes outside 0x20-0x24 and 0x26-0x7E are encoded, and so are spaces at the ends: HTTP/2 forbids
/// them there (RFC 9113, 8.2.1), and what is built on nghttp2 drops the whole message. The cut falls between two characters, so
/// that what arrives is UTF-8 and every `%xx` is whole. `fits` is asked with the bytes of the result
/// and the bytes of the message that they stand for.
pub(crate) fn encode(message: &str, fits: impl Fn(usize, usize) -> bool) -> (Cow<'_, str>, usize) {
    // Room for both of those spaces.
    let mut encoded_bytes = 2 * "%20".len();
    let mut kept = message.len();
    for (start, character) in message.char_indices() {
        let unreserved = matches!(character, ' '..='~') && character != '%';
        encoded_bytes += if unreserved {
            1
        } else {
            3 * character.len_utf8()
        };
        if !fits(encoded_bytes, start + character.len_utf8()) {
            kept = start;
            break;
        }
    }
    let kept_message = message.get(..kept).unwrap_or_default();
    let encoded = percent_encode(kept_message.as_bytes(), ENCODED).into();
    (without_spaces_at_ends(encoded), kept)
}

fn without_spaces_at_ends(encoded: Cow<'_, str>) -> Cow<'_, str> {
    let inner = encoded.trim_matches(' ');
    if inner.len() == encoded.len() {
        return encoded;
    }
    // Where there are many, all but the outermost may stand.
    let (first, rest) = encoded.split_at(usize::from(encoded.starts_with(' ')));
    let (rest, last) = rest.split_at(rest.len() - usize::from(rest.ends_with(' ')));
    let escaped = |space: &str| if space.is_empty() { "" } else { "%20" };
    [escaped(first), rest, escaped(last)].concat().into()
}

/// Beyond the controls and all that is not ASCII (which is always encoded): the percent sign.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

#[cfg(test)]
mod tests {
    use super::encode;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    #[test]
    fn the_interop_message_arrives_exact() {
        let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
        let (encoded, kept) = encode(message, |_, _| true);
        assert_eq!(
            encoded,
            "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP \
             %F0%9F%98%88%09%0A"
        );
        assert_eq!(kept, message.len());
        for (message, encoded) in [
            ("100%", "100%25"),
            ("", ""),
            (" ", "%20"),
            ("  ", "%20%20"),
            ("  a  b ", "%20 a  b%20"),
        ] {
            assert_eq!(encode(message, |_, _| true).0, encoded);
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_a_whole_prefix(message in "\\PC{0,40}|.{0,40}|[ a]{0,40}", bytes_max in 0usize..80) {
            let (encoded, kept) = encode(&message, |encoded, _| encoded <= bytes_max);
            prop_assert!(encoded.len() <= bytes_max);
            prop_assert!(encoded.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            prop_assert_eq!(encoded.trim(), &*encoded);
            let decoded = percent_decode_str(&encoded).decode_utf8().unwrap();
            prop_assert_eq!(&*decoded, &message[..kept]);
            if encoded.len() + 18 <= bytes_max {
                prop_assert_eq!(kept, message.len(), "cut without need");
            }
        }
    }
}
