//! What a decoded message costs in memory: at most three times its bytes, these included, whatever
//! is in them; and reading every element once by iterator adds nothing that lasts.
//!
//! 4 MiB of each, because that is the longest message that is received where nobody says otherwise.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;

use bytes::Bytes;
use fixtures::everything;
use peak_alloc::PeakAlloc;
use prost_reflect::prost::encoding::{WireType, encode_key, encode_varint};
use reflectd::{
    Message,
    limits::MESSAGE_RECEIVE_BYTES,
    message::{MessageRef, ValueRef},
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// One test, because the allocator counts for all threads. All are told, not only the first that
/// takes too much.
#[test]
fn three_times_its_bytes() {
    let ty = everything("Everything");
    let mut too_much = Vec::new();
    for (what, wire) in wires() {
        // The table of a type is made once; that is not the message's.
        let first = Message::decode(&ty, Bytes::from_static(b"")).unwrap();
        read(first.as_ref());
        let len = wire.len();
        assert!(len > MESSAGE_RECEIVE_BYTES / 2, "{what} is {len} bytes");
        let before = ALLOCATOR.current_usage() - len;
        ALLOCATOR.reset_peak_usage();
        let message = Message::decode_within(&ty, wire, usize::MAX).unwrap();
        let decoding = ALLOCATOR.peak_usage() - before;
        let decoded = ALLOCATOR.current_usage() - before;
        let elements = read(message.as_ref());
        assert!(elements > 0, "{what}");
        let reading = ALLOCATOR.peak_usage() - before;
        let after = ALLOCATOR.current_usage() - before;
        let times = |bytes: usize| bytes as f64 / len as f64;
        let line = format!(
            "{what:24} {len:>8} bytes, {elements:>8} elements: decoding {:>5.2}x, decoded {:>5.2}x, \
             reading {:>5.2}x, read {:>5.2}x",
            times(decoding),
            times(decoded),
            times(reading),
            times(after),
        );
        eprintln!("{line}");
        // What lasts after reading is nothing; a page of the allocator's own is not counted.
        if reading > TIMES * len || after > decoded + 4096 {
            too_much.push(line);
        }
    }
    assert!(too_much.is_empty(), "{}", too_much.join("\n"));
}

/// Each is of as many elements as fit, each of them as short as can be.
fn wires() -> Vec<(&'static str, Bytes)> {
    let field = |number: u32, payload: &[u8]| {
        let mut wire = key(number, WireType::LengthDelimited);
        encode_varint(payload.len() as u64, &mut wire);
        [&wire, payload].concat()
    };
    let varint = |number: u32| [key(number, WireType::Varint), vec![1]].concat();
    let entries = |number: u32, key_of: &dyn Fn(u32) -> Vec<u8>| -> Bytes {
        let mut wire = Vec::with_capacity(MESSAGE_RECEIVE_BYTES);
        for at in 0.. {
            let entry = field(number, &key_of(at));
            if wire.len() + entry.len() > MESSAGE_RECEIVE_BYTES {
                break;
            }
            wire.extend(entry);
        }
        wire.shrink_to_fit();
        wire.into()
    };
    let integer_key = |at: u32| {
        let mut wire = key(1, WireType::Varint);
        encode_varint(at.into(), &mut wire);
        wire
    };
    let text_key = |at: u32| field(1, format!("{at:x}").as_bytes());
    let bools = vec![1; MESSAGE_RECEIVE_BYTES - 8];
    vec![
        ("packed bools", field(34, &bools).into()),
        ("unpacked ints", repeated(&varint(32))),
        ("ints, packed by default", repeated(&varint(31))),
        ("packed ints in pieces", repeated(&field(31, &[1]))),
        ("empty strings", repeated(&field(35, b""))),
        ("short strings", repeated(&field(35, b"a"))),
        ("empty bytes", repeated(&field(36, b""))),
        ("empty sub-messages", repeated(&field(38, b""))),
        ("short sub-messages", repeated(&field(38, &[0x10, 1]))),
        (
            "nested empty sub-messages",
            repeated(&field(62, &field(62, b""))),
        ),
        ("one sub-message, merged", repeated(&field(61, &varint(32)))),
        ("a map of one key", repeated(&field(42, b""))),
        ("a map of integers", entries(43, &integer_key)),
        ("a map of strings", entries(41, &text_key)),
        ("a map of sub-messages", entries(42, &integer_key)),
        ("one field, again and again", repeated(&varint(3))),
        ("unknown varints", repeated(&varint(1000))),
        (
            "unknown varints between",
            repeated(&[varint(1000), varint(32)].concat()),
        ),
        (
            "members of a oneof in turns",
            repeated(&[varint(52), field(51, b"")].concat()),
        ),
    ]
}

fn key(number: u32, wire_type: WireType) -> Vec<u8> {
    let mut wire = Vec::new();
    encode_key(number, wire_type, &mut wire);
    wire
}

/// The element as often as it fits, in memory of exactly that length.
fn repeated(element: &[u8]) -> Bytes {
    let wire = element.repeat(MESSAGE_RECEIVE_BYTES / element.len());
    wire.into_boxed_slice().into()
}

/// Every element of every field once, by iterator: how many there are. Unknown fields count as one.
fn read(message: MessageRef<'_>) -> usize {
    let fields = message.fields().map(|(_, value)| read_value(value));
    1 + fields.sum::<usize>()
}

fn read_value(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Message(message) => read(message),
        ValueRef::List(items) => items.iter().map(read_value).sum(),
        ValueRef::Map(entries) => entries.iter().map(|(_, value)| read_value(value)).sum(),
        _ => 1,
    }
}

const TIMES: usize = 3;
