//! How deep messages nest is one rule, whichever way they come in: 100 levels below the outermost, and
//! an entry of a map is none of them.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::BTreeMap;

use reflectd::{
    Message,
    message::{FieldError, Value},
    schema::MessageType,
};
use serde::{Deserialize, Serialize};

/// Puts a message into an empty one.
type Wrap = fn(&MessageType, Message) -> Result<Message, FieldError>;

const WRAPS: [(&str, Wrap); 5] = [
    ("set", |ty, inner| {
        put(ty, |outer| outer.set("child", inner))
    }),
    ("push", |ty, inner| {
        put(ty, |outer| outer.push("children", inner))
    }),
    ("insert", |ty, inner| {
        put(ty, |outer| outer.insert("by_name", "a", inner))
    }),
    ("a list", |ty, inner| {
        let items = vec![Message::new(ty), inner];
        put(ty, |outer| outer.set("children", items))
    }),
    ("a map", |ty, inner| {
        let entries = BTreeMap::from([("a", Message::new(ty)), ("b", inner)]);
        put(ty, |outer| outer.set("by_name", entries))
    }),
];

/// Without a limit the 200,000 levels would end the process when they are dropped.
#[test]
fn no_setter_nests_deeper_than_a_hundred() {
    let ty = node();
    for (how, wrap) in WRAPS {
        let mut message = Message::new(&ty);
        let mut levels = 0;
        for _ in 0..200_000 {
            match wrap(&ty, message.clone()) {
                Ok(outer) => (message, levels) = (outer, levels + 1),
                Err(error) => {
                    assert!(error.is_out_of_range(), "{how}: {error}");
                    let why = "messages nest deeper than 100 levels";
                    assert!(error.to_string().contains(why), "{how}: {error}");
                    break;
                }
            }
        }
        assert_eq!(levels, 100, "{how}");
        assert_eq!(
            Message::decode(&ty, message.encode_to_bytes()).unwrap(),
            message
        );
        assert_eq!(message.clone().encoded_len(), message.encoded_len());
        assert!(message.is_initialized());
    }
}

/// What one way in takes all others take, and all ways out write.
#[test]
fn each_way_in_and_out_counts_the_same() {
    let ty = node();
    for depth in [49, 50, 51, 52, 99, 100, 101, 102] {
        for (key, open, close) in [
            (1, r#"{"child":"#, "}"),
            (2, r#"{"children":["#, "]}"),
            (3, r#"{"byName":{"a":"#, "}}"),
        ] {
            let encoded = (0..depth).fold(vec![], |inner, _| match key {
                3 => delimited(
                    0x1a,
                    &[
                        b"
a",
                        &*delimited(0x12, &inner),
                    ]
                    .concat(),
                ),
                key => delimited(key << 3 | 2, &inner),
            });
            let json = format!("{}{{}}{}", open.repeat(depth), close.repeat(depth));
            let decoded = Message::decode(&ty, encoded);
            let read = Message::from_json(&ty, &json);
            let Ok(decoded) = decoded else {
                assert!(read.is_err() && depth > 100, "{key} at {depth}");
                continue;
            };
            assert!(depth <= 100, "{key} at {depth}");
            assert_eq!(read.unwrap(), decoded, "{key} at {depth}");
            assert_eq!(decoded.to_json().unwrap(), json);
            // In the text format an entry has brackets of its own.
            match Message::from_text(&ty, &decoded.to_text()) {
                Ok(read) => assert_eq!(read, decoded),
                Err(why) => assert!(key == 3 && depth > 50, "{key} at {depth}: {why}"),
            }
            let value: Node = decoded.deserialize().unwrap();
            assert_eq!(Message::from_serialize(&ty, &value).unwrap(), decoded);
        }
    }
}

/// What was received counts as what it holds, what is unknown included.
#[test]
fn what_was_received_counts() {
    let ty = node();
    let group = [vec![0x3b; 60], vec![0x3c; 60]].concat();
    let child: Vec<u8> = (0..60).fold(vec![], |inner, _| delimited(0x0a, &inner));
    for encoded in [child, group] {
        let mut message = Message::decode(&ty, encoded).unwrap();
        let mut levels = 60;
        let too_deep = loop {
            match put(&ty, |outer| outer.set("child", message.clone())) {
                Ok(outer) => (message, levels) = (outer, levels + 1),
                Err(error) => break error,
            }
        };
        assert_eq!(levels, 100, "{too_deep}");
        Message::decode(&ty, message.encode_to_bytes()).unwrap();
        // What is no longer there does not count.
        let mut inner = message;
        inner.clear("child").unwrap();
        put(&ty, |outer| outer.set("child", inner)).unwrap();
    }
}

/// A setter that fails leaves the message as it was.
#[test]
fn what_is_too_deep_changes_nothing() {
    let ty = node();
    let (_, wrap) = WRAPS[1];
    let deep = (0..100).fold(Message::new(&ty), |inner, _| wrap(&ty, inner).unwrap());
    let mut message = put(&ty, |outer| outer.set("child", Message::new(&ty))).unwrap();
    let before = message.clone();
    for field in ["child", "children", "by_name"] {
        let value: Value = match field {
            "child" => deep.clone().into(),
            "children" => vec![deep.clone()].into(),
            _ => BTreeMap::from([("a", deep.clone())]).into(),
        };
        message.set(field, value).unwrap_err();
    }
    message.push("children", deep.clone()).unwrap_err();
    message.insert("by_name", "a", deep.as_ref()).unwrap_err();
    assert_eq!(message, before);
}

#[derive(Serialize, Deserialize)]
struct Node {
    child: Option<Box<Self>>,
    #[serde(default)]
    children: Vec<Self>,
    #[serde(default)]
    by_name: BTreeMap<String, Self>,
}

fn node() -> MessageType {
    let schema = fixtures::compile("nest.proto");
    schema.message("nest.Node").unwrap()
}

fn put(
    ty: &MessageType,
    put: impl FnOnce(&mut Message) -> Result<(), FieldError>,
) -> Result<Message, FieldError> {
    let mut outer = Message::new(ty);
    put(&mut outer).map(|()| outer)
}

fn delimited(key: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![key];
    prost::encoding::encode_varint(contents.len() as u64, &mut bytes);
    [bytes, contents.to_vec()].concat()
}
