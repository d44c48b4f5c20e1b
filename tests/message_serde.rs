//! Typed Rust values from and to messages.

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/random_message.rs"]
mod random_message;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use fixtures::{everything, legacy};
use proptest::prelude::*;
use random_message::{Random, random_message};
use reflectd::{Message, message::SerdeError, schema::MessageType};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

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
    child: Option<Box<Everything>>,
    children: Vec<Everything>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    name: String,
    zip_code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(non_camel_case_types, reason = "names as in the file fit too")]
enum Status {
    Unspecified,
    StatusActive,
    #[serde(rename = "IN_REVIEW")]
    Reviewed,
    STATUS_GONE,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Contact {
    Email(String),
    PhoneNumber(i64),
    Visit { name: String, zip_code: i32 },
    Nobody,
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

/// Serializing gives the message that JSON does, and deserializing gives the value again.
#[track_caller]
fn fits<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    ty: &MessageType,
    value: &T,
    json: &serde_json::Value,
) {
    let message = Message::from_serialize(ty, value).unwrap();
    assert_eq!(message, Message::from_json(ty, &json.to_string()).unwrap());
    assert_eq!(message.deserialize::<T>().unwrap(), *value);
}

#[track_caller]
fn refuses_to_serialize<T: Serialize>(ty: &MessageType, value: T, expected: &str) {
    let error = Message::from_serialize(ty, &value).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[track_caller]
fn refuses_to_deserialize<T: DeserializeOwned + Debug>(
    ty: &MessageType,
    json: &serde_json::Value,
    expected: &str,
) -> SerdeError {
    let message = Message::from_json(ty, &json.to_string()).unwrap();
    let error = message.deserialize::<T>().unwrap_err();
    assert_eq!(error.to_string(), expected);
    error
}

/// A struct with one field, made where it is used.
macro_rules! one {
    ($field:ident: $type:ty) => {{
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct One {
            $field: $type,
        }
        |$field: $type| One { $field }
    }};
}

/// The type of the struct that a closure makes.
macro_rules! refuse_type {
    ($ty:expr, $field:ident: $type:ty, $json:tt, $expected:expr) => {{
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "it is never made")]
        struct One {
            $field: $type,
        }
        refuses_to_deserialize::<One>(&$ty, &json!($json), $expected)
    }};
}

#[test]
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

#[test]
fn types_that_do_not_match() {
    let ty = everything("Everything");
    for (value, expected) in [
        (
            json!({"string": 5}),
            "string: expected string, got an integer",
        ),
        (json!({"int32": "5"}), "int32: expected int32, got a string"),
        (
            json!({"int32": 5.5}),
            "int32: expected int32, got a floating-point number",
        ),
        (
            json!({"bytes": "aGk="}),
            "bytes: expected bytes, got a string",
        ),
        (json!({"bool": 1}), "bool: expected bool, got an integer"),
        (
            json!({"inner": "a"}),
            "inner: expected message `everything.Inner`, got a string",
        ),
        (
            json!({"inner": [1]}),
            "inner: expected message `everything.Inner`, got a sequence",
        ),
        (
            json!({"int32s": 1}),
            "int32s: expected repeated int32, got an integer",
        ),
        (
            json!({"int32s": {"a": 1}}),
            "int32s: expected repeated int32, got a map",
        ),
        (
            json!({"int32s": [1, null]}),
            "int32s[1]: expected int32, got a unit",
        ),
        (
            json!({"int32": {"a": 1}}),
            "int32: expected int32, got a map",
        ),
        (
            json!({"labels": [1]}),
            "labels: expected map<string, string>, got a sequence",
        ),
        (
            json!({"labels": {"k": 5}}),
            "labels[\"k\"]: expected string, got an integer",
        ),
        (
            json!({"by_int64": {"k": 5}}),
            "by_int64: expected int64, got a string",
        ),
        (
            json!({"status": "ACTIVATED"}),
            "status: `ACTIVATED` is not a value of enum `everything.Status`",
        ),
        (
            json!({"status": true}),
            "status: expected a value of enum `everything.Status`, got a bool",
        ),
        (
            json!({"contact": "a"}),
            "contact: expected an enum for oneof `contact`, got a string",
        ),
    ] {
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
fn bytes_in_every_form() {
    let ty = everything("Everything");
    let json = json!({"bytes": "AP8="});
    fits(&ty, &one!(bytes: Vec<u8>)(vec![0, 255]), &json);
    fits(&ty, &one!(bytes: [u8; 2])([0, 255]), &json);
    fits(
        &ty,
        &one!(bytes: Bytes)(Bytes::from_static(b"\0\xff")),
        &json,
    );
    fits(
        &ty,
        &one!(bytes: serde_bytes::ByteBuf)(serde_bytes::ByteBuf::from(vec![0, 255])),
        &json,
    );
    let wrapped = everything("WellKnown");
    fits(
        &wrapped,
        &one!(bytes: Option<Vec<u8>>)(Some(vec![0, 255])),
        &json,
    );
    fits(
        &wrapped,
        &one!(bytes: Option<serde_bytes::ByteBuf>)(Some(serde_bytes::ByteBuf::from(vec![0, 255]))),
        &json,
    );
    // What writes itself as text for people is bytes in a `bytes` field.
    fits(
        &ty,
        &one!(bytes: Ipv4Addr)(Ipv4Addr::LOCALHOST),
        &json!({"bytes": "fwAAAQ=="}),
    );
    fits(
        &ty,
        &one!(string: Ipv4Addr)(Ipv4Addr::LOCALHOST),
        &json!({"string": "127.0.0.1"}),
    );
    #[derive(Serialize)]
    struct Borrowed<'a> {
        #[serde(with = "serde_bytes")]
        bytes: &'a [u8],
        string: &'a str,
    }
    let borrowed = Borrowed {
        bytes: b"\0\xff",
        string: "a",
    };
    let message = Message::from_serialize(&ty, &borrowed).unwrap();
    assert_eq!(message.bytes("bytes").unwrap(), b"\0\xff");
    refuses_to_serialize(
        &ty,
        json!({"bytes": [1, 256]}),
        "everything.Everything.bytes[1]: 256 is not a byte",
    );
    refuses_to_serialize(
        &ty,
        json!({"bytes": [1, "a"]}),
        "everything.Everything.bytes[1]: expected uint32, got a string",
    );
    refuse_type!(ty, bytes: [u8; 4], {"bytes": "AP8="},
        "everything.Everything.bytes: invalid length 2, expected an array of length 4");
}

#[test]
fn enums() {
    let ty = everything("Everything");
    let json = json!({"status": "STATUS_IN_REVIEW"});
    fits(&ty, &one!(status: Status)(Status::Reviewed), &json);
    fits(&ty, &one!(status: i32)(2), &json);
    fits(&ty, &one!(status: u8)(2), &json);
    fits(&ty, &one!(status: String)("STATUS_IN_REVIEW".into()), &json);
    fits(&ty, &one!(status: i64)(99), &json!({"status": 99}));
    // Names may lack the prefix when written; when read they are those of the file.
    let message = Message::from_serialize(&ty, &json!({"status": "in_review"})).unwrap();
    assert_eq!(message.enum_number("status").unwrap(), 2);
    refuse_type!(ty, status: Status, {"status": 99},
        "everything.Everything.status: unknown variant `99`, \
         expected `Unspecified`, `StatusActive`, `IN_REVIEW` or `STATUS_GONE`");
    refuse_type!(ty, status: Half, {"status": 1},
        "everything.Everything.status: unknown variant `STATUS_ACTIVE`, expected `Gone`");
    refuse_type!(ty, status: u8, {"status": "STATUS_GONE"},
        "everything.Everything.status: invalid value: integer `-1`, expected u8");
    fits(
        &ty,
        &one!(status: Open)(Open::Active),
        &json!({"status": 1}),
    );
    let message = Message::from_json(&ty, r#"{"status": 99}"#).unwrap();
    #[derive(Deserialize)]
    struct One {
        status: Open,
    }
    assert_eq!(message.deserialize::<One>().unwrap().status, Open::Other);
    // A closed enum takes only what it names.
    refuses_to_serialize(
        &legacy("Legacy"),
        json!({"color": 9}),
        "legacy.Legacy.color: 9 is not a value of enum `legacy.Color`",
    );
    // A Rust enum in a string field is its name.
    fits(
        &ty,
        &one!(string: Half)(Half::Gone),
        &json!({"string": "Gone"}),
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Half {
    Gone,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Open {
    Active,
    #[serde(other)]
    Other,
}

#[test]
fn oneofs() {
    let ty = everything("Everything");
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Plain {
        email: Option<String>,
        phone_number: Option<i64>,
        visit: Option<Inner>,
        nobody: Option<()>,
    }
    let none = Plain {
        email: None,
        phone_number: None,
        visit: None,
        nobody: None,
    };
    fits(&ty, &none, &json!({}));
    fits(
        &ty,
        &Plain {
            email: Some(String::new()),
            ..none
        },
        &json!({"email": ""}),
    );
    let contact = one!(contact: Option<Contact>);
    fits(&ty, &contact(None), &json!({}));
    for (value, json) in [
        (Contact::Email(String::new()), json!({"email": ""})),
        (Contact::PhoneNumber(7), json!({"phoneNumber": 7})),
        (Contact::Nobody, json!({"nobody": {}})),
        (
            Contact::Visit {
                name: "a".into(),
                zip_code: 0,
            },
            json!({"visit": {"Name": "a"}}),
        ),
    ] {
        fits(&ty, &contact(Some(value.clone())), &json);
        fits(&ty, &one!(contact: Contact)(value), &json);
    }
    refuse_type!(ty, contact: Contact, {}, "everything.Everything: missing field `contact`");
    refuse_type!(ty, contact: Less, {"phoneNumber": 5},
        "everything.Everything.phone_number: unknown variant `phone_number`, expected `Email`");
    refuse_type!(ty, contact: Less, {"email": "500"},
        "everything.Everything.email: invalid type: string \"500\", expected u8");
    refuses_to_serialize(
        &ty,
        one!(contact: More)(More::Fax(5)),
        "everything.Everything.contact: oneof `contact` has no member for variant `Fax`",
    );
    refuses_to_serialize(
        &ty,
        one!(contact: More)(More::Email(5)),
        "everything.Everything.email: expected string, got an integer",
    );
    refuses_to_serialize(
        &ty,
        one!(contact: More)(More::PhoneNumber(1, 2)),
        "everything.Everything.contact: variant `PhoneNumber` holds several values without names, \
         a member of a oneof only one",
    );

    let shape = everything("Shape");
    fits(
        &shape,
        &Shape::Circle { radius: 1.5 },
        &json!({"circle": {"radius": 1.5}}),
    );
    fits(
        &shape,
        &Shape::Square(Square { side: 2.0 }),
        &json!({"square": {"side": 2}}),
    );
    fits(&shape, &Shape::PointSize(0.0), &json!({"pointSize": 0}));
    let error = Message::new(&shape).deserialize::<Shape>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "everything.Shape: no member of oneof `shape` is set"
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Less {
    Email(u8),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum More {
    Email(u8),
    Fax(u8),
    PhoneNumber(u8, u8),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Circle { radius: f64 },
    Square(Square),
    PointSize(f64),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Square {
    side: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Time {
    seconds: i64,
    nanos: i32,
}

#[test]
fn times() {
    let ty = everything("WellKnown");
    let json = json!({"timestamp": "2026-01-02T03:04:05.006Z"});
    fits(
        &ty,
        &one!(timestamp: String)("2026-01-02T03:04:05.006Z".into()),
        &json,
    );
    fits(
        &ty,
        &one!(timestamp: Option<Time>)(Some(Time {
            seconds: 1_767_323_045,
            nanos: 6_000_000,
        })),
        &json,
    );
    let system = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_006);
    fits(&ty, &one!(timestamp: SystemTime)(system), &json);
    let json = json!({"duration": "1.500s"});
    fits(
        &ty,
        &one!(duration: Duration)(Duration::from_millis(1500)),
        &json,
    );
    fits(&ty, &one!(duration: Option<Duration>)(None), &json!({}));
    fits(&ty, &one!(duration: String)("1.500s".into()), &json);
    fits(
        &ty,
        &one!(duration: Time)(Time {
            seconds: 1,
            nanos: 500_000_000,
        }),
        &json,
    );
    fits(
        &ty,
        &one!(timestamps: Vec<String>)(vec!["1970-01-01T00:00:00Z".into()]),
        &json!({"timestamps": ["1970-01-01T00:00:00Z"]}),
    );
    for (value, expected) in [
        (
            json!({"timestamp": "yesterday"}),
            "timestamp: `yesterday` is not an RFC 3339 timestamp",
        ),
        (
            json!({"timestamp": "+10000-01-01T00:00:00Z"}),
            "timestamp: 253402300800 s 0 ns is out of range for a timestamp (years 1 to 9999)",
        ),
        (
            json!({"timestamp": 5}),
            "timestamp: expected message `google.protobuf.Timestamp`, got an integer",
        ),
        (
            json!({"duration": "1 hour"}),
            "duration: `1 hour` is not a duration in seconds, like `1.5s`",
        ),
        (
            json!({"duration": "315576000001s"}),
            "duration: 315576000001 s 0 ns is out of range for a duration (10,000 years)",
        ),
    ] {
        let error = Message::from_serialize(&ty, &value).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("everything.WellKnown.{expected}")
        );
    }
    let broken = one!(timestamp: Time)(Time {
        seconds: i64::MIN,
        nanos: -1,
    });
    let message = Message::from_serialize(&ty, &broken).unwrap();
    #[derive(Debug, Deserialize)]
    struct Text {
        #[expect(dead_code, reason = "it is never made")]
        timestamp: String,
    }
    let error = message.deserialize::<Text>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "everything.WellKnown.timestamp: -9223372036854775808 s -1 ns is out of range for a \
         timestamp (years 1 to 9999)"
    );
}

#[test]
fn other_well_known_types() {
    let ty = everything("WellKnown");
    fits(
        &ty,
        &one!(mask: String)("name,zipCode.first".into()),
        &json!({"mask": "name,zipCode.first"}),
    );
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Mask {
        paths: Vec<String>,
    }
    let paths = vec!["name".to_owned(), "zip_code.first".to_owned()];
    fits(
        &ty,
        &one!(mask: Mask)(Mask { paths }),
        &json!({"mask": "name,zipCode.first"}),
    );
    fits(
        &ty,
        &one!(empty: Option<()>)(Some(())),
        &json!({"empty": {}}),
    );
    fits(&ty, &one!(empty: Option<()>)(None), &json!({}));
    fits(&ty, &(), &json!({}));
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Any {
        type_url: String,
        value: Vec<u8>,
    }
    let any = Any {
        type_url: "x/everything.Inner".into(),
        value: b"\x0a\x01a".to_vec(),
    };
    fits(
        &ty,
        &one!(any: Any)(any),
        &json!({"any": {"@type": "x/everything.Inner", "Name": "a"}}),
    );

    fits(
        &ty,
        &one!(string: Option<String>)(Some("a".into())),
        &json!({"string": "a"}),
    );
    fits(&ty, &one!(string: Option<String>)(None), &json!({}));
    fits(
        &ty,
        &one!(uint64: Option<u64>)(Some(u64::MAX)),
        &json!({"uint64": "18446744073709551615"}),
    );
    fits(
        &ty,
        &one!(double: Option<f64>)(Some(0.0)),
        &json!({"double": 0}),
    );
    fits(
        &ty,
        &one!(bool: Option<bool>)(Some(false)),
        &json!({"bool": false}),
    );
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapper {
        value: i32,
    }
    fits(
        &ty,
        &one!(int32: Wrapper)(Wrapper { value: 5 }),
        &json!({"int32": 5}),
    );
    refuses_to_serialize(
        &ty,
        json!({"int32": 1_u64 << 40}),
        "everything.WellKnown.int32: 1099511627776 is out of range for int32",
    );
    refuse_type!(ty, int32: u8, {"int32": 300},
        "everything.WellKnown.int32: invalid value: integer `300`, expected u8");
}

#[test]
fn json_in_messages() {
    let ty = everything("WellKnown");
    let any = json!({"a": [1, 2.5, "b", null, true, {"c": []}], "big": -9_007_199_254_740_992_i64});
    fits(
        &ty,
        &one!(value: serde_json::Value)(any.clone()),
        &json!({"value": any}),
    );
    fits(
        &ty,
        &one!(value: serde_json::Value)(json!(null)),
        &json!({"value": null}),
    );
    fits(
        &ty,
        &one!(value: Option<serde_json::Value>)(None),
        &json!({}),
    );
    fits(&ty, &one!(value: Option<u8>)(Some(5)), &json!({"value": 5}));
    fits(
        &ty,
        &one!(value: Inner)(Inner {
            name: "a".into(),
            zip_code: 5,
        }),
        &json!({"value": {"name": "a", "zip_code": 5}}),
    );
    fits(
        &ty,
        &one!(value: Contact)(Contact::Email("a".into())),
        &json!({"value": {"Email": "a"}}),
    );
    let object = any.as_object().unwrap().clone();
    fits(
        &ty,
        &one!(r#struct: serde_json::Map<String, serde_json::Value>)(object),
        &json!({"struct": any}),
    );
    fits(
        &ty,
        &one!(r#struct: HashMap<String, Vec<i32>>)(HashMap::from([("a".into(), vec![1])])),
        &json!({"struct": {"a": [1]}}),
    );
    fits(
        &ty,
        &one!(list: Vec<Option<i32>>)(vec![Some(1), None]),
        &json!({"list": [1, null]}),
    );
    fits(
        &ty,
        &one!(values: HashMap<String, Option<i32>>)(HashMap::from([("a".into(), None)])),
        &json!({"values": {"a": null}}),
    );
    refuses_to_serialize(
        &ty,
        json!({"struct": [1]}),
        "everything.WellKnown.struct: expected a map or a struct, got a list",
    );
    refuses_to_serialize(
        &ty,
        json!({"list": 1}),
        "everything.WellKnown.list: expected a list, got a number",
    );
    refuse_type!(ty, value: u8, {"value": 300}, "everything.WellKnown.value: invalid value: integer `300`, expected u8");

    let nested = |depth: usize| (0..depth).fold(json!({}), |inner, _| json!({"a": inner}));
    let message = Message::from_serialize(&ty, &json!({"struct": nested(32)})).unwrap();
    Message::decode(&ty, message.encode_to_bytes()).unwrap();
    message.to_json().unwrap();
    refuses_to_serialize(
        &ty,
        json!({"struct": nested(34)}),
        "everything.WellKnown.struct: it nests deeper than 100 levels",
    );
}

#[test]
fn nesting_stops_at_a_hundred() {
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Node {
        child: Option<Box<Node>>,
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
    let mut outer = Message::new(&ty);
    outer.set("child", message).unwrap();
    let error = outer.deserialize::<Node>().unwrap_err();
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
    // JSON's null leaves a field unset.
    let message =
        Message::from_serialize(&ty, &json!({"string": null, "inner": null, "int32s": null}));
    assert_eq!(message.unwrap(), Message::new(&ty));
}

/// A message is not what serde makes without a type: handlers tell the two apart by that.
#[test]
fn messages_serialize() {
    let ty = everything("Inner");
    let message = Message::from_json(&ty, r#"{"Name":"a"}"#).unwrap();
    assert_eq!(serde_json::to_string(&message).unwrap(), r#"{"Name":"a"}"#);
    assert_eq!(Message::from_serialize(&ty, &message).unwrap(), message);
    assert_eq!(
        Message::from_serialize(&ty, &message.as_ref()).unwrap(),
        message
    );
}
