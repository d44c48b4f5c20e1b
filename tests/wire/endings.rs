//! Calls that end before their handler does.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use reflectd::{Call, ConnectionLimits, RawMessage, Replies, Schema, Server, Status, Streaming};
use tokio::{
    net::TcpSocket,
    sync::{mpsc, oneshot},
};

use super::{
    ECHO, GREET, JOIN, OnDrop, REPEAT, Seen, call,
    peer::{CONTINUATION, DATA, END_STREAM, Frame, HEADERS, PING, Peer, frame, message, request},
    serve, start, trailers_only, wait_for,
};

/// RST_STREAM's code of a client that has lost interest (RFC 9113, 7).
const CANCEL: u32 = 8;

/// A flag of PING (RFC 9113, 6.7).
const ACK: u8 = 1;

#[tokio::test]
async fn the_deadline_ends_a_call_and_drops_its_handler() {
    let (address, seen) = start().await;
    let more = [("x-wait", "1"), ("grpc-timeout", "50m")];
    trailers_only(&call(address, GREET, &more, &message(b"")).await, "4");
    wait_for(&seen.dropped, 1).await;

    // Also where the client never ends its request.
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, GREET, &[("grpc-timeout", "50m")], false)
        .await;
    trailers_only(&peer.answer(1).await, "4");
}

#[tokio::test]
async fn a_later_call_may_have_the_nearer_deadline() {
    let (address, seen) = start().await;
    let mut peer = Peer::connect(address).await;
    for (stream, timeout) in [(1, "1H"), (3, "50m")] {
        let more = [("x-wait", "1"), ("grpc-timeout", timeout)];
        peer.send_request(stream, GREET, &more, false).await;
        peer.send_data(stream, &message(b""), true).await;
        wait_for(&seen.started, stream as usize / 2 + 1).await;
    }
    trailers_only(&peer.answer(3).await, "4");
}

#[tokio::test]
async fn a_reset_drops_the_handler() {
    let (address, seen) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, GREET, &[("x-wait", "1")], false).await;
    peer.send_data(1, &message(b""), true).await;
    wait_for(&seen.started, 1).await;
    peer.send_reset(1, CANCEL).await;
    wait_for(&seen.dropped, 1).await;
}

#[tokio::test]
async fn a_lost_connection_drops_the_handler() {
    let (address, seen) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, GREET, &[("x-wait", "1")], false).await;
    peer.send_data(1, &message(b""), true).await;
    wait_for(&seen.started, 1).await;
    drop(peer);
    wait_for(&seen.dropped, 1).await;
}

#[tokio::test]
async fn a_handler_can_see_how_much_time_is_left() {
    let address = serve(|builder| {
        builder.unary_sync(GREET, |call: Call, _: RawMessage| {
            let left = call.time_left().map(|left| left.as_millis().to_string());
            Ok(RawMessage::new(left.unwrap_or_else(|| "no end".to_owned())))
        })
    })
    .await;
    let body = message(b"");
    let left = async |timeout| {
        let more: &[_] = match timeout {
            "" => &[],
            timeout => &[("grpc-timeout", timeout)],
        };
        let answer = call(address, GREET, more, &body).await;
        assert_eq!(answer.status(), Some("0"), "{timeout:?}: {answer:?}");
        String::from_utf8(answer.body[5..].to_vec()).unwrap()
    };
    assert_eq!(left("").await, "no end");
    // Some time has passed, but not much.
    for (timeout, milliseconds) in [
        ("2H", 7_200_000),
        ("90M", 5_400_000),
        ("60S", 60_000),
        ("60000m", 60_000),
        ("60000000u", 60_000),
        ("99999999n", 99),
        ("99999999S", 99_999_999_000),
        ("99999999H", 359_999_996_400_000),
    ] {
        let left: u64 = left(timeout).await.parse().unwrap();
        let least = milliseconds - milliseconds.min(20_000);
        assert!((least..=milliseconds).contains(&left), "{timeout}: {left}");
    }
    for past in ["0n", "0H", "1n"] {
        trailers_only(
            &call(address, GREET, &[("grpc-timeout", past)], &body).await,
            "4",
        );
    }
}

/// A server that sends without end, with what tells that its calls are over.
async fn endless() -> (SocketAddr, mpsc::UnboundedReceiver<()>, Seen) {
    let (told, over) = mpsc::unbounded_channel();
    let seen = Seen::default();
    let counters = seen.clone();
    let send = move |call: Call, request: RawMessage, mut replies: Replies<RawMessage>| {
        let (told, dropped) = (told.clone(), OnDrop(Arc::clone(&counters.dropped)));
        counters.started.fetch_add(1, Ordering::SeqCst);
        // Work that the handler has handed to somebody else.
        tokio::spawn(async move {
            call.cancelled().await;
            told.send(())
        });
        async move {
            let _dropped = dropped;
            loop {
                replies.send(request.clone()).await?;
            }
        }
    };
    let address = serve(|builder| builder.server_streaming(REPEAT, send)).await;
    (address, over, seen)
}

#[tokio::test]
async fn after_a_reset_the_call_is_cancelled_and_nothing_more_is_sent() {
    let (address, mut over, seen) = endless().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(&[1; 100]), true).await;
    peer.recv_until(|frame| matches!(frame, Frame::Data { .. }))
        .await;
    peer.send_reset(1, CANCEL).await;
    over.recv().await.expect("it is told");
    wait_for(&seen.dropped, 1).await;
    // What was under way has come; there is room for more, and none is used.
    peer.recv_until_heard().await;
    peer.send_window(0, 1 << 20).await;
    let after = peer.recv_until_heard().await;
    let of_call = |frame: &Frame| {
        matches!(
            frame,
            Frame::Data { .. } | Frame::Headers { .. } | Frame::Reset { .. }
        )
    };
    assert!(!after.iter().any(of_call), "{after:?}");
}

#[tokio::test]
async fn after_the_loss_of_a_connection_all_its_calls_are_cancelled() {
    let (address, mut over, seen) = endless().await;
    let mut peer = Peer::connect(address).await;
    for stream in (1..=19).step_by(2) {
        peer.send_request(stream, REPEAT, &[], false).await;
        peer.send_data(stream, &message(&[1; 100]), true).await;
    }
    wait_for(&seen.started, 10).await;
    drop(peer);
    for _ in 0..10 {
        over.recv().await.expect("each is told");
    }
    wait_for(&seen.dropped, 10).await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_gets_what_it_has_asked_for() {
    let dropped = Arc::default();
    let cut = Arc::clone(&dropped);
    let send = |request: RawMessage, mut replies: Replies<RawMessage>| async move {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            replies.send(request.clone()).await?;
        }
        Ok(())
    };
    let wait = move |_: Streaming<RawMessage>, _: Replies<RawMessage>| {
        let dropped = OnDrop(Arc::clone(&cut));
        async move {
            let _dropped = dropped;
            std::future::pending().await
        }
    };
    let address = serve(|builder| builder.server_streaming(REPEAT, send).bidi(ECHO, wait)).await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, ECHO, &[], false).await;
    peer.send_request(3, REPEAT, &[], false).await;
    peer.send_data(3, &message(b"more"), true).await;
    peer.half_close().await;
    // Requests that cannot go on are given up, and answered as if the connection was lost: a proxy may
    // have closed it, whose client has cancelled nothing.
    let answer = peer.answer(1).await;
    assert_eq!(answer.status(), Some("14"), "{answer:?}");
    wait_for(&dropped, 1).await;
    let answer = peer.answer(3).await;
    assert_eq!(answer.status(), Some("0"), "{answer:?}");
    assert_eq!(answer.body, message(b"more").repeat(3));
    while let Some(frame) = peer.recv().await {
        assert!(!matches!(frame, Frame::Data { .. }), "{frame:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_cut_within_its_last_frame_is_cut_short() {
    let (address, _) = start().await;
    for (path, bytes) in [(GREET, 50), (JOIN, 50), (ECHO, 5), (ECHO, 0)] {
        let mut peer = Peer::connect(address).await;
        peer.send_request(1, path, &[], false).await;
        let last = frame(DATA, END_STREAM, 1, &message(&[1; 100]));
        peer.send_bytes(&last[..9 + bytes]).await;
        peer.half_close().await;
        let answer = peer.answer(1).await;
        assert_eq!(answer.status(), Some("14"), "{path} {bytes} {answer:?}");
    }
}

#[tokio::test]
async fn a_header_block_that_is_cut_off_leaves_the_calls_before_it_their_answers() {
    let slow = |request: RawMessage| async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok::<_, Status>(request)
    };
    let mut limits = ConnectionLimits::default();
    limits.header_timeout = Duration::from_millis(200);
    let address = serve(|builder| builder.connection_limits(limits).unary(GREET, slow)).await;
    let whole = request(3, GREET, &[], true);
    let begun = [
        &frame(HEADERS, 0, 3, b"")[..],
        &frame(CONTINUATION, 0, 3, b""),
    ]
    .concat();
    for cut in [&whole[..12], &begun] {
        let mut peer = Peer::connect(address).await;
        peer.send_request(1, GREET, &[], false).await;
        peer.send_data(1, &message(b"x"), true).await;
        peer.send_bytes(cut).await;
        peer.half_close().await;
        let answer = peer.answer(1).await;
        assert_eq!(answer.status(), Some("0"), "{answer:?}");
    }
}

/// A connection with so many calls that wait for more, and end with the first message.
async fn with_calls(count: u32) -> Peer {
    let once = |mut requests: Streaming<RawMessage>, _: Replies<RawMessage>| async move {
        requests.message().await.map(drop)
    };
    let mut limits = ConnectionLimits::default();
    limits.streams_max = count;
    let address = serve(|builder| builder.connection_limits(limits).bidi(ECHO, once)).await;
    let mut peer = Peer::connect(address).await;
    for stream in calls(count) {
        peer.send_request(stream, ECHO, &[], false).await;
    }
    for stream in calls(count) {
        peer.send_data(stream, &message(b"one"), false).await;
    }
    let last = 2 * count - 1;
    let reset = |frame: &Frame| matches!(frame, Frame::Reset { stream, .. } if *stream == last);
    peer.recv_until(reset).await;
    peer
}

fn calls(count: u32) -> impl Iterator<Item = u32> {
    (1..2 * count).step_by(2)
}

/// One more call, after all of [`with_calls`].
async fn is_answered(mut peer: Peer, count: u32) {
    let next = 2 * count + 1;
    peer.send_request(next, ECHO, &[], true).await;
    assert_eq!(peer.answer(next).await.status(), Some("0"));
}

#[tokio::test]
async fn a_client_may_go_on_with_thousands_of_calls_that_have_ended() {
    let mut peer = with_calls(3000).await;
    for stream in calls(3000) {
        peer.send_data(stream, &message(b"two"), false).await;
    }
    is_answered(peer, 3000).await;
}

#[tokio::test]
async fn a_client_may_give_up_thousands_of_calls_that_have_ended() {
    let mut peer = with_calls(3000).await;
    for stream in calls(3000) {
        peer.send_reset(stream, CANCEL).await;
    }
    is_answered(peer, 3000).await;
}

/// What the system still has to send when a server closes is lost if more comes from the client then.
#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_its_answer_when_the_server_is_shut_down() {
    let long = |_: RawMessage| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok::<_, Status>(RawMessage::new(vec![7; 500_000]))
    };
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let server = Server::builder(schema).unary(GREET, long).build().unwrap();
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let socket = socket.connect(server.local_addresses()[0]).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve_with_shutdown(async { drop(stopped.await) }));
    let mut peer = Peer::on(socket);
    assert!(peer.try_preface().await);
    peer.send_request(1, GREET, &[], false).await;
    peer.send_window(0, 1_000_000).await;
    peer.send_window(1, 1_000_000).await;
    peer.send_data(1, &message(b""), true).await;
    drop(stop);
    let asked = |frame: &Frame| matches!(frame, Frame::Ping { .. });
    if let Frame::Ping { data, .. } = peer.recv_until(asked).await {
        peer.send_frame(PING, ACK, 0, &data).await;
    }
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        peer.send_window(0, 1).await;
    }
    let answer = peer.answer(1).await;
    assert_eq!((answer.body.len(), answer.status()), (500_005, Some("0")));
}
