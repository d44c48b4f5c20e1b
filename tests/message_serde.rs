//! Typed Rust values from and to messages: names, presence, numbers, shapes.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/random_message.rs"]
mod random_message;
#[macro_use]
#[path = "support/typed.rs"]
mod typed;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use fixtures::{everything, legacy};
use proptest::prelude::*;
use random_message::{Random, random_message};
use reflectd::Message;
use serde::{Deserialize, Serialize};
use serde_json::json;
use typed::{Contact, Inner, Status, fits, refuses_to_serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    double: f64,
    float: f32,
    int32: i32,
    int64: i64,
    uint32: u32,
    uint64: u64,
    sint32: i32,
    sint64: i64,
    fixed32: u32,
    fixed64: u64,
    sfixed32: i32,
    sfixed64: i64,
    bool: bool,
    string: String,
    bytes: Vec<u8>,
    status: Status,
    inner: Option<Inner>,
    maybe_int32: Option<i32>,
    #[serde(rename = "maybeString")]
    maybe_string: Option<String>,
    maybe_bytes: Option<Bytes>,
    maybe_bool: Option<bool>,
    maybe_status: Option<i32>,
    int32s: Vec<i64>,
    unpacked: Vec<i32>,
    doubles: Vec<f64>,
    bools: Vec<bool>,
    strings: Vec<String>,
    blobs: Vec<serde_bytes::ByteBuf>,
    statuses: Vec<String>,
    inners: Vec<Inner>,
    labels: HashMap<String, String>,
    by_int32: BTreeMap<i32, Inner>,
    by_int64: HashMap<i64, f64>,
    by_uint32: HashMap<u32, Vec<u8>>,
    by_uint64: HashMap<u64, Status>,
    by_bool: HashMap<bool, i64>,
    contact: Option<Contact>,
    child: Option<Box<Self>>,
    children: Vec<Self>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// A struct with a field for each of the message's holds all that the message does.
    #[test]
    fn round_trips(seed: u64) {
        let ty = everything("Everything");
        let message = Message::from(random_message(ty.descriptor(), &mut Random(seed), 2));
        let value: Everything = message.deserialize().unwrap();
        prop_assert_eq!(Message::from_serialize(&ty, &value).unwrap(), message);
    }

    /// So does a serde_json::Value of a message without bytes, and the JSON of any message.
    #[test]
    fn json_values(seed: u64) {
        let ty = everything("WellKnown");
        let mut message = Message::from(random_message(ty.descriptor(), &mut Random(seed), 2));
        for bytes in ["bytes", "any"] {
            message.clear(bytes).unwrap();
        }
        let value: serde_json::Value = message.deserialize().unwrap();
        prop_assert_eq!(Message::from_serialize(&ty, &value).unwrap(), message, "{}", value);
    }
}

#[test]
#[expect(non_snake_case, reason = "names as in the file are what is tested")]
fn names() {
    let ty = everything("Inner");
    fits(&ty, &one!(name: String)("a".into()), &json!({"Name": "a"}));
    fits(&ty, &one!(Name: String)("a".into()), &json!({"Name": "a"}));
    fits(&ty, &one!(zipCode: u8)(5), &json!({"zipCode": 5}));
    fits(&ty, &one!(zip_code: u8)(5), &json!({"zipCode": 5}));
    let ty = everything("Everything");
    fits(
        &ty,
        &one!(maybeInt32: Option<i32>)(Some(0)),
        &json!({"maybeInt32": 0}),
    );
    let ty = everything("Ambiguous");
    fits(
        &ty,
        &one!(userId: String)("a".into()),
        &json!({"userId": "a"}),
    );
    refuses_to_serialize(
        &ty,
        one!(user_id: String)("a".into()),
        "everything.Ambiguous: field `user_id` could be `userId` or `id`: \
         name the one that is meant with #[serde(rename = \"…\")]",
    );
    refuse_type!(ty, user_id: String, {},
        "everything.Ambiguous: field `user_id` could be `userId` or `id`: \
         name the one that is meant with #[serde(rename = \"…\")]");
}

#[test]
fn fields_that_the_message_lacks() {
    let ty = everything("Inner");
    refuses_to_serialize(
        &ty,
        json!({"Nmae": "a"}),
        "everything.Inner: the message has no field `Nmae`; did you mean `Name`?",
    );
    refuse_type!(ty, nmae: String, {},
        "everything.Inner: the message has no field `nmae`; did you mean `Name`?");
    refuse_type!(ty, something_else: String, {},
        "everything.Inner: the message has no field `something_else`");
    #[derive(Serialize)]
    struct Twice {
        zip_code: i32,
        #[serde(rename = "zipCode")]
        again: i32,
    }
    refuses_to_serialize(
        &ty,
        Twice {
            zip_code: 1,
            again: 2,
        },
        "everything.Inner.zipCode: it is set twice",
    );
    #[derive(Debug, PartialEq, Deserialize)]
    struct Aliased {
        #[serde(alias = "zip_code", alias = "zip")]
        zip: i32,
        #[serde(default)]
        not_there: String,
        not_there_either: Option<String>,
    }
    let message = Message::from_json(&ty, r#"{"zipCode": 5}"#).unwrap();
    let aliased: Aliased = message.deserialize().unwrap();
    assert_eq!((aliased.zip, aliased.not_there_either), (5, None));
}

#[test]
fn presence() {
    let ty = everything("Everything");
    fits(
        &ty,
        &one!(string: Option<String>)(Some(String::new())),
        &json!({}),
    );
    fits(&ty, &one!(maybe_string: Option<String>)(None), &json!({}));
    fits(
        &ty,
        &one!(maybe_string: Option<String>)(Some(String::new())),
        &json!({"maybeString": ""}),
    );
    fits(
        &ty,
        &one!(maybe_string: String)("a".into()),
        &json!({"maybeString": "a"}),
    );
    fits(
        &ty,
        &one!(inners: Option<Vec<Inner>>)(Some(vec![])),
        &json!({}),
    );
    refuse_type!(ty, maybe_string: String, {}, "everything.Everything: missing field `maybe_string`");
    refuse_type!(ty, inner: Inner, {}, "everything.Everything: missing field `inner`");
    refuse_type!(ty, child: Box<Nested>, {"child": {}}, "everything.Everything.child: missing field `inner`");
    let ty = legacy("Legacy");
    refuse_type!(ty, count: i32, {}, "legacy.Legacy: missing field `count`");
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never made")]
struct Nested {
    inner: Inner,
}

#[test]
fn numbers() {
    let ty = everything("Everything");
    fits(&ty, &one!(int32: u8)(255), &json!({"int32": 255}));
    fits(&ty, &one!(int32: i64)(-5), &json!({"int32": -5}));
    fits(
        &ty,
        &one!(uint64: u128)(u64::MAX.into()),
        &json!({"uint64": "18446744073709551615"}),
    );
    fits(
        &ty,
        &one!(int64: i128)(i64::MIN.into()),
        &json!({"int64": "-9223372036854775808"}),
    );
    fits(&ty, &one!(float: f64)(0.5), &json!({"float": 0.5}));
    let by_int32 = BTreeMap::from([(
        -1,
        Inner {
            name: "a".into(),
            zip_code: 5,
        },
    )]);
    fits(
        &ty,
        &one!(by_int32: BTreeMap<i8, Inner>)(by_int32),
        &json!({"byInt32": {"-1": {"Name": "a", "zipCode": 5}}}),
    );
    refuse_type!(ty, int32: u8, {"int32": 256},
        "everything.Everything.int32: invalid value: integer `256`, expected u8");
    refuse_type!(ty, int64: u64, {"int64": "-1"},
        "everything.Everything.int64: invalid value: integer `-1`, expected u64");
    refuse_type!(ty, inners: Vec<Zip>, {"inners": [{}, {"zipCode": 256}]},
        "everything.Everything.inners[1].zipCode: invalid value: integer `256`, expected u8");
    refuse_type!(ty, by_int32: HashMap<i32, Zip>, {"byInt32": {"7": {"zipCode": 256}}},
        "everything.Everything.by_int32[7].zipCode: invalid value: integer `256`, expected u8");
    refuse_type!(ty, by_int64: HashMap<u8, f64>, {"byInt64": {"700": 1}},
        "everything.Everything.by_int64[700]: invalid value: integer `700`, expected u8");
    for (value, expected) in [
        (
            json!({"int32": 3_000_000_000_u32}),
            "int32: 3000000000 is out of range for int32",
        ),
        (
            json!({"uint32": -1}),
            "uint32: -1 is out of range for uint32",
        ),
        (
            json!({"int64": u64::MAX}),
            "int64: 18446744073709551615 is out of range for int64",
        ),
        (json!({"float": 1e300}), "float: 1"),
        (
            json!({"inners": [{}, {"zip_code": 1_u64 << 40}]}),
            "inners[1].zipCode: 1099511627776 is out of range for int32",
        ),
        (
            json!({"child": {"int32s": [1, -3_000_000_000_i64]}}),
            "child.int32s[1]: -3000000000 is out of range for int32",
        ),
    ] {
        let error = Message::from_serialize(&ty, &value)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("everything.Everything.{expected}")),
            "{error}"
        );
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Zip {
    zip_code: u8,
}

#[test]
fn paths_lead_to_the_value() {
    let ty = everything("Everything");
    let error = refuse_type!(ty, children: Vec<Parent>, {"children": [{"child": {"inners": [{"zipCode": 256}]}}]},
        "everything.Everything.children[0].child.inners[0].zipCode: \
         invalid value: integer `256`, expected u8");
    assert_eq!(error.path(), "children[0].child.inners[0].zipCode");
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never made")]
struct Parent {
    child: Zips,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never made")]
struct Zips {
    inners: Vec<Zip>,
}

/// JSON, and why it is no `Everything`.
const OF_ANOTHER_TYPE: [(&str, &str); 17] = [
    (
        r#"{"string": 5}"#,
        "string: expected string, got an integer",
    ),
    (r#"{"int32": "5"}"#, "int32: expected int32, got a string"),
    (
        r#"{"int32": 5.5}"#,
        "int32: expected int32, got a floating-point number",
    ),
    (
        r#"{"bytes": "aGk="}"#,
        "bytes: expected bytes, got a string",
    ),
    (r#"{"bool": 1}"#, "bool: expected bool, got an integer"),
    (
        r#"{"inner": "a"}"#,
        "inner: expected message `everything.Inner`, got a string",
    ),
    (
        r#"{"inner": [1]}"#,
        "inner: expected message `everything.Inner`, got a sequence",
    ),
    (
        r#"{"int32s": 1}"#,
        "int32s: expected repeated int32, got an integer",
    ),
    (
        r#"{"int32s": {"a": 1}}"#,
        "int32s: expected repeated int32, got a map",
    ),
    (
        r#"{"int32s": [1, null]}"#,
        "int32s[1]: expected int32, got a unit",
    ),
    (r#"{"int32": {"a": 1}}"#, "int32: expected int32, got a map"),
    (
        r#"{"labels": [1]}"#,
        "labels: expected map<string, string>, got a sequence",
    ),
    (
        r#"{"labels": {"k": 5}}"#,
        "labels[\"k\"]: expected string, got an integer",
    ),
    (
        r#"{"by_int64": {"k": 5}}"#,
        "by_int64: expected int64, got a string",
    ),
    (
        r#"{"status": "ACTIVATED"}"#,
        "status: `ACTIVATED` is not a value of enum `everything.Status`",
    ),
    (
        r#"{"status": true}"#,
        "status: expected a value of enum `everything.Status`, got a bool",
    ),
    (
        r#"{"contact": "a"}"#,
        "contact: expected an enum for oneof `contact`, got a string",
    ),
];

#[test]
fn values_of_another_type() {
    let ty = everything("Everything");
    for (json, expected) in OF_ANOTHER_TYPE {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let error = Message::from_serialize(&ty, &value).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("everything.Everything.{expected}")
        );
    }
    refuses_to_serialize(
        &ty,
        5,
        "everything.Everything: expected message `everything.Everything`, got an integer",
    );
    refuses_to_serialize(
        &ty,
        None::<()>,
        "everything.Everything: expected message `everything.Everything`, got None",
    );
    refuses_to_serialize(
        &ty,
        one!(int32s: Vec<Option<i32>>)(vec![None]),
        "everything.Everything.int32s[0]: expected int32, got None",
    );
}

#[test]
fn types_other_than_the_message_has() {
    let ty = everything("Everything");
    refuse_type!(ty, string: i32, {}, "everything.Everything.string: invalid type: string \"\", expected i32");
    refuse_type!(ty, int32: String, {}, "everything.Everything.int32: invalid type: integer `0`, expected a string");
    refuse_type!(ty, bytes: String, {}, "everything.Everything.bytes: invalid type: byte array, expected a string");
    refuse_type!(ty, string: Bytes, {}, "everything.Everything.string: invalid type: string \"\", expected byte array");
    refuse_type!(ty, inner: String, {"inner": {}}, "everything.Everything.inner: invalid type: map, expected a string");
    refuse_type!(ty, int32s: i32, {}, "everything.Everything.int32s: invalid type: sequence, expected i32");
    refuse_type!(ty, labels: Vec<String>, {}, "everything.Everything.labels: invalid type: map, expected a sequence");
    refuse_type!(ty, int32: Inner, {}, "everything.Everything.int32: invalid type: integer `0`, expected struct Inner");
    refuse_type!(ty, inner: Status, {"inner": {}},
        "everything.Everything.inner: invalid type: message `everything.Inner`, expected an enum \
         (a message can be one if all its fields are members of one oneof)");
    refuse_type!(ty, contact: String, {"email": "a"}, "everything.Everything: invalid type: map, expected a string");
}

#[test]
fn nesting_stops_at_a_hundred() {
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Node {
        child: Option<Box<Self>>,
    }
    let nested = |depth: usize| {
        (0..depth).fold(Node::default(), |inner, _| Node {
            child: Some(Box::new(inner)),
        })
    };
    let ty = everything("Everything");
    let message = Message::from_serialize(&ty, &nested(100)).unwrap();
    let message = Message::decode(&ty, message.encode_to_bytes()).unwrap();
    assert_eq!(message.deserialize::<Node>().unwrap(), nested(100));
    let error = Message::from_serialize(&ty, &nested(101)).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(": it nests deeper than 100 levels"),
        "{error}"
    );
}

#[test]
fn the_shapes_of_serde() {
    let ty = everything("Everything");
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        string: String,
        #[serde(flatten)]
        rest: Rest,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Rest {
        int32: i32,
        maybe_int32: Option<i32>,
    }
    let rest = Rest {
        int32: 1,
        maybe_int32: None,
    };
    fits(
        &ty,
        &Flat {
            string: "a".into(),
            rest,
        },
        &json!({"string": "a", "int32": 1}),
    );
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Named { email: String },
        Numbered { phone_number: i64 },
    }
    fits(
        &ty,
        &Untagged::Numbered { phone_number: 5 },
        &json!({"phoneNumber": 5}),
    );
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New(Inner);
    fits(
        &everything("Inner"),
        &New(Inner {
            name: "a".into(),
            zip_code: 0,
        }),
        &json!({"Name": "a"}),
    );
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    fits(&ty, &Unit, &json!({}));
    fits(
        &ty,
        &one!(strings: (String, String))(("a".into(), "b".into())),
        &json!({"strings": ["a", "b"]}),
    );
    fits(&ty, &one!(string: char)('é'), &json!({"string": "é"}));
}

#[test]
fn maps_as_structs_and_null_as_unset() {
    let ty = everything("Everything");
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Labels {
        one: String,
        two: Option<String>,
    }
    let labels = Labels {
        one: "1".into(),
        two: None,
    };
    #[derive(Debug, PartialEq, Deserialize)]
    struct Labelled {
        labels: Labels,
    }
    let message = Message::from_json(&ty, r#"{"labels": {"one": "1"}}"#).unwrap();
    assert_eq!(
        message.deserialize::<Labelled>().unwrap(),
        Labelled { labels }
    );
    // A key may be text, as in JSON.
    let json = json!({"by_int32": {"-5": {}}, "by_bool": {"true": 1}, "by_uint64": {"7": 1}});
    let message = Message::from_serialize(&ty, &json).unwrap();
    assert!(message.map("by_int32").unwrap().get(-5).is_some());
    assert!(message.map("by_bool").unwrap().get(true).is_some());
    assert!(message.map("by_uint64").unwrap().get(7).is_some());
    // JSON's null leaves a field unset.
    let message =
        Message::from_serialize(&ty, &json!({"string": null, "inner": null, "int32s": null}));
    assert_eq!(message.unwrap(), Message::new(&ty));
}

#[test]
fn messages_serialize() {
    let ty = everything("Inner");
    let message = Message::from_json(&ty, r#"{"Name":"a"}"#).unwrap();
    assert_eq!(serde_json::to_string(&message).unwrap(), r#"{"Name":"a"}"#);
    assert_eq!(
        serde_json::to_string(&message.as_ref()).unwrap(),
        r#"{"Name":"a"}"#
    );
}

/// A hundred messages inside each other, read into a struct of 40 fields: a worker's stack has room
/// for the frames.
#[test]
fn nesting_of_a_large_struct_keeps_within_the_stack() {
    let stack_bytes = if cfg!(debug_assertions) {
        4 << 20
    } else {
        1 << 20
    };
    let nested = || {
        let ty = everything("Everything");
        let mut message = Message::new(&ty);
        for _ in 0..100 {
            let mut outer = Message::new(&ty);
            outer.push("children", message).unwrap();
            message = outer;
        }
        let value: Everything = message.deserialize().unwrap();
        assert_eq!(Message::from_serialize(&ty, &value).unwrap(), message);
    };
    let thread = std::thread::Builder::new().stack_size(stack_bytes);
    thread.spawn(nested).unwrap().join().unwrap();
}
