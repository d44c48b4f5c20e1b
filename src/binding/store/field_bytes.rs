//! Fields of messages that are put together of bytes.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::key::Key;
use crate::schema::{Field, Kind};

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
}
