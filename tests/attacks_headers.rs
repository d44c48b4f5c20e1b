//! Attacks by header blocks: endless ones, and small ones that become large.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "support/target.rs"]
mod target;

use target::{
    ADD_USER, Target,
    attacker::Attacker,
    peer::{
        CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PREFACE, Peer, SETTINGS, frame, request,
    },
};
use tokio::net::TcpSocket;

/// CVE-2024-27316: a header block without end, in small frames and in the largest.
#[tokio::test(flavor = "multi_thread")]
async fn continuation_flood() {
    let target = Target::start(&[]).await;
    for payload in [0, 1, 16_384] {
        let mut attacker = Attacker::connect(target.address()).await;
        let mut start = request(1, ADD_USER, &[], true);
        start[4] = END_STREAM;
        assert!(attacker.send(&start).await);
        // One literal that goes on and on, of a name with 1 byte and a value of 128 MB.
        let mut first = vec![0, 1, b'a', 0x7f, 0x80, 0x80, 0x80, 0x40];
        first.resize(payload.max(8), b'b');
        assert!(attacker.send(&frame(CONTINUATION, 0, 1, &first)).await);
        let more = frame(CONTINUATION, 0, 1, &vec![b'b'; payload]);
        // More than the kernel takes between the two.
        let count = 16 * 1024 * 1024 / more.len();
        let sent = attacker.flood(count as u32, |_| more.clone()).await;
        let seen = attacker.closed().await;
        assert!(matches!(seen.goaway, Some(9 | 11)), "{payload}: {seen:?}");
        assert!(sent < count as u32, "{payload}: the flood was not stopped");
    }
    target.survived(8).await;
}

/// CVE-2019-9516: headers without name and value, which cost nothing but their entries in the table.
#[tokio::test(flavor = "multi_thread")]
async fn zero_length_headers() {
    let target = Target::start(&[]).await;
    for _ in 0..20 {
        let mut attacker = Attacker::connect(target.address()).await;
        let block = [0x40, 0, 0].repeat(5_000);
        let send = |index| frame(HEADERS, END_HEADERS | END_STREAM, 2 * index + 1, &block);
        attacker.flood(1_000, send).await;
        let seen = attacker.closed().await;
        assert!(matches!(seen.goaway, Some(1 | 9 | 11)), "{seen:?}");
    }
    target.survived(8).await;
}

/// An entry of the table with nearly 4 KiB, and 16,000 references to it of one byte each: 64 MB.
fn bomb(stream: u32) -> Vec<u8> {
    let mut call = request(stream, ADD_USER, &[], true);
    let mut block = call.split_off(9);
    block.extend([0x40, 1, b'a', 0x7f, 0x80 | 0x61, 0x1e]);
    block.resize(block.len() + 127 + 0x61 + (0x1e << 7), b'b');
    let entry_at = block.len();
    block.resize(entry_at + 16_000, 0x80 | 62);
    let (first, rest) = block.split_at(16_384);
    let mut frames = frame(HEADERS, END_STREAM, stream, first);
    frames.extend(frame(CONTINUATION, END_HEADERS, stream, rest));
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn hpack_bomb() {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    for index in 0..50 {
        if !attacker.send(&bomb(2 * index + 1)).await {
            break;
        }
    }
    // Refused one by one, or all at once: 431, RST_STREAM or GOAWAY.
    let refused = |seen: &target::attacker::Seen| {
        seen.ended + seen.resets.values().sum::<usize>() >= 50 || seen.goaway.is_some()
    };
    attacker.until(refused).await;
    target.survived(4).await;
}

/// A few bytes ask again and again for a path that has nearly 4 KiB; nobody reads what is said of it.
#[tokio::test(flavor = "multi_thread")]
async fn short_calls_of_a_long_path_by_who_does_not_read() {
    let target = Target::start(&[]).await;
    let path = format!("/{}/", "é".repeat(1900));
    let mut open = Vec::new();
    for _ in 0..30 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut peer = Peer::on(socket.connect(target.address()).await.unwrap());
        let mut calls = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        // Literals that are kept (RFC 7541, 6.2.1), and then their indices.
        let mut first = vec![0x83, 0x86, 0x44, 0x7f];
        let length = path.len() - 127;
        first.extend([0x80 | (length % 128) as u8, (length / 128) as u8]);
        first.extend(path.as_bytes());
        first.extend([0x5f, 16]);
        first.extend(b"application/grpc");
        calls.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &first));
        for index in 1..2_000 {
            let block = [0x83, 0x86, 0x80 | 63, 0x80 | 62];
            calls.extend(frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                2 * index + 1,
                &block,
            ));
        }
        peer.send_bytes(&calls).await;
        open.push(peer);
    }
    target.serves_others(200).await;
    // 64 KiB and what a frame asks for, held twice while it grows.
    target.survived(30).await;
}

/// A header list that is 1,000 times as long as it may be.
#[tokio::test(flavor = "multi_thread")]
async fn header_list_of_16_mib() {
    let target = Target::start(&[]).await;
    let mut peer = target.peer().await;
    let value = "a".repeat(16_200);
    peer.send_request(1, ADD_USER, &[("x-large", &value)], true)
        .await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.headers.get(":status"), Some("431"), "{answer:?}");
    target.is_served(&mut peer, 3).await;

    let mut attacker = Attacker::connect(target.address()).await;
    let mut start = request(1, ADD_USER, &[], true);
    start[4] = END_STREAM;
    assert!(attacker.send(&start).await);
    let mut line = vec![0, 1, b'a', 0x7f, 0x81, 0x7c];
    line.resize(16_384, b'b');
    attacker
        .flood(1_000, |_| frame(CONTINUATION, 0, 1, &line))
        .await;
    assert!(attacker.closed().await.goaway.is_some());
    target.survived(8).await;
}
