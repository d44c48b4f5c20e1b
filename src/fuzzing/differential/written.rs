//! What is written of a message, in the wire format.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, Value as Reflected};

use crate::Message;

/// What is written reads as the same message, whether it was left as it came, was changed, or was
/// built from nothing.
pub(super) fn assert_written(ours: &Message, theirs: &DynamicMessage) {
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
