//! Requests that are no calls, on a path that answers them with a text.

#[path = "support/peer.rs"]
mod peer;

use std::time::Duration;

use peer::{Answer, Peer, headers};
use reflectd::{ConnectionLimits, Schema, Server};

/// Connects to a server whose path `/about` has a text.
async fn connect(limits: ConnectionLimits) -> Peer {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let server = Server::builder(schema)
        .connection_limits(limits)
        .text("/about", "a greeter");
    let server = server.build().unwrap().bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses()[0];
    tokio::spawn(server.serve());
    Peer::connect(address).await
}

/// Sends a request with these headers, and a body if there is one.
async fn ask(method: &str, path: &str, more: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
    let mut peer = connect(ConnectionLimits::default()).await;
    let mut list = vec![(":method", method), (":scheme", "http"), (":path", path)];
    list.extend(more);
    peer.send_bytes(&headers(1, &list, body.is_none())).await;
    if let Some(body) = body {
        let (first, rest) = body.split_at(body.len() / 2);
        peer.send_data(1, first, false).await;
        peer.send_data(1, rest, true).await;
    }
    peer.answer(1).await
}

#[tokio::test]
async fn any_method_with_or_without_a_body_is_answered_with_the_text() {
    for (method, body) in [
        ("GET", None),
        ("POST", Some(&b"anything"[..])),
        ("PUT", Some(b"")),
    ] {
        let answer = ask(method, "/about", &[], body).await;
        let head = |name| answer.headers.get(name);
        assert_eq!(head(":status"), Some("200"), "{method}");
        assert_eq!(head("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(head("grpc-accept-encoding"), None);
        assert_eq!(answer.body, b"a greeter");
        assert_eq!((answer.trailers, answer.reset), (None, None), "{method}");
    }
}

#[tokio::test]
async fn head_is_answered_without_the_text() {
    let answer = ask("HEAD", "/about", &[], None).await;
    assert_eq!(answer.headers.get(":status"), Some("200"));
    assert_eq!((answer.body, answer.trailers), (Vec::new(), None));
}

#[tokio::test]
async fn a_request_that_does_not_end_is_answered_all_the_same() {
    let mut limits = ConnectionLimits::default();
    limits.stall_timeout = Duration::from_millis(100);
    let mut peer = connect(limits).await;
    let list = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/about"),
    ];
    peer.send_bytes(&headers(1, &list, false)).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.headers.get(":status"), Some("200"));
    assert_eq!(answer.body, b"a greeter");
}

#[tokio::test]
async fn a_request_that_turns_out_malformed_gets_no_text() {
    let answer = ask("POST", "/about", &[("content-length", "5")], Some(b"four")).await;
    const PROTOCOL_ERROR: u32 = 1;
    assert_eq!(answer.reset, Some(PROTOCOL_ERROR));
    assert_eq!(answer.body, b"");
}

#[tokio::test]
async fn calls_and_other_paths_get_no_text() {
    let grpc = &[("content-type", "application/grpc")];
    let answer = ask("POST", "/about", grpc, None).await;
    const UNIMPLEMENTED: &str = "12";
    assert_eq!(answer.status(), Some(UNIMPLEMENTED));
    let answer = ask("GET", "/greeter.Greeter/Greet", &[], None).await;
    assert_eq!(answer.headers.get(":status"), Some("415"));
    let two_hosts = &[("host", "one"), ("host", "two")];
    let answer = ask("GET", "/about", two_hosts, None).await;
    assert_eq!(answer.headers.get(":status"), Some("400"));
}
