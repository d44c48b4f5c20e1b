//! The compressed cases of gRPC's interoperability tests, seen on the wire (grpc/grpc,
//! doc/interop-test-descriptions.md): whether a reply travels compressed is what no client of these
//! tests looks at. `tests/suites/run interop` runs the rest of them.
//!
//! `cargo test` builds the example first; `cargo test --test interop` alone takes the one that is there.

#![cfg(all(feature = "cli", feature = "gzip"))]

#[path = "support/peer.rs"]
mod peer;
#[path = "support/tools.rs"]
mod tools;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use peer::{Answer, Peer, message};
use prost::Message;

/// `SimpleRequest`.
#[derive(Message)]
struct Unary {
    #[prost(int32, tag = "2")]
    response_size: i32,
    #[prost(message, optional, tag = "3")]
    payload: Option<Payload>,
    #[prost(message, optional, tag = "6")]
    response_compressed: Option<Flag>,
    #[prost(message, optional, tag = "8")]
    expect_compressed: Option<Flag>,
}

/// `StreamingInputCallRequest`.
#[derive(Message)]
struct Input {
    #[prost(message, optional, tag = "1")]
    payload: Option<Payload>,
    #[prost(message, optional, tag = "2")]
    expect_compressed: Option<Flag>,
}

/// `StreamingInputCallResponse`.
#[derive(Message)]
struct Summary {
    #[prost(int32, tag = "1")]
    aggregated_payload_size: i32,
}

/// `StreamingOutputCallRequest`.
#[derive(Message)]
struct Output {
    #[prost(message, repeated, tag = "2")]
    response_parameters: Vec<Parameters>,
}

/// `ResponseParameters`.
#[derive(Message)]
struct Parameters {
    #[prost(int32, tag = "1")]
    size: i32,
    #[prost(message, optional, tag = "3")]
    compressed: Option<Flag>,
}

/// `SimpleResponse` and `StreamingOutputCallResponse`.
#[derive(Message)]
struct Reply {
    #[prost(message, optional, tag = "1")]
    payload: Option<Payload>,
}

#[derive(Message)]
struct Payload {
    #[prost(bytes = "vec", tag = "2")]
    body: Vec<u8>,
}

/// `BoolValue`.
#[derive(Message)]
struct Flag {
    #[prost(bool, tag = "1")]
    value: bool,
}

/// The example as a process, ended when dropped.
struct InteropServer {
    child: Child,
    address: std::net::SocketAddr,
}

impl InteropServer {
    fn start() -> Self {
        let profile = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        let program = tools::target()
            .join(profile)
            .join("examples")
            .join(format!("interop_server{}", std::env::consts::EXE_SUFFIX));
        let mut child = Command::new(&program)
            .args(["--port", "0"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["event"], "ready");
        let address = ready["listen"][0].as_str().unwrap().parse().unwrap();
        Self { child, address }
    }

    /// A call whose requests go as they are, with gzip as the encoding both ways.
    async fn call(&self, method: &str, body: &[u8]) -> Answer {
        let mut peer = Peer::connect(self.address).await;
        let window = WINDOW_BYTES.to_be_bytes();
        let setting = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window].concat();
        peer.send_frame(SETTINGS, 0, 0, &setting).await;
        peer.send_frame(WINDOW_UPDATE, 0, 0, &window).await;
        let path = format!("/grpc.testing.TestService/{method}");
        let gzip = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")];
        peer.send_request(1, &path, &gzip, false).await;
        peer.send_data(1, body, true).await;
        peer.answer(1).await
    }
}

impl Drop for InteropServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Room for every reply of these tests.
const WINDOW_BYTES: u32 = 1 << 20;

// RFC 9113, 6.5 and 6.9.
const SETTINGS: u8 = 4;
const INITIAL_WINDOW_SIZE: u16 = 4;
const WINDOW_UPDATE: u8 = 8;

const FLAGS: [bool; 2] = [true, false];

fn flag(value: bool) -> Option<Flag> {
    Some(Flag { value })
}

fn zeros(length: usize) -> Option<Payload> {
    Some(Payload {
        body: vec![0; length],
    })
}

/// A message as it travels, compressed or not.
fn wire(request: &impl Message, compressed: bool) -> Vec<u8> {
    let plain = request.encode_to_vec();
    if !compressed {
        return message(&plain);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&plain).unwrap();
    let mut wire = message(&encoder.finish().unwrap());
    wire[0] = 1;
    wire
}

/// For each reply whether it came compressed, and how long its payload is.
fn replies(answer: &Answer) -> Vec<(bool, usize)> {
    assert_eq!(answer.status(), Some("0"), "{answer:?}");
    assert_eq!(answer.headers.get("grpc-encoding"), Some("gzip"));
    let mut rest = answer.body.as_slice();
    let mut replies = Vec::new();
    while let Some((prefix, after)) = rest.split_at_checked(5) {
        let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
        let (bytes, after) = after.split_at(length);
        let mut plain = bytes.to_vec();
        if prefix[0] == 1 {
            plain.clear();
            GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        }
        let payload = Reply::decode(&*plain).unwrap().payload.unwrap();
        replies.push((prefix[0] == 1, payload.body.len()));
        rest = after;
    }
    replies
}

#[tokio::test]
async fn server_compressed_unary() {
    let server = InteropServer::start();
    for compressed in FLAGS {
        let request = Unary {
            response_size: 314_159,
            payload: zeros(300),
            response_compressed: flag(compressed),
            expect_compressed: None,
        };
        let answer = server.call("UnaryCall", &wire(&request, false)).await;
        assert_eq!(replies(&answer), [(compressed, 314_159)]);
    }
}

#[tokio::test]
async fn server_compressed_streaming() {
    let server = InteropServer::start();
    let parameters = |size, compressed| Parameters {
        size,
        compressed: flag(compressed),
    };
    let request = Output {
        response_parameters: vec![parameters(31_415, true), parameters(92_653, false)],
    };
    let body = wire(&request, false);
    for method in ["StreamingOutputCall", "FullDuplexCall", "HalfDuplexCall"] {
        let answer = server.call(method, &body).await;
        let expected = [(true, 31_415), (false, 92_653)];
        assert_eq!(replies(&answer), expected, "{method}");
    }
}

#[tokio::test]
async fn client_compressed_unary() {
    let server = InteropServer::start();
    for (expected, compressed) in FLAGS.into_iter().flat_map(|e| FLAGS.map(|c| (e, c))) {
        let request = Unary {
            response_size: 10,
            payload: zeros(300),
            response_compressed: None,
            expect_compressed: flag(expected),
        };
        let answer = server.call("UnaryCall", &wire(&request, compressed)).await;
        let status = ok_or_invalid_argument(expected == compressed);
        assert_eq!(answer.status(), Some(status), "{expected} {compressed}");
    }
}

#[tokio::test]
async fn client_compressed_streaming() {
    let server = InteropServer::start();
    let request = |length, expected| Input {
        payload: zeros(length),
        expect_compressed: flag(expected),
    };
    let plain = wire(&request(4_590, false), false);
    for compressed in FLAGS {
        // As it should be, or with an uncompressed message where a compressed one is expected.
        let first = wire(&request(2_718, true), compressed);
        let body: Vec<u8> = [first, plain.clone()].concat();
        let answer = server.call("StreamingInputCall", &body).await;
        assert_eq!(answer.status(), Some(ok_or_invalid_argument(compressed)));
        if compressed {
            let summary = Summary::decode(&answer.body[5..]).unwrap();
            assert_eq!(summary.aggregated_payload_size, 2_718 + 4_590);
        }
    }
}

fn ok_or_invalid_argument(ok: bool) -> &'static str {
    if ok { "0" } else { "3" }
}
