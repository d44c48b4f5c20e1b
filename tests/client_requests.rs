//! What a client sends: the head of a request, exactly one a call, deadlines, and how calls are given
//! up.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/scripted_server.rs"]
mod scripted_server;

use std::time::Duration;

use peer::Frame;
use reflectd::{
    Code, Metadata, RawMessage, Status,
    client::{Client, Requests, Responses},
};
use scripted_server::*;
use tokio::{
    join,
    time::{Instant, timeout},
};

async fn connected() -> (Client, Link) {
    connected_with(&[]).await
}

async fn connected_with(settings: &[(u16, u32)]) -> (Client, Link) {
    let server = ScriptedServer::bind().await;
    let client = server.client();
    client.channel().wake();
    (client, server.accept_with(settings).await)
}

async fn bidi(client: &Client, time: Duration) -> (Requests<RawMessage>, Responses<RawMessage>) {
    client.call(EACH).timeout(time).bidi().await.unwrap()
}

#[tokio::test]
async fn a_request_has_what_grpc_asks_for_in_its_order() {
    let server = ScriptedServer::bind().await;
    let client = client(server.channel().user_agent("tests/1"));
    let mut metadata = Metadata::new();
    metadata.append("k", "1").unwrap();
    metadata.append("k", "2").unwrap();
    metadata.append_bytes("x-bin", &[1, 2]).unwrap();
    let script = async {
        let mut link = server.accept().await;
        let request = link.request().await;
        link.ok(request.stream, b"").await;
        request
    };
    let call = client.call(GREET).metadata(metadata);
    let call = call.timeout(Duration::from_secs(100));
    let (reply, request) = join!(call.unary(RawMessage::new("body")), script);
    let _: RawMessage = reply.unwrap();

    let authority = server.address().to_string();
    let agent = concat!("tests/1 grpc-rust-reflectd/", env!("CARGO_PKG_VERSION"));
    let encodings = "identity,gzip,deflate,zstd";
    let mut headers = request.headers.0;
    let timeout = headers.remove(4);
    let expected = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", authority.as_str()),
        (":path", GREET),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", agent),
        ("grpc-accept-encoding", encodings),
        ("k", "1"),
        ("k", "2"),
        ("x-bin", "AQI"),
    ];
    let headers: Vec<_> = headers
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(headers, expected);
    assert_eq!(request.body, peer::message(b"body"));
    assert_eq!(timeout.0, "grpc-timeout", "right after the pseudo-headers");
    let (digits, unit) = timeout.1.split_at(timeout.1.len() - 1);
    assert!(digits.len() <= 8, "{timeout:?}");
    let left = digits.parse::<u64>().unwrap()
        * match unit {
            "u" => 1,
            "m" => 1000,
            "S" => 1_000_000,
            _ => panic!("{timeout:?}"),
        };
    assert!((90_000_000..=100_000_000).contains(&left), "{timeout:?}");
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn the_encoding_is_told_where_it_is_used() {
    use reflectd::MessageEncoding;
    let (client, mut link) = connected().await;
    let gzip = MessageEncoding::ALL
        .iter()
        .find(|e| e.name() == "gzip")
        .unwrap();
    for (encoding, told, flag) in [
        (None, None, 0),
        (Some(MessageEncoding::Identity), None, 0),
        (Some(*gzip), Some("gzip"), 1),
    ] {
        let mut call = client.call(GREET);
        if let Some(encoding) = encoding {
            call = call.compress(encoding);
        }
        let script = async {
            let request = link.request().await;
            link.ok(request.stream, b"").await;
            request
        };
        let (reply, request) = join!(call.unary(RawMessage::new("body")), script);
        let _: RawMessage = reply.unwrap();
        assert_eq!(request.headers.get("grpc-encoding"), told);
        assert_eq!(request.body[0], flag);
    }
}

#[tokio::test]
async fn a_call_that_fails_is_one_request() {
    let (client, mut link) = connected().await;
    let mut next = 1;
    for answer in ["429", "503", "504", "unavailable", "cancelled"] {
        let script = async {
            let stream = link.request().await.stream;
            match answer {
                "unavailable" => link.fail(stream, "14", &[]).await,
                "cancelled" => link.peer.send_reset(stream, CANCEL).await,
                status => link.headers(stream, &[(":status", status)], true).await,
            }
            stream
        };
        let (ended, stream) = join!(greet(&client), script);
        ended.unwrap_err();
        assert_eq!(stream, next, "{answer}");
        assert!(link.is_quiet().await, "{answer}");
        next += 2;
    }
}

#[tokio::test]
async fn what_metadata_may_not_say_is_refused() {
    let mut metadata = Metadata::new();
    for name in [
        "grpc-timeout",
        "te",
        "content-type",
        "user-agent",
        ":path",
        "connection",
    ] {
        assert!(metadata.append(name, "x").is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_server_that_ignores_the_deadline_is_not_waited_for() {
    let (client, mut link) = connected().await;
    let time = Duration::from_millis(100);
    let script = async {
        let stream = link.request().await.stream;
        link.begin(stream).await;
        link.reset(stream).await
    };
    let call = client.call(GREET).timeout(time);
    let (ended, reset) = join!(call.unary(RawMessage::new("")), script);
    let ended: Result<RawMessage, Status> = ended;
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(reset, CANCEL);

    let script = async {
        let stream = link.head().await.stream;
        link.reset(stream).await
    };
    let call = async {
        let (_requests, mut replies) = bidi(&client, time).await;
        replies.message().await.unwrap_err().code()
    };
    assert_eq!(join!(call, script), (Code::DeadlineExceeded, CANCEL));
}

#[tokio::test]
async fn a_call_whose_replies_nobody_asks_for_ends_at_its_deadline() {
    let (client, mut link) = connected().await;
    let (_requests, mut replies) = bidi(&client, Duration::from_millis(100)).await;
    let stream = link.head().await.stream;
    link.begin(stream).await;
    link.message(stream, b"early").await;
    // Nothing is asked for until the server has been told.
    assert_eq!(link.reset(stream).await, CANCEL);
    assert_eq!(replies.message().await.unwrap().unwrap().bytes, "early");
    let ended = replies.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_without_pause_do_not_put_the_deadline_off() {
    let (client, mut link) = connected().await;
    let script = tokio::spawn(async move {
        let stream = link.head().await.stream;
        link.begin(stream).await;
        loop {
            for _ in 0..10 {
                link.message(stream, b"more").await;
            }
            let next = timeout(Duration::from_millis(1), link.peer.recv()).await;
            if let Ok(Some(Frame::Reset { code, .. })) = next {
                return code;
            }
        }
    });
    let (_requests, mut replies) = bidi(&client, Duration::from_millis(100)).await;
    let started = Instant::now();
    let ended = loop {
        // Slower than they come, so that there is always one.
        std::thread::sleep(Duration::from_micros(200));
        if let Err(status) = replies.message().await {
            break status.code();
        }
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "it goes on and on"
        );
    };
    assert_eq!(
        (ended, script.await.unwrap()),
        (Code::DeadlineExceeded, CANCEL)
    );
}

#[tokio::test]
async fn a_request_that_finds_no_room_waits_no_longer_than_the_deadline() {
    let (client, mut link) = connected_with(&[(INITIAL_WINDOW_SIZE, 0)]).await;
    let script = async {
        let stream = link.head().await.stream;
        link.reset(stream).await
    };
    let call = async {
        let (mut requests, mut replies) = bidi(&client, Duration::from_millis(100)).await;
        let sent = requests.send(RawMessage::new("x")).await;
        assert_eq!(sent.unwrap_err().code(), Code::Cancelled);
        replies.message().await.unwrap_err().code()
    };
    assert_eq!(join!(call, script), (Code::DeadlineExceeded, CANCEL));
}

#[tokio::test]
async fn a_deadline_that_has_passed_sends_nothing() {
    let (client, mut link) = connected().await;
    let call = client.call(GREET).timeout(Duration::ZERO);
    let ended: Result<RawMessage, _> = call.unary(RawMessage::new("")).await;
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
    let call = client.call(EACH).timeout(Duration::ZERO);
    let ended = call.bidi::<RawMessage, RawMessage, _, _>().await;
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
    assert!(link.is_quiet().await);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_reset() {
    let (client, mut link) = connected().await;
    let call = client
        .call(GREET)
        .unary::<_, RawMessage, _, _>(RawMessage::new(""));
    let begun = async {
        let stream = link.request().await.stream;
        link.begin(stream).await;
        stream
    };
    let stream = tokio::select! {
        _ = call => panic!("nobody has answered"),
        stream = begun => stream,
    };
    assert_eq!(link.reset(stream).await, CANCEL);
}

#[tokio::test]
async fn requests_that_are_dropped_do_not_look_whole() {
    let (client, mut link) = connected().await;
    // All of a call at once, while it has a message on the way.
    let mut call = client
        .call(TOGETHER)
        .client_streaming::<RawMessage, RawMessage, _, _>()
        .await
        .unwrap();
    call.send(RawMessage::new("half")).await.unwrap();
    let stream = link.head().await.stream;
    drop(call);
    assert_eq!(reset_without_end(&mut link, stream).await, CANCEL);

    // Or the requests alone.
    let (requests, mut replies) = bidi(&client, Duration::from_secs(10)).await;
    let stream = link.head().await.stream;
    drop(requests);
    assert_eq!(reset_without_end(&mut link, stream).await, CANCEL);
    assert_eq!(replies.message().await.unwrap_err().code(), Code::Cancelled);
}

/// The code of a reset that comes before the request's end.
async fn reset_without_end(link: &mut Link, wanted: u32) -> u32 {
    loop {
        match link.peer.recv().await.unwrap() {
            Frame::Data { stream, end, .. } if stream == wanted => assert!(!end),
            Frame::Reset { stream, code } if stream == wanted => return code,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_still_delivers_what_has_come() {
    let (client, mut link) = connected().await;
    let (requests, mut replies) = bidi(&client, Duration::from_secs(10)).await;
    let stream = link.head().await.stream;
    link.begin(stream).await;
    link.message(stream, b"1").await;
    link.message(stream, b"2").await;
    assert_eq!(replies.message().await.unwrap(), Some(reply("1")));
    // The second is here, too: the connection answers in order.
    assert!(link.is_quiet().await);
    replies.cancel();
    assert_eq!(replies.message().await.unwrap(), Some(reply("2")));
    for _ in 0..2 {
        assert_eq!(replies.message().await.unwrap_err().code(), Code::Cancelled);
    }
    assert_eq!(link.reset(stream).await, CANCEL);
    drop(requests);
    assert!(link.is_quiet().await);
}

#[tokio::test]
async fn a_call_waits_for_a_connection_no_longer_than_its_deadline() {
    // It is connected to, and says nothing.
    let server = ScriptedServer::bind().await;
    let client = server.client();
    let started = Instant::now();
    let call = client.call(GREET).timeout(Duration::from_millis(100));
    let ended: Result<RawMessage, _> = call.unary(RawMessage::new("")).await;
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
    assert!(started.elapsed() < Duration::from_secs(10));
}

const INITIAL_WINDOW_SIZE: u16 = 4;
