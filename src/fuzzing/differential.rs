//! `Message` held against prost-reflect's `DynamicMessage`: what is taken and refused, what is read,
//! what is written again, and JSON.
//!
//! The tests include this file too (tests/message_differential.rs), with schemas and bytes of their
//! own; that is why it uses nothing but the public surface.

#[path = "differential/json.rs"]
mod json;
#[path = "differential/known.rs"]
mod known;
#[path = "differential/reads.rs"]
mod reads;
#[path = "differential/written.rs"]
mod written;

use prost_reflect::{DynamicMessage, ReflectMessage as _, prost::Message as _};

use json::assert_json_written;
use known::{known_if_refused, known_if_taken, known_if_undecoded, known_in, known_on_the_wire};
use reads::assert_reads;
use written::assert_written;

use crate::{Message, schema::MessageType};

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
