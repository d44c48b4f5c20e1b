//! What a connection may take, and what becomes of one that takes more; each with a scripted client.

#[path = "support/peer.rs"]
mod peer;

use std::{net::SocketAddr, time::Duration};

use peer::{
    CONTINUATION, END_STREAM, Frame, HEADERS, PING, PREFACE, Peer, SETTINGS, WINDOW_UPDATE, frame,
    message, request,
};
use reflectd::{
    Call, ConnectionLimits, Metadata, RawMessage, Replies, Schema, Server, Status, Streaming,
};

async fn start(set: impl FnOnce(&mut ConnectionLimits)) -> SocketAddr {
    let mut limits = ConnectionLimits::default();
    // Nothing but what a test is about.
    limits.keepalive_interval = None;
    limits.idle_timeout = None;
    set(&mut limits);
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let server = Server::builder(schema)
        .connection_limits(limits)
        .unary("/greeter.Greeter/Greet", greet)
        .server_streaming("/greeter.Greeter/GreetRepeatedly", repeat)
        .bidi("/greeter.Greeter/GreetEach", echo)
        .build()
        .unwrap()
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let address = server.local_addresses()[0];
    tokio::spawn(server.serve());
    address
}

/// Answers with the request; with `x-wait`, never.
async fn greet(call: Call, request: RawMessage) -> Result<RawMessage, Status> {
    if call.metadata().text("x-wait").is_some() {
        std::future::pending::<()>().await;
    }
    Ok(request)
}

/// Sends the request again and again.
async fn repeat(request: RawMessage, mut replies: Replies<RawMessage>) -> Result<(), Status> {
    loop {
        replies.send(request.clone()).await?;
    }
}

async fn echo(
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    replies.send_headers(Metadata::new());
    while let Some(request) = requests.message().await? {
        replies.send(request).await?;
    }
    Ok(())
}

const GREET: &str = "/greeter.Greeter/Greet";
const REPEAT: &str = "/greeter.Greeter/GreetRepeatedly";
const EACH: &str = "/greeter.Greeter/GreetEach";

/// Makes a call and sees it answered.
async fn greets(peer: &mut Peer, stream: u32) {
    peer.send_request(stream, GREET, &[], false).await;
    peer.send_data(stream, &message(b"hi"), true).await;
    let answer = peer.answer(stream).await;
    assert_eq!(
        (answer.status(), &*answer.body),
        (Some("0"), &*message(b"hi"))
    );
}

/// Connects, and takes the server's settings: longer windows hold from then on.
async fn connect(address: SocketAddr) -> Peer {
    let mut peer = Peer::connect(address).await;
    peer.recv_until(|frame| matches!(frame, Frame::Settings { ack: false, .. }))
        .await;
    peer.send_frame(SETTINGS, 1, 0, &[]).await;
    peer
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[tokio::test]
async fn a_silent_client_is_asked_and_given_up_and_one_that_answers_is_kept() {
    let address = start(|limits| {
        limits.keepalive_interval = Some(milliseconds(100));
        limits.keepalive_timeout = milliseconds(300);
    })
    .await;
    let mut peer = Peer::connect(address).await;
    for _ in 0..5 {
        let is_ping = |frame: &Frame| matches!(frame, Frame::Ping { ack: false, .. });
        let Frame::Ping { data, .. } = peer.recv_until(is_ping).await else {
            unreachable!()
        };
        peer.send_frame(PING, 1, 0, &data).await;
    }
    greets(&mut peer, 1).await;
    // From here on it says nothing more.
    let goaway = peer.recv_until(|frame| matches!(frame, Frame::Goaway { .. }));
    assert!(matches!(goaway.await, Frame::Goaway { code: 0, .. }));
    assert_eq!(peer.recv().await, None);
}

#[tokio::test]
async fn a_connection_without_calls_is_asked_to_close_and_then_closed() {
    let address = start(|limits| limits.idle_timeout = Some(milliseconds(200))).await;
    let mut peer = Peer::connect(address).await;
    greets(&mut peer, 1).await;
    let goaway = peer.recv_until(|frame| matches!(frame, Frame::Goaway { .. }));
    let last = i32::MAX as u32;
    let (code, debug) = (0, "max_idle".to_owned());
    assert_eq!(goaway.await, Frame::Goaway { last, code, debug });
    // A call that crossed the GOAWAY is still answered.
    greets(&mut peer, 3).await;
    let is_goaway = |frame: &Frame| matches!(frame, Frame::Goaway { .. });
    while let Some(frame) = peer.recv().await {
        assert!(
            is_goaway(&frame) || matches!(frame, Frame::Ping { .. }),
            "{frame:?}"
        );
    }
}

#[tokio::test]
async fn an_old_connection_takes_no_new_calls_and_its_calls_end_after_the_grace() {
    let address = start(|limits| {
        limits.age_max = Some(milliseconds(300));
        limits.age_grace = milliseconds(300);
    })
    .await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, GREET, &[("x-wait", "1")], false).await;
    peer.send_data(1, &message(b"hi"), true).await;
    let goaway = peer.recv_until(|frame| matches!(frame, Frame::Goaway { .. }));
    assert!(matches!(goaway.await, Frame::Goaway { code: 0, debug, .. } if debug == "max_age"));
    let answer = peer.answer(1).await;
    assert_eq!(answer.status(), Some("14"), "{answer:?}");
    let why = answer.headers.get("grpc-message");
    assert!(why.is_some_and(|why| why.contains("age")), "{answer:?}");
    while peer.recv().await.is_some() {}
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_the_others_go_on() {
    let address = start(|limits| limits.connections_max = 2).await;
    let (mut first, mut second) = (Peer::connect(address).await, Peer::connect(address).await);
    greets(&mut first, 1).await;
    greets(&mut second, 1).await;
    let mut third = Peer::open(address).await;
    assert_eq!(third.recv().await, None);
    greets(&mut first, 3).await;
    drop(second);
    // Its place is free when the server has seen that it is gone.
    loop {
        let mut next = Peer::open(address).await;
        if next.try_preface().await {
            greets(&mut next, 1).await;
            return;
        }
    }
}

#[tokio::test]
async fn who_says_nothing_or_half_of_a_preface_is_not_waited_for() {
    let address = start(|limits| limits.handshake_timeout = milliseconds(200)).await;
    for bytes in [
        &b""[..],
        b"PRI * HTTP",
        b"G",
        PREFACE.split_last().unwrap().1,
    ] {
        let mut peer = Peer::open(address).await;
        peer.send_bytes(bytes).await;
        assert_eq!(peer.recv().await, None, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_header_block_that_trickles_ends_the_connection() {
    let address = start(|limits| limits.header_timeout = milliseconds(300)).await;
    // Without END_HEADERS, and never to be continued; or in the middle of the frame.
    let whole = request(1, GREET, &[], true);
    let mut unended = whole.clone();
    unended[4] = END_STREAM;
    for bytes in [&unended[..], &whole[..20]] {
        let mut peer = Peer::connect(address).await;
        peer.send_bytes(bytes).await;
        let goaway = peer.recv_until(|frame| matches!(frame, Frame::Goaway { .. }));
        assert!(matches!(goaway.await, Frame::Goaway { code: 11, .. }));
        assert_eq!(peer.recv().await, None);
    }
    // One that is whole in time, in as many pieces, is a call like any other.
    let mut peer = Peer::connect(address).await;
    let (head, block) = whole.split_at(9);
    peer.send_bytes(&frame(HEADERS, END_STREAM, 1, &block[..10]))
        .await;
    peer.send_bytes(&frame(CONTINUATION, peer::END_HEADERS, 1, &block[10..]))
        .await;
    assert_eq!(head.len(), 9);
    assert_eq!(peer.answer(1).await.status(), Some("12"), "no message came");
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_stream_and_nothing_else() {
    let address = start(|limits| limits.stall_timeout = milliseconds(300)).await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(&[7; 1000]), true).await;
    // It gives the stream no more window than it began with.
    let reset = peer.recv_until(|frame| matches!(frame, Frame::Reset { stream: 1, .. }));
    assert!(matches!(reset.await, Frame::Reset { code: 8, .. }));
    peer.send_window(0, 1 << 20).await;
    greets(&mut peer, 3).await;
}

#[tokio::test]
async fn a_client_that_takes_a_reply_byte_by_byte_loses_its_stream() {
    let address = start(|limits| limits.stall_timeout = milliseconds(300)).await;
    let mut peer = Peer::connect(address).await;
    // The stream's window ends in the middle of the reply, and grows by one now and then.
    let window = [&[0, 4][..], &10_000_u32.to_be_bytes()].concat();
    peer.send_frame(SETTINGS, 0, 0, &window).await;
    peer.send_request(1, GREET, &[], false).await;
    peer.send_data_in_frames(1, &message(&[7; 60_000]), true)
        .await;
    let mut bytes_after = 0;
    loop {
        match peer.recv().await.unwrap() {
            Frame::Data { bytes, .. } => {
                bytes_after += usize::from(bytes.len() == 1);
                assert!(bytes_after < 500, "a byte now and then is no progress");
                tokio::time::sleep(milliseconds(20)).await;
                peer.send_window(1, 1).await;
            }
            Frame::Reset { stream: 1, code } => {
                assert_eq!(code, 8);
                break;
            }
            _ => {}
        }
    }
    assert!(bytes_after > 1, "it was reset at the first sweep");
    peer.send_window(0, 1 << 20).await;
    greets(&mut peer, 3).await;
}

#[tokio::test]
async fn a_connection_that_is_not_read_at_all_is_closed_whatever_comes_on_it() {
    let address = start(|limits| limits.stall_timeout = milliseconds(300)).await;
    let mut peer = Peer::connect(address).await;
    for stream in [0, 1] {
        if stream == 1 {
            // More than the system ever keeps of it.
            peer.send_request(1, REPEAT, &[], false).await;
            peer.send_data(1, &message(&[7; 10_000]), true).await;
        }
        peer.send_window(stream, 1 << 30).await;
    }
    let update = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    for _ in 0..500 {
        if peer.send_bytes_until_closed(&update).await.is_err() {
            return;
        }
        tokio::time::sleep(milliseconds(20)).await;
    }
    panic!("the connection is open");
}

#[tokio::test]
async fn a_message_that_is_not_finished_fails_its_call() {
    let address = start(|limits| limits.stall_timeout = milliseconds(300)).await;
    let mut peer = Peer::connect(address).await;
    let declared = &message(&[7; 100_000])[..10];
    for (stream, path) in [(1, GREET), (3, REPEAT), (5, EACH)] {
        peer.send_request(stream, path, &[], false).await;
        peer.send_data(stream, declared, false).await;
    }
    // A stream between two messages may wait as long as it likes.
    peer.send_request(7, EACH, &[], false).await;
    peer.send_data(7, &message(b"hi"), false).await;
    // One that has all of its one request owes the end of its side.
    peer.send_request(9, GREET, &[], false).await;
    peer.send_data(9, &message(b"hi"), false).await;
    let mut failed = 0;
    while failed < 4 {
        if let Some(Frame::Headers {
            stream,
            headers,
            end: true,
        }) = peer.recv().await
        {
            assert_eq!(headers.get("grpc-status"), Some("4"), "{headers:?}");
            assert_ne!(stream, 7);
            failed += 1;
        }
    }
    greets(&mut peer, 11).await;
    peer.send_data(7, &message(b"still there"), true).await;
    let is_last = |frame: &Frame| {
        matches!(
            frame,
            Frame::Headers {
                stream: 7,
                end: true,
                ..
            }
        )
    };
    let Frame::Headers { headers, .. } = peer.recv_until(is_last).await else {
        unreachable!()
    };
    assert_eq!(headers.get("grpc-status"), Some("0"));
}

#[tokio::test]
async fn requests_beyond_the_connections_share_of_the_budget_are_refused_and_leave_no_trace() {
    // A connection may hold 128 KiB, and 16 KiB that are not counted.
    let address = start(|limits| {
        limits.in_flight_bytes = 1024 * 1024;
        limits.stream_window_bytes = 1024 * 1024;
    })
    .await;
    let mut peer = connect(address).await;
    for round in 0..5 {
        let stream = 4 * round + 1;
        for stream in [stream, stream + 2] {
            peer.send_request(stream, GREET, &[("x-wait", "1")], false)
                .await;
            peer.send_data_in_frames(stream, &message(&[7; 100_000]), true)
                .await;
        }
        // The first waits with its request, so there is no room for the second.
        let answer = peer.answer(stream + 2).await;
        assert_eq!(answer.status(), Some("8"), "{answer:?}");
        peer.send_reset(stream, 8).await;
    }
    greets(&mut peer, 99).await;
}

#[tokio::test]
async fn replies_beyond_the_connections_share_of_the_budget_are_not_kept() {
    let address = start(|limits| {
        limits.in_flight_bytes = 1024 * 1024;
        limits.stream_window_bytes = 1024 * 1024;
    })
    .await;
    let mut peer = connect(address).await;
    // Each reply waits for a window that does not come: 65,535 bytes of all of them are sent.
    for stream in [1, 3, 5, 7] {
        peer.send_request(stream, GREET, &[], false).await;
        peer.send_data_in_frames(stream, &message(&[7; 100_000]), true)
            .await;
    }
    let is_end = |frame: &Frame| matches!(frame, Frame::Headers { end: true, .. });
    let Frame::Headers { headers, .. } = peer.recv_until(is_end).await else {
        unreachable!()
    };
    assert_eq!(headers.get("grpc-status"), Some("8"), "{headers:?}");
}

#[tokio::test]
async fn who_has_read_a_reply_and_rests_holds_nothing_of_the_budget() {
    // Eight connections use it up, if each holds the 128 KiB that it may.
    let address = start(|limits| {
        limits.in_flight_bytes = 1024 * 1024;
        limits.stream_window_bytes = 1024 * 1024;
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut peer = connect(address).await;
        let window = [&[0, 4][..], &(1_u32 << 20).to_be_bytes()].concat();
        peer.send_frame(SETTINGS, 0, 0, &window).await;
        peer.send_window(0, 1 << 20).await;
        peer.send_request(1, GREET, &[], false).await;
        let body = message(&[7; 60_000]);
        peer.send_data_in_frames(1, &body, true).await;
        let answer = peer.answer(1).await;
        assert_eq!(answer.status(), Some("0"), "{:?}", answer.trailers);
        assert_eq!(answer.body.len(), body.len());
        idle.push(peer);
    }
}

#[tokio::test]
async fn replies_that_there_is_memory_for_arrive_before_the_call_ends_for_lack_of_it() {
    let address = start(|limits| limits.in_flight_bytes = 1024 * 1024).await;
    let mut peer = Peer::open(address).await;
    peer.send_bytes(PREFACE).await;
    let no_window = [&[0, 4][..], &0_u32.to_be_bytes()].concat();
    peer.send_frame(SETTINGS, 0, 0, &no_window).await;
    // The connection may hold 144 KiB: two streams of 64 KiB, and part of what the third one sends.
    for stream in [1, 3, 5] {
        peer.send_request(stream, REPEAT, &[], false).await;
        peer.send_data(stream, &message(&[7; 1000]), true).await;
    }
    // The third's handler has sent all it may before any of it can leave.
    tokio::time::sleep(milliseconds(300)).await;
    peer.send_window(5, 1 << 20).await;
    let answer = peer.answer(5).await;
    assert_eq!(answer.status(), Some("8"), "{:?}", answer.trailers);
    let whole = answer.body.len() / 1005;
    assert!((1..30).contains(&whole), "{whole} replies");
    assert_eq!(answer.body, message(&[7; 1000]).repeat(whole));
    // The others go on.
    peer.send_window(1, 20_000).await;
    let more = |frame: &Frame| matches!(frame, Frame::Data { stream: 1, .. });
    peer.recv_until(more).await;
}
