//! Messages of types with many fields, small and many: what they cost is a matter of their bytes.
//! Nothing is measured here; were a field looked for in all records, or a record held against all
//! fields, these would take minutes.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

use std::fmt::Write as _;

use reflectd::{Message, Schema, schema::MessageType};

/// `repeated W` in R, whose 1000 fields are numbers, lists or the members of one oneof.
fn wide(of: &str) -> MessageType {
    let mut file = String::from("syntax = \"proto3\"; package wide;\n");
    for (name, open, field, close) in [
        ("Numbers", "", "int32", ""),
        ("Lists", "", "repeated int32", ""),
        ("Choice", "oneof choice {", "int32", "}"),
        ("Parts", "oneof choice {", "Numbers", "}"),
    ] {
        writeln!(file, "message {name} {{ {open}").unwrap();
        for number in 1..=1000 {
            writeln!(file, "{field} f{number} = {number};").unwrap();
        }
        writeln!(file, "{close} }}").unwrap();
        writeln!(file, "message Many{name} {{ repeated {name} items = 1; }}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.proto");
    std::fs::write(&path, file).unwrap();
    let schema = Schema::compile([path], [folder.path()]).unwrap();
    schema.message(&format!("wide.{of}")).unwrap()
}

/// A message is looked through as a whole, not for each field.
#[test]
fn reading_what_was_not_laid_out_whole() {
    let element: Vec<u8> = (0..501).flat_map(|_| [8, 1]).collect();
    let spread: Vec<u8> = (1..=300_u32)
        .flat_map(|number| field(number, 0, &[1]))
        .collect();
    for (ty, elements) in [("ManyNumbers", &element), ("ManyLists", &spread)] {
        let encoded = field(1, 2, elements).repeat((1 << 18) / elements.len());
        let message = Message::decode(&wide(ty), encoded).unwrap();
        let list = message.list("items").unwrap();
        assert_eq!(
            list.iter()
                .map(|item| item.as_message().unwrap().fields().count())
                .sum::<usize>(),
            match ty {
                "ManyNumbers" => list.len(),
                _ => 300 * list.len(),
            }
        );
        let json = message.to_json().unwrap();
        let read = Message::from_json(message.message_type(), &json).unwrap();
        assert!(read == message);
        assert!(message.is_initialized());
        message.deterministic();
    }
}

/// A message that is not laid out takes no room for the fields that it lacks.
#[test]
fn many_small_ones() {
    let ty = wide("ManyNumbers");
    let encoded = field(1, 2, &[8, 1]).repeat(1 << 18);
    let message = Message::decode(&ty, encoded).unwrap();
    assert_eq!(message.list("items").unwrap().len(), 1 << 18);
}

/// Of a oneof only the member that was set before is unset, not all of them.
#[test]
fn a_oneof_of_many_members() {
    for name in ["Choice", "Parts"] {
        let ty = wide(name);
        let wire_type = if name == "Choice" { 0 } else { 2 };
        let each = [1, 1, 2].map(|number| match wire_type {
            0 => field(number, 0, &[7]),
            _ => field(number, 2, &[8, 7]),
        });
        let encoded = each.concat().repeat(1 << 17);
        for memory in [usize::MAX, 0] {
            let message = Message::decode_within(&ty, encoded.clone(), memory).unwrap();
            assert_eq!(message.which_oneof("choice").unwrap().unwrap().name(), "f2");
            assert_eq!(message.as_ref().fields().count(), 1);
            let last = each.last().unwrap();
            assert_eq!(&message.deterministic(), last);
            // Members that were received before do not come back.
            let mut cleared = message;
            cleared.clear("f2").unwrap();
            assert!(cleared.encode_to_vec().is_empty());
        }
    }
}

/// Each is too short to be laid out, and has a thousand members that it may be.
#[test]
fn oneofs_of_many_members_in_many_messages() {
    let item = [field(1, 0, &[7]), field(999, 0, &[7])].concat();
    let encoded = field(1, 2, &item).repeat(1 << 16);
    let message = Message::decode(&wide("ManyChoice"), encoded).unwrap();
    let items = message.list("items").unwrap();
    assert_eq!(items.len(), 1 << 16);
    for item in items {
        let item = item.as_message().unwrap();
        assert_eq!(item.which_oneof("choice").unwrap().unwrap().name(), "f999");
    }
}

fn field(number: u32, wire_type: u32, contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint((number << 3 | wire_type).into(), &mut bytes);
    if wire_type == 2 {
        prost::encoding::encode_varint(contents.len() as u64, &mut bytes);
    }
    bytes.extend(contents);
    bytes
}
