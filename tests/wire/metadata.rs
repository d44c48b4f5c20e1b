//! Custom metadata, both ways.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderValue};
use reflectd::{Call, Metadata, RawMessage, Response, Status};

use super::{
    GREET, call,
    peer::{self, Headers, Peer, message},
    serve, start,
};

/// Answers with the value that the header `x-shown` names, between brackets.
async fn show() -> SocketAddr {
    serve(|builder| {
        builder.unary_sync(GREET, |call: Call, _: RawMessage| {
            let shown = call.metadata().text("x-shown").unwrap_or_default();
            let values = call.metadata().as_header_map().get_all(shown);
            let values: Vec<_> = values.iter().map(HeaderValue::as_bytes).collect();
            Ok(RawMessage::new(
                [b"[", &values.join(&b"]["[..])[..], b"]"].concat(),
            ))
        })
    })
    .await
}

async fn shown(address: SocketAddr, values: &[&[u8]]) -> String {
    let mut headers = peer::REQUEST
        .map(|(name, value)| (name, value.as_bytes()))
        .to_vec();
    headers.push(("x-shown", b"x-value"));
    headers.extend(values.iter().map(|value| ("x-value", *value)));
    let mut peer = Peer::connect(address).await;
    peer.send_bytes(&peer::headers(1, &headers, false)).await;
    peer.send_data(1, &message(b""), true).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.status(), Some("0"), "{answer:?}");
    String::from_utf8_lossy(&answer.body[5..]).into_owned()
}

#[tokio::test]
async fn values_come_in_order_without_white_space_around_them() {
    let address = show().await;
    assert_eq!(
        shown(address, &[b"1", b"", b"a, b", b"1"]).await,
        "[1][][a, b][1]"
    );
    assert_eq!(
        shown(address, &[b" \tin the middle \t "]).await,
        "[in the middle]"
    );
}

#[tokio::test]
async fn values_that_are_not_ascii_do_no_harm() {
    let address = show().await;
    assert_eq!(
        shown(address, &["caf\u{e9}".as_bytes()]).await,
        "[caf\u{e9}]"
    );
    assert_eq!(
        shown(address, &[b"caf\xe9", b"\xff"]).await,
        "[caf\u{fffd}][\u{fffd}]"
    );
    // As text there is none.
    let address = serve(|builder| {
        builder.unary_sync(GREET, |call: Call, _: RawMessage| {
            let texts: Vec<_> = call.metadata().texts("x-value").collect();
            Ok(RawMessage::new(texts.join("|")))
        })
    })
    .await;
    assert_eq!(shown(address, &[b"one", b"\xff", b"two"]).await, "one|two");
}

#[tokio::test]
async fn binary_values_come_joined_and_repeated_and_go_one_by_one() {
    let (address, _) = start().await;
    let mut headers = peer::REQUEST.to_vec();
    for value in ["AAE=,/w", "", "Ag , Aw==", "BA"] {
        headers.push(("x-bin", value));
    }
    let mut peer = Peer::connect(address).await;
    peer.send_bytes(&peer::headers(1, &headers, false)).await;
    peer.send_data(1, &message(b""), true).await;
    let answer = peer.answer(1).await;
    let sent: Vec<_> = answer
        .headers
        .0
        .iter()
        .filter(|(name, _)| name == "x-bin")
        .collect();
    let sent: Vec<_> = sent.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(sent, ["AAE", "/w", "", "Ag", "Aw", "BA"], "{answer:?}");
}

#[tokio::test]
async fn what_the_protocol_owns_cannot_be_set() {
    let reserved = [
        "grpc-status",
        "grpc-message",
        "grpc-encoding",
        "grpc-status-details-bin",
        "grpc-anything",
        "content-type",
        "content-length",
        "te",
        "host",
        "connection",
        "keep-alive",
        "upgrade",
        "proxy-connection",
        "transfer-encoding",
        "trailer",
    ];
    let address = serve(|builder| {
        builder.unary_sync(GREET, move |call: Call, _: RawMessage| {
            let mut one_by_one = Metadata::new();
            let mut map = HeaderMap::new();
            for name in reserved
                .iter()
                .copied()
                .chain([":status", ":path", "Grpc-Status"])
            {
                assert!(one_by_one.append(name, "3").is_err(), "{name}");
                assert!(one_by_one.append_bytes(name, b"3").is_err(), "{name}");
            }
            for name in reserved {
                map.append(name, HeaderValue::from_static("3"));
            }
            map.append("x-kept", HeaderValue::from_static("1"));
            let metadata = Metadata::from(map);
            match call.metadata().text("x-fail") {
                Some(_) => Err(Status::not_found("no").with_metadata(metadata)),
                None => Ok(Response::new(RawMessage::default())
                    .with_metadata(metadata.clone())
                    .with_trailers(metadata)),
            }
        })
    })
    .await;
    let names =
        |list: &Headers| -> Vec<_> { list.0.iter().map(|(name, _)| name.clone()).collect() };
    let head = [":status", "content-type", "grpc-accept-encoding"];
    let answer = call(address, GREET, &[], &message(b"")).await;
    assert_eq!(names(&answer.headers), [&head[..], &["x-kept"]].concat());
    assert_eq!(
        names(answer.trailers.as_ref().unwrap()),
        ["grpc-status", "x-kept"]
    );
    assert_eq!(answer.headers.get("content-type"), Some("application/grpc"));
    let answer = call(address, GREET, &[("x-fail", "1")], &message(b"")).await;
    let end = ["grpc-status", "grpc-message", "x-kept"];
    assert_eq!(names(&answer.headers), [&head[..], &end].concat());
    assert_eq!(answer.status(), Some("5"));
}
