//! A message that would take too much memory as prost-reflect's is refused before it is made one. Held
//! against the allocator: what was found before is never less than what it then takes.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/random_message.rs"]
mod random_message;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use fixtures::{everything, legacy};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use prost_reflect::{DynamicMessage, prost::Message as _};
use random_message::{Random, random_message};
use reflectd::{
    Message,
    limits::{MESSAGE_DECODE_FACTOR, MESSAGE_RECEIVE_BYTES},
    message::DecodeError,
    schema::MessageType,
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The allocator counts for all threads.
static ALONE: Mutex<()> = Mutex::new(());

fn types() -> [MessageType; 3] {
    [
        everything("Everything"),
        everything("WellKnown"),
        legacy("Legacy"),
    ]
}

/// The bytes that prost-reflect's message holds.
fn taken(ty: &MessageType, encoded: &Bytes) -> Option<usize> {
    let dynamic = || DynamicMessage::decode(ty.descriptor().clone(), encoded.clone());
    // The descriptors keep some of what they are first asked for.
    let _ = dynamic();
    let before = ALLOCATOR.current_usage();
    let message = dynamic();
    let after = ALLOCATOR.current_usage();
    message.ok().map(|_| after - before)
}

fn dynamic(
    ty: &MessageType,
    encoded: &Bytes,
    memory_bytes_max: usize,
) -> Result<DynamicMessage, DecodeError> {
    Message::decode(ty, encoded.clone())?.into_dynamic_within(memory_bytes_max)
}

fn is_refused(ty: &MessageType, encoded: &Bytes, memory_bytes_max: usize) -> bool {
    dynamic(ty, encoded, memory_bytes_max).is_err_and(|error| error.is_too_large())
}

/// What a handler that takes prost-reflect's messages may take, unless told otherwise.
const MEMORY_BYTES_MAX: usize = MESSAGE_DECODE_FACTOR * MESSAGE_RECEIVE_BYTES;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_found_before_is_what_decoding_takes(seed: u64, which in 0..3_usize, copies in 1..20_usize) {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let ty = &types()[which];
        // One after the other they are one message, with lists and maps that grow.
        let random = &mut Random(seed);
        let copies = (0..copies).map(|_| random_message(ty.descriptor(), random, 3).encode_to_vec());
        let encoded = Bytes::from(copies.collect::<Vec<_>>().concat());
        let taken = taken(ty, &encoded).unwrap();
        prop_assert!(taken == 0 || is_refused(ty, &encoded, taken - 1), "less was found than {}", taken);
        // What replaces something else was counted, too, and strings of a byte are counted as more.
        prop_assert!(!is_refused(ty, &encoded, 8 * taken + 4096), "more was found than 8 times {}", taken);
    }
}

/// Field numbers of `Everything`.
const STRINGS: u32 = 35;
const DOUBLES: u32 = 33;
const INT64S_BY_BOOL: u32 = 46;
const BOOLS: u32 = 34;
const INNERS: u32 = 38;
const CHILDREN: u32 = 62;
const UNKNOWN: u32 = 1000;
const BY_INT32: u32 = 42;

fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn field(number: u32, contents: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    varint(u64::from(number << 3 | 2), &mut field);
    varint(contents.len() as u64, &mut field);
    field.extend(contents);
    field
}

/// As often as a message of 4 MiB has room for it.
fn full(element: &[u8]) -> Bytes {
    element.repeat(MESSAGE_RECEIVE_BYTES / element.len()).into()
}

fn nested(number: u32, levels: usize) -> Vec<u8> {
    (0..levels).fold(Vec::new(), |inner, _| field(number, &inner))
}

#[test]
fn a_message_that_is_sent_to_use_up_memory_is_refused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let ty = everything("Everything");
    let mut distinct = Vec::new();
    (1000..800_000).for_each(|number| {
        varint(number << 3, &mut distinct);
        distinct.push(0);
    });
    assert!(distinct.len() <= MESSAGE_RECEIVE_BYTES);
    let attacks = [
        (
            "packed bools",
            field(BOOLS, &vec![1; MESSAGE_RECEIVE_BYTES - 6]).into(),
        ),
        ("empty messages", full(&field(INNERS, &[]))),
        ("messages of one field", full(&field(INNERS, &[16, 1]))),
        ("messages in messages", full(&nested(CHILDREN, 100))),
        (
            "maps in messages",
            full(&field(CHILDREN, &field(INT64S_BY_BOOL, &[]))),
        ),
        ("unknown fields", distinct.into()),
        (
            "unknown groups",
            full(&[[0xbb, 0x3e].repeat(90), [0xbc, 0x3e].repeat(90)].concat()),
        ),
    ];
    for (what, encoded) in attacks {
        let message = Message::decode(&ty, Bytes::clone(&encoded)).expect(what);
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        let error = message
            .into_dynamic_within(MEMORY_BYTES_MAX)
            .expect_err(what);
        assert!(error.is_too_large(), "{what}: {error}");
        let spent = ALLOCATOR.peak_usage() - before;
        assert!(spent < 64 * 1024, "{what}: {spent} bytes to refuse it");
    }
}

#[test]
fn a_long_message_that_is_sent_on_purpose_is_taken() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let ty = everything("Everything");
    let mut times = Vec::new();
    let mut row = field(1, &[b'n'; 33]);
    row.extend([16, 0xb9, 0x60]);
    (0..500_000).for_each(|second| varint(1_700_000_000 + second, &mut times));
    let messages = [
        ("strings of 40 bytes", full(&field(STRINGS, &[b's'; 40]))),
        ("unpacked numbers", full(&[0x80, 0x02, 0xb9, 0x60])),
        ("packed times", field(31, &times).into()),
        (
            "doubles",
            field(DOUBLES, &vec![0x41; MESSAGE_RECEIVE_BYTES - 8]).into(),
        ),
        ("rows of 40 bytes", full(&field(INNERS, &row))),
        (
            "one long string",
            field(14, &vec![b's'; MESSAGE_RECEIVE_BYTES - 8]).into(),
        ),
    ];
    for (what, encoded) in messages {
        let encoded: Bytes = encoded;
        dynamic(&ty, &encoded, MEMORY_BYTES_MAX).unwrap_or_else(|error| panic!("{what}: {error}"));
        let taken = taken(&ty, &encoded).unwrap();
        assert!(
            taken <= MESSAGE_DECODE_FACTOR * MESSAGE_RECEIVE_BYTES,
            "{what}: {taken}"
        );
    }
}

#[test]
fn a_list_that_goes_on_after_another_field_is_counted_as_grown() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let ty = everything("Everything");
    let mut unknown = Vec::new();
    varint(u64::from(UNKNOWN << 3), &mut unknown);
    unknown.push(1);
    // A known list, and one whose number is beyond those that are told apart. Both are full, and
    // double for one more.
    let lists = [
        (field(BOOLS, &[1; 4096]), field(BOOLS, &[1])),
        (unknown.repeat(4096), unknown),
    ];
    for (list, one_more) in lists {
        let encoded = Bytes::from([list, field(STRINGS, &[]), one_more].concat());
        let taken = taken(&ty, &encoded).unwrap();
        assert!(taken > 8192 * 40, "{taken}");
        assert!(is_refused(&ty, &encoded, taken - 1), "less was found");
    }
}

#[test]
fn what_repeats_is_not_counted_as_new_for_ever() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let ty = everything("Everything");
    // Merged into one another, and into one entry of a map.
    let merged = field(61, &[24, 5]).repeat(100_000);
    Message::decode(&ty, merged).unwrap();
    let entries = field(BY_INT32, &[8, 1]).repeat(100_000);
    Message::decode(&ty, entries).unwrap();
}

/// JSON has no limit of its own yet: nothing takes it from a connection. But none of it costs more
/// than in proportion to its length.
#[test]
fn json_that_is_made_to_hurt_costs_in_proportion() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let many = |entry: &str| vec![entry; 1_000_000].join(",");
    let escapes = "\\u00e9".repeat(MESSAGE_RECEIVE_BYTES / 6);
    // What it is, the text, whether it is taken, and the most memory a byte of it.
    let cases = [
        (
            "a key again and again",
            format!("{{{}}}", many(r#""int32":1"#)),
            false,
            1,
        ),
        (
            "a key of a map again and again",
            format!(r#"{{"labels":{{{}}}}}"#, many(r#""a":"b""#)),
            true,
            1,
        ),
        (
            "unknown keys",
            format!("{{{}}}", many(r#""x":1"#)),
            false,
            1,
        ),
        (
            "a number with many digits",
            format!(r#"{{"double":1{}}}"#, "0".repeat(1_000_000)),
            false,
            8,
        ),
        (
            "a huge exponent",
            r#"{"double":1e999999999}"#.to_owned(),
            false,
            64,
        ),
        (
            "a surrogate without the other",
            r#"{"string":"\ud800"}"#.to_owned(),
            false,
            64,
        ),
        ("escapes", format!(r#"{{"string":"{escapes}"}}"#), true, 3),
        (
            "numbers",
            format!(r#"{{"int32s":[{}]}}"#, many("1")),
            true,
            128,
        ),
    ];
    let ty = everything("Everything");
    for (what, json, is_taken, most) in cases {
        let _ = Message::from_json(&ty, "{}");
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        let read = Message::from_json(&ty, &json);
        let spent = ALLOCATOR.peak_usage() - before;
        assert!(
            spent <= most * json.len() + 4096,
            "{what}: {spent} bytes of {}",
            json.len()
        );
        assert_eq!(read.is_ok(), is_taken, "{what}");
    }
}
