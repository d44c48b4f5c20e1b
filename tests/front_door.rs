//! One port, and whatever a client speaks to it first.

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::{net::SocketAddr, time::Duration};

use peer::{Frame, Peer, headers};
use reflectd::{RawMessage, Schema, Server, ServerBuilder, ServingStatus};
use support::{TestServer, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn builder() -> ServerBuilder {
    let schema = Schema::compile(["proto/user.proto"], ["proto"]).unwrap();
    Server::builder(schema).unary_sync("/user.UserInfo/addUser", Ok::<RawMessage, _>)
}

/// Sends bytes and reads until the server closes; a reset fails.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    soon("the answer's end", socket.read_to_end(&mut answer))
        .await
        .unwrap();
    answer
}

async fn http1(address: SocketAddr, request: &str) -> String {
    String::from_utf8(exchange(address, request.as_bytes()).await).unwrap()
}

#[tokio::test]
async fn a_browser_is_told_what_this_is_and_how_to_go_on() {
    let server = TestServer::start(builder()).await;
    let address = server.address();
    let page = http1(address, "GET / HTTP/1.1\r\nhost: api.test:80\r\n\r\n").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("content-type: text/plain; charset=utf-8\r\n"));
    assert!(page.contains("\n  user.UserInfo\n"), "{page}");
    assert!(page.contains("grpcurl -plaintext api.test:80 describe\n"));

    let head = http1(address, "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"));
    let quiet = TestServer::start(builder().without_reflection()).await;
    let page = http1(quiet.address(), "GET /?q HTTP/1.0\r\n\r\n").await;
    assert!(
        page.contains("200 OK") && !page.contains("UserInfo"),
        "{page}"
    );
}

#[tokio::test]
async fn a_load_balancer_learns_whether_the_server_serves() {
    let server = TestServer::start(builder()).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let healthy = http1(server.address(), request).await;
    assert!(healthy.starts_with("HTTP/1.1 200 OK\r\n"), "{healthy}");
    assert!(healthy.ends_with("\r\n\r\nSERVING\n"), "{healthy}");
    server.health().set("", ServingStatus::NotServing);
    let ill = http1(server.address(), request).await;
    assert!(ill.starts_with("HTTP/1.1 503 "), "{ill}");
    assert!(ill.ends_with("\r\n\r\nNOT_SERVING\n"), "{ill}");
}

#[tokio::test]
async fn all_else_over_http1_is_an_unsupported_media_type() {
    let server = TestServer::start(builder()).await;
    for request in [
        "GET /favicon.ico HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}",
        "POST /user.UserInfo/addUser HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\n\
            content-length: 5\r\n\r\n\0\0\0\0\0",
        "DELETE /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let answer = http1(server.address(), request).await;
        assert!(answer.starts_with("HTTP/1.1 415 "), "{request}{answer}");
        assert!(!answer.contains("grpc-status"), "{answer}");
    }
    // What is no HTTP/1.1 at all is hyper's to refuse.
    let answer = http1(server.address(), "GET nonsense\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn the_same_pages_are_there_over_http2() {
    let server = TestServer::start(builder()).await;
    let mut peer = Peer::connect(server.address()).await;
    let get = |stream, path| {
        let request = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
        ];
        headers(stream, &request, true)
    };
    peer.send_bytes(&get(1, "/healthz")).await;
    let page = peer.answer(1).await;
    assert_eq!(page.headers.get(":status"), Some("200"));
    assert_eq!((&*page.body, page.trailers), (&b"SERVING\n"[..], None));
    peer.send_bytes(&get(3, "/other")).await;
    assert_eq!(peer.answer(3).await.headers.get(":status"), Some("415"));
}

#[tokio::test]
async fn who_is_slow_with_a_head_is_not_waited_for() {
    let mut limits = reflectd::ConnectionLimits::default();
    limits.header_timeout = Duration::from_millis(200);
    let server = TestServer::start(builder().connection_limits(limits)).await;
    let answer = http1(server.address(), "GET / HTTP/1.1\r\nhost: ").await;
    assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");
}

#[tokio::test]
async fn what_is_no_protocol_is_closed_in_order_and_told_why() {
    let server = TestServer::start(builder()).await;
    for garbage in [
        &b"INVALID CONNECTION PREFACE\r\n\r\n"[..],
        b"\0\x01\x02",
        b"PRI * HTTP/2.1",
    ] {
        let mut peer = Peer::open(server.address()).await;
        peer.send_bytes(garbage).await;
        let is_goaway = |frame: &Frame| matches!(frame, Frame::Goaway { code: 1, .. });
        peer.recv_until(is_goaway).await;
        assert_eq!(peer.recv().await, None);
    }
}

#[tokio::test]
async fn a_client_that_speaks_tls_to_a_plaintext_port_is_told_so_in_its_language() {
    let server = TestServer::start(builder()).await;
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let alert = exchange(server.address(), hello).await;
    assert_eq!(alert, [21, 3, 1, 0, 2, 2, 70]);
}
