//! Connections that are lost, drained, refused, full or silent, and what becomes of the calls on them.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/scripted_server.rs"]
mod scripted_server;

use std::time::Duration;

use reflectd::{
    Code, RawMessage, Status,
    client::{Channel, Client, ConnectivityState, Requests, Responses},
};
use scripted_server::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::TcpListener,
    task::JoinSet,
    time::Instant,
};

async fn server_and_client() -> (ScriptedServer, Client) {
    let server = ScriptedServer::bind().await;
    let client = server.client();
    (server, client)
}

#[tokio::test]
async fn goaway_replays_what_is_above_it_and_finishes_what_is_not() {
    let (server, client) = server_and_client().await;
    let script = async {
        let mut old = server.accept().await;
        let first = old.request().await.stream;
        let second = old.request().await.stream;
        old.goaway(first, NO_ERROR, "").await;
        let mut new = server.accept().await;
        let replayed = new.request().await.stream;
        new.ok(replayed, b"new").await;
        old.ok(first, b"old").await;
        (first, second)
    };
    let (one, other, streams) = join!(greet(&client), greet(&client), script);
    let mut replies = [one.unwrap().bytes, other.unwrap().bytes];
    replies.sort();
    assert_eq!(replies, ["new", "old"]);
    assert_eq!(streams, (1, 3));
}

#[tokio::test]
async fn what_nobody_has_looked_at_is_replayed_once() {
    let (server, client) = server_and_client().await;
    let script = async {
        let mut old = server.accept().await;
        old.request().await;
        old.goaway(0, NO_ERROR, "").await;
        let mut new = server.accept().await;
        new.request().await;
        new.goaway(0, NO_ERROR, "").await;
        new
    };
    let (ended, _new) = join!(greet(&client), script);
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    assert!(!server.is_connected_to().await, "a third time");

    let (server, client) = server_and_client().await;
    let script = async {
        let mut link = server.accept().await;
        let refused = link.request().await.stream;
        link.peer.send_reset(refused, REFUSED_STREAM).await;
        let again = link.request().await;
        assert_eq!(again.headers.get("grpc-previous-rpc-attempts"), None);
        link.ok(again.stream, b"again").await;
        let refused = link.request().await.stream;
        link.peer.send_reset(refused, REFUSED_STREAM).await;
        let refused = link.request().await.stream;
        link.peer.send_reset(refused, REFUSED_STREAM).await;
        link.is_quiet().await
    };
    let calls = async { (greet(&client).await, greet(&client).await) };
    let ((once, twice), quiet) = join!(calls, script);
    assert_eq!(once.unwrap(), reply("again"));
    assert_eq!(twice.unwrap_err().code(), Code::Unavailable);
    assert!(quiet);
}

#[tokio::test]
async fn a_stream_is_replayed_with_all_that_was_sent() {
    let (server, client) = server_and_client().await;
    let mut link = None;
    let opened = async {
        let opened: (Requests<RawMessage>, Responses<RawMessage>) =
            client.call(EACH).bidi().await.unwrap();
        opened
    };
    let accepted = async { link = Some(server.accept().await) };
    let ((mut requests, mut replies), ()) = join!(opened, accepted);
    let mut link = link.unwrap();
    requests.send(RawMessage::new("1")).await.unwrap();
    requests.send(RawMessage::new("2")).await.unwrap();
    let refused = link.head().await.stream;
    link.peer.send_reset(refused, REFUSED_STREAM).await;
    let script = async {
        let request = link.request().await;
        link.ok(request.stream, b"both").await;
        request
    };
    let rest = async {
        let received = replies.message();
        let sent = async {
            requests.send(RawMessage::new("3")).await.unwrap();
            requests.close();
        };
        join!(received, sent).0
    };
    let (received, request) = join!(rest, script);
    assert_eq!(received.unwrap(), Some(reply("both")));
    assert_ne!(request.stream, refused);
    let all = ["1", "2", "3"]
        .map(|text| peer::message(text.as_bytes()))
        .concat();
    assert_eq!(request.body, all);
}

#[tokio::test]
async fn what_a_server_may_have_done_is_not_done_again() {
    // Up to the last stream of a GOAWAY: the server has taken it on.
    let (server, client) = server_and_client().await;
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let script = async {
            let mut link = server.accept().await;
            let stream = link.request().await.stream;
            link.goaway(stream, code, "").await;
            link.is_quiet().await
        };
        let (ended, _) = join!(greet(&client), script);
        assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
        assert!(!server.is_connected_to().await, "GOAWAY {code}");
    }
    // A connection that breaks, before and after the response's head.
    for begun in [false, true] {
        let script = async {
            let mut link = server.accept().await;
            let stream = link.request().await.stream;
            if begun {
                link.begin(stream).await;
                link.message(stream, b"x").await;
            }
        };
        let (ended, ()) = join!(greet(&client), script);
        assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
        assert!(!server.is_connected_to().await, "begun: {begun}");
    }
}

#[tokio::test]
async fn a_connection_that_goes_away_without_error_is_made_again() {
    let (server, client) = server_and_client().await;
    for round in 0..4 {
        // Twice as a shutdown in two steps, twice at once; and the connection stays or closes.
        let script = async {
            let mut link = server.accept().await;
            let stream = link.request().await.stream;
            link.ok(stream, b"x").await;
            if round % 2 == 0 {
                link.goaway(i32::MAX as u32, NO_ERROR, "").await;
            }
            link.goaway(stream, NO_ERROR, "").await;
            // It closes when its last stream has ended.
            while link.peer.recv().await.is_some() {}
        };
        let (ended, ()) = join!(greet(&client), script);
        assert_eq!(ended.unwrap(), reply("x"), "{round}");
    }
}

#[tokio::test]
async fn a_server_that_greets_with_goaway_is_not_stormed() {
    let server = ScriptedServer::bind().await;
    let mut backoff = reflectd::client::Backoff::default();
    backoff.base = Duration::from_secs(100);
    let client = client(server.channel().backoff(backoff));
    client.channel().wake();
    let mut link = server.accept_and(&peer::goaway(0, NO_ERROR, "")).await;
    while link.try_request().await.is_some() {}
    let failure = greet(&client).await.unwrap_err();
    assert_eq!(failure.code(), Code::Unavailable);
    assert!(!server.is_connected_to().await);
}

#[tokio::test]
async fn a_server_that_hangs_up_before_it_takes_a_call_is_not_stormed() {
    // Its connections live for a part of the backoff, and for longer.
    for base in [Duration::from_secs(100), Duration::from_millis(1)] {
        let server = ScriptedServer::bind().await;
        let mut backoff = reflectd::client::Backoff::default();
        backoff.base = base;
        let client = client(server.channel().backoff(backoff));
        let script = async {
            for _ in 0..2 {
                let link = server.accept_with(&[(MAX_CONCURRENT_STREAMS, 0)]).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                drop(link);
            }
        };
        let (ended, ()) = join!(greet(&client), script);
        let failure = ended.unwrap_err();
        assert_eq!(failure.code(), Code::Unavailable);
        let why = "closes connections before it takes a call";
        assert!(failure.message().contains(why), "{failure}");
        if base > Duration::from_secs(1) {
            let failure = greet(&client).await.unwrap_err();
            assert!(failure.message().contains(why), "{failure}");
            assert!(!server.is_connected_to().await);
        }
    }
}

#[tokio::test]
async fn a_connection_that_goes_away_counts_no_more_while_its_last_call_lasts() {
    let (server, client) = server_and_client().await;
    let opened = async {
        let opened: (Requests<RawMessage>, Responses<RawMessage>) =
            client.call(EACH).bidi().await.unwrap();
        opened
    };
    let accepted = server.accept_with(&[(MAX_CONCURRENT_STREAMS, 1)]);
    let (_long, mut link) = join!(opened, accepted);
    let stream = link.head().await.stream;
    drop(server);
    link.goaway(stream, NO_ERROR, "").await;
    assert!(link.is_quiet().await);
    assert_ne!(client.channel().state(), ConnectivityState::Ready);
    let failure = greet(&client).await.unwrap_err();
    assert_eq!(failure.code(), Code::Unavailable, "{failure}");
}

#[tokio::test]
async fn a_lazy_channel_reconnects_without_keepalive() {
    let (server, client) = server_and_client().await;
    assert_eq!(client.channel().state(), ConnectivityState::Idle);
    for _ in 0..3 {
        let script = async {
            let mut link = server.accept().await;
            let stream = link.request().await.stream;
            link.ok(stream, b"x").await;
            link
        };
        let (ended, link) = join!(greet(&client), script);
        assert_eq!(ended.unwrap(), reply("x"));
        drop(link);
        let lost = client.channel().state_changed(ConnectivityState::Ready);
        assert_eq!(lost.await, ConnectivityState::Idle);
    }
}

#[tokio::test]
async fn one_stream_at_a_time_is_enough_for_ten_calls() {
    let (server, client) = server_and_client().await;
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        calls.spawn(async move { greet(&client).await });
    }
    let mut link = server.accept_with(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
    for _ in 0..10 {
        let stream = link.request().await.stream;
        assert!(link.is_quiet().await, "two at once");
        link.ok(stream, b"x").await;
    }
    for ended in calls.join_all().await {
        assert_eq!(ended.unwrap(), reply("x"));
    }
}

#[tokio::test]
async fn calls_that_wait_for_a_stream_move_to_the_next_connection() {
    let (server, client) = server_and_client().await;
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        calls.spawn(async move { greet(&client).await });
    }
    let mut link = server.accept_with(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
    link.request().await;
    assert!(link.is_quiet().await);
    drop(link);
    let mut link = server.accept().await;
    for _ in 0..9 {
        let stream = link.request().await.stream;
        link.ok(stream, b"x").await;
    }
    let ended = calls.join_all().await;
    let lost = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(lost, 1, "what never left can be made elsewhere: {ended:?}");
}

#[tokio::test]
async fn who_waits_for_a_stream_hears_of_goaway_before_one_is_free() {
    let (server, client) = server_and_client().await;
    let mut calls = JoinSet::new();
    for _ in 0..2 {
        let client = client.clone();
        calls.spawn(async move { greet(&client).await });
    }
    let mut old = server.accept_with(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
    let long = old.request().await.stream;
    assert!(old.is_quiet().await);
    old.goaway(long, NO_ERROR, "").await;
    let mut new = server.accept().await;
    let stream = new.request().await.stream;
    new.ok(stream, b"x").await;
    old.ok(long, b"x").await;
    for ended in calls.join_all().await {
        assert_eq!(ended.unwrap(), reply("x"));
    }
}

#[tokio::test]
async fn a_limit_that_is_raised_lets_more_calls_through() {
    let (server, client) = server_and_client().await;
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let client = client.clone();
        calls.spawn(async move { greet(&client).await });
    }
    let mut link = server.accept_with(&[(MAX_CONCURRENT_STREAMS, 0)]).await;
    assert!(link.is_quiet().await);
    let more = [
        &MAX_CONCURRENT_STREAMS.to_be_bytes()[..],
        &3u32.to_be_bytes(),
    ]
    .concat();
    link.peer.send_frame(peer::SETTINGS, 0, 0, &more).await;
    for _ in 0..3 {
        let stream = link.request().await.stream;
        link.ok(stream, b"x").await;
    }
    for ended in calls.join_all().await {
        assert_eq!(ended.unwrap(), reply("x"));
    }
}

#[tokio::test]
async fn only_a_failed_attempt_to_connect_fails_a_call() {
    // It accepts, and says nothing: while the client is connecting, a call waits.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let time = Duration::from_millis(200);
    let channel = Channel::builder(&address).connect_timeout(time);
    let silent = client(channel);
    let started = Instant::now();
    let failure = greet(&silent).await.unwrap_err();
    assert!(started.elapsed() >= time, "{failure}");
    assert_eq!(failure.code(), Code::Unavailable);
    assert!(
        failure.message().contains("no answer in 200ms"),
        "{failure}"
    );
    // Until the backoff is over, others are told the same at once.
    assert_eq!(
        silent.channel().state(),
        ConnectivityState::TransientFailure
    );
    let failure = greet(&silent).await.unwrap_err();
    assert!(
        failure.message().contains("no answer in 200ms"),
        "{failure}"
    );
    // And who wants to wait does, until the deadline.
    let call = silent.call(GREET).wait_for_ready();
    let call = call.timeout(Duration::from_millis(100));
    let ended: Result<RawMessage, Status> = call.unary(RawMessage::new("")).await;
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn who_may_want_tls_is_asked_with_it() {
    // What servers with TLS do of whom they do not understand: close, reset, answer in HTTP/1.1.
    let refusal = "HTTP/1.1 400 Bad Request\r\n\r\n";
    for (read, answer) in [(true, ""), (false, ""), (true, refusal)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(Channel::builder(
            &listener.local_addr().unwrap().to_string(),
        ));
        let script = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.readable().await.unwrap();
            if read {
                assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
        };
        let (ended, ()) = join!(greet(&client), script);
        let failure = ended.unwrap_err();
        let hint = "use https:// (--tls)";
        assert!(
            failure.message().contains(hint),
            "{read} {answer}: {failure}"
        );
    }
}

#[tokio::test]
async fn attempts_to_connect_keep_their_distance() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut backoff = reflectd::client::Backoff::default();
    (backoff.base, backoff.jitter) = (Duration::from_millis(100), 0.0);
    let address = format!("http://{}", listener.local_addr().unwrap());
    let client = client(Channel::builder(&address).backoff(backoff));
    client.channel().wake();
    let mut attempts = Vec::new();
    for _ in 0..4 {
        // Closed before a word is said.
        listener.accept().await.unwrap();
        attempts.push(Instant::now());
    }
    let waits: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, least) in waits.iter().zip([95, 155, 250]) {
        assert!(*wait >= Duration::from_millis(least), "{waits:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_tried_until_there_was_no_call_for_long() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let mut backoff = reflectd::client::Backoff::default();
    (backoff.base, backoff.multiplier) = (Duration::from_millis(20), 1.0);
    let idle = Duration::from_millis(400);
    let channel = Channel::builder(&format!("http://{gone}")).backoff(backoff);
    let client = client(channel.idle_timeout(idle));
    let channel = client.channel();
    // Calls keep it at it for longer than that.
    let started = Instant::now();
    while started.elapsed() < idle * 2 {
        assert!(greet(&client).await.is_err());
        assert_ne!(channel.state(), ConnectivityState::Idle);
        tokio::time::sleep(idle / 20).await;
    }
    let last = Instant::now();
    while channel.state() != ConnectivityState::Idle {
        assert!(last.elapsed() < Duration::from_secs(10), "never idle");
        channel.state_changed(channel.state()).await;
    }
    assert!(last.elapsed() > idle / 2, "too soon");
    let server = ScriptedServer::bind_to(gone).await;
    assert!(!server.is_connected_to().await);
    server.answer_always("back");
    assert_eq!(greet(&client).await.unwrap(), reply("back"));
}
