//! Length-Prefixed-Message, Custom-Metadata, Timeout, Percent-Encoded.

use std::time::Duration;

use bytes::Bytes;

use crate::grpc::{
    Code, LengthPrefixed, Metadata, PREFIX_BYTES, RawMessage, RawMetadata, Status, parse_timeout,
    percent_encode, prefix,
};

/// The first byte is the limit, the second the length of the chunks that the rest comes in.
///
/// However the bytes are cut, the messages are those that are found with all of them at hand, none is
/// longer than the limit, and written again they are the bytes that were read.
pub fn length_prefixed(input: &[u8]) {
    let [limit, chunk, wire @ ..] = input else {
        return;
    };
    let limit = usize::from(*limit);
    let (expected, rest) = split_messages(wire, limit);
    for chunk in [usize::from(*chunk).max(1), wire.len().max(1)] {
        let mut reader = LengthPrefixed::new(limit);
        let mut messages = Vec::new();
        let mut refused = None;
        for part in wire.chunks(chunk) {
            match read(&mut reader, part, &mut messages) {
                Ok(()) => {}
                Err(status) => {
                    refused = Some(status);
                    break;
                }
            }
        }
        assert_eq!(messages, expected);
        let end = refused.map_or_else(|| reader.end(), Err);
        assert_eq!(end.map_err(|status| status.code()), rest);
    }
    let again: Vec<u8> = expected
        .iter()
        .flat_map(|message| {
            [
                &prefix(message.bytes.len(), message.compressed)[..],
                &message.bytes,
            ]
            .concat()
        })
        .collect();
    assert!(wire.starts_with(&again));
}

fn read(
    reader: &mut LengthPrefixed,
    mut part: &[u8],
    messages: &mut Vec<RawMessage>,
) -> Result<(), Status> {
    while let Some(message) = reader.next(&mut part)? {
        messages.push(message);
    }
    Ok(())
}

/// The messages in bytes that are all there, and how the stream ends.
fn split_messages(wire: &[u8], limit: usize) -> (Vec<RawMessage>, Result<(), Code>) {
    let mut messages = Vec::new();
    let mut rest = wire;
    loop {
        let Some((&[flag, a, b, c, d], after)) = rest.split_first_chunk::<PREFIX_BYTES>() else {
            let whole = rest.is_empty();
            return (messages, whole.then_some(()).ok_or(Code::Internal));
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let code = match (flag, length) {
            (2.., _) => Some(Code::Internal),
            (_, length) if length > limit => Some(Code::ResourceExhausted),
            (_, length) if length > after.len() => Some(Code::Internal),
            _ => None,
        };
        if let Some(code) = code {
            return (messages, Err(code));
        }
        let (message, after) = after.split_at(length);
        messages.push(RawMessage {
            bytes: Bytes::copy_from_slice(message),
            compressed: flag == 1,
        });
        rest = after;
    }
}

/// Lines of a name, a zero byte and a value.
///
/// What is received says the same to every getter as to a base64 decoder of a few lines, and what can
/// be set as metadata is received as it was set.
pub fn metadata(input: &[u8]) {
    let mut received = RawMetadata::default();
    let mut bins = Vec::new();
    for line in input.split(|byte| *byte == b'\n') {
        let (name, value) = match line.iter().position(|byte| *byte == 0) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        // "A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a" (RFC 9113,
        // 8.2.1): HTTP/2 lets none of them through.
        if name.iter().any(u8::is_ascii_uppercase) {
            continue;
        }
        received.push(name, Bytes::copy_from_slice(value));
        if name.ends_with(b"-bin") && !name.starts_with(b"grpc-") && !name.starts_with(b":") {
            bins.push((name.to_vec(), value.to_vec()));
        }
        if let Ok(name) = std::str::from_utf8(name) {
            set_and_receive(name, value);
        }
    }
    let malformed = bins.iter().find(|(_, value)| decode_bin(value).is_none());
    assert_eq!(
        received.malformed_bin(),
        malformed.map(|(name, _)| name.as_slice())
    );
    let metadata = received.to_metadata();
    for (name, value) in metadata.iter() {
        assert!(!name.as_str().starts_with("grpc-") && name != "content-type" && name != "te");
        if name.as_str().ends_with("-bin") && malformed.is_none() {
            let all = decode_bin(value.as_bytes()).expect("no value is malformed");
            let read: Vec<Bytes> = metadata.all_bytes(name.as_str()).collect();
            assert!(all.iter().all(|bytes| read.contains(bytes)));
        }
    }
}

fn set_and_receive(name: &str, value: &[u8]) {
    let mut sent = Metadata::new();
    let text = std::str::from_utf8(value).unwrap_or_default();
    let set = match name.ends_with("-bin") {
        true => sent.append_bytes(name, value),
        false => sent.append(name, text),
    };
    if set.is_err() {
        assert!(sent.is_empty());
        return;
    }
    let mut received = RawMetadata::default();
    for (name, value) in sent.iter() {
        let bytes = value.as_bytes();
        assert!(bytes.iter().all(|byte| (b' '..=b'~').contains(byte)));
        received.push(name.as_str().as_bytes(), Bytes::copy_from_slice(bytes));
    }
    assert_eq!(received.malformed_bin(), None);
    let received = received.to_metadata();
    match name.ends_with("-bin") {
        true => assert_eq!(received.bytes(name).as_deref(), Some(value)),
        false => assert_eq!(received.text(name), Some(text)),
    }
}

/// The values of a `-bin` header: base64 with or without padding, several joined with commas.
fn decode_bin(value: &[u8]) -> Option<Vec<Bytes>> {
    value
        .split(|byte| *byte == b',')
        .map(|part| decode_base64(part.trim_ascii()))
        .collect()
}

fn decode_base64(text: &[u8]) -> Option<Bytes> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let (digits, _) = text.split_at(text.len() - padding);
    // No more padding than is due; less is read as none.
    if digits.len() % 4 == 1 || padding > (4 - digits.len() % 4) % 4 {
        return None;
    }
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let mut bits = 0;
        for at in 0..4 {
            let digit = match group.get(at) {
                None => 0,
                Some(digit @ b'A'..=b'Z') => digit - b'A',
                Some(digit @ b'a'..=b'z') => digit - b'a' + 26,
                Some(digit @ b'0'..=b'9') => digit - b'0' + 52,
                Some(b'+') => 62,
                Some(b'/') => 63,
                Some(_) => return None,
            };
            bits = bits << 6 | u32::from(digit);
        }
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes.into())
}

/// Held against the grammar, read with the standard library's numbers.
pub fn timeout(input: &[u8]) {
    assert_eq!(parse_timeout(input), expected_timeout(input));
}

fn expected_timeout(input: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(input).ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let count: u32 = digits.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(3600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    Some(unit * count)
}

/// The first byte is the room there is. What is written fits, is printable, and reads as a prefix of
/// the text that ends between two characters; nothing is cut without need.
pub fn percent(input: &[u8]) {
    let Some((room, text)) = input.split_first() else {
        return;
    };
    let (room, text) = (usize::from(*room), String::from_utf8_lossy(text));
    let (encoded, kept) = percent_encode(&text, |encoded_bytes, _| encoded_bytes <= room);
    assert!(encoded.len() <= room);
    assert!(encoded.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
    assert_eq!(decode_percent(encoded.as_bytes()), &text.as_bytes()[..kept]);
    let next = text[kept..].chars().next();
    // Room is left for spaces at both ends, which take three bytes each.
    assert!(next.is_none_or(|next| encoded.len() + 3 * next.len_utf8() + 6 > room));
}

fn decode_percent(encoded: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = encoded;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        decoded.push(match first {
            b'%' => {
                let (digits, after) = after.split_at(2);
                rest = after;
                let digits = std::str::from_utf8(digits).expect("digits follow a percent sign");
                u8::from_str_radix(digits, 16).expect("digits follow a percent sign")
            }
            plain => *plain,
        });
    }
    decoded
}
