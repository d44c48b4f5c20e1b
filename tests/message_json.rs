//! The canonical JSON mapping, its options and its limits.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/random_message.rs"]
mod random_message;

use fixtures::{everything, legacy};
use proptest::prelude::*;
use random_message::{Random, random_message};
use reflectd::{
    Message,
    message::JsonOptions,
    schema::{Field, Kind, MessageType},
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Every option writes what reads back as the same message, and what prost-reflect reads too.
    #[test]
    fn round_trips(seed: u64, which in 0..3_usize, options in any::<[bool; 4]>()) {
        let ty = [everything("Everything"), everything("WellKnown"), legacy("Legacy")][which].clone();
        let message = Message::from(random_message(ty.descriptor(), &mut Random(seed), 2));
        let options = JsonOptions::new()
            .proto_names(options[0])
            .defaults(options[1])
            .enum_numbers(options[2])
            .pretty(options[3]);
        let json = message.to_json_with(&options).unwrap();
        prop_assert_eq!(&Message::from_json(&ty, &json).unwrap(), &message, "{}", json);
        let json = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(&Message::from_json(&ty, &json).unwrap(), &message, "{}", json);
    }

    /// Whatever stands in the strings of well-known types, and however JSON is damaged: an answer.
    #[test]
    fn hostile_text(field in 0..22_usize, text in "[-+0-9TZ:.,a-zs \\PC]{0,40}", damage: u16) {
        let ty = everything("WellKnown");
        let field = ty.fields().nth(field % ty.fields().len()).unwrap();
        let value = serde_json::Value::from(text);
        let mut json = format!(r#"{{"{}":{value}}}"#, field.json_name());
        check(&ty, &json);
        json.truncate((0..=usize::from(damage) % json.len()).rev().find(|at| json.is_char_boundary(*at)).unwrap());
        check(&ty, &json);
    }
}

/// What is accepted can be encoded, decoded and written again.
fn check(ty: &MessageType, json: &str) {
    if let Ok(message) = Message::from_json(ty, json) {
        let again = Message::decode(ty, message.encode_to_bytes()).unwrap();
        assert_eq!(again, message, "{json}");
        let _ = message.to_json();
    }
}

#[test]
fn options() {
    let ty = everything("Inner");
    let mut message = Message::new(&everything("Everything"));
    message.set("maybe_status", 1).unwrap();
    let mut inner = Message::new(&ty);
    inner.set("Name", "Ada").unwrap();
    message.set("inner", inner.clone()).unwrap();
    let canonical = JsonOptions::new();
    for (options, expected) in [
        (
            canonical,
            r#"{"inner":{"Name":"Ada"},"maybeStatus":"STATUS_ACTIVE"}"#,
        ),
        (
            canonical.proto_names(true),
            r#"{"inner":{"Name":"Ada"},"maybe_status":"STATUS_ACTIVE"}"#,
        ),
        (
            canonical.enum_numbers(true),
            r#"{"inner":{"Name":"Ada"},"maybeStatus":1}"#,
        ),
    ] {
        assert_eq!(message.to_json_with(&options).unwrap(), expected);
    }
    assert_eq!(
        inner.to_json_with(&canonical.defaults(true)).unwrap(),
        r#"{"Name":"Ada","zipCode":0}"#
    );
    assert_eq!(
        inner.to_json_with(&canonical.pretty(true)).unwrap(),
        "{\n  \"Name\": \"Ada\"\n}"
    );
    let unknown = r#"{"Name":"Ada","more":{"of":["it"]}}"#;
    let read = Message::from_json_with(&ty, unknown, &canonical.ignore_unknown(true));
    assert_eq!(read.unwrap(), inner);
}

#[test]
fn errors_say_what_and_where() {
    let ty = everything("Everything");
    for (json, expected) in [
        (
            "",
            "the JSON is no `everything.Everything`: EOF while parsing a value at line 1 column 0",
        ),
        (
            "[]",
            "the JSON is no `everything.Everything`: invalid type: sequence, expected a \
             `everything.Everything`",
        ),
        (
            "{\"int32\":\n\"x\"}",
            "the JSON is no `everything.Everything`: `int32`: invalid type: string \"x\", expected int32 at line 2 \
             column 3",
        ),
        (
            r#"{"int32":3000000000}"#,
            "the JSON is no `everything.Everything`: `int32`: 3000000000 is out of range for int32",
        ),
        (
            r#"{"nope":1}"#,
            "the JSON is no `everything.Everything`: `everything.Everything` has no field `nope`",
        ),
        (
            r#"{"status":"NOPE"}"#,
            "the JSON is no `everything.Everything`: `status`: `NOPE` is not a value of enum \
             `everything.Status`",
        ),
        (
            r#"{"child":{"children":[{},{"byInt64":{"5":"x"}}]}}"#,
            "the JSON is no `everything.Everything`: `child.children[1].byInt64[5]`: invalid type: \
             string \"x\"",
        ),
        (
            r#"{"int32s":[1,2,null]}"#,
            "the JSON is no `everything.Everything`: `int32s[2]`: invalid type: null, \
             expected int32",
        ),
        (
            r#"{} {}"#,
            "the JSON is no `everything.Everything`: trailing characters at line 1 column 4",
        ),
    ] {
        let error = Message::from_json(&ty, json).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(error.line().is_some() && error.column().is_some());
    }
}

/// 100 levels go in and out on a small stack, whatever makes them; one more is refused.
#[test]
fn nesting_stops_at_a_hundred() {
    let ty = everything("Everything");
    let nested =
        |depth: usize| format!("{}{{}}{}", r#"{"child":"#.repeat(depth), "}".repeat(depth));
    let message = Message::from_json(&ty, &nested(100)).unwrap();
    assert_eq!(message.to_json().unwrap(), nested(100));
    assert_eq!(serde_json::to_string(&message).unwrap(), nested(100));
    Message::decode(&ty, message.encode_to_bytes()).unwrap();
    for depth in [101, 126, 127, 128, 100_000] {
        let error = Message::from_json(&ty, &nested(depth)).unwrap_err();
        let end = ["child"; 12].join(".");
        let expected = format!(
            "the JSON is no `everything.Everything`: `{end}….{end}`: it nests deeper than 100 levels"
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    // A list of messages is one level, and two brackets.
    let list = |depth: usize| {
        format!(
            "{}{{}}{}",
            r#"{"children":["#.repeat(depth),
            "]}".repeat(depth)
        )
    };
    let message = Message::from_json(&ty, &list(100)).unwrap();
    assert_eq!(message.to_json().unwrap(), list(100));
    assert_eq!(serde_json::to_string(&message).unwrap(), list(100));
    assert!(Message::from_json(&ty, &list(101)).is_err());
    let open = "[{".repeat(100_000);
    assert!(Message::from_json(&ty, &open).is_err());
    let unknown = format!(
        r#"{{"nope":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let ignoring = JsonOptions::new().ignore_unknown(true);
    Message::from_json_with(&ty, &unknown, &ignoring).unwrap();
    let brackets_in_strings = format!(r#"{{"string":"\"{}"}}"#, "[".repeat(1000));
    Message::from_json(&ty, &brackets_in_strings).unwrap();
}

/// What an Any holds is read as what stands elsewhere is, and what is wrong in it is told the same way.
#[test]
fn an_any_holds_what_a_message_holds() {
    let ty = everything("WellKnown");
    let list = |depth: usize| {
        format!(
            "{}{{}}{}",
            r#"{"children":["#.repeat(depth),
            "]}".repeat(depth)
        )
    };
    let any = |fields: &str| {
        format!(r#"{{"any":{{"@type":"type.googleapis.com/everything.Everything",{fields}}}}}"#)
    };
    let nested = list(90);
    let json = any(nested.strip_prefix('{').unwrap().strip_suffix('}').unwrap());
    let message = Message::from_json(&ty, &json).unwrap();
    assert_eq!(message.to_json().unwrap(), json);

    let wrong = Message::from_json(&ty, &any(r#""child":{"int32":"x"}"#)).unwrap_err();
    assert_eq!(wrong.path(), "any.child.int32");
    let text = wrong.to_string();
    assert!(
        text.contains(r#"invalid type: string "x", expected int32 at line 1"#),
        "{text}"
    );
    assert_eq!(text.matches("at line").count(), 1, "{text}");
}

/// A level of JSON inside a Struct is two levels of messages: Struct and Value.
#[test]
fn nesting_counts_messages_too() {
    let ty = everything("WellKnown");
    let nested = |depth: usize| {
        format!(
            r#"{{"struct":{}{{}}{}}}"#,
            r#"{"a":"#.repeat(depth),
            "}".repeat(depth)
        )
    };
    let mut deepest = 0;
    for depth in 0..90 {
        match Message::from_json(&ty, &nested(depth)) {
            Ok(message) => {
                deepest = depth;
                Message::decode(&ty, message.encode_to_bytes()).unwrap();
                assert_eq!(message.to_json().unwrap(), nested(depth));
            }
            Err(_) => assert!(depth > 48, "{depth}"),
        }
    }
    assert_eq!(deepest, 49);
}

fn message_type(field: &Field) -> MessageType {
    match field.kind() {
        Kind::Message(ty) => ty,
        other => panic!("{other} is no message"),
    }
}

/// Payloads of Any are bytes on the wire and may be nested without end; JSON writes them out.
#[test]
fn payloads_inside_payloads_do_not_overflow_the_stack() {
    let ty = everything("WellKnown");
    let any = message_type(&ty.field("any").unwrap());
    let wrap = |payload: Vec<u8>| {
        let mut message = Message::new(&any);
        message
            .set("type_url", "type.googleapis.com/google.protobuf.Any")
            .unwrap();
        message.set("value", payload).unwrap();
        message.encode_to_vec()
    };
    let payload = |depth: usize| (0..depth).fold(Vec::new(), |payload, _| wrap(payload));
    let shallow = Message::decode(&any, wrap(Vec::new())).unwrap();
    // The innermost Any is empty, and has no type.
    assert_eq!(
        shallow.to_json().unwrap(),
        r#"{"@type":"type.googleapis.com/google.protobuf.Any","value":{}}"#
    );
    let deep = Message::decode(&any, payload(5_000)).unwrap();
    let error = deep.to_json().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`google.protobuf.Any` cannot be JSON: it nests deeper than 100 levels"
    );
    assert!(serde_json::to_string(&deep).is_err());
    assert!(deep.to_text().len() > 5_000);
    assert!(format!("{deep:?}").len() > 5_000);
}

#[test]
fn any_of_a_known_type() {
    let ty = everything("WellKnown");
    let json = r#"{"any":{"@type":"type.googleapis.com/everything.Inner","Name":"Ada"}}"#;
    let message = Message::from_json(&ty, json).unwrap();
    assert_eq!(message.to_json().unwrap(), json);
    let payload = message.message("any").unwrap().unwrap();
    assert_eq!(payload.bytes("value").unwrap(), b"\x0a\x03Ada");
}
