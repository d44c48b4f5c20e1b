//! Typed Rust values from and to messages: bytes, enums, oneofs.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[macro_use]
#[path = "support/typed.rs"]
mod typed;

use std::net::Ipv4Addr;

use bytes::Bytes;
use fixtures::{everything, legacy};
use reflectd::Message;
use serde::{Deserialize, Serialize};
use serde_json::json;
use typed::{Contact, Inner, Status, fits, refuses_to_serialize};

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
fn oneofs_as_options() {
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
}

#[test]
fn oneofs_as_enums() {
    let ty = everything("Everything");
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
}

#[test]
fn messages_that_are_a_oneof() {
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
