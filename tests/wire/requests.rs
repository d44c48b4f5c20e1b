//! Requests: what their bodies may look like, and what is refused of them.

use std::sync::atomic::Ordering;

use super::{
    ECHO, GREET, JOIN, REPEAT, call,
    peer::{self, Answer, Frame, Headers, Peer, frame, message, request},
    start, trailers_only,
};

#[tokio::test]
async fn a_unary_call_has_headers_a_message_and_trailers() {
    let (address, _) = start().await;
    for (content_type, replied) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc+proto"),
        (
            "application/grpc+proto; charset=x",
            "application/grpc+proto",
        ),
    ] {
        let answer = call(
            address,
            GREET,
            &[("content-type", content_type)],
            &message(b"hi"),
        )
        .await;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = Answer {
            headers: Headers(vec![
                pair(":status", "200"),
                pair("content-type", replied),
                pair("grpc-accept-encoding", "identity,gzip,deflate,zstd"),
            ]),
            body: message(b"hi"),
            trailers: Some(Headers(vec![
                pair("grpc-status", "0"),
                pair("x-after", "1"),
            ])),
            reset: None,
        };
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn a_request_cut_at_any_byte_gives_the_same_answer() {
    let (address, _) = start().await;
    let body = [message(b"one"), message(b""), message(b"three")].concat();
    let mut wire = request(1, JOIN, &[], false);
    wire.extend(frame(peer::DATA, 0, 1, &body));
    wire.extend(frame(peer::DATA, peer::END_STREAM, 1, &[]));
    let whole = call(address, JOIN, &[], &body).await;
    assert_eq!(whole.body, message(b"one||three|"));
    for cut in 0..=wire.len() {
        let mut peer = Peer::connect(address).await;
        peer.send_bytes(&wire[..cut]).await;
        tokio::task::yield_now().await;
        peer.send_bytes(&wire[cut..]).await;
        assert_eq!(peer.answer(1).await, whole, "cut at {cut}");
    }
}

#[tokio::test]
async fn data_boundaries_have_no_meaning() {
    let (address, _) = start().await;
    let body = [message(b"one"), message(b""), message(b"three")].concat();
    let whole = call(address, ECHO, &[], &body).await;
    assert_eq!(whole.body, body);
    for cut in 0..=body.len() {
        let mut peer = Peer::connect(address).await;
        peer.send_request(1, ECHO, &[], false).await;
        peer.send_data(1, &body[..cut], false).await;
        // Padding (RFC 9113, 6.1) and empty frames are no part of the body.
        let padded = [&[3], &body[cut..], &[0, 0, 0]].concat();
        peer.send_frame(peer::DATA, 0x8, 1, &padded).await;
        peer.send_data(1, &[], false).await;
        peer.send_data(1, &[], true).await;
        assert_eq!(peer.answer(1).await, whole, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_request_may_end_with_its_headers() {
    let (address, seen) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, JOIN, &[], true).await;
    let answer = peer.answer(1).await;
    assert_eq!(
        (answer.body.as_slice(), answer.status()),
        (&message(b"")[..], Some("0"))
    );

    peer.send_request(3, GREET, &[], true).await;
    trailers_only(&peer.answer(3).await, "12");
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_request_is_due_no_more_and_no_less() {
    let (address, seen) = start().await;
    for path in [GREET, REPEAT] {
        trailers_only(&call(address, path, &[], &[]).await, "12");
        let two = [message(b"1"), message(b"2")].concat();
        trailers_only(&call(address, path, &[], &two).await, "12");
    }
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_zero_length_message_is_a_message() {
    let (address, _) = start().await;
    let answer = call(address, GREET, &[], &message(b"")).await;
    assert_eq!(
        (answer.body.as_slice(), answer.status()),
        (&message(b"")[..], Some("0"))
    );
}

#[tokio::test]
async fn broken_framing_ends_the_call_and_starts_nothing() {
    let (address, seen) = start().await;
    let cases: &[(&[u8], &str)] = &[
        (&[0, 0], "13"),
        (&[0, 0, 0, 0, 2, b'x'], "13"),
        (&[2, 0, 0, 0, 0], "13"),
        (&[255, 0, 0, 0, 0], "13"),
        (&[1, 0, 0, 0, 0], "13"),
        (&[1, 0, 0, 0, 1, 1], "13"),
        (&[0, 0, 0, 3, 233], "8"),
        (&[0, 255, 255, 255, 255], "8"),
    ];
    for (body, code) in cases {
        for path in [GREET, JOIN] {
            trailers_only(&call(address, path, &[], body).await, code);
        }
    }
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_on_its_prefix() {
    let (address, _) = start().await;
    let exactly = vec![7; 1000];
    assert_eq!(
        call(address, GREET, &[], &message(&exactly)).await.body,
        message(&exactly)
    );

    let mut peer = Peer::connect(address).await;
    peer.send_request(1, GREET, &[], false).await;
    peer.send_data(1, &[0, 0, 0, 3, 233], false).await;
    trailers_only(&peer.answer(1).await, "8");
    // The request is not over: the stream is reset without blame (RFC 9113, 8.1).
    let reset = peer
        .recv_until(|frame| matches!(frame, Frame::Reset { .. }))
        .await;
    assert_eq!(reset, Frame::Reset { stream: 1, code: 0 });
    // And the connection goes on.
    peer.send_request(3, GREET, &[], false).await;
    peer.send_data(3, &message(b"x"), true).await;
    assert_eq!(peer.answer(3).await.status(), Some("0"));
}

#[tokio::test]
async fn the_compressed_flag_needs_an_encoding() {
    let (address, seen) = start().await;
    for more in [&[][..], &[("grpc-encoding", "identity")]] {
        for path in [GREET, JOIN] {
            // Also where there is nothing to be compressed.
            for body in [&[1, 0, 0, 0, 0][..], &[1, 0, 0, 0, 1, 1]] {
                trailers_only(&call(address, path, more, body).await, "13");
            }
        }
    }
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_not_read_of_refused_requests_does_not_close_the_connection() {
    let (address, _) = start().await;
    let mut peer = Peer::connect(address).await;
    // What the client may send in all: the server grants it in WINDOW_UPDATE for stream 0.
    let mut window = 65_535_i64;
    let mut sent = 0;
    let too_long = [&[0, 255, 255, 255, 255][..], &[7; 60_000]].concat();
    // More than twice the window of a whole connection.
    for stream in (1..=501).step_by(2) {
        while window < too_long.len() as i64 {
            match peer.recv().await.expect("the connection closed") {
                Frame::WindowUpdate { stream: 0, bytes } => window += i64::from(bytes),
                Frame::Goaway { debug, .. } => panic!("the server gave up: {debug}"),
                _ => {}
            }
        }
        peer.send_request(stream, GREET, &[], false).await;
        peer.send_data_in_frames(stream, &too_long, false).await;
        window -= too_long.len() as i64;
        sent += too_long.len();
    }
    assert!(sent > 15_000_000);
    peer.send_request(503, GREET, &[], false).await;
    peer.send_data(503, &message(b"x"), true).await;
    assert_eq!(peer.answer(503).await.status(), Some("0"));
}

#[tokio::test]
async fn requests_before_one_that_is_refused_reach_their_handler() {
    let (address, _) = start().await;
    // More than are handed over at once, all in one read.
    let body = [message(b"a").repeat(200), message(&[1; 2000])].concat();
    let answer = call(address, ECHO, &[], &body).await;
    assert_eq!(answer.status(), Some("8"), "{:?}", answer.trailers);
    assert_eq!(answer.body, message(b"a").repeat(200));
}
