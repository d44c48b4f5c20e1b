//! Messages that are made to hurt, sent to a server: each fails its own call, cleanly and cheaply.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/reflectd.rs"]
mod process;
mod support;

use std::{collections::VecDeque, fs};

use process::{Running, reflectd};
use prost_reflect::DynamicMessage;
use reflectd::{Message, RawMessage, Server, limits::MESSAGE_RECEIVE_BYTES};
use support::{Client, TestServer};

const FILE: &str = r#"
syntax = "proto2";
package hostile;

message Node {
  optional string id = 1;
  optional Node child = 2;
  repeated Node children = 3;
  map<int32, Node> by_id = 4;
  optional group Inside = 5 {
    optional Node node = 1;
  }
  repeated bool bools = 6 [packed = true];
  optional int32 number = 7;
}

message CreateNodeRequest {
  optional Node node = 1;
}

service Nodes {
  rpc CreateNode(CreateNodeRequest) returns (Node);
  rpc Echo(Node) returns (Node);
  rpc Reflect(Node) returns (Node);
  rpc Measure(Node) returns (Node);
}
"#;

const ECHO: &str = "/hostile.Nodes/Echo";
const REFLECT: &str = "/hostile.Nodes/Reflect";
const MEASURE: &str = "/hostile.Nodes/Measure";
const UNKNOWN: u32 = 1000;

async fn start(decode_bytes_max: Option<usize>) -> TestServer {
    let builder = Server::builder(support::schema(&[("hostile.proto", FILE)]))
        .unary_sync(ECHO, |request: Message| Ok::<_, reflectd::Status>(request))
        .unary_sync(REFLECT, |request: DynamicMessage| {
            Ok::<_, reflectd::Status>(request)
        })
        .unary_sync(MEASURE, |request: RawMessage| {
            let mut reply = vec![7 << 3];
            varint(request.bytes.len() as u64, &mut reply);
            Ok::<_, reflectd::Status>(RawMessage::new(reply))
        });
    TestServer::start(match decode_bytes_max {
        Some(bytes) => builder.decode_bytes_max(bytes),
        None => builder,
    })
    .await
}

fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn key(number: u32, wire_type: u32) -> Vec<u8> {
    let mut key = Vec::new();
    varint(u64::from(number << 3 | wire_type), &mut key);
    key
}

fn field(number: u32, contents: &[u8]) -> Vec<u8> {
    let mut field = key(number, 2);
    varint(contents.len() as u64, &mut field);
    field.extend(contents);
    field
}

#[derive(Clone, Copy)]
enum Wrap {
    Length(u32),
    Group(u32),
}

/// Nothing, wrapped `times` over; each time in all of `wraps`, the innermost first.
fn nested(times: usize, wraps: &[Wrap]) -> Vec<u8> {
    let mut bytes = VecDeque::new();
    for wrap in wraps.iter().cycle().take(times * wraps.len()) {
        let mut before = Vec::new();
        match *wrap {
            Wrap::Length(number) => {
                before = key(number, 2);
                varint(bytes.len() as u64, &mut before);
            }
            Wrap::Group(number) => {
                before.extend(key(number, 3));
                bytes.extend(key(number, 4));
            }
        }
        before.iter().rev().for_each(|byte| bytes.push_front(*byte));
    }
    bytes.into()
}

/// On worker threads with the usual 2 MiB of stack, in a build without optimisation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nesting_ends_at_a_hundred_whatever_it_is_made_of() {
    let server = start(None).await;
    let client = server.client().await;
    // What is wrapped around, and how often within the limit.
    let cases: [(&str, &[Wrap], usize); 5] = [
        ("fields", &[Wrap::Length(2)], 100),
        ("lists", &[Wrap::Length(3)], 100),
        // prost-reflect does not count the entry that the message lies in.
        ("maps", &[Wrap::Length(2), Wrap::Length(4)], 100),
        ("groups", &[Wrap::Length(1), Wrap::Group(5)], 50),
        ("unknown groups", &[Wrap::Group(UNKNOWN)], 100),
    ];
    for (what, wraps, most) in cases {
        let reply = client.unary(ECHO, nested(most, wraps)).await;
        assert_eq!(reply.code(), 0, "{what}: {reply:?}");
        for times in [most + 1, 100_000] {
            let error = client
                .unary(ECHO, nested(times, wraps))
                .await
                .error(INTERNAL);
            assert!(
                error.contains("recursion limit"),
                "{what}, {times} deep: {error}"
            );
        }
    }
    // What an entry has beyond key and value is skipped, group by group.
    for (times, code) in [(90, 0), (110, INTERNAL), (100_000, INTERNAL)] {
        let entry = field(4, &nested(times, &[Wrap::Group(UNKNOWN)]));
        assert_eq!(client.unary(ECHO, entry).await.code(), code, "{times} deep");
    }
    // Of an unknown field it is not known that it is a message.
    let bytes = nested(100_000, &[Wrap::Length(UNKNOWN)]);
    assert_eq!(client.unary(ECHO, bytes.clone()).await.message(), bytes);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_internal() {
    let server = start(None).await;
    let client = server.client().await;
    let number = key(7, 0);
    let cases = [
        ("a string that is not UTF-8", field(1, &[0xc3, 0x28])),
        (
            "a varint of 11 bytes",
            [&number[..], &[0xff; 10], &[1]].concat(),
        ),
        ("field 0", vec![0, 1]),
        ("wire type 6", vec![7 << 3 | 6, 1]),
        ("wire type 7", vec![7 << 3 | 7, 1]),
        ("an end without a group", key(UNKNOWN, 4)),
        ("another group's end", [key(5, 3), key(6, 4)].concat()),
        ("a group without an end", key(UNKNOWN, 3)),
        (
            "a length beyond the end",
            [&key(1, 2)[..], &[200, 1]].concat(),
        ),
        (
            "a length of 2^63",
            [&key(1, 2)[..], &[0x80; 9], &[1]].concat(),
        ),
        (
            "a number of another wire type",
            [&key(7, 5)[..], &[0; 4]].concat(),
        ),
        ("a key that is cut", vec![0x80]),
        (
            "a field number of 2^29",
            [&[0x80; 4][..], &[0x10, 0]].concat(),
        ),
        (
            "a message longer than the one around it",
            field(2, &[2 << 3 | 2, 9]),
        ),
    ];
    for (what, bytes) in cases {
        let error = client.unary(ECHO, bytes).await.error(INTERNAL);
        assert!(error.contains("hostile.Node"), "{what}: {error}");
    }
    // Merged 100,000 times it is one message.
    let merged = field(2, &[7 << 3, 5]).repeat(100_000);
    let message = client.unary(ECHO, merged).await.message();
    let schema = support::schema(&[("hostile.proto", FILE)]);
    let message = Message::decode(&schema.message("hostile.Node").unwrap(), message).unwrap();
    assert_eq!(message.deterministic(), field(2, &[7 << 3, 5]));
}

#[tokio::test]
async fn the_limit_can_be_set_and_is_told() {
    let server = start(Some(100_000)).await;
    let client = server.client().await;
    // A list has room for a power of two.
    let (enough, too_many) = (field(6, &[1; 1024]), field(6, &[1; 1025]));
    client.unary(REFLECT, enough).await.message();
    let error = client
        .unary(REFLECT, too_many.clone())
        .await
        .error(RESOURCE_EXHAUSTED);
    assert_eq!(
        error,
        "the `hostile.Node` would take more than 100000 bytes of memory when it is decoded: too \
         many elements; the limit is decode_bytes_max of the server's builder; a handler that takes a \
         Message needs none"
    );
    // Only prost-reflect's messages are large.
    assert_eq!(client.unary(ECHO, too_many.clone()).await.code(), 0);
    // What is not decoded takes no more than it is long.
    let measured = client.unary(MEASURE, too_many).await.message();
    assert_eq!(measured, [7 << 3, 0x84, 0x08][..]);
}

/// The high-water mark of a process's memory, and what it is now, in bytes.
fn memory(process: u32) -> (usize, usize) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let of = |name: &str| -> usize {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kilobytes = line.split_whitespace().nth(1).unwrap();
        kilobytes.parse::<usize>().unwrap() * 1024
    };
    (of("VmHWM"), of("VmRSS"))
}

/// What a request costs beyond the messages themselves: the connection's and the program's own
/// buffers, on first use.
const SLACK_BYTES: usize = 6 * 1024 * 1024;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_message_costs_at_most_three_times_its_size() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hostile.proto"), FILE).unwrap();
    let arguments = ["hostile.proto", "--listen", "0", "--store", "memory"];
    let server = Running::start(reflectd(folder.path(), &arguments));
    assert_eq!(
        server.ready["methods"][0]["op"], "create",
        "{}",
        server.ready
    );
    let client = Client::connect(server.address()).await;
    // As large as a row may be: it has to go into a page of a list, with the page's token.
    let full = |element: &[u8]| element.repeat((MESSAGE_RECEIVE_BYTES - 256) / element.len());
    let attacks = [
        ("packed bools", field(6, &full(&[1]))),
        ("empty messages", full(&field(3, &[]))),
        ("messages of one field", full(&field(3, &[7 << 3, 1]))),
        (
            "messages in messages",
            full(&nested(99, &[Wrap::Length(3)])),
        ),
        ("maps in messages", full(&field(3, &field(4, &[])))),
        ("unknown fields", full(&[key(UNKNOWN, 0), vec![1]].concat())),
        ("unknown groups", full(&nested(90, &[Wrap::Group(UNKNOWN)]))),
    ];
    for (what, node) in attacks {
        // Forgets the mark of the one before (proc(5), clear_refs).
        fs::write(format!("/proc/{}/clear_refs", server.id()), "5").unwrap();
        let (_, before) = memory(server.id());
        let reply = client
            .unary("/hostile.Nodes/CreateNode", field(1, &node))
            .await;
        assert_eq!(reply.code(), 0, "{what}: {}", reply.trailers_only);
        let (peak, _) = memory(server.id());
        let grown = peak.saturating_sub(before);
        assert!(
            grown <= 3 * MESSAGE_RECEIVE_BYTES + SLACK_BYTES,
            "{what}: {grown} bytes"
        );
    }
}

const INTERNAL: u32 = 13;
const RESOURCE_EXHAUSTED: u32 = 8;
