//! `Message` held against prost-reflect's `DynamicMessage`: what is taken and refused, what is read,
//! what is written again, and JSON.
//!
//! The tests include this file too (tests/message_differential.rs), with schemas and bytes of their
//! own; that is why it uses nothing but the public surface.

#[path = "differential/known.rs"]
mod known;

use std::collections::HashMap;

use bytes::Bytes;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, MapKey as ReflectedKey, ReflectMessage as _,
    Value as Reflected, prost::Message as _,
};

use known::{
    known_if_refused, known_if_taken, known_if_undecoded, known_if_unwritten, known_if_written,
    known_in, known_on_the_wire,
};

use crate::{
    Message,
    message::{MapKey, MessageRef, ValueRef},
    schema::{Field, MessageType},
};

/// Decodes bytes with both and compares all that can be seen of them.
///
/// `None` if both refuse the bytes.
pub(crate) fn check_wire(message_type: &MessageType, encoded: &[u8]) -> Option<Message> {
    let theirs = DynamicMessage::decode(message_type.descriptor().clone(), encoded);
    // How much memory it may take is no question of the wire.
    let ours = Message::decode_within(message_type, encoded.to_vec(), usize::MAX);
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(_), Err(_)) => return None,
        (Ok(_), Err(theirs)) => panic!("taken, and prost-reflect says: {theirs}"),
        (Err(ours), Ok(_)) => {
            let known = known_if_undecoded(&ours.to_string());
            assert!(
                known.is_some(),
                "prost-reflect takes it, and not we: {ours}"
            );
            return None;
        }
    };
    if compare(&ours, &theirs) {
        assert_json_written(&ours, &theirs);
    }
    Some(ours)
}

/// Decodes one part on top of another with both, and compares.
pub(crate) fn check_merge(message_type: &MessageType, first: &[u8], second: &[u8]) {
    let (Ok(mut ours), Ok(mut theirs)) = (
        Message::decode(message_type, first.to_vec()),
        DynamicMessage::decode(message_type.descriptor().clone(), first),
    ) else {
        return;
    };
    let before = ours.clone();
    match (ours.merge(second.to_vec()), theirs.merge(second)) {
        (Ok(()), Ok(())) => {
            compare(&ours, &theirs);
        }
        // A NaN is not itself.
        (Err(_), Err(_)) if before != before.clone() => {}
        (Err(_), Err(_)) => assert_eq!(ours, before, "a merge that fails leaves all as it was"),
        (Err(ours), Ok(())) if known_if_undecoded(&ours.to_string()).is_some() => {}
        (ours, theirs) => panic!("merged {ours:?}, by prost-reflect {theirs:?}"),
    }
}

/// Reads JSON with both and compares. `None` if both refuse it.
pub(crate) fn check_json(message_type: &MessageType, json: &str) -> Option<Message> {
    let ours = Message::from_json(message_type, json);
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let theirs = DynamicMessage::deserialize(message_type.descriptor().clone(), &mut deserializer)
        .and_then(|theirs| deserializer.end().map(|()| theirs));
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            // What prost-reflect makes of a wrapper of -0.0 is not set, and not seen any more.
            if !json.contains("-0") {
                compare(&ours, &theirs);
            }
            Some(ours)
        }
        (Err(_), Err(_)) => None,
        (Ok(ours), Err(theirs)) => {
            let known = known_if_taken(&theirs.to_string());
            assert!(known.is_some(), "{json} is taken; prost-reflect: {theirs}");
            Some(ours)
        }
        (Err(ours), Ok(_)) => {
            let known = known_if_refused(&ours.to_string());
            assert!(
                known.is_some(),
                "{json} is not taken, only by prost-reflect: {ours}"
            );
            None
        }
    }
}

/// Compares two messages, if there is nothing in them that is known to differ; says whether.
fn compare(ours: &Message, theirs: &DynamicMessage) -> bool {
    let encoded = ours.encode_to_bytes();
    let on_the_wire = || known_on_the_wire(&theirs.descriptor(), &encoded);
    let known = known_in(theirs).or_else(on_the_wire);
    match known {
        None => {
            assert_reads(ours.as_ref(), theirs);
            assert_written(ours, theirs);
        }
        Some(_) => {
            let again = Message::decode(ours.message_type(), encoded);
            let again = again.unwrap_or_else(|error| panic!("what was written: {error}"));
            assert_eq!(again.encode_to_bytes().len(), ours.encoded_len());
        }
    }
    known.is_none()
}

/// Every getter gives what prost-reflect gives.
pub(crate) fn assert_reads(ours: MessageRef<'_>, theirs: &DynamicMessage) {
    let message_type = ours.message_type();
    assert_eq!(*message_type.descriptor(), theirs.descriptor());
    let mut set = Vec::new();
    for field in message_type.fields() {
        let descriptor = field.descriptor();
        let has = theirs.has_field(descriptor);
        let place = field.full_name();
        assert_eq!(
            ours.has(&field).expect("it is a field of the type"),
            has,
            "{place}"
        );
        let value = ours.get(&field).expect("it is a field of the type");
        match value {
            // One that is not set reads as an empty one, and so do all inside it, without end.
            ValueRef::Message(empty) if !has => assert_eq!(empty.fields().count(), 0, "{place}"),
            value => assert_value(value, &theirs.get_field(descriptor), place),
        }
        assert_typed(ours, &field, theirs);
        if has {
            set.push(field);
        }
    }
    let listed: Vec<Field> = ours.fields().map(|(field, _)| field.clone()).collect();
    let listed: Vec<&Field> = listed
        .iter()
        .filter(|field| ours.has(*field).is_ok_and(|has| has))
        .collect();
    assert_eq!(
        listed,
        set.iter().collect::<Vec<_>>(),
        "the fields that are set"
    );
    // Only those that have nothing inside them: twice at each level would be without end.
    for (field, value) in ours.fields().filter(|(field, _)| field.is_scalar()) {
        let theirs = theirs.get_field(field.descriptor());
        assert_value(value, &theirs, field.full_name());
    }
    for oneof in message_type.oneofs() {
        let mut members = oneof.fields();
        let member = members.find(|member| theirs.has_field(member.descriptor()));
        let which = ours.which_oneof(oneof.name()).expect("the type has it");
        assert_eq!(which, member.as_ref(), "{}", oneof.name());
    }
}

/// The getters of one type, and by name and number.
fn assert_typed(ours: MessageRef<'_>, field: &Field, theirs: &DynamicMessage) {
    let place = field.full_name();
    let value = theirs.get_field(field.descriptor());
    let (name, number) = (field.name(), field.number());
    match &*value {
        Reflected::String(text) => {
            assert_eq!(ours.str(name).ok(), Some(text.as_str()), "{place}");
        }
        Reflected::Bytes(bytes) => assert_eq!(ours.bytes(number).ok(), Some(&bytes[..]), "{place}"),
        Reflected::Bool(value) => assert_eq!(ours.bool(name).ok(), Some(*value), "{place}"),
        Reflected::I32(value) => assert_eq!(ours.i32(number).ok(), Some(*value), "{place}"),
        Reflected::I64(value) => assert_eq!(ours.i64(name).ok(), Some(*value), "{place}"),
        Reflected::U32(value) => assert_eq!(ours.u32(number).ok(), Some(*value), "{place}"),
        Reflected::U64(value) => assert_eq!(ours.u64(name).ok(), Some(*value), "{place}"),
        Reflected::EnumNumber(value) => {
            assert_eq!(ours.enum_number(number).ok(), Some(*value), "{place}");
        }
        Reflected::Message(_) => {
            let message = ours.message(name).expect("it is a message");
            let has = theirs.has_field(field.descriptor());
            assert_eq!(message.is_some(), has, "{place}");
        }
        Reflected::List(items) => {
            let list = ours.list(number).expect("it is a list");
            assert_eq!(list.len(), items.len(), "{place}");
        }
        Reflected::Map(entries) => {
            let map = ours.map(name).expect("it is a map");
            assert_eq!(map.len(), entries.len(), "{place}");
        }
        Reflected::F32(value) => {
            let read = ours.f32(name).map(f32::to_bits).ok();
            assert_eq!(read, Some(value.to_bits()), "{place}");
        }
        Reflected::F64(value) => {
            let read = ours.f64(number).map(f64::to_bits).ok();
            assert_eq!(read, Some(value.to_bits()), "{place}");
        }
    }
}

fn assert_value(ours: ValueRef<'_>, theirs: &Reflected, place: &str) {
    match (ours, theirs) {
        (ValueRef::Bool(ours), Reflected::Bool(theirs)) => assert_eq!(ours, *theirs, "{place}"),
        (ValueRef::I32(ours), Reflected::I32(theirs))
        | (ValueRef::Enum(ours), Reflected::EnumNumber(theirs)) => {
            assert_eq!(ours, *theirs, "{place}");
        }
        (ValueRef::I64(ours), Reflected::I64(theirs)) => assert_eq!(ours, *theirs, "{place}"),
        (ValueRef::U32(ours), Reflected::U32(theirs)) => assert_eq!(ours, *theirs, "{place}"),
        (ValueRef::U64(ours), Reflected::U64(theirs)) => assert_eq!(ours, *theirs, "{place}"),
        (ValueRef::F32(ours), Reflected::F32(theirs)) => {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{place}");
        }
        (ValueRef::F64(ours), Reflected::F64(theirs)) => {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{place}");
        }
        (ValueRef::Str(ours), Reflected::String(theirs)) => assert_eq!(ours, theirs, "{place}"),
        (ValueRef::Bytes(ours), Reflected::Bytes(theirs)) => assert_eq!(ours, theirs, "{place}"),
        (ValueRef::Message(ours), Reflected::Message(theirs)) => assert_reads(ours, theirs),
        (ValueRef::List(ours), Reflected::List(theirs)) => {
            assert_eq!(ours.iter().len(), theirs.len(), "{place}");
            for (at, (item, theirs)) in ours.iter().zip(theirs).enumerate() {
                assert_value(item, theirs, place);
                // The same by its index; messages were looked through by now.
                match ours.get(at) {
                    Some(ValueRef::Message(_)) => {}
                    Some(item) => assert_value(item, theirs, place),
                    None => panic!("{place} has no element {at}"),
                }
            }
            assert!(ours.get(theirs.len()).is_none(), "{place} ends");
        }
        (ValueRef::Map(ours), Reflected::Map(theirs)) => {
            let theirs = theirs.iter().map(|(key, value)| (map_key(key), value));
            let mut theirs: HashMap<MapKey, &Reflected> = theirs.collect();
            for (key, value) in ours.iter() {
                let key = key.to_owned();
                let theirs = theirs.remove(&key);
                let theirs = theirs.unwrap_or_else(|| panic!("{place} has {key:?}"));
                assert_value(value, theirs, place);
                assert!(
                    ours.get(key).is_some(),
                    "{place} has all keys that it lists"
                );
            }
            assert!(theirs.is_empty(), "{place} has not {theirs:?}");
        }
        (ours, theirs) => panic!("{place}: {ours:?} is no {theirs:?}"),
    }
}

fn map_key(theirs: &ReflectedKey) -> MapKey {
    match theirs {
        ReflectedKey::Bool(key) => MapKey::Bool(*key),
        ReflectedKey::I32(key) => MapKey::I32(*key),
        ReflectedKey::I64(key) => MapKey::I64(*key),
        ReflectedKey::U32(key) => MapKey::U32(*key),
        ReflectedKey::U64(key) => MapKey::U64(*key),
        ReflectedKey::String(key) => MapKey::String(key.clone()),
    }
}

/// What is written reads as the same message, whether it was left as it came, was changed, or was
/// built from nothing.
fn assert_written(ours: &Message, theirs: &DynamicMessage) {
    assert_encodes(ours, theirs, "as it came");
    assert_encodes(&ours.clone().detach(), theirs, "detached");
    assert_encodes(&touched(ours), theirs, "touched");
    assert_encodes(
        &Message::from(theirs.clone()),
        theirs,
        "from a DynamicMessage",
    );
    let back = DynamicMessage::from(ours.clone());
    assert_same(&back, theirs, "to a DynamicMessage");
    let mut merged = Message::new(ours.message_type());
    let encoded = ours.encode_to_bytes();
    merged.merge(encoded).expect("what was written merges");
    assert_encodes(&merged, theirs, "merged into nothing");
}

fn assert_encodes(ours: &Message, theirs: &DynamicMessage, how: &str) {
    let encoded: Bytes = ours.encode_to_bytes();
    assert_eq!(encoded.len(), ours.encoded_len(), "the length, {how}");
    assert_eq!(encoded, ours.encode_to_vec(), "{how}");
    assert_eq!(encoded, ours.as_ref().encode_to_vec(), "{how}");
    let again = DynamicMessage::decode(theirs.descriptor(), encoded);
    let again = again.unwrap_or_else(|error| panic!("{how}: what was written: {error}"));
    assert_same(&again, theirs, how);
}

/// The same message, every field of which has been set anew: its bytes cannot be those that came.
fn touched(ours: &Message) -> Message {
    let mut message = ours.clone();
    for (field, value) in ours.fields() {
        message.clear(field).expect("it is a field of the type");
        let set = message.set(field, value.to_owned());
        set.unwrap_or_else(|error| panic!("what was read can be set: {error}"));
    }
    message
}

/// Whether two of prost-reflect's messages say the same, floats compared by their bits.
fn assert_same(ours: &DynamicMessage, theirs: &DynamicMessage, how: &str) {
    let place = |field: &FieldDescriptor| format!("{}, {how}", field.full_name());
    for field in theirs.descriptor().fields() {
        assert_eq!(
            ours.has_field(&field),
            theirs.has_field(&field),
            "{}",
            place(&field)
        );
        if theirs.has_field(&field) {
            let (ours, theirs) = (ours.get_field(&field), theirs.get_field(&field));
            assert_same_value(&ours, &theirs, &place(&field), how);
        }
    }
    let extensions = |message: &DynamicMessage| -> Vec<_> {
        let set = message.extensions();
        set.map(|(extension, value)| (extension, value.clone()))
            .collect()
    };
    let (one, other) = (extensions(ours), extensions(theirs));
    assert_eq!(one.len(), other.len(), "extensions, {how}");
    for ((extension, ours), (same, theirs)) in one.iter().zip(&other) {
        assert_eq!(extension, same, "{how}");
        assert_same_value(ours, theirs, extension.full_name(), how);
    }
    let unknown =
        |message: &DynamicMessage| -> Vec<_> { message.unknown_fields().cloned().collect() };
    assert_eq!(unknown(ours), unknown(theirs), "unknown fields, {how}");
}

fn assert_same_value(ours: &Reflected, theirs: &Reflected, place: &str, how: &str) {
    match (ours, theirs) {
        (Reflected::F32(ours), Reflected::F32(theirs)) => {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{place}");
        }
        (Reflected::F64(ours), Reflected::F64(theirs)) => {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{place}");
        }
        (Reflected::Message(ours), Reflected::Message(theirs)) => assert_same(ours, theirs, how),
        (Reflected::List(ours), Reflected::List(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{place}");
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_same_value(ours, theirs, place, how);
            }
        }
        (Reflected::Map(ours), Reflected::Map(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{place}");
            for (key, theirs) in theirs {
                let ours = ours.get(key);
                let ours = ours.unwrap_or_else(|| panic!("{place}: no {key:?}"));
                assert_same_value(ours, theirs, place, how);
            }
        }
        (ours, theirs) => assert_eq!(ours, theirs, "{place}"),
    }
}

/// Whether JSON says the same, but for what prost-reflect writes otherwise than protobuf says: a
/// wrapper of NaN or of an infinite number as null, and a FieldMask.
fn is_same_json(ours: &serde_json::Value, theirs: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Null, Object, String};
    match (ours, theirs) {
        (String(ours), Null) => ["NaN", "Infinity", "-Infinity"].contains(&ours.as_str()),
        (Array(ours), Array(theirs)) => {
            let mut both = ours.iter().zip(theirs);
            ours.len() == theirs.len() && both.all(|(ours, theirs)| is_same_json(ours, theirs))
        }
        (Object(ours), Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(name, ours)| {
                    let theirs = theirs.get(name);
                    theirs.is_some_and(|theirs| is_same_json(ours, theirs))
                })
        }
        // A FieldMask whose first path is empty loses its comma at prost-reflect's.
        (String(ours), String(theirs)) => {
            ours.trim_start_matches(',') == theirs.trim_start_matches(',')
        }
        (ours, theirs) => ours == theirs,
    }
}

/// JSON says the same, maps in any order, and reads as it was written.
fn assert_json_written(ours: &Message, theirs: &DynamicMessage) {
    let written = serde_json::to_string(theirs);
    match (ours.to_json(), written) {
        (Ok(ours_json), Ok(theirs_json)) => {
            // serde_json's own values nest less deep than messages.
            let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
            match (value(&ours_json), value(&theirs_json)) {
                (None, None) => assert_eq!(ours_json, theirs_json),
                (Some(ours), Some(theirs)) => {
                    assert!(is_same_json(&ours, &theirs), "{ours_json}\n{theirs_json}");
                }
                _ => panic!("only one of them is JSON: {ours_json} {theirs_json}"),
            }
            check_json(ours.message_type(), &theirs_json);
            check_json(ours.message_type(), &ours_json);
        }
        (Err(_), Err(_)) => {}
        (Ok(json), Err(theirs)) => {
            let known = known_if_written(&theirs.to_string());
            assert!(
                known.is_some(),
                "prost-reflect cannot write {json}: {theirs}"
            );
        }
        (Err(why), Ok(json)) => {
            let known = known_if_unwritten(&why.to_string());
            assert!(known.is_some(), "only prost-reflect writes {json}: {why}");
        }
    }
}
