//! Attacks on the memory of the process: what one connection can make it hold is bounded by the
//! budget of calls in flight, whatever is declared, compressed, asked for or left unread.

#![cfg(all(
    feature = "cli",
    feature = "gzip",
    feature = "zstd",
    target_os = "linux"
))]

#[path = "support/target.rs"]
mod target;

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{Compression, write};
use target::{
    ADD_USER, GET_USER, Target,
    attacker::{Attacker, Seen},
    peer::{DATA, END_STREAM, frame, message, request},
    support::Client,
};
use tokio::task::JoinSet;

fn stream(index: u32) -> u32 {
    2 * index + 1
}

/// A call in frames of 16 KiB.
fn call(stream: u32, path: &str, more: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut frames = request(stream, path, more, false);
    for chunk in body.chunks(16_384) {
        frames.extend(frame(DATA, 0, stream, chunk));
    }
    frames.extend(frame(DATA, END_STREAM, stream, b""));
    frames
}

/// CVE-2019-9517: large answers to a client that gives them no window. A connection has 4 MiB of
/// answers in flight for an eighth of 256 MiB; further ones fail, and who does not read is cut off.
#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_window() {
    let target = Target::start(&["--stall-timeout", "500ms"]).await;
    let id = target.add_user(4_000_000).await;
    let mut attackers = Vec::new();
    for _ in 0..3 {
        let mut attacker = Attacker::connect(target.address()).await;
        // SETTINGS_INITIAL_WINDOW_SIZE 0.
        attacker.send_settings(&[0, 4, 0, 0, 0, 0]).await;
        attacker.is_heard().await;
        let calls: Vec<_> = (0..100)
            .map(|index| call(stream(index), GET_USER, &[], &message(&id)))
            .collect();
        assert!(attacker.send(&calls.concat()).await);
        attackers.push(attacker);
    }
    for attacker in &mut attackers {
        let over = |seen: &Seen| seen.ended + seen.resets.values().sum::<usize>() == 100;
        let seen = attacker.until(over).await;
        // CANCEL for those that were cut off.
        let cut = seen.resets.get(&8).copied().unwrap_or_default();
        assert!((1..=8).contains(&cut), "{seen:?}");
        assert_eq!((seen.resets.len(), seen.data_bytes), (1, 0), "{seen:?}");
    }
    // Three times 32 MiB, what a handler makes before it is told that there is no room, and the user.
    target.survived(150).await;
}

/// What makes a message of nothing but zeros.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let zeros = || std::io::repeat(0).take(256 << 20);
    let mut gzip = write::GzEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut zeros(), &mut gzip).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut deflate = write::ZlibEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut zeros(), &mut deflate).unwrap();
    let mut nested = write::GzEncoder::new(Vec::new(), Compression::best());
    nested.write_all(&gzip.repeat(100)).unwrap();
    vec![
        ("zstd", zstd::encode_all(zeros(), 1).unwrap()),
        ("zstd", zstd_with_a_large_window()),
        // Members that follow each other: 2 GiB.
        ("gzip", gzip.repeat(8)),
        ("gzip", nested.finish().unwrap()),
        ("deflate", deflate.finish().unwrap()),
    ]
}

/// A frame whose decoder needs 128 MiB before its first byte (RFC 8878, 3.1.1.1.2).
fn zstd_with_a_large_window() -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(160 << 20), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn compressed(bomb: &[u8]) -> Bytes {
    let mut body = message(bomb);
    body[0] = 1;
    body.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn compression_bombs() {
    let bombs = bombs();
    let target = Target::start(&[]).await;
    let client = Client::connect(target.address()).await;
    for (encoding, bomb) in &bombs {
        assert!(bomb.len() < 4 << 20, "{encoding}: {}", bomb.len());
        let call = client.call(ADD_USER).header("grpc-encoding", encoding);
        let code = call.body([compressed(bomb)]).await.code();
        // RESOURCE_EXHAUSTED; a window that is too large is INTERNAL.
        assert!([8, 13].contains(&code), "{encoding}: {code}");
    }
    target.survived(12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_on_every_stream() {
    let zeros = std::io::repeat(0).take(256 << 20);
    let bomb = compressed(&zstd::encode_all(zeros, 1).unwrap());
    let target = Target::start(&[]).await;
    let client = Client::connect(target.address()).await;
    let calls = (0..100).map(|_| {
        let call = client.call(ADD_USER).header("grpc-encoding", "zstd");
        call.body([bomb.clone()])
    });
    for reply in calls.collect::<JoinSet<_>>().join_all().await {
        assert_eq!(reply.code(), 8);
    }
    target.survived(12).await;
}

/// The prefix says 4 GiB, or four times what is allowed: refused before a byte of the message.
#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_of_4_gib_and_then_silence() {
    let target = Target::start(&[]).await;
    let mut peer = target.peer().await;
    for (index, prefix) in [[0, 255, 255, 255, 255], [0, 1, 0, 0, 0]]
        .iter()
        .enumerate()
    {
        let stream = stream(index as u32);
        peer.send_request(stream, ADD_USER, &[], false).await;
        peer.send_data(stream, prefix, false).await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.status(), Some("8"), "{answer:?}");
    }
    target.is_served(&mut peer, 99).await;
    target.survived(4).await;
}

/// 4 MiB are declared on a thousand streams, of which next to nothing comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_that_trickle() {
    let target = Target::start(&["--stall-timeout", "1s"]).await;
    let mut attackers = Vec::new();
    let declared = &message(&[0; 4 << 20])[..6];
    for _ in 0..10 {
        let mut attacker = Attacker::connect(target.address()).await;
        let start = |index| {
            let data = frame(DATA, 0, stream(index), declared);
            [request(stream(index), ADD_USER, &[], false), data].concat()
        };
        assert_eq!(attacker.flood(100, start).await, 100);
        attackers.push(attacker);
    }
    let bytes = (0..100).map(|index| frame(DATA, 0, stream(index), b"d"));
    let bytes = bytes.collect::<Vec<_>>().concat();
    for _ in 0..50 {
        for attacker in &mut attackers {
            // A byte for each, which is no progress.
            assert!(attacker.send(&bytes).await, "{:?}", attacker.seen());
            attacker.is_heard().await;
        }
    }
    for attacker in &mut attackers {
        attacker.until(|seen| seen.ended == 100).await;
    }
    target.survived(16).await;
}

/// A message in frames of one byte costs the server more than that byte; what it costs is bounded all
/// the same.
#[tokio::test(flavor = "multi_thread")]
async fn messages_in_frames_of_one_byte() {
    let target = Target::start(&["--in-flight-bytes", "64MiB"]).await;
    let mut attackers = Vec::new();
    for _ in 0..4 {
        let mut attacker = Attacker::connect(target.address()).await;
        let declared = &message(&[0; 4 << 20])[..5];
        assert!(attacker.send(&request(1, ADD_USER, &[], false)).await);
        assert!(attacker.send(&frame(DATA, 0, 1, declared)).await);
        let byte = frame(DATA, 0, 1, b"d");
        assert_eq!(attacker.flood(60_000, |_| byte.clone()).await, 60_000);
        attacker.is_heard().await;
        attackers.push(attacker);
    }
    target.survived(16).await;
}
