//! How many connections there are, and which of several endpoints a call goes to.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/scripted_server.rs"]
mod scripted_server;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use reflectd::{
    RawMessage,
    client::{Balance, ChannelBuilder, Client, ConnectivityState},
};
use scripted_server::*;
use tokio::task::JoinSet;
use tracing::{
    Metadata,
    span::{Attributes, Id, Record},
};

/// Makes a call in the background.
fn spawn_call(calls: &mut JoinSet<()>, client: &Client) {
    let client = client.clone();
    calls.spawn(async move {
        greet(&client).await.unwrap();
    });
}

#[tokio::test]
async fn a_pool_grows_at_four_fifths_of_the_servers_limit_and_shrinks_when_idle() {
    let server = ScriptedServer::bind().await;
    let channel = server.channel().pool(1..=2);
    let client = client(channel.pool_idle_timeout(Duration::from_millis(50)));
    let mut calls = JoinSet::new();
    client.channel().wake();
    let mut first = server.accept_with(&[(MAX_CONCURRENT_STREAMS, 10)]).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        spawn_call(&mut calls, &client);
        streams.push(first.request().await.stream);
    }
    assert!(
        !server.is_connected_to().await,
        "eight of ten are not too many"
    );
    spawn_call(&mut calls, &client);
    streams.push(first.request().await.stream);
    let mut second = server.accept_with(&[(MAX_CONCURRENT_STREAMS, 10)]).await;
    // It takes calls when it has answered our preface's acknowledgement.
    assert!(second.is_quiet().await);
    for _ in 0..9 {
        spawn_call(&mut calls, &client);
        let stream = second.request().await.stream;
        second.ok(stream, b"x").await;
    }
    for stream in streams {
        first.ok(stream, b"x").await;
    }
    calls.join_all().await;
    // Of the two that are idle, one is closed.
    assert!(second.try_request().await.is_none());
    assert!(first.is_quiet().await);
    assert_eq!(client.channel().state(), ConnectivityState::Ready);
}

#[tokio::test]
async fn a_pool_is_never_smaller_than_asked_for() {
    let server = ScriptedServer::bind().await;
    let client = client(server.channel().pool(2..=2));
    client.channel().wake();
    let mut lost = server.accept().await;
    let mut kept = server.accept().await;
    assert!(lost.is_quiet().await && kept.is_quiet().await);
    drop(lost);
    let mut new = server.accept().await;
    assert!(kept.is_quiet().await && new.is_quiet().await);
    assert!(!server.is_connected_to().await);
}

/// Two servers that answer with their names, and a channel to both.
async fn two(balance: Balance) -> (ScriptedServer, ScriptedServer, ChannelBuilder) {
    let (a, b) = (ScriptedServer::bind().await, ScriptedServer::bind().await);
    let channel = a.channel().endpoint(&format!("http://{}", b.address()));
    let channel = channel.balance(balance);
    (a, b, channel)
}

/// Who answers so many calls, one after the other.
async fn answers(client: &Client, calls: usize) -> String {
    let mut names = String::new();
    for _ in 0..calls {
        match greet(client).await {
            Ok(reply) => names += std::str::from_utf8(&reply.bytes).unwrap(),
            Err(_) => names += "!",
        }
    }
    names
}

/// Makes calls until this text is the answer: connecting takes its time.
async fn until(client: &Client, wanted: &str) {
    let started = Instant::now();
    while answers(client, wanted.len()).await != wanted {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "never {wanted:?}"
        );
    }
}

#[tokio::test]
async fn calls_go_round() {
    let (a, b, channel) = two(Balance::RoundRobin).await;
    a.answer_always("a");
    b.answer_always("b");
    let client = client(channel);
    until(&client, "ab").await;
    let names = answers(&client, 10).await;
    assert!(names == "ababababab" || names == "bababababa", "{names}");
}

#[tokio::test]
async fn calls_go_where_there_are_fewest() {
    let (a, b, channel) = two(Balance::LeastRequest).await;
    b.answer_always("b");
    let client = client(channel);
    let mut calls = JoinSet::new();
    client.channel().wake();
    let mut busy = a.accept().await;
    until(&client, "b").await;
    // One call stays with the first.
    let held = loop {
        spawn_call(&mut calls, &client);
        tokio::select! {
            request = busy.request() => break request.stream,
            _ = calls.join_next() => {}
        }
    };
    assert_eq!(answers(&client, 10).await, "bbbbbbbbbb");
    busy.ok(held, b"a").await;
    calls.join_all().await;
}

#[tokio::test]
async fn who_drains_is_dealt_no_calls_though_it_has_the_fewest() {
    let (a, b, channel) = two(Balance::LeastRequest).await;
    let client = client(channel);
    let mut calls = JoinSet::new();
    client.channel().wake();
    let (mut draining, mut other) = tokio::join!(a.accept(), b.accept());
    for link in [&mut draining, &mut other] {
        assert!(link.is_quiet().await);
    }
    // One call stays with each.
    spawn_call(&mut calls, &client);
    let held = draining.request().await.stream;
    spawn_call(&mut calls, &client);
    let held_too = other.request().await.stream;
    drop(a);
    draining.goaway(held, NO_ERROR, "").await;
    assert!(draining.is_quiet().await);
    let script = async {
        for _ in 0..10 {
            let stream = other.request().await.stream;
            other.ok(stream, b"b").await;
        }
    };
    let (names, ()) = tokio::join!(answers(&client, 10), script);
    assert_eq!(names, "bbbbbbbbbb");
    other.ok(held_too, b"b").await;
    draining.ok(held, b"a").await;
    calls.join_all().await;
}

#[tokio::test]
async fn a_connection_that_is_driven_no_more_leaves_the_pool() {
    let server = ScriptedServer::bind().await;
    let client = client(server.channel());
    client.channel().wake();
    let mut link = server.accept().await;
    assert!(link.is_quiet().await);
    assert_eq!(client.channel().state(), ConnectivityState::Ready);

    // What drives a connection runs a subscriber, too, and that is anybody's code.
    let panics = tracing::subscriber::set_default(PanicsAtFrames);
    link.peer.send_frame(peer::PING, 0, 0, b"are you?").await;
    let left = client.channel().state_changed(ConnectivityState::Ready);
    let left = tokio::time::timeout(Duration::from_secs(10), left).await;
    drop(panics);
    assert_eq!(left, Ok(ConnectivityState::Idle));

    server.answer_always("again");
    assert_eq!(answers(&client, 1).await, "again");
}

/// A subscriber with a mistake: it panics when HTTP/2 tells of a frame that was received.
struct PanicsAtFrames;

impl tracing::Subscriber for PanicsAtFrames {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "h2::codec::framed_read"
    }

    fn event(&self, _: &tracing::Event<'_>) {
        panic!("a subscriber's mistake");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn the_first_that_can_be_reached_is_enough() {
    let (a, b, channel) = two(Balance::PickFirst).await;
    let client = client(channel);
    let first = a.address();
    let answering = a.answer_always("a");
    assert_eq!(answers(&client, 4).await, "aaaa");
    assert!(!b.is_connected_to().await);
    answering.abort();
    b.answer_always("b");
    until(&client, "bb").await;
    ScriptedServer::bind_to(first).await.answer_always("a");
    until(&client, "aa").await;
}

#[tokio::test]
async fn an_endpoint_where_calls_fail_is_left_out_and_tried_again() {
    let (a, b, channel) = two(Balance::RoundRobin).await;
    b.answer_always("b");
    let client = client(channel.ejection(Duration::from_millis(300)));
    client.channel().wake();
    let mut failing = a.accept().await;
    until(&client, "b").await;
    let failures = tokio::spawn(async move {
        for _ in 0..6 {
            let stream = failing.request().await.stream;
            failing.fail(stream, "14", &[]).await;
        }
        let stream = failing.request().await.stream;
        failing.ok(stream, b"a").await;
        failing
    });
    // Five failures put it out; the others do not stop meanwhile.
    let names = answers(&client, 12).await;
    assert_eq!(names.matches('!').count(), 5, "{names}");
    assert!(names.ends_with("bb"), "{names}");
    assert_eq!(answers(&client, 4).await, "bbbb");
    // It comes back, fails once, is out for twice as long, and is back for good.
    until(&client, "!").await;
    assert_eq!(answers(&client, 4).await, "bbbb");
    until(&client, "a").await;
    failures.await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_left_out() {
    for (failures, set) in [(5, None), (2, Some(2))] {
        let (a, b, channel) = two(Balance::RoundRobin).await;
        b.answer_always("b");
        let channel = channel.timeout(Duration::from_millis(50));
        let client = client(match set {
            None => channel,
            Some(failures) => channel.ejection_failures(failures),
        });
        client.channel().wake();
        // No calls go to one that has not greeted.
        until(&client, "bb").await;
        let mut silent = a.accept().await;
        // How often it was asked it tells itself: on a busy machine the other one may be late, too.
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while silent.try_request().await.is_some() {
                counted.fetch_add(1, Relaxed);
            }
        });
        let started = Instant::now();
        while asked.load(Relaxed) < failures {
            let call = client.call(GREET).unary::<_, RawMessage, _, _>(reply("x"));
            let _ = call.await;
            assert!(started.elapsed() < Duration::from_secs(10), "never asked");
        }
        assert_eq!(answers(&client, 40).await, "b".repeat(40));
        assert_eq!(asked.load(Relaxed), failures);
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_stops_nobody() {
    let (a, b, channel) = two(Balance::RoundRobin).await;
    let gone = a.address();
    drop(a);
    b.answer_always("b");
    let client = client(channel);
    assert_eq!(answers(&client, 5).await, "bbbbb");
    ScriptedServer::bind_to(gone).await.answer_always("a");
    until(&client, "ab").await;
}
