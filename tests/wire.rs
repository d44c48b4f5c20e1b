//! The letter of gRPC over HTTP/2, byte by byte, against a scripted client.

#[path = "support/peer.rs"]
mod peer;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use peer::{Answer, Frame, Headers, Peer, frame, message, request};
use reflectd::{Call, Metadata, RawMessage, Replies, Response, Schema, Server, Status, Streaming};

/// How often the handlers below were started and dropped before they had ended.
#[derive(Clone, Default)]
struct Seen {
    started: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A server with one method of each kind, all on undecoded messages.
async fn start() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let (started, dropped) = (Arc::clone(&seen.started), Arc::clone(&seen.dropped));
    let greet = move |call: Call, request: RawMessage| {
        started.fetch_add(1, Ordering::SeqCst);
        let dropped = Arc::clone(&dropped);
        async move { answer_as_asked(&call, request, dropped).await }
    };
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let server = Server::builder(schema)
        .receive_bytes_max(1000)
        .unary("/greeter.Greeter/Greet", greet)
        .server_streaming("/greeter.Greeter/GreetRepeatedly", repeat)
        .client_streaming("/greeter.Greeter/GreetTogether", join)
        .bidi("/greeter.Greeter/GreetEach", echo)
        .build()
        .unwrap()
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let address = server.local_addresses()[0];
    tokio::spawn(server.serve());
    (address, seen)
}

/// Does what the metadata says: waits, fails, panics; else answers with the request.
async fn answer_as_asked(
    call: &Call,
    request: RawMessage,
    dropped: Arc<AtomicUsize>,
) -> Result<Response<RawMessage>, Status> {
    let asked = |name: &str| call.metadata().text(name).map(str::to_owned);
    if asked("x-wait").is_some() {
        let _dropped = OnDrop(dropped);
        std::future::pending::<()>().await;
    }
    if asked("x-panic").is_some() {
        panic!("as asked");
    }
    if let Some(message) = asked("x-fail") {
        let mut metadata = Metadata::new();
        metadata.append("x-why", "asked").unwrap();
        return Err(Status::not_found(message)
            .with_detail_bytes("type.googleapis.com/greeter.Person", &b"\x0a\x01A"[..])
            .with_metadata(metadata));
    }
    let mut headers = Metadata::new();
    for bytes in call.metadata().all_bytes("x-bin") {
        headers.append_bytes("x-bin", &bytes).unwrap();
    }
    let mut trailers = Metadata::new();
    trailers.append("x-after", "1").unwrap();
    Ok(Response::new(request)
        .with_metadata(headers)
        .with_trailers(trailers))
}

async fn repeat(request: RawMessage, mut replies: Replies<RawMessage>) -> Result<(), Status> {
    for _ in 0..request.bytes.len() {
        replies.send(request.clone()).await?;
    }
    Ok(())
}

async fn join(mut requests: Streaming<RawMessage>) -> Result<RawMessage, Status> {
    let mut all = Vec::new();
    while let Some(request) = requests.message().await? {
        all.extend_from_slice(&request.bytes);
        all.push(b'|');
    }
    Ok(RawMessage::new(all))
}

async fn echo(
    call: Call,
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    if call.metadata().text("x-headers").is_some() {
        replies.send_headers(Metadata::new());
    }
    while let Some(request) = requests.message().await? {
        replies.send(request).await?;
    }
    match call.metadata().text("x-fail") {
        Some(message) => Err(Status::aborted(message.to_owned())),
        None => Ok(()),
    }
}

const GREET: &str = "/greeter.Greeter/Greet";
const REPEAT: &str = "/greeter.Greeter/GreetRepeatedly";
const JOIN: &str = "/greeter.Greeter/GreetTogether";
const ECHO: &str = "/greeter.Greeter/GreetEach";

async fn call(address: SocketAddr, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, path, more, false).await;
    peer.send_data(1, body, true).await;
    peer.answer(1).await
}

fn trailers_only(answer: &Answer, code: &str) {
    assert_eq!(answer.headers.get(":status"), Some("200"), "{answer:?}");
    assert_eq!(answer.headers.get("grpc-status"), Some(code), "{answer:?}");
    assert_eq!(
        answer.headers.get("content-type"),
        Some("application/grpc"),
        "{answer:?}"
    );
    assert_eq!(
        (&answer.body[..], &answer.trailers),
        (&b""[..], &None),
        "{answer:?}"
    );
}

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
async fn what_is_not_grpc_gets_415_and_no_grpc_status() {
    let (address, _) = start().await;
    for content_type in ["image/jpeg", "application/grpcfoo", "application/grpc-web"] {
        let answer = call(
            address,
            GREET,
            &[("content-type", content_type)],
            &message(b""),
        )
        .await;
        assert_eq!(answer.headers.get(":status"), Some("415"));
        assert_eq!(answer.status(), None);
    }
}

#[tokio::test]
async fn a_request_for_two_hosts_is_a_bad_request() {
    let (address, seen) = start().await;
    // Sent as they stand, because a list of headers to replace cannot repeat one.
    let two_hosts: &[(&str, &str)] = &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", GREET),
        ("content-type", "application/grpc"),
        ("host", "a"),
        ("host", "b"),
    ];
    let mut peer = Peer::connect(address).await;
    peer.send_bytes(&peer::headers(1, two_hosts, false)).await;
    peer.send_data(1, &message(b""), true).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.headers.get(":status"), Some("400"), "{answer:?}");
    assert_eq!(answer.status(), None);
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn headers_are_judged_in_order() {
    let (address, seen) = start().await;
    /// Path, headers, `:status`, `grpc-status`.
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static str,
    );
    let cases: &[Case] = &[
        (
            GREET,
            &[("content-type", "application/grpc+foo")],
            "200",
            "12",
        ),
        (GREET, &[(":method", "PUT")], "405", "13"),
        (GREET, &[("grpc-timeout", "1s")], "400", "13"),
        (GREET, &[("grpc-timeout", "123456789S")], "400", "13"),
        (GREET, &[("x-bin", "*")], "400", "13"),
        (GREET, &[("grpc-timeout", "0n")], "200", "4"),
        (GREET, &[("grpc-encoding", "snappy")], "200", "12"),
        ("/greeter.Greeter/greet", &[], "200", "12"),
        ("/greeter.Greeter/Nothing", &[], "200", "12"),
        ("/nothing/Greet", &[], "200", "12"),
        ("/nothing", &[], "200", "12"),
        ("/greeter.Greeter/Greet/", &[], "200", "12"),
        // Earlier faults win.
        (
            "/nothing/Greet",
            &[("grpc-timeout", "x"), (":method", "PUT")],
            "400",
            "13",
        ),
        (
            "/nothing/Greet",
            &[("grpc-encoding", "snappy"), (":method", "GET")],
            "405",
            "13",
        ),
    ];
    for (path, more, http_status, code) in cases {
        let answer = call(address, path, more, &message(b"")).await;
        let got = (answer.headers.get(":status"), answer.status());
        assert_eq!(
            got,
            (Some(*http_status), Some(*code)),
            "{path} {more:?}: {answer:?}"
        );
        let accepted = answer.headers.get("grpc-accept-encoding");
        assert_eq!(accepted, Some("identity,gzip,deflate,zstd"), "{answer:?}");
        assert_eq!(answer.headers.get("grpc-encoding"), None, "{answer:?}");
    }
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn unknown_methods_are_named() {
    let (address, _) = start().await;
    let answer = call(address, "/greeter.Greeter/Nope", &[], &message(b"")).await;
    let text = answer.headers.get("grpc-message");
    assert_eq!(
        text,
        Some("unknown method Nope for service greeter.Greeter")
    );
    let answer = call(address, "/no.Such/Greet", &[], &message(b"")).await;
    assert_eq!(
        answer.headers.get("grpc-message"),
        Some("unknown service no.Such")
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
async fn errors_carry_message_details_and_metadata() {
    let (address, _) = start().await;
    let answer = call(address, GREET, &[("x-fail", "100% no")], &message(b"")).await;
    trailers_only(&answer, "5");
    assert_eq!(answer.headers.get("grpc-message"), Some("100%25 no"));
    assert_eq!(answer.headers.get("x-why"), Some("asked"));
    // google.rpc.Status {5, "100% no", [Any {greeter.Person, "\n\x01A"}]}, base64 without padding.
    assert_eq!(
        answer.headers.get("grpc-status-details-bin"),
        Some("CAUSBzEwMCUgbm8aKQoidHlwZS5nb29nbGVhcGlzLmNvbS9ncmVldGVyLlBlcnNvbhIDCgFB")
    );
}

#[tokio::test]
async fn initial_metadata_that_was_sent_stays_apart_from_the_status() {
    let (address, _) = start().await;
    for (fail, code) in [("no", "10"), ("", "0")] {
        let more: &[(&str, &str)] = if fail.is_empty() {
            &[("x-headers", "1")]
        } else {
            &[("x-headers", "1"), ("x-fail", fail)]
        };
        let answer = call(address, ECHO, more, &[]).await;
        assert_eq!(answer.headers.get("grpc-status"), None);
        assert_eq!(
            answer.trailers.as_ref().and_then(|t| t.get("grpc-status")),
            Some(code)
        );
    }
}

#[tokio::test]
async fn binary_metadata_goes_both_ways() {
    let (address, _) = start().await;
    let answer = call(address, GREET, &[("x-bin", "AAE=,/w")], &message(b"")).await;
    let values: Vec<_> = answer
        .headers
        .0
        .iter()
        .filter(|(name, _)| name == "x-bin")
        .collect();
    assert_eq!(
        values
            .iter()
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>(),
        ["AAE", "/w"]
    );
}

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
async fn a_reset_drops_the_handler() {
    let (address, seen) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, GREET, &[("x-wait", "1")], false).await;
    peer.send_data(1, &message(b""), true).await;
    wait_for(&seen.started, 1).await;
    peer.send_frame(peer::RST_STREAM, 0, 1, &8_u32.to_be_bytes())
        .await;
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
async fn a_panic_fails_its_own_call_only() {
    let (address, _) = start().await;
    let mut peer = Peer::connect(address).await;
    for (stream, more) in [(1, &[("x-panic", "1")][..]), (3, &[])] {
        peer.send_request(stream, GREET, more, false).await;
        peer.send_data(stream, &message(b""), true).await;
    }
    trailers_only(&peer.answer(1).await, "2");
    assert_eq!(peer.answer(3).await.status(), Some("0"));
}

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
    // One whose handler has long ended, one whose handler waits for room.
    for (stream, path, body) in [(1, GREET, &[5; 1][..]), (3, REPEAT, &[5; 900])] {
        peer.send_request(stream, path, &[("grpc-timeout", "100m")], false)
            .await;
        peer.send_data(stream, &message(body), true).await;
    }
    for stream in [1, 3] {
        let answer = peer.answer(stream).await;
        assert_eq!(
            answer.reset,
            Some(8),
            "CANCEL is what a cut message gets: {answer:?}"
        );
    }
}

async fn wait_for(counter: &AtomicUsize, count: usize) {
    for _ in 0..1000 {
        if counter.load(Ordering::SeqCst) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it did not happen within two seconds");
}
