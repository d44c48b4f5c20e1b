//! Typed Rust values from and to the well-known types.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[macro_use]
#[path = "support/typed.rs"]
mod typed;

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use fixtures::everything;
use reflectd::Message;
use serde::{Deserialize, Serialize};
use serde_json::json;
use typed::{Contact, Inner, fits, refuses_to_serialize};

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
}

#[test]
fn times_that_are_none() {
    let ty = everything("WellKnown");
    for (value, expected) in [
        (
            json!({"timestamp": "yesterday"}),
            "timestamp: `yesterday` is not an RFC 3339 timestamp",
        ),
        (
            json!({"timestamp": "+10000-01-01T00:00:00Z"}),
            "timestamp: `+10000-01-01T00:00:00Z` is not an RFC 3339 timestamp",
        ),
        (
            json!({"timestamp": "0001-01-01T00:00:00+01:00"}),
            "timestamp: -62135600400 s 0 ns is out of range for a timestamp (years 1 to 9999)",
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
fn field_mask_empty_and_any() {
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
}

#[test]
fn wrappers() {
    let ty = everything("WellKnown");
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
}

#[test]
fn json_objects_and_lists_in_messages() {
    let ty = everything("WellKnown");
    let any = json!({"a": [1, 2.5, "b", null, true, {"c": []}]});
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
    let message = Message::from_serialize(&ty, &json!({"struct": nested(49)})).unwrap();
    Message::decode(&ty, message.encode_to_bytes()).unwrap();
    message.to_json().unwrap();
    refuses_to_serialize(
        &ty,
        json!({"struct": nested(50)}),
        "everything.WellKnown.struct: it nests deeper than 100 levels",
    );
}
