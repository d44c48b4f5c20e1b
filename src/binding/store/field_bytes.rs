//! Fields of messages that are put together of bytes, or looked for in them.

use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint,
    encoded_len_varint, key_len, skip_field,
};

use super::key::Key;
use crate::schema::{Field, Kind};

/// Whether a string field of an encoded message is there and not empty, without decoding the message.
pub(super) fn has_text(field: &Field, mut message: &[u8]) -> bool {
    let mut has_text = false;
    while !message.is_empty() {
        let Ok((number, wire_type)) = decode_key(&mut message) else {
            return false;
        };
        if (number, wire_type) == (field.number(), WireType::LengthDelimited) {
            // Of a field that comes twice the last one counts.
            has_text = decode_varint(&mut { message }).is_ok_and(|length| length > 0);
        }
        if skip_field(wire_type, number, &mut message, DecodeContext::default()).is_err() {
            return false;
        }
    }
    has_text
}

/// Appends a string, bytes, or a sub-message that is encoded already: tag, length, bytes (protobuf's
/// wire type 2).
pub(super) fn put_bytes(field: &Field, bytes: &[u8], message: &mut Vec<u8>) {
    encode_key(field.number(), WireType::LengthDelimited, message);
    encode_varint(bytes.len() as u64, message);
    message.extend_from_slice(bytes);
}

/// Appends a `bool`.
pub(super) fn put_true(field: &Field, message: &mut Vec<u8>) {
    encode_key(field.number(), WireType::Varint, message);
    message.push(1);
}

/// Appends a key, to a field of the type of the resource's key.
pub(super) fn put_key(field: &Field, key: &Key<'_>, message: &mut Vec<u8>) {
    match key {
        Key::Text(text) => put_bytes(field, text.as_bytes(), message),
        Key::Signed(number) => put_number(field, number.cast_unsigned(), message),
        Key::Unsigned(number) => put_number(field, *number, message),
    }
}

/// How much room [`put_key`] needs at most; of strings, exactly.
pub(super) fn key_room(field: &Field, key: &Key<'_>) -> usize {
    let tag = key_len(field.number());
    match key {
        Key::Text(text) => tag + encoded_len_varint(text.len() as u64) + text.len(),
        Key::Signed(_) | Key::Unsigned(_) => tag + VARINT_BYTES_MAX,
    }
}

/// Appends an integer, of which a narrower type has the lowest bits.
fn put_number(field: &Field, bits: u64, message: &mut Vec<u8>) {
    let number = field.number();
    match field.kind() {
        Kind::Fixed32 | Kind::Sfixed32 => {
            encode_key(number, WireType::ThirtyTwoBit, message);
            message.extend_from_slice(&(bits as u32).to_le_bytes());
        }
        Kind::Fixed64 | Kind::Sfixed64 => {
            encode_key(number, WireType::SixtyFourBit, message);
            message.extend_from_slice(&bits.to_le_bytes());
        }
        kind => {
            encode_key(number, WireType::Varint, message);
            let is_zigzag = matches!(kind, Kind::Sint32 | Kind::Sint64);
            let signed = bits.cast_signed();
            let zigzag = ((signed << 1) ^ (signed >> 63)).cast_unsigned();
            encode_varint(if is_zigzag { zigzag } else { bits }, message);
        }
    }
}

const VARINT_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{Schema, message::Message};

    #[test]
    fn a_key_of_every_type_is_written_as_the_codec_writes_it() {
        let integers = "int32 int64 sint32 sint64 sfixed32 sfixed64 uint32 uint64 fixed32 fixed64";
        let types = || {
            integers
                .split(' ')
                .chain(["string"])
                .zip([1, 2, 15, 16, 2047].repeat(3))
        };
        let fields: String = types()
            .map(|(name, number)| format!("message M_{name} {{ {name} key = {number}; }}"))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.proto");
        fs::write(&file, format!("syntax = \"proto3\"; {fields}")).unwrap();
        let schema = Schema::compile([&file], [""; 0]).unwrap();
        for (name, _) in types() {
            let message_type = schema.message(&format!("M_{name}")).unwrap();
            let field = message_type.field("key").unwrap();
            let long = "x".repeat(300);
            let texts = ["7", "shelves/7", &long].map(|text| Key::Text(text.into()));
            let signed = [1, -1, 63, 64, -64, -65, 300, i64::from(i32::MIN), i64::MIN];
            let unsigned = [1, 127, 128, u64::from(u32::MAX), u64::MAX];
            let keys = texts
                .into_iter()
                .chain(signed.map(Key::Signed))
                .chain(unsigned.map(Key::Unsigned));
            let mut checked = 0;
            for key in keys {
                let mut expected = Message::new(&message_type);
                let set = match &key {
                    Key::Text(text) => expected.set(&field, &**text),
                    Key::Signed(number) => expected.set(&field, *number),
                    Key::Unsigned(number) => expected.set(&field, *number),
                };
                if set.is_err() {
                    continue;
                }
                let mut written = Vec::new();
                put_key(&field, &key, &mut written);
                assert_eq!(written, expected.encode_to_vec(), "{key} as {name}");
                assert!(written.len() <= key_room(&field, &key));
                checked += 1;
            }
            assert!(checked >= 3, "{name}");
        }
    }

    proptest! {
        /// Fields of `google.rpc.Status`, of each some, twice and in any order, then cut off.
        #[test]
        fn a_text_is_there_where_decoding_says_so(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    &b"\x12\x00"[..], b"\x12\x01a", b"\x08\x05", b"\x1a\x03\x12\x01b", b"\x10\x07",
                    b"\x13\x12\x01c\x14", b"\x22\x01d",
                ]),
                0..5,
            ),
            cut in 0_usize..2,
        ) {
            let status = Schema::built_in().message("google.rpc.Status").unwrap();
            let message = status.field("message").unwrap();
            let mut encoded = parts.concat();
            encoded.truncate(encoded.len().saturating_sub(cut));
            let decoded = Message::decode(&status, Bytes::from(encoded.clone()));
            if let Ok(decoded) = decoded {
                let is_there = !decoded.str(&message).unwrap().is_empty();
                prop_assert_eq!(has_text(&message, &encoded), is_there);
            }
        }
    }
}
