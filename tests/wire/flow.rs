//! Flow control: neither side has to take more than it can.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use reflectd::{ConnectionLimits, RawMessage, Replies, ServerBuilder, Status, Streaming};
use tokio::sync::Notify;

use super::{
    ECHO, GREET, JOIN, REPEAT,
    peer::{self, Answer, Frame, Peer, frame, message},
    serve, start,
};

#[tokio::test]
async fn a_slow_reader_holds_its_handler_back_and_gets_everything() {
    let (address, _) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(&[5; 900]), true).await;
    // 900 replies of 905 bytes; the default window of 65,535 bytes lets 72 of them through.
    let mut got = 0;
    let mut credit = 65_535;
    loop {
        match peer.recv().await.unwrap() {
            Frame::Data { bytes, .. } => {
                got += bytes.len();
                credit -= bytes.len();
                if credit == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    for stream in [0, 1] {
                        let grant = 60_000_u32.to_be_bytes();
                        peer.send_frame(peer::WINDOW_UPDATE, 0, stream, &grant)
                            .await;
                    }
                    credit = 60_000;
                }
            }
            Frame::Headers {
                headers, end: true, ..
            } => {
                assert_eq!(headers.get("grpc-status"), Some("0"));
                break;
            }
            _ => {}
        }
    }
    assert_eq!(got, 900 * 905);
}

#[tokio::test]
async fn replies_of_any_length_come_in_order_and_short_ones_share_frames() {
    // From one that fits in a prefix's frame to one that takes several; those around 4 KiB are where
    // copying ends, those around 16 KiB where a frame does.
    const LENGTHS: [usize; 11] = [0, 1, 100, 4_091, 4_096, 5_000, 7, 16_379, 16_384, 40_000, 3];
    let address = serve(|builder| {
        builder.server_streaming(
            REPEAT,
            async |_: RawMessage, mut replies: Replies<RawMessage>| {
                for round in 0..30_u8 {
                    for (index, length) in LENGTHS.into_iter().enumerate() {
                        let reply = vec![round ^ index as u8; length];
                        replies.send(RawMessage::new(reply)).await?;
                    }
                    if round < 10 {
                        // What was sent is on its way, though the handler waits.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
                Ok(())
            },
        )
    })
    .await;
    let expected: Vec<u8> = (0..30_u8)
        .flat_map(|round| {
            let replies = LENGTHS.into_iter().enumerate();
            replies.flat_map(move |(index, length)| message(&vec![round ^ index as u8; length]))
        })
        .collect();
    let mut peer = Peer::connect(address).await;
    for stream in [0, 1] {
        if stream == 1 {
            peer.send_request(1, REPEAT, &[], false).await;
            peer.send_data(1, &message(b""), true).await;
        }
        let grant = 1_000_003_u32.to_be_bytes();
        peer.send_frame(peer::WINDOW_UPDATE, 0, stream, &grant)
            .await;
    }
    let (mut body, mut credit) = (Vec::new(), 0);
    loop {
        match peer.recv().await.unwrap() {
            Frame::Data { bytes, .. } => {
                credit += bytes.len();
                body.extend(bytes);
                if credit > 500_000 {
                    let grant = (std::mem::take(&mut credit) as u32).to_be_bytes();
                    for stream in [0, 1] {
                        peer.send_frame(peer::WINDOW_UPDATE, 0, stream, &grant)
                            .await;
                    }
                }
            }
            Frame::Headers {
                headers, end: true, ..
            } => {
                assert_eq!(headers.get("grpc-status"), Some("0"));
                break;
            }
            _ => {}
        }
    }
    assert!(body == expected);

    // 100 of them in one go.
    let (address, _) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(&[5; 100]), true).await;
    let data = |frame: &Frame| matches!(frame, Frame::Data { .. });
    let Frame::Data { bytes, .. } = peer.recv_until(data).await else {
        panic!("it was DATA");
    };
    assert_eq!(bytes, message(&[5; 100]).repeat(100));
}

/// Replies that one thread has sent and another one goes on with, and one that blocks its thread until
/// there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replies_keep_their_order_whichever_thread_sends_them() {
    const TURN: u32 = 200;
    type Sending = Replies<RawMessage>;
    async fn send(mut replies: Sending, from: u32) -> Result<Sending, Status> {
        for number in from..from + TURN {
            let reply = [&number.to_be_bytes()[..], &[0; 500]].concat();
            replies.send(RawMessage::new(reply)).await?;
        }
        Ok(replies)
    }
    let address = serve(|builder| {
        builder.server_streaming(REPEAT, async |_: RawMessage, mut replies: Sending| {
            for turn in (0..30).step_by(3) {
                replies = send(replies, turn * TURN).await?;
                let elsewhere = tokio::spawn(send(replies, (turn + 1) * TURN));
                replies = elsewhere.await.expect("it does not panic")?;
                let blocking = send(replies, (turn + 2) * TURN);
                let runtime = tokio::runtime::Handle::current();
                replies = tokio::task::block_in_place(|| runtime.block_on(blocking))?;
            }
            Ok(())
        })
    })
    .await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(b""), true).await;
    for stream in [0, 1] {
        peer.send_window(stream, 1 << 24).await;
    }
    let answer = peer.answer(1).await;
    assert_eq!(answer.status(), Some("0"), "{:?}", answer.trailers);
    let numbers = answer.body.chunks(509).map(|reply| reply[5..9].to_vec());
    assert!(numbers.eq((0..30 * TURN).map(|number| number.to_be_bytes().to_vec())));
}

#[tokio::test]
async fn a_client_that_sends_faster_than_it_is_read_is_held_back() {
    let (address, _) = start().await;
    let mut peer = Peer::connect(address).await;
    // The echo stops taking requests once its replies are not read: then the stream's window is
    // not given back, and a client that keeps to it cannot send without end.
    peer.send_request(1, ECHO, &[], false).await;
    let body = message(&[9; 1000]);
    let mut window = 65_535_i64;
    let mut sent = 0_usize;
    loop {
        while window > body.len() as i64 {
            peer.send_data(1, &body, false).await;
            window -= body.len() as i64;
            sent += body.len();
        }
        match tokio::time::timeout(Duration::from_millis(300), peer.recv()).await {
            Ok(Some(Frame::WindowUpdate { stream: 1, bytes })) => window += i64::from(bytes),
            Ok(Some(Frame::Settings { values, .. })) => {
                let initial = values
                    .iter()
                    .find(|(id, _)| *id == 4)
                    .map(|(_, value)| *value);
                window += initial.map_or(0, |value| i64::from(value) - 65_535);
            }
            Ok(Some(_)) => {}
            Ok(None) => panic!("the server gave up"),
            Err(_) => break,
        }
        assert!(
            sent < 4 << 20,
            "the server takes requests that nobody reads"
        );
    }
    assert!(
        sent > 100_000,
        "it was held back too early, after {sent} bytes"
    );
}

#[tokio::test]
async fn many_small_messages_at_once_are_no_attack() {
    let (address, _) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, JOIN, &[], false).await;
    // As much as the first window holds, each message in a frame of its own, in one go.
    let count = 6_000;
    let one = frame(peer::DATA, 0, 1, &message(b"12345"));
    peer.send_bytes(&one.repeat(count)).await;
    peer.send_data(1, &[], true).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.status(), Some("0"), "{:?}", answer.trailers);
    assert_eq!(answer.body.len(), 5 + count * 6);
}

/// A client whose settings keep every reply from leaving.
async fn that_does_not_read(address: SocketAddr) -> Peer {
    let mut peer = Peer::open(address).await;
    peer.send_bytes(peer::PREFACE).await;
    let no_window = [&4_u16.to_be_bytes()[..], &0_u32.to_be_bytes()].concat();
    peer.send_frame(peer::SETTINGS, 0, 0, &no_window).await;
    peer
}

#[tokio::test]
async fn streams_that_are_not_taken_leave_the_others_their_window() {
    let (address, _) = start().await;
    let mut peer = that_does_not_read(address).await;
    let widened = |frame: &Frame| matches!(frame, Frame::WindowUpdate { stream: 0, .. });
    peer.recv_until(widened).await;
    // Their replies cannot leave, so these handlers stop taking requests.
    for stream in (1..=19).step_by(2) {
        peer.send_request(stream, ECHO, &[], false).await;
        for _ in 0..60 {
            peer.send_data(stream, &message(&[3; 1000]), false).await;
        }
    }
    peer.send_request(21, JOIN, &[], false).await;
    let open_up = 60_000_u32.to_be_bytes();
    peer.send_frame(peer::WINDOW_UPDATE, 0, 21, &open_up).await;
    peer.send_data(21, &message(&[4; 900]), true).await;
    assert_eq!(peer.answer(21).await.status(), Some("0"));
}

#[tokio::test]
async fn a_deadline_ends_a_call_whose_client_does_not_read() {
    let (address, _) = start().await;
    let mut peer = that_does_not_read(address).await;
    // One whose handler has long ended, one whose handler waits for room, and one of whose replies
    // the first bytes have left.
    for (stream, path, body) in [
        (1, GREET, &[5; 1][..]),
        (3, REPEAT, &[5; 900]),
        (5, GREET, &[5; 9]),
    ] {
        peer.send_request(stream, path, &[("grpc-timeout", "300m")], false)
            .await;
        peer.send_data(stream, &message(body), true).await;
    }
    peer.send_window(5, 8).await;
    let mut answers = HashMap::<_, Answer>::new();
    let over = |answer: &Answer| answer.trailers.is_some() || answer.reset.is_some();
    while answers.values().filter(|answer| over(answer)).count() < 3 {
        match peer.recv().await.unwrap() {
            Frame::Headers {
                stream,
                headers,
                end,
            } => match end {
                true => answers.entry(stream).or_default().trailers = Some(headers),
                false => answers.entry(stream).or_default().headers = headers,
            },
            Frame::Data { stream, bytes, .. } => {
                answers.entry(stream).or_default().body.extend(bytes);
            }
            Frame::Reset { stream, code } => answers.entry(stream).or_default().reset = Some(code),
            _ => {}
        }
    }
    for stream in [1, 3] {
        let answer = &answers[&stream];
        assert_eq!(answer.status(), Some("4"), "{answer:?}");
        assert_eq!((answer.body.len(), answer.reset), (0, None), "{answer:?}");
    }
    let cut = &answers[&5];
    assert_eq!(
        (cut.body.len(), cut.reset),
        (8, Some(8)),
        "CANCEL is what a cut message gets: {cut:?}"
    );
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_stops_the_client() {
    let address = serve(|builder| {
        builder
            .client_streaming(
                JOIN,
                async |mut requests: Streaming<RawMessage>| match requests.message().await? {
                    Some(request) if request.bytes == "fail" => Err(Status::aborted("no more")),
                    request => Ok(request.unwrap_or_default()),
                },
            )
            .bidi(
                ECHO,
                async |_: Streaming<RawMessage>, _: Replies<RawMessage>| Ok(()),
            )
    })
    .await;
    for (path, first, code) in [(JOIN, "enough", "0"), (JOIN, "fail", "10"), (ECHO, "", "0")] {
        let mut peer = Peer::connect(address).await;
        peer.send_request(1, path, &[], false).await;
        peer.send_data(1, &message(first.as_bytes()), false).await;
        assert_eq!(peer.answer(1).await.status(), Some(code), "{path} {first}");
        let of_call = |frame: &Frame| {
            matches!(
                frame,
                Frame::Data { .. } | Frame::Headers { .. } | Frame::Reset { .. }
            )
        };
        // NO_ERROR: the answer is whole, and the rest of the request is not wanted (RFC 9113, 8.1).
        let after = peer.recv_until(of_call).await;
        assert_eq!(after, Frame::Reset { stream: 1, code: 0 }, "{path} {first}");
        // What the client has sent in the meantime does no harm.
        peer.send_data(1, &message(b"more"), false).await;
        peer.send_data(1, &[], true).await;
        peer.send_request(3, ECHO, &[], true).await;
        assert_eq!(peer.answer(3).await.status(), Some("0"));
    }
}

#[tokio::test]
async fn requests_that_were_taken_leave_their_memory_to_other_calls() {
    const LONG: usize = 1_200_000;
    let (go, taken) = (Arc::<Notify>::default(), Arc::<Notify>::default());
    let (gone, took) = (Arc::clone(&go), Arc::clone(&taken));
    let take = move |mut requests: Streaming<RawMessage>| {
        let (go, taken) = (Arc::clone(&gone), Arc::clone(&took));
        async move {
            // A short one and a long one at once; then a short one. Then it waits for more.
            for count in [2, 1] {
                go.notified().await;
                for _ in 0..count {
                    requests.message().await?;
                }
                taken.notify_one();
            }
            requests.message().await.map(Option::unwrap_or_default)
        }
    };
    let greet = async |_: RawMessage| Ok::<_, Status>(RawMessage::default());
    let mut limits = ConnectionLimits::default();
    // An eighth of it is one connection's: enough for one long request, and not for two.
    limits.in_flight_bytes = 16 << 20;
    let builder = |builder: ServerBuilder| {
        let builder = builder.connection_limits(limits);
        builder.client_streaming(JOIN, take).unary(GREET, greet)
    };
    let mut peer = Peer::connect(serve(builder).await).await;
    peer.send_request(1, JOIN, &[], false).await;
    for body in [
        [message(b"a"), message(&[b'b'; LONG])].concat(),
        message(b"c"),
    ] {
        peer.send_data_in_frames(1, &body, false).await;
        peer.recv_until_heard().await;
        go.notify_one();
        taken.notified().await;
    }
    peer.send_request(3, GREET, &[], false).await;
    peer.send_data_in_frames(3, &message(&[b'd'; LONG]), true)
        .await;
    let answer = peer.answer(3).await;
    assert_eq!(answer.status(), Some("0"), "{answer:?}");
}
