//! Random schemas, random bytes and what is wrong with them: `Message` takes and refuses, reads and
//! writes what prost-reflect does. Where it is right not to, `differential::Difference` says why.
//!
//! A case is one number; the failure tells it. `fuzz/run 60 message_differential` does the same with
//! a fixed schema and bytes that libFuzzer finds.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

// It is one of the crate's own files, and names `crate::message` and `crate::schema`.
#[path = "../src/fuzzing/differential.rs"]
mod differential;
#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/random_message.rs"]
mod random_message;
#[path = "support/random_schema.rs"]
mod random_schema;
#[path = "support/random_wire.rs"]
mod random_wire;

use differential::{check_json, check_merge, check_wire};
use fixtures::{everything, legacy};
use proptest::prelude::*;
use prost_reflect::prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};
use random_message::{Random, random_message};
use random_schema::random_schema;
use random_wire::{corrupted, random_wire};
use reflectd::{Message, message, schema, schema::MessageType};
use serde_json::Value as Json;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// All that the wire allows, and then with something wrong in it.
    #[test]
    fn wire(seed: u64) {
        let random = &mut Random(seed);
        for ty in random_types(random) {
            for _ in 0..4 {
                let wire = random_wire(ty.descriptor(), random, 3);
                check_wire(&ty, &wire);
                for _ in 0..3 {
                    let mut wrong = corrupted(wire.clone(), random);
                    check_wire(&ty, &wrong);
                    wrong = corrupted(wrong, random);
                    check_wire(&ty, &wrong);
                }
            }
        }
    }

    /// A message that was not laid out says what one says that was, read whole.
    #[test]
    fn not_laid_out(seed: u64) {
        let random = &mut Random(seed);
        for ty in [everything("Everything"), legacy("Legacy"), everything("WellKnown")] {
            let wire = random_wire(ty.descriptor(), random, 3);
            let wire = [wire, random_wire(ty.descriptor(), random, 3)].concat();
            for wire in [corrupted(wire.clone(), random), wire] {
                let Ok(laid) = Message::decode(&ty, wire.clone()) else {
                    continue;
                };
                let bare = Message::decode_within(&ty, wire, 0).unwrap();
                // A NaN is not itself.
                if laid == laid.clone() {
                    prop_assert_eq!(&bare, &laid);
                }
                prop_assert_eq!(bare.deterministic(), laid.deterministic());
                prop_assert_eq!(bare.missing_required(), laid.missing_required());
                let options = message::JsonOptions::new();
                for options in [options, options.defaults(true)] {
                    let json = |message: &Message| message.to_json_with(&options).map_err(|error| error.to_string());
                    prop_assert_eq!(json(&bare), json(&laid));
                }
                for mut message in [bare.clone(), laid.clone()] {
                    let Some((field, _)) = laid.as_ref().fields().last() else { break };
                    message.clear(field).unwrap();
                    let again = Message::decode(&ty, message.encode_to_bytes()).unwrap();
                    prop_assert_eq!(message.deterministic(), again.deterministic());
                }
            }
        }
    }

    /// What an encoder writes, which has no field twice.
    #[test]
    fn encoded(seed: u64) {
        let random = &mut Random(seed);
        for ty in random_types(random) {
            let theirs = random_message(ty.descriptor(), random, 2);
            let ours = check_wire(&ty, &theirs.encode_to_vec());
            prop_assert_eq!(ours, Some(Message::from(theirs)));
        }
    }

    /// One encoding on top of another, which may be broken.
    #[test]
    fn merged(seed: u64) {
        let random = &mut Random(seed);
        for ty in random_types(random) {
            let first = random_wire(ty.descriptor(), random, 3);
            let second = random_wire(ty.descriptor(), random, 3);
            check_merge(&ty, &first, &second);
            check_merge(&ty, &first, &corrupted(second, random));
        }
    }

    /// JSON in which values and names are others than they should be.
    #[test]
    fn json(seed: u64) {
        let random = &mut Random(seed);
        for ty in random_types(random) {
            let theirs = random_message(ty.descriptor(), random, 2);
            let mut json = serde_json::to_value(&theirs).unwrap();
            for _ in 0..3 {
                disturb(&mut json, random);
                check_json(&ty, &json.to_string());
            }
        }
    }

    /// The same with protobuf's well-known types, which have a JSON of their own.
    #[test]
    fn well_known(seed: u64) {
        let random = &mut Random(seed);
        let ty = everything("WellKnown");
        let wire = random_wire(ty.descriptor(), random, 4);
        check_wire(&ty, &wire);
        check_wire(&ty, &corrupted(wire, random));
        let theirs = random_message(ty.descriptor(), random, 3);
        check_wire(&ty, &theirs.encode_to_vec());
        let mut json = serde_json::to_value(&theirs).unwrap();
        for _ in 0..3 {
            disturb(&mut json, random);
            check_json(&ty, &json.to_string());
        }
    }
}

/// A generator of nothing but garbage would show nothing.
#[test]
fn both_are_seen_what_is_taken_and_what_is_refused() {
    let random = &mut Random(1);
    let mut taken = [0; 2];
    for _ in 0..30 {
        for ty in random_types(random) {
            let wire = random_wire(ty.descriptor(), random, 3);
            taken[0] += i32::from(check_wire(&ty, &wire).is_some());
            taken[1] += i32::from(check_wire(&ty, &corrupted(wire, random)).is_some());
        }
    }
    assert!((150..=180).contains(&taken[0]), "{taken:?} of 180");
    assert!((30..150).contains(&taken[1]), "{taken:?} of 180");
}

/// The level at which nesting ends is the same, whatever nests.
#[test]
fn nesting_ends_at_the_same_level() {
    let legacy = legacy("Legacy");
    let everything = everything("Everything");
    let length_delimited = |number: u32, inner: Vec<u8>| {
        let mut wire = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut wire);
        encode_varint(inner.len() as u64, &mut wire);
        [wire, inner].concat()
    };
    let group = |number: u32, inner: Vec<u8>| {
        let (mut begin, mut end) = (Vec::new(), Vec::new());
        encode_key(number, WireType::StartGroup, &mut begin);
        encode_key(number, WireType::EndGroup, &mut end);
        [begin, inner, end].concat()
    };
    let mut taken = 0;
    for depth in 95..=105 {
        let nest = |wrap: &dyn Fn(Vec<u8>) -> Vec<u8>| (0..depth).fold(vec![], |it, _| wrap(it));
        for wire in [
            nest(&|inner| length_delimited(61, inner)),
            nest(&|inner| length_delimited(62, inner)),
            nest(&|inner| group(1000, inner)),
            // Not known, so it is bytes and nests in nothing.
            nest(&|inner| length_delimited(1000, inner)),
            length_delimited(42, length_delimited(2, nest(&|inner| group(1000, inner)))),
        ] {
            taken += i32::from(check_wire(&everything, &wire).is_some());
        }
        check_wire(
            &legacy,
            &group(21, group(2, nest(&|inner| group(7, inner)))),
        );
    }
    assert!((11..55).contains(&taken), "{taken}");
}

/// A number that a closed enum does not name is unknown, and unsets no other member of its oneof:
/// what comes behind it is merged into what stands before it.
#[test]
fn an_unnamed_number_unsets_no_member() {
    let schema = fixtures::compile("unnamed.proto");
    let choice = [0x0a, 2, 8, 1, 0x10, 99, 0x0a, 2, 8, 2];
    let ours = check_wire(&schema.message("unnamed.Choice").unwrap(), &choice).unwrap();
    let parts = ours
        .message("parts")
        .unwrap()
        .unwrap()
        .list("part")
        .unwrap();
    assert_eq!(
        parts
            .iter()
            .filter_map(message::ValueRef::as_i32)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    let inside = [&[0x0a, choice.len() as u8], &choice[..]].concat();
    check_wire(&schema.message("unnamed.Inside").unwrap(), &inside).unwrap();
    let inside = [
        &[
            0x13,
            0x1a,
            choice.len() as u8 + 4,
            8,
            1,
            0x12,
            choice.len() as u8,
        ],
        &choice[..],
        &[0x14],
    ]
    .concat();
    check_wire(&schema.message("unnamed.Inside").unwrap(), &inside).unwrap();
}

/// Every message type of a random schema.
fn random_types(random: &mut Random) -> Vec<MessageType> {
    let schema = random_schema(random);
    let types = schema.messages();
    types
        .filter(|ty| ty.full_name().matches('.').count() == 1)
        .collect()
}

/// Puts something else in one place of a JSON value, or gives a field another name.
fn disturb(json: &mut Json, random: &mut Random) {
    match json {
        Json::Object(entries) if !entries.is_empty() && random.below(6) > 0 => {
            let at = random.below(entries.len() as u64) as usize;
            let name = entries.keys().nth(at).unwrap().clone();
            if random.below(5) > 0 {
                return disturb(&mut entries[&name], random);
            }
            let value = entries.remove(&name).unwrap();
            let name = match random.below(4) {
                0 => name.to_uppercase(),
                1 => format!("{name} "),
                2 => String::new(),
                _ => name.replace("Up", "_up").replace("AB", "_a_b"),
            };
            entries.insert(name, value);
        }
        Json::Array(items) if !items.is_empty() && random.below(4) > 0 => {
            let at = random.below(items.len() as u64) as usize;
            disturb(&mut items[at], random);
        }
        other => {
            let values: Vec<Json> = serde_json::from_str(VALUES).unwrap();
            *other = match random.below(8) {
                // A number as a string and the other way round.
                0 => match &other {
                    Json::String(text) => serde_json::from_str(text).unwrap_or(Json::Null),
                    other => Json::String(other.to_string()),
                },
                _ => values[random.below(values.len() as u64) as usize].clone(),
            };
        }
    }
}

/// What no field, or only some, takes.
const VALUES: &str = r#"[
    null, true, "true", 0, -0.0, 1, -1, 1.0, 1.5, 1e3, "1.0", "1e3", " 1", "", "NaN", "-Infinity", "inf",
    2147483647, 2147483648, -2147483649, 4294967295, 4294967296, 1e39, -1e300, "4294967296",
    9223372036854775807, 9223372036854775808, 18446744073709551615, 18446744073709551616,
    "18446744073709551615", "-9223372036854775809", "AAE", "AAE=", "_-8", "/+8", "!", "A",
    [], [1, null], [[]], {}, {"a": null}, {"1": 2}, {"true": {}},
    "TWO0_0", "THREE1_0", "two0_0", "1970-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "0001-01-01T00:00:00.5+01:00",
    "1s", "-0.5s", "1.0000000001s", "315576000001s", "a.b,cD", "a_b"
]"#;
