//! Request headers: which of them refuse a call, how, and in which order.

use std::sync::atomic::Ordering;

use reflectd::{Call, RawMessage};

use super::{
    GREET, call,
    peer::{self, Answer, Frame, Peer, message},
    serve, start,
};

#[tokio::test]
async fn what_is_not_grpc_gets_415_and_no_grpc_status() {
    let (address, _) = start().await;
    for content_type in [
        "image/jpeg",
        "application/grpcfoo",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/json",
        "",
    ] {
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
    let answer = refused(&changed("content-type", &[])).await;
    assert_eq!(answer.headers.get(":status"), Some("415"));
}

/// What answers a request whose headers are these, whatever they are, and that it started nothing.
async fn refused<Value: AsRef<[u8]>>(headers: &[(&str, Value)]) -> Answer {
    let (address, seen) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_bytes(&peer::headers(1, headers, false)).await;
    let answer = peer.answer(1).await;
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
    // Whatever it was, the connection goes on.
    peer.send_request(3, GREET, &[], false).await;
    peer.send_data(3, &message(b""), true).await;
    assert_eq!(peer.answer(3).await.status(), Some("0"));
    answer
}

/// Every request's headers, without one, and with more.
fn changed<'a>(without: &str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut headers = peer::REQUEST.to_vec();
    headers.retain(|(name, _)| *name != without);
    // Pseudo-headers come first.
    let pseudo = headers.iter().position(|(name, _)| !name.starts_with(':'));
    for header in more {
        match pseudo {
            Some(place) if header.0.starts_with(':') => headers.insert(place, *header),
            _ => headers.push(*header),
        }
    }
    headers
}

#[tokio::test]
async fn what_http_2_forbids_resets_the_stream() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("", &[(":authority", "other")]),
        ("", &[(":path", "/greeter.Greeter/GreetEach")]),
        ("", &[(":method", "POST")]),
        ("", &[("connection", "close")]),
        ("", &[("keep-alive", "5")]),
        ("", &[("proxy-connection", "close")]),
        ("", &[("transfer-encoding", "chunked")]),
        ("", &[("upgrade", "h2c")]),
        ("te", &[("te", "gzip")]),
        (":method", &[]),
        (":scheme", &[]),
        (":path", &[]),
        (":path", &[(":path", "")]),
        (":path", &[(":path", "/greeter.Greeter/Greet\0")]),
        (":authority", &[(":authority", "a\r\nb: c")]),
        (":scheme", &[(":scheme", "ht\ntp")]),
        (":method", &[(":method", "POST\r")]),
        ("", &[(":status", "200")]),
    ];
    for (without, more) in cases {
        let answer = refused(&changed(without, more)).await;
        // PROTOCOL_ERROR, and nothing before it (RFC 9113, 8.1.1).
        let reset = Answer {
            reset: Some(1),
            ..Answer::default()
        };
        assert_eq!(answer, reset, "{without:?} {more:?}");
    }
}

#[tokio::test]
async fn a_request_for_two_hosts_is_a_bad_request() {
    for without in ["", ":authority"] {
        let answer = refused(&changed(without, &[("host", "a"), ("host", "b")])).await;
        assert_eq!(answer.headers.get(":status"), Some("400"), "{answer:?}");
        assert_eq!(answer.status(), None);
    }
}

#[tokio::test]
async fn a_header_in_upper_case_starts_nothing() {
    let (address, seen) = start().await;
    let mut peer = Peer::connect(address).await;
    let headers = changed("", &[("X-Upper", "1")]);
    peer.send_bytes(&peer::headers(1, &headers, false)).await;
    peer.send_data(1, &message(b""), true).await;
    let error = peer
        .recv_until(|frame| matches!(frame, Frame::Goaway { .. } | Frame::Reset { .. }))
        .await;
    assert!(
        matches!(
            error,
            Frame::Goaway { code: 1, .. } | Frame::Reset { code: 1, .. }
        ),
        "{error:?}"
    );
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_authority_is_who_the_client_means() {
    let address = serve(|builder| {
        builder.unary_sync(GREET, |call: Call, _: RawMessage| {
            Ok(RawMessage::new(call.authority().unwrap_or("-").to_owned()))
        })
    })
    .await;
    for (without, more, authority) in [
        ("", &[][..], "localhost"),
        // `host` beside `:authority` is left out, and stands for it where it is absent (gRFC A41).
        ("", &[("host", "other")], "localhost"),
        (":authority", &[("host", "other")], "other"),
        (":authority", &[], "-"),
    ] {
        let mut peer = Peer::connect(address).await;
        let headers = changed(without, more);
        peer.send_bytes(&peer::headers(1, &headers, false)).await;
        peer.send_data(1, &message(b""), true).await;
        assert_eq!(peer.answer(1).await.body, message(authority.as_bytes()));
    }
}

#[tokio::test]
async fn a_header_list_that_is_too_long_is_431() {
    // Sixteen KiB are taken (RFC 9113, 6.5.2: names, values, and 32 for each); four times that ends
    // the connection, because a peer that ignores its limit so far means no good.
    let limit = reflectd::limits::HEADER_LIST_BYTES as usize;
    let one = "x".repeat(limit);
    let many: Vec<_> = (0..limit / 34).map(|_| ("x", "y")).collect();
    for more in [&[("x-long", &*one)][..], &many] {
        let answer = refused(&changed("", more)).await;
        assert_eq!(answer.headers.get(":status"), Some("431"), "{answer:?}");
        assert_eq!(answer.status(), None);
    }
    let (address, _) = start().await;
    let used: usize = peer::REQUEST
        .iter()
        .map(|(name, value)| name.len() + value.len() + 32)
        .sum();
    let fits = "x".repeat(limit - used - "x-long".len() - 32 - 1);
    let answer = call(address, GREET, &[("x-long", &fits)], &message(b"")).await;
    assert_eq!(answer.status(), Some("0"));
}

#[tokio::test]
async fn te_need_not_be_said() {
    let (address, _) = start().await;
    let mut peer = Peer::connect(address).await;
    let headers = changed("te", &[]);
    peer.send_bytes(&peer::headers(1, &headers, false)).await;
    peer.send_data(1, &message(b""), true).await;
    assert_eq!(peer.answer(1).await.status(), Some("0"));
}

#[tokio::test]
async fn a_timeout_that_is_none_is_a_bad_request() {
    let malformed = [
        "123456789S",
        "1",
        "S",
        "-1S",
        "+1S",
        "1s",
        "1.5S",
        "",
        " 1S",
        "1 S",
        "0x1S",
        "1SS",
        "1\u{a0}S",
    ];
    let mut cases: Vec<_> = malformed
        .iter()
        .map(|value| changed("", &[("grpc-timeout", value)]))
        .collect();
    cases.push(changed(
        "",
        &[("grpc-timeout", "1S"), ("grpc-timeout", "1S")],
    ));
    for headers in cases {
        let answer = refused(&headers).await;
        let told = (answer.headers.get(":status"), answer.status());
        assert_eq!(told, (Some("400"), Some("13")), "{headers:?}");
        let text = answer.headers.get("grpc-message").unwrap();
        assert!(text.starts_with("malformed grpc-timeout"), "{text}");
    }
}

#[tokio::test]
async fn calls_are_refused_by_their_headers_alone() {
    /// Path, headers, `:status`, `grpc-status`.
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static str,
    );
    let (address, seen) = start().await;
    let cases: &[Case] = &[
        (
            GREET,
            &[("content-type", "application/grpc+foo")],
            "200",
            "12",
        ),
        (
            GREET,
            &[("content-type", "application/grpc+json")],
            "200",
            "12",
        ),
        (GREET, &[(":method", "PUT")], "405", "13"),
        (GREET, &[(":method", "GET")], "405", "13"),
        (GREET, &[(":method", "DELETE")], "405", "13"),
        (GREET, &[("x-bin", "*")], "400", "13"),
        (GREET, &[("x-bin", "AAE,*")], "400", "13"),
        (GREET, &[("grpc-timeout", "0n")], "200", "4"),
        (GREET, &[("grpc-encoding", "snappy")], "200", "12"),
        (GREET, &[("grpc-encoding", "")], "200", "12"),
        ("/greeter.Greeter/greet", &[], "200", "12"),
        ("/Greeter.greeter/Greet", &[], "200", "12"),
        ("/greeter.Greeter/Nothing", &[], "200", "12"),
        ("/nothing/Greet", &[], "200", "12"),
        ("/nothing", &[], "200", "12"),
        ("/", &[], "200", "12"),
        ("*", &[], "200", "12"),
        ("/greeter.Greeter/Greet/", &[], "200", "12"),
        ("//greeter.Greeter/Greet", &[], "200", "12"),
        ("/greeter.Greeter/Greet?x=1", &[], "200", "12"),
    ];
    for (path, more, http_status, code) in cases {
        let mut peer = Peer::connect(address).await;
        // The request goes on: nothing of its body is waited for.
        peer.send_request(1, path, more, false).await;
        let answer = peer.answer(1).await;
        let got = (answer.headers.get(":status"), answer.status());
        assert_eq!(
            got,
            (Some(*http_status), Some(*code)),
            "{path} {more:?}: {answer:?}"
        );
        assert_eq!(answer.trailers, None, "{path} {more:?}");
        let accepted = answer.headers.get("grpc-accept-encoding");
        assert_eq!(accepted, Some("identity,gzip,deflate,zstd"), "{answer:?}");
        assert_eq!(answer.headers.get("grpc-encoding"), None, "{answer:?}");
        // Nobody reads the rest (RFC 9113, 8.1).
        let reset = peer
            .recv_until(|frame| matches!(frame, Frame::Reset { .. }))
            .await;
        assert_eq!(reset, Frame::Reset { stream: 1, code: 0 });
    }
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn of_two_faults_the_earlier_one_is_told() {
    // In the order in which they are looked for; the last is found when the request is read.
    let faults: &[(&str, &str, &str, Option<&str>)] = &[
        ("host", "a second one", "400", None),
        ("content-type", "image/jpeg", "415", None),
        ("x-bin", "*", "400", Some("13")),
        (":method", "PUT", "405", Some("13")),
        ("grpc-timeout", "0n", "200", Some("4")),
        (":path", "/nothing/Greet", "200", Some("12")),
        ("grpc-encoding", "snappy", "200", Some("12")),
    ];
    let text = |answer: &Answer| answer.headers.get("grpc-message").map(str::to_owned);
    for (place, first) in faults.iter().enumerate() {
        let alone = with_faults(&[first]).await;
        assert_eq!(alone.headers.get(":status"), Some(first.2), "{first:?}");
        assert_eq!(alone.status(), first.3, "{first:?}");
        for second in &faults[place + 1..] {
            let both = with_faults(&[second, first]).await;
            assert_eq!(both, alone, "{first:?} before {second:?}");
            assert_eq!(text(&both), text(&alone));
        }
    }
}

async fn with_faults(faults: &[&(&str, &str, &str, Option<&str>)]) -> Answer {
    let mut headers = peer::REQUEST.to_vec();
    headers.push(("host", "localhost"));
    for (name, value, ..) in faults {
        match headers.iter().position(|(known, _)| known == name) {
            // Two hosts are one too many.
            Some(place) if *name != "host" => headers[place].1 = value,
            _ => headers.push((name, value)),
        }
    }
    refused(&headers).await
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
