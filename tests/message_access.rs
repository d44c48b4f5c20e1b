//! Reading and writing fields: by name, number and handle; what fits and what does not.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use fixtures::{everything, legacy};
use reflectd::{
    Message,
    message::{MapKey, Value, ValueRef},
};

#[test]
fn every_scalar_by_name_number_and_handle() {
    let ty = everything("Everything");
    let mut message = Message::new(&ty);
    message.set("double", 1.5).unwrap();
    message.set("float", 0.1_f32).unwrap();
    message.set("int32", -3).unwrap();
    message.set("int64", i64::MIN).unwrap();
    message.set("uint32", u32::MAX).unwrap();
    message.set("uint64", u64::MAX).unwrap();
    message.set(7, -7).unwrap();
    message.set(8, -8_i64).unwrap();
    message.set(9, 9_u32).unwrap();
    message.set(10, 10_u64).unwrap();
    let sfixed32 = ty.field("sfixed32").unwrap();
    message.set(&sfixed32, -11).unwrap();
    message.set("sfixed64", -12_i64).unwrap();
    message.set("bool", true).unwrap();
    message.set("string", "text").unwrap();
    message.set("bytes", Bytes::from_static(b"\xff\0")).unwrap();
    message.set("status", "STATUS_ACTIVE").unwrap();

    let message = Message::decode(&ty, message.encode_to_bytes()).unwrap();
    assert_eq!(message.f64("double").unwrap(), 1.5);
    assert_eq!(message.f32("float").unwrap(), 0.1);
    assert_eq!(message.i32("int32").unwrap(), -3);
    assert_eq!(message.i64(4).unwrap(), i64::MIN);
    assert_eq!(message.u32("uint32").unwrap(), u32::MAX);
    assert_eq!(message.u64("uint64").unwrap(), u64::MAX);
    assert_eq!(message.i32("sint32").unwrap(), -7);
    assert_eq!(message.i64("sint64").unwrap(), -8);
    assert_eq!(message.u32("fixed32").unwrap(), 9);
    assert_eq!(message.u64("fixed64").unwrap(), 10);
    assert_eq!(message.i32(&sfixed32).unwrap(), -11);
    assert_eq!(message.i64("sfixed64").unwrap(), -12);
    assert!(message.bool("bool").unwrap());
    assert_eq!(message.str("string").unwrap(), "text");
    assert_eq!(message.bytes("bytes").unwrap(), b"\xff\0");
    assert_eq!(message.enum_number("status").unwrap(), 1);
    assert_eq!(message.enum_name("status").unwrap(), Some("STATUS_ACTIVE"));
    // Wider types read narrower fields.
    assert_eq!(message.i64("int32").unwrap(), -3);
    assert_eq!(message.i64("uint32").unwrap(), i64::from(u32::MAX));
    assert_eq!(message.u64("fixed32").unwrap(), 9);
    assert_eq!(message.f64("float").unwrap(), f64::from(0.1_f32));
}

#[test]
fn unset_fields_read_as_their_default() {
    let message = Message::new(&everything("Everything"));
    assert_eq!(message.str("string").unwrap(), "");
    assert_eq!(message.bytes("maybe_bytes").unwrap(), b"");
    assert_eq!(
        message.enum_name("status").unwrap(),
        Some("STATUS_UNSPECIFIED")
    );
    assert!(message.message("inner").unwrap().is_none());
    assert!(message.list("inners").unwrap().is_empty());
    assert!(message.map("labels").unwrap().is_empty());
    assert!(message.which_oneof("contact").unwrap().is_none());
    assert_eq!(message.fields().count(), 0);
    // `get` always has a value: an empty message here, and within it the same.
    let child = message.get("child").unwrap().as_message().unwrap();
    let grandchild = child.get("child").unwrap().as_message().unwrap();
    assert_eq!(grandchild.i32("int32").unwrap(), 0);
    assert_eq!(grandchild.message_type().name(), "Everything");

    let legacy = Message::new(&legacy("Legacy"));
    assert_eq!(legacy.i32("count").unwrap(), 7);
    assert_eq!(legacy.str("title").unwrap(), "none");
    assert_eq!(legacy.bytes("data").unwrap(), b"a\0b");
    assert_eq!(legacy.enum_name("color").unwrap(), Some("GREEN"));
    assert_eq!(legacy.enum_name("plain").unwrap(), Some("RED"));
    assert_eq!(legacy.f64("ratio").unwrap(), f64::NEG_INFINITY);
    assert!(!legacy.has("count").unwrap());
}

#[test]
fn presence() {
    let ty = everything("Everything");
    let mut message = Message::new(&ty);
    message.set("int32", 0).unwrap();
    message.set("maybe_int32", 0).unwrap();
    message.set("strings", Vec::<String>::new()).unwrap();
    assert!(!message.has("int32").unwrap());
    assert!(message.has("maybe_int32").unwrap());
    assert!(!message.has("strings").unwrap());
    let names: Vec<_> = message.fields().map(|(field, _)| field.name()).collect();
    assert_eq!(names, ["maybe_int32"]);

    let mut same = Message::new(&ty);
    same.set("maybe_int32", 0).unwrap();
    assert_eq!(
        message, same,
        "a default that cannot be told from unset is no difference"
    );
    same.clear("maybe_int32").unwrap();
    assert_ne!(message, same);
    assert_eq!(same, Message::new(&ty));
}

#[test]
fn members_of_a_oneof_unset_each_other() {
    let mut message = Message::new(&everything("Everything"));
    message.set("email", "").unwrap();
    assert_eq!(
        message.which_oneof("contact").unwrap().unwrap().name(),
        "email"
    );
    message.set("phone_number", 5).unwrap();
    assert_eq!(
        message.which_oneof("contact").unwrap().unwrap().name(),
        "phone_number"
    );
    assert!(!message.has("email").unwrap());
    message.clear("phone_number").unwrap();
    assert!(message.which_oneof("contact").unwrap().is_none());
}

#[test]
fn lists_maps_and_sub_messages() {
    let ty = everything("Everything");
    let mut inner = Message::new(&everything("Inner"));
    inner.set("Name", "in").unwrap();
    let mut message = Message::new(&ty);
    message.set("int32s", vec![1, -2, 3]).unwrap();
    message.push("int32s", 4_u64).unwrap();
    message
        .set("blobs", vec![b"a".to_vec(), b"b".to_vec()])
        .unwrap();
    message
        .set("statuses", vec!["STATUS_GONE", "STATUS_ACTIVE"])
        .unwrap();
    message.push("inners", inner.clone()).unwrap();
    message.push("inners", inner.as_ref()).unwrap();
    message.set("inner", inner.clone()).unwrap();
    message.set("labels", HashMap::from([("a", "1")])).unwrap();
    message.insert("labels", "b", "2").unwrap();
    message.insert("labels", "a", "3").unwrap();
    message.insert("by_int64", 5, 0.5).unwrap();
    message
        .set("by_int32", BTreeMap::from([(-1, inner)]))
        .unwrap();

    let message = Message::decode(&ty, message.encode_to_vec()).unwrap();
    let numbers: Vec<_> = message.list("int32s").unwrap().iter().collect();
    assert_eq!(numbers, [1, -2, 3, 4].map(ValueRef::I32));
    let blobs = message.list("blobs").unwrap();
    assert_eq!(blobs.get(1).unwrap().as_bytes(), Some(&b"b"[..]));
    assert!(blobs.get(2).is_none());
    assert_eq!(message.list("inners").unwrap().len(), 2);
    let statuses = message.list("statuses").unwrap();
    assert_eq!(statuses.get(0).unwrap().as_enum_number(), Some(-1));
    let name = message
        .message("inner")
        .unwrap()
        .unwrap()
        .str("Name")
        .unwrap();
    assert_eq!(name, "in");
    let labels = message.map("labels").unwrap();
    assert_eq!(labels.get("a").unwrap().as_str(), Some("3"));
    assert_eq!(labels.len(), 2);
    assert!(labels.get(1).is_none());
    let by_int64 = message.map("by_int64").unwrap();
    assert_eq!(by_int64.get(5_u32).unwrap().as_f64(), Some(0.5));
    let (key, value) = message.map("by_int32").unwrap().iter().next().unwrap();
    assert_eq!(key.to_owned(), MapKey::I32(-1));
    assert_eq!(value.as_message().unwrap().str(1).unwrap(), "in");
}

/// What a getter lends lives as long as the message, not as long as the reference to it.
#[test]
fn borrows_outlive_the_reference() {
    let mut inner = Message::new(&everything("Inner"));
    inner.set("Name", "in").unwrap();
    let mut message = Message::new(&everything("Everything"));
    message.set("inner", inner).unwrap();
    message.set("status", 2).unwrap();
    let (name, status, field, ty) = {
        let message = message.as_ref();
        let inner = message.message("inner").unwrap().unwrap();
        (
            inner.str("Name").unwrap(),
            message.enum_name("status").unwrap().unwrap(),
            message.fields().next().unwrap().0,
            inner.message_type(),
        )
    };
    assert_eq!((name, status), ("in", "STATUS_IN_REVIEW"));
    assert_eq!((field.name(), ty.name()), ("status", "Inner"));
}

#[test]
fn numbers_fit_by_value() {
    let mut message = Message::new(&everything("Everything"));
    message.set("int32", 5_u64).unwrap();
    message.set("uint64", 5).unwrap();
    message.set("double", 5).unwrap();
    message.set("float", 0.1).unwrap();
    assert_eq!(message.f32("float").unwrap(), 0.1_f32);
    message.set("float", f64::INFINITY).unwrap();
    message.set("status", 99).unwrap();
    assert_eq!(message.enum_number("status").unwrap(), 99);
    assert_eq!(
        message.enum_name("status").unwrap(),
        None,
        "an open enum keeps any number"
    );
}

#[test]
fn fields_that_there_are_not() {
    let ty = everything("Everything");
    let other = everything("Inner").field("Name").unwrap();
    let reloaded = fixtures::compile("everything.proto");
    let reloaded = reloaded.message("everything.Everything").unwrap();
    let same_name = reloaded.field("int32").unwrap();
    let mut message = Message::new(&ty);
    for (error, expected) in [
        (
            message.set("int23", 1),
            "`everything.Everything` has no field `int23`; did you mean `int32`?",
        ),
        (
            message.set("nothing_like_it", 1),
            "`everything.Everything` has no field `nothing_like_it`",
        ),
        (
            message.set(1000, 1),
            "`everything.Everything` has no field with number 1000",
        ),
        (
            message.set(&other, "x"),
            "the handle of field `everything.Inner.Name` is not of this `everything.Everything`: \
             it was looked up in another message type or another schema",
        ),
        (
            message.set(&same_name, 1),
            "the handle of field `everything.Everything.int32` is not of this \
             `everything.Everything`: it was looked up in another message type or another schema",
        ),
        (
            message.which_oneof("contacts").map(|_| ()),
            "`everything.Everything` has no oneof `contacts`",
        ),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_ne!(error.is_unknown_field(), error.is_foreign_field());
    }
    assert_eq!(message, Message::new(&ty));
}

#[test]
fn fields_of_another_type_than_asked_for() {
    let message = Message::new(&everything("Everything"));
    for (error, expected) in [
        (
            message.i64("string").unwrap_err(),
            "string` has type string: it cannot be read as an i64",
        ),
        (
            message.i32("uint32").unwrap_err(),
            "uint32` has type uint32: it cannot be read as an i32",
        ),
        (
            message.i64("uint64").unwrap_err(),
            "uint64` has type uint64: it cannot be read as an i64",
        ),
        (
            message.message("labels").unwrap_err(),
            "labels` has type map<string, string>: it cannot be read as a message",
        ),
        (
            message.enum_name("int32s").unwrap_err(),
            "int32s` has type repeated int32: it cannot be read as an enum",
        ),
    ] {
        let expected = format!("field `everything.Everything.{expected}");
        assert_eq!(error.to_string(), expected);
        assert!(error.is_wrong_type() && !error.is_out_of_range());
    }
}

#[test]
fn values_that_do_not_fit_are_told_and_change_nothing() {
    let ty = everything("Everything");
    let reloaded = fixtures::compile("everything.proto");
    let reloaded = reloaded.message("everything.Everything").unwrap();
    let mut message = Message::new(&ty);
    message.set("int32", 1).unwrap();
    message.set("labels", HashMap::from([("a", "b")])).unwrap();
    let before = message.clone();
    let values: [(&str, Value, &str); 13] = [
        ("int32", "1".into(), "expected int32, got a string"),
        (
            "int32",
            3_000_000_000_i64.into(),
            "3000000000 is out of range for int32",
        ),
        ("uint64", (-1).into(), "-1 is out of range for uint64"),
        (
            "float",
            1e39.into(),
            "1000000000000000000000000000000000000000 is out of range for float",
        ),
        (
            "double",
            i64::MAX.into(),
            "9223372036854775807 is out of range for the integers that a double holds exactly",
        ),
        ("string", Bytes::new().into(), "expected string, got bytes"),
        (
            "status",
            "STATUS_ACTIF".into(),
            "`STATUS_ACTIF` is not a value of enum `everything.Status`; did you mean \
             `STATUS_ACTIVE`?",
        ),
        (
            "status",
            i64::MAX.into(),
            "9223372036854775807 is out of range for enum `everything.Status`",
        ),
        (
            "inner",
            Message::new(&ty).into(),
            "expected a message `everything.Inner`, got a message `everything.Everything`",
        ),
        (
            "child",
            Message::new(&reloaded).into(),
            "expected a message `everything.Everything` of this schema, got one of another schema",
        ),
        (
            "int32s",
            1.into(),
            "expected repeated int32, got an integer",
        ),
        ("strings", vec![1].into(), "expected string, got an integer"),
        (
            "labels",
            vec!["a"].into(),
            "expected map<string, string>, got a list",
        ),
    ];
    for (field, value, expected) in values {
        let error = message.set(field, value).unwrap_err();
        let expected = format!("field `everything.Everything.{field}`: {expected}");
        assert_eq!(error.to_string(), expected);
        assert_ne!(error.is_out_of_range(), error.is_wrong_type());
    }
    assert_eq!(message, before);
}

#[test]
fn elements_and_entries_that_do_not_fit() {
    let ty = everything("Everything");
    let mut message = Message::new(&ty);
    for (error, expected) in [
        (
            message.push("int32", 1).unwrap_err(),
            "field `everything.Everything.int32` has type int32: it cannot take an element",
        ),
        (
            message.insert("strings", "a", "b").unwrap_err(),
            "field `everything.Everything.strings` has type repeated string: \
             it cannot take an entry",
        ),
        (
            message.insert("labels", 1, "b").unwrap_err(),
            "field `everything.Everything.labels`: expected a map key of type string, \
             got an integer",
        ),
        (
            message.push("int32s", 0.5).unwrap_err(),
            "field `everything.Everything.int32s`: expected int32, got a floating-point number",
        ),
    ] {
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(message, Message::new(&ty));
}

#[test]
fn closed_enums_take_only_what_they_name() {
    let mut message = Message::new(&legacy("Legacy"));
    message.set("color", 1).unwrap();
    let error = message.set("color", 3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "field `legacy.Legacy.color`: 3 is not a value of enum `legacy.Color`"
    );
}

#[test]
fn required_fields_are_listed_by_path() {
    let mut message = Message::new(&legacy("Legacy"));
    assert!(!message.is_initialized());
    message.set("name", "").unwrap();
    assert!(message.is_initialized());
    message
        .push("parts", Message::new(&legacy("Part")))
        .unwrap();
    message
        .insert("by_name", "k", Message::new(&legacy("Part")))
        .unwrap();
    message
        .set("result", Message::new(&legacy("Legacy.Result")))
        .unwrap();
    assert_eq!(
        message.missing_required(),
        ["parts[0].id", "by_name[\"k\"].id", "result.url"]
    );
}

#[test]
fn printed_as_text() {
    let mut message = Message::new(&everything("Inner"));
    message.set("Name", "Ada").unwrap();
    message.set("zipCode", 7).unwrap();
    assert_eq!(message.to_string(), r#"Name:"Ada",zipCode:7"#);
    assert_eq!(
        format!("{message:?}"),
        r#"everything.Inner {Name:"Ada",zipCode:7}"#
    );
    assert_eq!(message.to_text(), "Name: \"Ada\"\nzipCode: 7");
}

#[test]
fn messages_go_between_threads() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<Message>();
    check::<Value>();
}
