//! What is written of a message in JSON.

use prost_reflect::DynamicMessage;

use super::{
    check_json,
    known::{known_if_unwritten, known_if_written},
};
use crate::Message;

/// JSON says the same, maps in any order, and reads as it was written.
pub(super) fn assert_json_written(ours: &Message, theirs: &DynamicMessage) {
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
