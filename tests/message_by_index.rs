//! Elements of long lists by their index, and entries of long maps by their key, in messages that were
//! received: the same as in the order of iterating, in whatever order they are asked for.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::BTreeMap;

use fixtures::{everything, legacy};
use prost_reflect::prost::encoding::{WireType, encode_key, encode_varint};
use reflectd::{
    IntoMessage, Message, Schema,
    message::{ListRef, MapKey, ValueRef},
    schema::MessageType,
};

#[test]
fn packed_lists() {
    let one = |count: u64| {
        field(
            31,
            &(0..count)
                .flat_map(|at| varint(at * at))
                .collect::<Vec<_>>(),
        )
    };
    let ty = everything("Everything");
    check(&ty, one(COUNT), 31);
    check(&ty, [one(100), one(3), one(0), one(150)].concat(), 31);
    let pieces = (0..COUNT).flat_map(|at| [field(31, &varint(at)), number(1000, at)].concat());
    check(&ty, pieces.collect(), 31);
    let doubles = |count: u64| {
        let doubles = (0..count).flat_map(|at| (at as f64).to_le_bytes());
        field(33, &doubles.collect::<Vec<_>>())
    };
    check(&ty, doubles(COUNT), 33);
    check(&ty, [doubles(70), doubles(COUNT)].concat(), 33);
}

#[test]
fn lists_of_single_elements() {
    let ty = everything("Everything");
    let each = |element: &dyn Fn(u64) -> Vec<u8>| (0..COUNT).flat_map(element).collect::<Vec<_>>();
    check(&ty, each(&|at| number(32, at)), 32);
    // Packed or not, and something else between.
    let mixed = |at| [number(32, at), field(32, &varint(at)), number(3, at)].concat();
    check(&ty, each(&mixed), 32);
    check(&ty, each(&|at| field(35, at.to_string().as_bytes())), 35);
    // Of these some are laid out, and some are not.
    let inner = |at: u64| match at % 3 {
        0 => field(38, b""),
        1 => field(38, &number(2, at)),
        _ => field(
            38,
            &[field(1, b"a name of some length"), number(2, at)].concat(),
        ),
    };
    check(&ty, each(&inner), 38);
}

#[test]
fn closed_enums() {
    // Those that the enum does not name are no elements.
    let wire: Vec<u8> = (0..COUNT).flat_map(|at| number(10, at % 7)).collect();
    let message = check(&legacy("Legacy"), wire, 10);
    assert!(message.list(10).unwrap().len() < COUNT as usize);
}

#[test]
fn maps() {
    let ty = everything("Everything");
    // Most keys come more than once; the last entry counts.
    let keys = || (0..COUNT).map(|at| (at, at * 7 % 101));
    let wire: Vec<u8> = keys()
        .flat_map(|(at, key)| {
            let inner = [
                field(1, format!("the name of {at}").as_bytes()),
                number(2, at),
            ]
            .concat();
            let label = [
                field(1, key.to_string().as_bytes()),
                field(2, &varint(at % 128)),
            ]
            .concat();
            let parts = [number(1, key), field(2, &inner)];
            let by_int32 = match at % 2 {
                0 => parts.concat(),
                _ => [&parts[1][..], &parts[0]].concat(),
            };
            [field(41, &label), field(42, &by_int32)].concat()
        })
        .collect();
    let message = Message::decode(&ty, wire).unwrap();
    let expected: BTreeMap<u64, u64> = keys().map(|(at, key)| (key, at)).collect();
    for message in [&message, &message.clone()] {
        let (labels, inners) = (message.map(41).unwrap(), message.map(42).unwrap());
        assert_eq!(
            (labels.len(), inners.len()),
            (expected.len(), expected.len())
        );
        for (key, at) in expected.iter().rev() {
            let label = labels.get(key.to_string()).unwrap();
            assert_eq!(
                label,
                ValueRef::Str(&char::from((at % 128) as u8).to_string())
            );
            let inner = inners.get(*key as i32).unwrap().as_message().unwrap();
            assert_eq!(inner.str(1).unwrap(), format!("the name of {at}"));
        }
        assert_eq!(labels.get("none"), None);
        assert_eq!(inners.get(-1), None);
        for (key, value) in inners {
            assert_eq!(inners.get(key.to_owned()), Some(value));
        }
    }
}

#[test]
fn what_was_set_since_counts() {
    let wire: Vec<u8> = (0..COUNT).flat_map(|at| number(32, at)).collect();
    let mut message = check(&everything("Everything"), wire, 32);
    message.push(32, 5).unwrap();
    let list = message.list(32).unwrap();
    assert_eq!(list.get(COUNT as usize), Some(ValueRef::I32(5)));
    assert_eq!(list.get(70), Some(ValueRef::I32(70)));
    message.insert(43, MapKey::I64(1), 1.5).unwrap();
    assert_eq!(message.map(43).unwrap().get(1), Some(ValueRef::F64(1.5)));
}

/// Asks for all elements from the last to the first, and then in leaps.
/// What was noted of a message's lists goes with it, also when its bytes go on as a reply; the next
/// message of the thread has its room.
#[test]
fn the_next_message_has_an_index_of_its_own() {
    let ty = of_many_lists();
    let each = |elements: [&str; 18]| {
        let wire: Vec<u8> = elements
            .iter()
            .flat_map(|text| field(1, text.as_bytes()))
            .collect();
        Message::decode(&ty, wire).unwrap()
    };
    let mut elements = ["a"; 18];
    for _ in 0..3 {
        let message = each(elements);
        let list = message.list("f1").unwrap();
        assert_eq!(list.get(17), Some(ValueRef::Str(elements[17])));
        message.into_raw(&ty).unwrap();
        elements = ["b"; 18];
        (elements[0], elements[17]) = ("0123456789", "last");
    }
}

/// A small message of it is not laid out.
fn of_many_lists() -> MessageType {
    let fields: String = (1..=100)
        .map(|n| format!("repeated string f{n} = {n};"))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lists.proto");
    let file = format!("syntax = \"proto3\"; message Lists {{ {fields} }}");
    std::fs::write(&path, file).unwrap();
    let schema = Schema::compile([path], [folder.path()]).unwrap();
    schema.message("Lists").unwrap()
}

fn check(ty: &MessageType, wire: Vec<u8>, number: u32) -> Message {
    let message = Message::decode(ty, wire).unwrap();
    let list: ListRef<'_> = message.list(number).unwrap();
    let all: Vec<_> = list.iter().collect();
    assert_eq!(all.len(), list.len());
    let leaps = (0..all.len()).map(|at| at * 89 % all.len());
    for index in (0..all.len()).rev().chain(leaps) {
        assert_eq!(list.get(index), Some(all[index]), "element {index}");
    }
    assert_eq!(list.get(all.len()), None);
    message
}

fn field(number: u32, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut wire);
    encode_varint(payload.len() as u64, &mut wire);
    [&wire, payload].concat()
}

fn number(number: u32, value: u64) -> Vec<u8> {
    let mut wire = Vec::new();
    encode_key(number, WireType::Varint, &mut wire);
    encode_varint(value, &mut wire);
    wire
}

fn varint(value: u64) -> Vec<u8> {
    let mut wire = Vec::new();
    encode_varint(value, &mut wire);
    wire
}

const COUNT: u64 = 300;
