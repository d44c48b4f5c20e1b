//! Decoding and encoding, held against prost-reflect.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/random_message.rs"]
mod random_message;

use bytes::{BufMut, Bytes, BytesMut};
use fixtures::{everything, legacy};
use proptest::prelude::*;
use prost_reflect::{DynamicMessage, Kind, Syntax, Value as Reflected, prost::Message as _};
use random_message::{Random, random_message};
use reflectd::{
    Message, Schema,
    message::{MapKeyRef, MessageRef, Value, ValueRef},
    schema::{self, MessageType},
};

fn types() -> [MessageType; 3] {
    [
        everything("Everything"),
        everything("WellKnown"),
        legacy("Legacy"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// What prost-reflect encodes reads the same through every getter, and comes out again.
    #[test]
    fn reads_what_prost_reflect_wrote(seed: u64, which in 0..3_usize) {
        let ty = &types()[which];
        let expected = random_message(ty.descriptor(), &mut Random(seed), 3);
        let message = Message::decode(ty, expected.encode_to_vec()).unwrap();
        check_reads(message.as_ref(), &expected);
        prop_assert_eq!(message.encoded_len(), expected.encoded_len());
        let again = Message::decode(ty, message.encode_to_bytes()).unwrap();
        prop_assert_eq!(&again, &message);
        prop_assert_eq!(again.as_ref().encode_to_vec().len(), expected.encoded_len());
        prop_assert_eq!(Message::from(expected), message);
    }

    /// A message that setters build from what getters gave is the same message.
    #[test]
    fn builds_what_it_read(seed: u64, which in 0..3_usize) {
        let ty = &types()[which];
        let original = Message::from(random_message(ty.descriptor(), &mut Random(seed), 2));
        let mut set = Message::new(ty);
        let mut grown = Message::new(ty);
        for (field, value) in original.fields() {
            set.set(field, value.to_owned()).unwrap();
            match value {
                ValueRef::List(items) => {
                    items.iter().for_each(|item| grown.push(field, item.to_owned()).unwrap());
                }
                ValueRef::Map(entries) => entries.iter().for_each(|(key, value)| {
                    grown.insert(field, key.to_owned(), value.to_owned()).unwrap();
                }),
                value => grown.set(field, value.to_owned()).unwrap(),
            }
        }
        prop_assert_eq!(&set, &original);
        prop_assert_eq!(&grown, &original);
        let encoded = set.encode_to_vec();
        prop_assert_eq!(&Message::decode(ty, encoded.clone()).unwrap(), &original);
        prop_assert_eq!(encoded.len(), set.encoded_len());
        let mut appended = b"before".to_vec();
        set.encode(&mut appended).unwrap();
        prop_assert_eq!(&appended[6..], &encoded);
        prop_assert_eq!(original.clone().detach(), original);
    }

    /// Damaged bytes are accepted and refused as prost-reflect does, and mean the same to both.
    #[test]
    fn damaged_bytes(seed: u64, which in 0..3_usize, damage in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4), cut: Option<u16>) {
        let ty = &types()[which];
        let mut bytes = random_message(ty.descriptor(), &mut Random(seed), 2).encode_to_vec();
        for (at, byte) in damage {
            let len = bytes.len();
            if len > 0 {
                bytes[usize::from(at) % len] = byte;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(usize::from(cut) % (bytes.len() + 1));
        }
        let expected = DynamicMessage::decode(ty.descriptor().clone(), bytes.as_slice());
        // What is not laid out reads the same as what is.
        let scanned = Message::decode_within(ty, bytes.clone(), 0);
        match (Message::decode(ty, bytes), expected) {
            (Ok(message), Ok(mut expected)) => {
                without_unnamed(&mut expected);
                let again = DynamicMessage::decode(ty.descriptor().clone(), message.encode_to_bytes());
                let mut again = again.unwrap();
                without_unnamed(&mut again);
                prop_assert_eq!(again.encoded_len(), expected.encoded_len());
                check_reads(message.as_ref(), &expected);
                check_reads(scanned.as_ref().unwrap().as_ref(), &expected);
                prop_assert_eq!(message.deterministic(), scanned.unwrap().deterministic());
                // Nothing that can be read from outside makes another way out panic.
                let _ = (message.to_json(), message.to_text(), format!("{message:?}"));
                let _ = (message.missing_required(), message.clone().detach());
            }
            (Err(error), Err(_)) => {
                let expected = format!("the bytes are no `{}`: ", ty.full_name());
                prop_assert!(error.to_string().starts_with(&expected), "{}", error);
            }
            // prost-reflect reads the entry of a map whatever its wire type is.
            (Err(error), Ok(_)) if error.to_string().contains(": expected a length, got ") => {}
            (ours, theirs) => prop_assert!(false, "{:?} {:?}", ours, theirs),
        }
    }
}

/// Numbers that a closed enum does not name are unknown fields; prost-reflect keeps them as values.
fn without_unnamed(message: &mut DynamicMessage) {
    let fields: Vec<_> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        let unnamed = |value: &Reflected, kind: &Kind| match (value, kind) {
            (Reflected::EnumNumber(number), Kind::Enum(kind)) => {
                kind.parent_file().syntax() == Syntax::Proto2 && kind.get_value(*number).is_none()
            }
            _ => false,
        };
        let kind = field.kind();
        match message.get_field_mut(&field) {
            Reflected::Message(message) => without_unnamed(message),
            Reflected::List(items) => {
                items.retain(|item| !unnamed(item, &kind));
                for item in items {
                    if let Reflected::Message(item) = item {
                        without_unnamed(item);
                    }
                }
            }
            Reflected::Map(entries) => {
                let Kind::Message(entry) = kind else { continue };
                let kind = entry.map_entry_value_field().kind();
                entries.retain(|_, value| !unnamed(value, &kind));
                for value in entries.values_mut() {
                    if let Reflected::Message(value) = value {
                        without_unnamed(value);
                    }
                }
            }
            value if unnamed(value, &kind) => message.clear_field(&field),
            _ => {}
        }
    }
}

fn check_reads(message: MessageRef<'_>, expected: &DynamicMessage) {
    for field in message.message_type().fields() {
        let value = expected.get_field(field.descriptor());
        assert_eq!(
            message.has(&field).unwrap(),
            expected.has_field(field.descriptor())
        );
        check_value(
            message.get(&field).unwrap(),
            &value,
            &field.descriptor().kind(),
        );
        check_value(
            message.get(field.name()).unwrap(),
            &value,
            &field.descriptor().kind(),
        );
        check_value(
            message.get(field.number()).unwrap(),
            &value,
            &field.descriptor().kind(),
        );
    }
    let set: Vec<_> = message.fields().map(|(field, _)| field.number()).collect();
    let expected: Vec<_> = expected.fields().map(|(field, _)| field.number()).collect();
    assert_eq!(set, expected);
}

fn check_value(value: ValueRef<'_>, expected: &Reflected, kind: &Kind) {
    match (value, expected) {
        (ValueRef::Bool(value), Reflected::Bool(expected)) => assert_eq!(value, *expected),
        (ValueRef::I32(value), Reflected::I32(expected))
        | (ValueRef::Enum(value), Reflected::EnumNumber(expected)) => assert_eq!(value, *expected),
        (ValueRef::I64(value), Reflected::I64(expected)) => assert_eq!(value, *expected),
        (ValueRef::U32(value), Reflected::U32(expected)) => assert_eq!(value, *expected),
        (ValueRef::U64(value), Reflected::U64(expected)) => assert_eq!(value, *expected),
        (ValueRef::F32(value), Reflected::F32(expected)) => {
            assert_eq!(value.to_bits(), expected.to_bits());
        }
        (ValueRef::F64(value), Reflected::F64(expected)) => {
            assert_eq!(value.to_bits(), expected.to_bits());
        }
        (ValueRef::Str(value), Reflected::String(expected)) => assert_eq!(value, expected),
        (ValueRef::Bytes(value), Reflected::Bytes(expected)) => assert_eq!(value, expected),
        (ValueRef::Message(value), Reflected::Message(expected)) => {
            // A type that contains itself reads as empty for ever.
            if expected.fields().next().is_some() {
                check_reads(value, expected);
            } else {
                assert_eq!(value.fields().count(), 0);
            }
        }
        (ValueRef::List(value), Reflected::List(expected)) => {
            assert_eq!(value.len(), expected.len());
            value
                .iter()
                .zip(expected)
                .for_each(|(value, expected)| check_value(value, expected, kind));
        }
        (ValueRef::Map(value), Reflected::Map(expected)) => {
            assert_eq!(value.len(), expected.len());
            for (key, expected) in expected {
                let key = MapKeyRef::from(key).to_owned();
                check_value(value.get(key).unwrap(), expected, kind);
            }
        }
        (value, expected) => panic!("{value:?} for {expected:?} in {kind:?}"),
    }
}

#[test]
fn merging() {
    let ty = everything("Everything");
    let mut one = Message::new(&ty);
    one.set("string", "one").unwrap();
    one.set("int32s", vec![1]).unwrap();
    let mut two = Message::new(&ty);
    two.set("string", "two").unwrap();
    two.set("int32s", vec![2]).unwrap();
    one.merge(two.encode_to_bytes()).unwrap();
    assert_eq!(one.str("string").unwrap(), "two");
    assert_eq!(one.list("int32s").unwrap().len(), 2);

    let before = one.clone();
    one.merge(&b"\x72\x03new\xff"[..]).unwrap_err();
    assert_eq!(one, before, "a merge that fails changes nothing");
}

#[test]
fn unknown_fields_survive() {
    let user = b"\x0a\x01a\x9a\x06\x03xyz\xa0\x06\x05";
    let message = Message::decode(&everything("Inner"), &user[..]).unwrap();
    assert_eq!(message.str("Name").unwrap(), "a");
    assert_eq!(message.encode_to_vec(), user);
    let mut other = message.clone();
    other.clear_all();
    assert!(other.encode_to_vec().is_empty());
    assert_ne!(message, other);
}

/// Varints of every length, in lists longer than what is written at once.
#[test]
fn long_lists_are_encoded_as_prost_reflect_does() {
    let numbers = (0..1300_u32).map(|at| (1_u64 << (at % 64)).wrapping_sub(u64::from(at % 3)));
    let schema = Schema::compile(["benches/codec/codec.proto"], ["benches/codec"]).unwrap();
    let mut seen = Vec::new();
    for ty in [
        everything("Everything"),
        schema.message("codec.Numbers").unwrap(),
    ] {
        for field in ty.fields().filter(|field| field.is_list()) {
            let list: Vec<Value> = match field.kind() {
                schema::Kind::Int32 | schema::Kind::Sint32 => numbers
                    .clone()
                    .map(|number| (number as i32).into())
                    .collect(),
                schema::Kind::Int64 => numbers
                    .clone()
                    .map(|number| (number as i64).into())
                    .collect(),
                _ => continue,
            };
            let mut message = Message::new(&ty);
            message.set(&field, list).unwrap();
            let encoded = message.encode_to_vec();
            let descriptor = ty.descriptor().clone();
            let theirs = DynamicMessage::decode(descriptor, encoded.as_slice()).unwrap();
            // prost-reflect packs this one, too, if the file was compiled here.
            if field.name() != "unpacked" {
                assert_eq!(theirs.encode_to_vec(), encoded, "{}", field.name());
            }
            assert_eq!(Message::decode(&ty, encoded).unwrap(), message);
            seen.push(field.name().to_owned());
        }
    }
    assert_eq!(seen, ["int32s", "unpacked", "integers", "deltas"]);
}

#[test]
fn encoding_into_buffers() {
    let mut message = Message::new(&everything("Inner"));
    message.set("Name", "Ada").unwrap();
    let mut buffer = BytesMut::from(&b"before"[..]);
    message.encode(&mut buffer).unwrap();
    assert_eq!(buffer, &b"before\x0a\x03Ada"[..]);
    let mut short = [0; 4];
    let error = message.encode(&mut short.as_mut_slice()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the encoding takes 5 bytes, and the buffer has room for 4"
    );
    let mut limited = Vec::new().limit(4);
    message.encode(&mut limited).unwrap_err();
}

#[test]
fn detaching_lets_go_of_the_received_buffer() {
    let ty = everything("Everything");
    let mut message = Message::new(&ty);
    message.set("bytes", Bytes::from_static(b"kept")).unwrap();
    let received = message.encode_to_bytes();
    let range = received.as_ptr_range();
    let message = Message::decode(&ty, received.clone()).unwrap();
    assert!(
        range.contains(&message.bytes("bytes").unwrap().as_ptr()),
        "decoding shares"
    );
    let message = message.detach();
    assert!(!range.contains(&message.bytes("bytes").unwrap().as_ptr()));
    assert_eq!(message.bytes("bytes").unwrap(), b"kept");
}

/// Numbers of a packed list that its closed enum does not name are unknown fields as those are that
/// stand alone.
#[test]
fn unnamed_numbers_of_a_packed_list_are_unknown() {
    let ty = legacy("Legacy");
    let decode = |encoded: &[u8]| Message::decode(&ty, encoded.to_vec()).unwrap();
    let packed = decode(&[0x52, 4, 1, 9, 2, 9]);
    let alone = decode(&[0x50, 1, 0x50, 9, 0x50, 2, 0x50, 9]);
    assert_eq!(packed, alone);
    assert_ne!(packed, decode(&[0x52, 2, 1, 2]));
    let expected = [0x50, 1, 0x50, 2, 0x50, 9, 0x50, 9];
    assert_eq!(packed.deterministic(), expected);
    assert_eq!(decode(&expected), packed);
}

#[test]
fn nesting_stops_at_a_hundred() {
    let ty = everything("Everything");
    let mut message = Message::new(&ty);
    for _ in 0..100 {
        let mut outer = Message::new(&ty);
        outer.set("child", message).unwrap();
        message = outer;
    }
    Message::decode(&ty, message.encode_to_bytes()).unwrap();
    // No setter makes more, and so it is written by hand.
    let mut outer = vec![0xea, 0x03];
    prost::encoding::encode_varint(message.encoded_len() as u64, &mut outer);
    message.encode(&mut outer).unwrap();
    let error = Message::decode(&ty, outer).unwrap_err();
    assert!(
        error.to_string().contains("recursion limit reached"),
        "{error}"
    );
}

#[test]
fn to_and_from_the_messages_of_prost() {
    let ty = everything("WellKnown");
    let ty = ty.field("timestamp").unwrap();
    let schema::Kind::Message(ty) = ty.kind() else {
        panic!("a timestamp is a message");
    };
    let generated = prost_types::Timestamp {
        seconds: 5,
        nanos: 6,
    };
    let message = Message::transcode_from(&ty, &generated).unwrap();
    assert_eq!(message.i64("seconds").unwrap(), 5);
    assert_eq!(
        message.transcode_to::<prost_types::Timestamp>().unwrap(),
        generated
    );
    let dynamic = DynamicMessage::from(message.clone());
    assert_eq!(Message::from(dynamic), message);
    let error = Message::transcode_from(&everything("Inner"), &generated).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the bytes are no `everything.Inner`: "),
        "{error}"
    );
}
