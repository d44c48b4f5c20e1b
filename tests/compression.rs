//! Compressed messages, both ways, against a scripted client (grpc/grpc, doc/compression.md).

#![cfg(all(feature = "gzip", feature = "zstd"))]

#[path = "support/peer.rs"]
mod peer;
#[cfg(all(target_os = "linux", feature = "cli"))]
#[path = "support/reflectd.rs"]
mod program;

use std::{io::Read, net::SocketAddr, time::Duration};

use flate2::{Compression, read};
use peer::{Answer, Peer, message};
#[cfg(all(target_os = "linux", feature = "cli"))]
use program::Running;
use reflectd::{
    Call, MessageEncoding, Metadata, RawMessage, Replies, Schema, Server, ServerBuilder, Status,
    Streaming,
};

const GREET: &str = "/greeter.Greeter/Greet";
const ECHO: &str = "/greeter.Greeter/GreetEach";

async fn start(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> SocketAddr {
    let schema = Schema::compile(["proto/greeter.proto"], [""; 0]).unwrap();
    let builder = Server::builder(schema)
        .receive_bytes_max(10_000)
        .unary_sync(GREET, |call: Call, request: RawMessage| {
            if let Some(compress) = call.metadata().text("x-compress") {
                call.compress_replies(compress == "yes");
            }
            Ok(RawMessage::new(request.bytes))
        })
        .bidi(ECHO, echo);
    let server = configure(builder)
        .build()
        .unwrap()
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let address = server.local_addresses()[0];
    tokio::spawn(server.serve());
    address
}

/// Answers each request; the first reply is compressed, the others are not.
async fn echo(
    call: Call,
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    call.compress_replies(true);
    while let Some(request) = requests.message().await? {
        let mark = if requests.was_compressed() {
            b'C'
        } else {
            b'-'
        };
        let reply = [&[mark], &request.bytes[..]].concat();
        replies.send(RawMessage::new(reply)).await?;
        call.compress_replies(false);
    }
    Ok(())
}

async fn call(address: SocketAddr, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, path, more, false).await;
    peer.send_data(1, body, true).await;
    peer.answer(1).await
}

/// A message that travels compressed.
fn flagged(bytes: &[u8]) -> Vec<u8> {
    let mut wire = message(bytes);
    wire[0] = 1;
    wire
}

fn compress(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    match encoding {
        "gzip" => read::GzEncoder::new(bytes, Compression::best()).read_to_end(&mut compressed),
        "deflate" => {
            read::ZlibEncoder::new(bytes, Compression::best()).read_to_end(&mut compressed)
        }
        "zstd" => {
            compressed = zstd::encode_all(bytes, 19).unwrap();
            Ok(0)
        }
        other => panic!("{other} is no encoding"),
    }
    .unwrap();
    compressed
}

fn decompress(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        "gzip" => read::GzDecoder::new(bytes).read_to_end(&mut plain),
        "deflate" => read::ZlibDecoder::new(bytes).read_to_end(&mut plain),
        "zstd" => {
            plain = zstd::decode_all(bytes).unwrap();
            Ok(0)
        }
        other => panic!("{other} is no encoding"),
    }
    .unwrap();
    plain
}

const ENCODINGS: [&str; 3] = ["gzip", "deflate", "zstd"];

#[tokio::test]
async fn compressed_and_plain_messages_mix_on_one_stream() {
    let address = start(|builder| builder).await;
    for encoding in ENCODINGS {
        let body = [
            flagged(&compress(encoding, b"one")),
            message(b"two"),
            // An empty message needs no bytes of the encoding, whatever its flag.
            flagged(b""),
            flagged(&compress(encoding, b"four")),
        ]
        .concat();
        let answer = call(address, ECHO, &[("grpc-encoding", encoding)], &body).await;
        let replies = [
            message(b"Cone"),
            message(b"-two"),
            message(b"C"),
            message(b"Cfour"),
        ];
        assert_eq!(answer.body, replies.concat(), "{encoding}");
        // Nothing can be compressed for a client that does not say what it reads.
        assert_eq!(answer.headers.get("grpc-encoding"), None);
    }
}

#[tokio::test]
async fn a_raw_handler_sees_and_gives_messages_as_they_travel() {
    let path = "/greeter.Greeter/GreetRepeatedly";
    let address = start(|builder| {
        builder
            .compress_replies([MessageEncoding::Gzip])
            .raw(path, give_back)
            .fallback(give_back)
    })
    .await;
    for path in [path, "/no.Such/Method"] {
        for encoding in ENCODINGS {
            // What a handler of another kind would never get: it is no message of the encoding.
            let body = [flagged(b"as it is"), message(b"plain"), flagged(b"")].concat();
            let more = [
                ("grpc-encoding", encoding),
                ("grpc-accept-encoding", "gzip"),
            ];
            let answer = call(address, path, &more, &body).await;
            assert_eq!(answer.body, body, "{encoding}: {:?}", answer.trailers);
            assert_eq!(answer.headers.get("grpc-encoding"), Some(encoding));
        }
        let answer = call(address, path, &[], &message(b"plain")).await;
        assert_eq!(answer.body, message(b"plain"));
        assert_eq!(answer.headers.get("grpc-encoding"), None);
        // Nobody could read it.
        let answer = call(address, path, &[], &flagged(b"of no encoding")).await;
        assert_eq!(answer.status(), Some("13"));
    }
}

/// Gives each request back; its flag and its bytes.
async fn give_back(
    call: Call,
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    // In vain: that is what being raw means.
    call.compress_replies(true);
    while let Some(request) = requests.message().await? {
        assert_eq!(request.compressed, requests.was_compressed());
        replies.send(request).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_message_is_refused_when_it_grows_beyond_the_limit() {
    let address = start(|builder| builder).await;
    for encoding in ENCODINGS {
        for (length, code) in [(10_000, "0"), (10_001, "8"), (50_000_000, "8")] {
            let compressed = compress(encoding, &vec![0; length]);
            let more = [("grpc-encoding", encoding)];
            if compressed.len() > 10_000 {
                // Refused for what it is already.
                continue;
            }
            let answer = call(address, GREET, &more, &flagged(&compressed)).await;
            assert_eq!(
                answer.status(),
                Some(code),
                "{encoding} {length}: {:?}",
                answer.trailers
            );
        }
    }
}

#[cfg(all(target_os = "linux", feature = "cli"))]
#[tokio::test]
async fn a_bomb_costs_no_more_memory_than_a_message() {
    let path = "/user.UserInfo/addUser";
    for encoding in ENCODINGS {
        let bomb = flagged(&compress(encoding, &vec![0; 256 << 20]));
        let arguments = ["user.proto", "--listen", "127.0.0.1:0", "--store", "memory"];
        let server = Running::start(program::reflectd(&program::protos(), &arguments));
        let more = [("grpc-encoding", encoding)];
        // What any message of that length on the wire costs, and the decoder.
        let mut plain = message(&vec![0; bomb.len() - 5]);
        call_in_frames(server.address(), path, &more, &plain).await;
        plain = flagged(&compress(encoding, &plain));
        call_in_frames(server.address(), path, &more, &plain).await;
        let before = peak_bytes(server.id());
        let answer = call_in_frames(server.address(), path, &more, &bomb).await;
        assert_eq!(answer.status(), Some("8"), "{encoding}: {answer:?}");
        // The limit is 4 MiB; zstd has a window of as much beside it.
        let windows = if encoding == "zstd" { 2 } else { 1 };
        let grown = peak_bytes(server.id()) - before;
        assert!(grown < (windows << 22) + (1 << 20), "{encoding}: {grown}");
    }
}

#[cfg(all(target_os = "linux", feature = "cli"))]
async fn call_in_frames(
    address: SocketAddr,
    path: &str,
    more: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut client = Peer::connect(address).await;
    client.send_request(1, path, more, false).await;
    let mut window = 65_535;
    for chunk in body.chunks(16_384) {
        while window < chunk.len() {
            match client.recv().await.expect("the connection closed") {
                peer::Frame::WindowUpdate { stream: 1, bytes } => window += bytes as usize,
                peer::Frame::Headers { .. } | peer::Frame::Reset { .. } => {
                    panic!("an answer came too early")
                }
                _ => {}
            }
        }
        client.send_data(1, chunk, false).await;
        window -= chunk.len();
    }
    client.send_data(1, &[], true).await;
    client.answer(1).await
}

/// The most memory that a process has had at once.
#[cfg(all(target_os = "linux", feature = "cli"))]
fn peak_bytes(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn bytes_that_are_not_of_the_encoding_are_internal() {
    let address = start(|builder| builder).await;
    for encoding in ENCODINGS {
        let whole = compress(encoding, &[7; 100]);
        for bytes in [&b"plain"[..], &whole[..whole.len() - 1]] {
            let more = [("grpc-encoding", encoding)];
            let answer = call(address, GREET, &more, &flagged(bytes)).await;
            assert_eq!(answer.status(), Some("13"), "{encoding}");
        }
    }
}

#[tokio::test]
async fn replies_are_compressed_where_the_handler_asks_and_the_client_reads() {
    let address = start(|builder| builder).await;
    let body = vec![5; 5_000];
    for encoding in ENCODINGS {
        let accepts = [("grpc-accept-encoding", encoding), ("x-compress", "yes")];
        let answer = call(address, GREET, &accepts, &message(&body)).await;
        assert_eq!(answer.headers.get("grpc-encoding"), Some(encoding));
        assert_eq!(answer.body[0], 1, "the flag is set");
        assert!(answer.body.len() < 1_000);
        assert_eq!(decompress(encoding, &answer.body[5..]), body);
        // Without being asked, and for a client that reads none of ours: as it is.
        for more in [&accepts[..1], &[("grpc-accept-encoding", "br"), accepts[1]]] {
            let answer = call(address, GREET, more, &message(&body)).await;
            assert_eq!(answer.headers.get("grpc-encoding"), None);
            assert_eq!(answer.body, message(&body));
        }
    }
}

#[tokio::test]
async fn replies_of_one_stream_may_differ() {
    let address = start(|builder| builder).await;
    let body = [message(b"one"), message(b"two")].concat();
    let answer = call(address, ECHO, &[("grpc-accept-encoding", "gzip")], &body).await;
    assert_eq!(answer.headers.get("grpc-encoding"), Some("gzip"));
    let first = u32::from_be_bytes(answer.body[1..5].try_into().unwrap()) as usize;
    let (compressed, plain) = answer.body.split_at(5 + first);
    assert_eq!(
        (compressed[0], &decompress("gzip", &compressed[5..])[..]),
        (1, &b"-one"[..])
    );
    assert_eq!(plain, message(b"-two"));
}

#[tokio::test]
async fn replies_are_not_compressed_once_headers_without_an_encoding_are_gone() {
    let path = "/greeter.Greeter/GreetRepeatedly";
    let address = start(|builder| {
        builder.server_streaming(
            path,
            async |call: Call, request: RawMessage, mut replies: Replies<RawMessage>| {
                replies.send_headers(Metadata::new());
                tokio::time::sleep(Duration::from_millis(20)).await;
                call.compress_replies(true);
                replies.send(request).await
            },
        )
    })
    .await;
    let accepts = [("grpc-accept-encoding", "gzip")];
    let answer = call(address, path, &accepts, &message(b"one")).await;
    assert_eq!(answer.headers.get("grpc-encoding"), None);
    assert_eq!(answer.body, message(b"one"));
}

#[tokio::test]
async fn a_server_can_be_told_to_compress_every_reply() {
    let encodings = [MessageEncoding::Zstd, MessageEncoding::Gzip];
    let address = start(|builder| builder.compress_replies(encodings)).await;
    let accepts = [("grpc-accept-encoding", "deflate, gzip")];
    let answer = call(address, GREET, &accepts, &message(&[1; 2_000])).await;
    assert_eq!(
        answer.headers.get("grpc-encoding"),
        Some("gzip"),
        "the first that the client reads"
    );
    assert_eq!(decompress("gzip", &answer.body[5..]), [1; 2_000]);
    let refused = [accepts[0], ("x-compress", "no")];
    let answer = call(address, GREET, &refused, &message(&[1; 2_000])).await;
    assert_eq!(
        answer.body,
        message(&[1; 2_000]),
        "a handler has the last word"
    );
}
