//! Attacks that take their time, and those that take all connections: who is slow is cut off when its
//! time is up, whatever it speaks, and who is one too many is closed at once.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "support/target.rs"]
mod target;

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use target::{
    ADD_USER, Target,
    attacker::Attacker,
    peer::{CONTINUATION, END_STREAM, PREFACE, Peer, SETTINGS, frame, request},
    support::soon,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const TIMEOUTS: [&str; 6] = [
    "--handshake-timeout",
    "500ms",
    "--header-timeout",
    "500ms",
    "--stall-timeout",
    "500ms",
];

/// Opens fifty connections that begin like that and end with nothing, or with a byte now and then;
/// each is closed, in order or not.
async fn slowly(target: &Target, start: &[u8], more: &[u8]) {
    let mut slow = Vec::new();
    for _ in 0..50 {
        let address = target.address();
        let (start, more) = (start.to_vec(), more.to_vec());
        slow.push(tokio::spawn(trickle(address, start, more)));
    }
    for connection in slow {
        soon("the end of a slow connection", connection)
            .await
            .unwrap();
    }
    target.serves_others(5).await;
}

async fn trickle(address: SocketAddr, start: Vec<u8>, more: Vec<u8>) {
    let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
    let trickling = async {
        writing.write_all(&start).await?;
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        for byte in more {
            pace.tick().await;
            writing.write_all(&[byte]).await?;
        }
        std::future::pending::<std::io::Result<()>>().await
    };
    let closed = async {
        let mut answer = [0; 1024];
        while reading.read(&mut answer).await.is_ok_and(|count| count > 0) {}
    };
    tokio::select! {
        _ = trickling => {}
        () = closed => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_handshakes() {
    let target = Target::start(&TIMEOUTS).await;
    slowly(&target, b"", b"").await;
    slowly(&target, b"", PREFACE).await;
    slowly(&target, &PREFACE[..23], b"").await;
    // SETTINGS belong to the preface.
    slowly(&target, PREFACE, b"").await;
    slowly(&target, PREFACE, &frame(SETTINGS, 0, 0, &[0; 600])[..20]).await;
    target.survived(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_header_blocks() {
    let target = Target::start(&TIMEOUTS).await;
    let preface = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let mut unended = request(1, ADD_USER, &[], true);
    unended[4] = END_STREAM;
    // In the middle of a frame, after one, and in endless CONTINUATION.
    let start = [&preface[..], &unended[..30]].concat();
    slowly(&target, &start, &unended[30..]).await;
    let start = [&preface[..], &unended].concat();
    slowly(&target, &start, b"").await;
    slowly(&target, &start, &frame(CONTINUATION, 0, 1, &[]).repeat(50)).await;
    target.survived(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_http1() {
    let target = Target::start(&TIMEOUTS).await;
    slowly(&target, b"GET / HT", b"").await;
    let endless = b"x-more: a\r\n".repeat(20);
    slowly(&target, b"GET / HTTP/1.1\r\nhost: a\r\n", &endless).await;
    for length in ["content-length: 1000", "transfer-encoding: chunked"] {
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{length}\r\n\r\n");
        slowly(&target, head.as_bytes(), &b"1\r\na\r\n".repeat(30)).await;
    }
    target.survived(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_tls_handshakes() {
    let target = Target::start_with_tls(&TIMEOUTS).await;
    // A record that declares a hello of 512 bytes.
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    slowly(&target, b"", b"").await;
    slowly(&target, &hello[..1], b"").await;
    slowly(&target, hello, b"").await;
    slowly(&target, hello, &[7; 100]).await;
    target.survived(8).await;
}

/// More connections than there may be: those that are open are served, the others closed at once;
/// when some end there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn connection_flood() {
    let target = Target::start(&["--connections-max", "50"]).await;
    flood_of_connections(&target, 500).await;
    target.survived(16).await;
}

/// The connections are bounded by the files that the process may open, so those do not run out.
#[tokio::test(flavor = "multi_thread")]
async fn connection_flood_with_64_files() {
    let target = Target::start_with_files(64, &[]).await;
    flood_of_connections(&target, 500).await;
    assert!(!target.log().contains(OUT_OF_FILES));
    target.survived(16).await;
}

async fn flood_of_connections(target: &Target, count: usize) {
    for _ in 0..2 {
        let mut open = Vec::new();
        for _ in 0..count {
            open.push(Attacker::connect(target.address()).await);
        }
        target.serves_others(5).await;
        // The first are still served, the last are not.
        let last = open.pop().unwrap();
        last.closed().await;
        open[0].is_heard().await;
        drop(open);
        has_room(target).await;
    }
}

/// The server sees that connections are gone, and takes new ones.
async fn has_room(target: &Target) {
    let taken = async { while !Peer::open(target.address()).await.try_preface().await {} };
    soon("room for a connection", taken).await;
}

const OUT_OF_FILES: &str = "a connection could not be accepted";

/// So few files that they run out before connections do: accepting pauses, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn exhausted_files() {
    let target = Target::start_with_files(32, &[]).await;
    let mut open = Vec::new();
    for _ in 0..100 {
        match TcpStream::connect(target.address()).await {
            Ok(socket) => open.push(socket),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    target.serves_others(20).await;
    assert!(target.log().contains(OUT_OF_FILES));
    drop(open);
    has_room(&target).await;
    target.survived(8).await;
}
