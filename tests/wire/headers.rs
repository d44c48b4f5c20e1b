//! Request headers: which of them refuse a call, how, and in which order.

use std::sync::atomic::Ordering;

use super::{
    GREET, call,
    peer::{self, Peer, message},
    start,
};

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
