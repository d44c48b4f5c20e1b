//! Attacks that open and end streams. The server has the measure of each: GOAWAY with
//! ENHANCE_YOUR_CALM (11), or each stream refused, and the others are served as before.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "support/target.rs"]
mod target;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ::reflectd::{ConnectionLimits, RawMessage, Schema, Server, Status, limits};
use target::{
    ADD_USER, Target,
    attacker::{Attacker, Seen},
    peer::{
        DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, WINDOW_UPDATE, frame, message, request,
    },
    support::TestServer,
};

fn stream(index: u32) -> u32 {
    2 * index + 1
}

/// A whole call with an empty message.
fn whole_call(stream: u32) -> Vec<u8> {
    let data = frame(DATA, END_STREAM, stream, &message(b""));
    [request(stream, ADD_USER, &[], false), data].concat()
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

/// CVE-2023-44487.
fn opened_and_reset(index: u32) -> Vec<u8> {
    let stream = stream(index);
    [whole_call(stream), reset(stream)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_reset() {
    let target = Target::start(&[]).await;
    for _ in 0..5 {
        let mut attacker = Attacker::connect(target.address()).await;
        let sent = attacker.flood(100_000, opened_and_reset).await;
        let seen = attacker.closed().await;
        assert_eq!(seen.goaway, Some(11), "{seen:?}");
        assert!(sent < 100_000, "the flood was not stopped");
    }
    target.survived(16).await;
}

/// How many handlers run at once, and how many did at the most.
#[derive(Default)]
struct Handlers {
    started: AtomicUsize,
    running: AtomicUsize,
    at_once: AtomicUsize,
}

/// Counts a handler from its start until it is dropped.
struct Counted(Arc<Handlers>);

impl Counted {
    fn new(handlers: &Arc<Handlers>) -> Self {
        handlers.started.fetch_add(1, Ordering::Relaxed);
        let running = handlers.running.fetch_add(1, Ordering::Relaxed) + 1;
        handlers.at_once.fetch_max(running, Ordering::Relaxed);
        Self(Arc::clone(handlers))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A server whose handlers never end by themselves.
async fn count_handlers() -> (TestServer, Arc<Handlers>) {
    let handlers = Arc::<Handlers>::default();
    let counting = Arc::clone(&handlers);
    let schema = Schema::compile(["proto/user.proto"], ["proto"]).unwrap();
    let handler = move |_: RawMessage| {
        let counted = Counted::new(&counting);
        async move {
            let _counted = counted;
            std::future::pending::<Result<RawMessage, Status>>().await
        }
    };
    let server = TestServer::start(Server::builder(schema).unary(ADD_USER, handler)).await;
    (server, handlers)
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_reset_starts_next_to_no_handlers() {
    let (server, handlers) = count_handlers().await;
    let streams_max = ConnectionLimits::default().streams_max as usize;
    let mut attacker = Attacker::connect(server.address()).await;
    attacker.flood(100_000, opened_and_reset).await;
    assert_eq!(attacker.closed().await.goaway, Some(11));
    let started = handlers.started.load(Ordering::Relaxed);
    assert!(started <= streams_max, "{started} handlers");
}

/// The client makes the server reset the streams (CVE-2025-8671), each of which has a handler that
/// runs.
#[tokio::test(flavor = "multi_thread")]
async fn made_you_reset() {
    for (what, codes, trigger) in triggers() {
        let (server, handlers) = count_handlers().await;
        let mut attacker = Attacker::connect(server.address()).await;
        let sent = attacker
            .flood(100_000, |index| trigger(stream(index)))
            .await;
        let seen = attacker.closed().await;
        assert!(
            seen.goaway.is_some_and(|code| codes.contains(&code)),
            "{what}: {seen:?}"
        );
        // Streams that were never opened (REFUSED_STREAM) do not count.
        let resets = seen.resets.iter().filter(|(code, _)| **code != 7);
        let resets: usize = resets.map(|(_, count)| count).sum();
        assert!(resets <= limits::ERROR_RESETS_MAX, "{what}: {seen:?}");
        assert!(sent < 100_000, "{what}");
        let at_once = handlers.at_once.load(Ordering::Relaxed);
        assert!(at_once <= 100, "{what}: {at_once} handlers at once");
        drop(server);
    }
    let target = Target::start(&[]).await;
    for (_, _, trigger) in triggers() {
        let mut attacker = Attacker::connect(target.address()).await;
        attacker
            .flood(100_000, |index| trigger(stream(index)))
            .await;
        attacker.closed().await;
    }
    target.survived(16).await;
}

type Trigger = fn(u32) -> Vec<u8>;

/// What is sent on each stream, and with which of the codes the connection ends.
fn triggers() -> [(&'static str, &'static [u32], Trigger); 6] {
    [
        ("a window beyond 2^31 - 1", &[11], |stream| {
            with(stream, WINDOW_UPDATE, &[0x7f, 255, 255, 255])
        }),
        ("an increment of 0", &[1, 11], |stream| {
            with(stream, WINDOW_UPDATE, &[0; 4])
        }),
        ("an increment of 2^31", &[1, 11], |stream| {
            with(stream, WINDOW_UPDATE, &[0x80, 0, 0, 0])
        }),
        ("DATA after the end", &[1, 5, 11], |stream| {
            with(stream, DATA, b"more")
        }),
        ("a stream that depends on itself", &[1, 11], |stream| {
            let own = [&stream.to_be_bytes()[..], &[16]].concat();
            with(stream, PRIORITY, &own)
        }),
        ("a content-length that is wrong", &[11], |stream| {
            let data = frame(DATA, END_STREAM, stream, &message(b""));
            let length = [("content-length", "9")];
            [request(stream, ADD_USER, &length, false), data].concat()
        }),
    ]
}

fn with(stream: u32, kind: u8, payload: &[u8]) -> Vec<u8> {
    [whole_call(stream), frame(kind, 0, stream, payload)].concat()
}

const PRIORITY: u8 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_the_limit_are_refused() {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    let opened = |index| request(stream(index), ADD_USER, &[], false);
    assert_eq!(attacker.flood(1_100, opened).await, 1_100);
    let refused = |seen: &Seen| seen.resets.get(&7).is_some_and(|count| *count == 1_000);
    let seen = attacker.until(refused).await;
    assert_eq!((seen.resets.len(), seen.goaway), (1, None), "{seen:?}");
    // The hundred that are open can still be used.
    let rest = frame(DATA, END_STREAM, 1, &message(b"\x12\x03Ada"));
    assert!(attacker.send(&rest).await);
    attacker.until(|seen| seen.ended == 1).await;
    target.survived(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_data_flood() {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    attacker.send(&request(1, ADD_USER, &[], false)).await;
    let sent = attacker.flood(1_000_000, |_| frame(DATA, 0, 1, b"")).await;
    let seen = attacker.closed().await;
    assert_eq!(seen.goaway, Some(11), "{seen:?}");
    assert!(sent < 1_000_000, "the flood was not stopped");
    target.survived(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_headers_flood() {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    let empty = |index| frame(HEADERS, END_HEADERS | END_STREAM, stream(index), b"");
    let sent = attacker.flood(1_000_000, empty).await;
    let seen = attacker.closed().await;
    assert_eq!(seen.goaway, Some(11), "{seen:?}");
    assert!(sent < 1_000_000, "the flood was not stopped");
    target.survived(16).await;
}
