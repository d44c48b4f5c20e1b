//! Messages from bytes and from JSON.

use std::{mem::size_of, path::Path, sync::LazyLock};

use bytes::Bytes;
use prost_reflect::{DynamicMessage, MapKey, UnknownField, Value};

use crate::{
    Message, Schema,
    fuzzing::differential::{check_merge, check_wire},
    limits::MESSAGE_NESTING_MAX,
    message::decode_cost,
    schema::MessageType,
};

/// The first byte chooses the type.
///
/// What is not laid out reads as what is, and prost-reflect's message takes no more memory than was
/// found before; no way out of the message panics.
pub fn message_decode(input: &[u8]) {
    let Some((which, encoded)) = input.split_first() else {
        return;
    };
    let message_type = message_type(*which);
    let cost = decode_cost::cost(message_type.descriptor(), encoded, usize::MAX);
    let encoded = Bytes::copy_from_slice(encoded);
    let Ok(message) = Message::decode(&message_type, encoded.clone()) else {
        return;
    };
    let scanned = Message::decode_within(&message_type, encoded.clone(), 0);
    let scanned = scanned.expect("what can be laid out can be read without");
    assert_eq!(scanned.deterministic(), message.deterministic());
    assert!(cost <= decode_cost::AMPLIFICATION_MAX * encoded.len());
    if let Ok(dynamic) = DynamicMessage::decode(message_type.descriptor().clone(), encoded) {
        // A clone would have no more room than it needs.
        let taken = footprint(&dynamic);
        assert!(taken <= cost, "{taken} bytes taken, {cost} found before");
    }
    let _ = (message.to_json(), message.to_text(), format!("{message:?}"));
    let _ = (message.missing_required(), message.detach());
}

/// What is read is written so that it reads the same, however often, and so is what was built anew.
pub fn message_round_trip(input: &[u8]) {
    let Some((which, encoded)) = input.split_first() else {
        return;
    };
    let message_type = message_type(*which);
    let Ok(message) = Message::decode(&message_type, encoded.to_vec()) else {
        return;
    };
    let written = message.encode_to_vec();
    assert_eq!(written.len(), message.encoded_len());
    let again = Message::decode(&message_type, written.clone()).expect("what was written reads");
    assert_eq!(again.deterministic(), message.deterministic());
    let mut built = Message::new(&message_type);
    for (field, value) in message.fields() {
        built
            .set(field, value.to_owned())
            .expect("it fits where it was");
    }
    let encoded = built.encode_to_vec();
    assert_eq!(encoded.len(), built.encoded_len());
    let again = Message::decode(&message_type, encoded).expect("what was built reads");
    assert_eq!(again.deterministic(), built.deterministic());
    // A NaN is not itself.
    if message == message.clone() {
        assert_eq!(again, built);
    }
    let mut twice = Message::new(&message_type);
    twice.merge(written).expect("what was written merges");
    assert_eq!(twice.deterministic(), message.deterministic());
}

/// JSON that reads as a message is written as JSON that reads as the same message, and the message
/// travels as protobuf.
pub fn json_decode(input: &[u8]) {
    let Some((which, json)) = input.split_first() else {
        return;
    };
    let Ok(json) = std::str::from_utf8(json) else {
        return;
    };
    let message_type = message_type(*which);
    let Ok(message) = Message::from_json(&message_type, json) else {
        return;
    };
    let travelled = Message::decode(&message_type, message.encode_to_vec());
    let travelled = travelled.expect("what was taken as JSON can be sent");
    if message != message.clone() {
        return;
    }
    assert_eq!(travelled, message);
    // A Timestamp out of range, say, is read and not written.
    let Ok(written) = message.to_json() else {
        return;
    };
    let again = Message::from_json(&message_type, &written);
    assert_eq!(again.expect("what was written as JSON reads"), message);
}

/// The first byte chooses the type, the second where the rest is cut in two.
///
/// prost-reflect takes and refuses the same bytes, and says the same of them; and of their second
/// part on top of the first.
pub fn message_differential(input: &[u8]) {
    let [which, cut, encoded @ ..] = input else {
        return;
    };
    let types = &*WIRE_TYPES;
    let message_type = &types[usize::from(*which) % types.len()];
    check_wire(message_type, encoded);
    let (first, second) = encoded.split_at(usize::from(*cut).min(encoded.len()));
    check_merge(message_type, first, second);
}

/// At least what a message holds, counted in the message itself.
fn footprint(message: &DynamicMessage) -> usize {
    let fields = message.fields().map(|(_, value)| value_footprint(value));
    let extensions = message
        .extensions()
        .map(|(_, value)| value_footprint(value));
    let unknown = message.unknown_fields().count() * size_of::<UnknownField>();
    fields.chain(extensions).sum::<usize>() + unknown
}

/// With its place in the message's tree.
fn value_footprint(value: &Value) -> usize {
    size_of::<Value>() + heap(value)
}

fn heap(value: &Value) -> usize {
    match value {
        Value::String(text) => text.capacity(),
        Value::Message(message) => footprint(message),
        Value::List(items) => {
            items.capacity() * size_of::<Value>() + items.iter().map(heap).sum::<usize>()
        }
        Value::Map(entries) => {
            let places = entries.capacity() * size_of::<(MapKey, Value)>();
            let texts = entries.keys().filter_map(MapKey::as_str).map(str::len);
            places + texts.sum::<usize>() + entries.values().map(heap).sum::<usize>()
        }
        _ => 0,
    }
}

fn message_type(which: u8) -> MessageType {
    let types = &*TYPES;
    types[usize::from(which) % types.len()].clone()
}

static TYPES: LazyLock<Vec<MessageType>> = LazyLock::new(|| {
    let names = [
        "everything.Everything",
        "everything.WellKnown",
        "legacy.Legacy",
    ];
    types(["everything.proto", "legacy.proto"], names)
});

static WIRE_TYPES: LazyLock<Vec<MessageType>> = LazyLock::new(|| {
    let names = ["wire.Three", "wire.Two", "everything.WellKnown"];
    types(["wire_legacy.proto", "everything.proto"], names)
});

fn types(files: [&str; 2], names: [&str; 3]) -> Vec<MessageType> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/protos/message");
    let files = files.map(|file| folder.join(file));
    let schema = Schema::compile(files, [folder]).expect("the fixtures compile");
    names
        .iter()
        .map(|name| schema.message(name).expect("the fixtures have it"))
        .collect()
}

const _: () = assert!(
    MESSAGE_NESTING_MAX == 100,
    "prost's limit, which cannot be set"
);
