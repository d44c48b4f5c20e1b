//! How a call ends for a client, whatever a server says: HTTP statuses, resets, content types,
//! `grpc-status` where it counts and where not.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/scripted_server.rs"]
mod scripted_server;

use reflectd::{
    Code, RawMessage, Status,
    client::{Client, Responses},
};
use scripted_server::*;
use tokio::join;

/// Makes a unary call of which the script tells the answer; how it ended.
async fn ended(
    client: &Client,
    link: &mut Link,
    script: impl AsyncFnOnce(&mut Link, u32),
) -> Result<RawMessage, Status> {
    let script = async {
        let request = link.request().await;
        script(link, request.stream).await;
    };
    join!(greet(client), script).0
}

/// The same for calls that must fail.
async fn failed(
    client: &Client,
    link: &mut Link,
    script: impl AsyncFnOnce(&mut Link, u32),
) -> Status {
    ended(client, link, script).await.unwrap_err()
}

/// A client and the server's end of its connection.
async fn connected() -> (Client, Link) {
    let server = ScriptedServer::bind().await;
    let client = server.client();
    client.channel().wake();
    (client, server.accept().await)
}

#[tokio::test]
async fn an_http_status_alone_is_mapped() {
    let (client, mut link) = connected().await;
    let known = [
        ("400", Code::Internal),
        ("401", Code::Unauthenticated),
        ("403", Code::PermissionDenied),
        ("404", Code::Unimplemented),
        ("429", Code::Unavailable),
        ("502", Code::Unavailable),
        ("503", Code::Unavailable),
        ("504", Code::Unavailable),
    ];
    let unknown = [
        "204", "302", "409", "412", "413", "415", "418", "431", "500", "505", "800",
    ];
    let unknown = unknown.map(|status| (status, Code::Unknown));
    for (status, code) in known.into_iter().chain(unknown) {
        let answer = async |link: &mut Link, stream| {
            link.headers(stream, &[(":status", status)], true).await;
        };
        let failure = failed(&client, &mut link, answer).await;
        assert_eq!(failure.code(), code, "{status}: {failure}");
        assert!(failure.message().contains(status), "{status}: {failure}");
    }
}

#[tokio::test]
async fn a_grpc_status_beside_another_http_status_wins_where_the_answer_is_grpc() {
    let (client, mut link) = connected().await;
    for (content_type, code) in [
        ("application/grpc", Code::Aborted),
        ("text/html", Code::Unavailable),
    ] {
        let answer = async |link: &mut Link, stream| {
            let headers = [
                (":status", "503"),
                ("content-type", content_type),
                ("grpc-status", "10"),
            ];
            link.headers(stream, &headers, true).await;
        };
        let failure = failed(&client, &mut link, answer).await;
        assert_eq!(failure.code(), code, "{content_type}");
    }
}

#[tokio::test]
async fn informational_responses_are_passed_over() {
    let (client, mut link) = connected().await;
    let answer = async |link: &mut Link, stream| {
        link.headers(stream, &[(":status", "103"), ("link", "</x>")], false)
            .await;
        link.ok(stream, b"after 103").await;
    };
    assert_eq!(
        ended(&client, &mut link, answer).await.unwrap(),
        reply("after 103")
    );
    let answer = async |link: &mut Link, stream| {
        link.headers(stream, &[(":status", "100")], true).await;
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
}

#[tokio::test]
async fn the_code_of_a_reset_is_mapped() {
    let (client, mut link) = connected().await;
    let internal = [0, 1, 2, 3, 4, 5, 6, 9, 10, 13].map(|code| (code, Code::Internal));
    let others = [
        (CANCEL, Code::Cancelled),
        (ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (12, Code::PermissionDenied),
        (14, Code::Unknown),
        (u32::MAX, Code::Unknown),
    ];
    for (reset, code) in internal.into_iter().chain(others) {
        for begun in [false, true] {
            let answer = async |link: &mut Link, stream| {
                if begun {
                    link.begin(stream).await;
                }
                link.peer.send_reset(stream, reset).await;
            };
            let failure = failed(&client, &mut link, answer).await;
            assert_eq!(failure.code(), code, "{reset}, begun: {begun}: {failure}");
        }
    }
}

#[tokio::test]
async fn a_reset_without_error_after_the_trailers_is_none() {
    let (client, mut link) = connected().await;
    let answer = async |link: &mut Link, stream| {
        link.ok(stream, b"whole").await;
        link.peer.send_reset(stream, NO_ERROR).await;
    };
    assert_eq!(
        ended(&client, &mut link, answer).await.unwrap(),
        reply("whole")
    );
}

#[tokio::test]
async fn only_grpc_in_protobuf_is_an_answer() {
    let (client, mut link) = connected().await;
    for (content_type, code) in [
        (None, Code::Unknown),
        (Some("text/html"), Code::Unknown),
        (Some("application/grpcfoo"), Code::Unknown),
        (Some("application/grpc-web"), Code::Unknown),
        (Some("application/grpc+json"), Code::Internal),
        (Some("application/grpc+foo"), Code::Internal),
    ] {
        let answer = async |link: &mut Link, stream| {
            let mut headers = vec![(":status", "200")];
            headers.extend(content_type.map(|value| ("content-type", value)));
            link.headers(stream, &headers, false).await;
            link.message(stream, b"x").await;
            link.end(stream, OK).await;
        };
        let failure = failed(&client, &mut link, answer).await;
        assert_eq!(failure.code(), code, "{content_type:?}: {failure}");
    }
    for content_type in ["application/grpc+proto", "application/grpc;charset=utf-8"] {
        let answer = async |link: &mut Link, stream| {
            let head = [(":status", "200"), ("content-type", content_type)];
            link.headers(stream, &head, false).await;
            link.message(stream, b"x").await;
            link.end(stream, OK).await;
        };
        assert_eq!(
            ended(&client, &mut link, answer).await.unwrap(),
            reply("x"),
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn a_status_in_the_head_does_not_count_when_something_follows() {
    let (client, mut link) = connected().await;
    let head = [HEAD, &[("grpc-status", "0")]].concat();
    let answer = async |link: &mut Link, stream| {
        link.headers(stream, &head, false).await;
        link.peer
            .send_data(stream, &peer::message(b"x"), true)
            .await;
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
    let answer = async |link: &mut Link, stream| {
        link.headers(stream, &head, false).await;
        link.message(stream, b"x").await;
        link.end(stream, &[("grpc-message", "no status")]).await;
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
    // The trailers' word is the last one.
    let answer = async |link: &mut Link, stream| {
        link.headers(stream, &head, false).await;
        link.end(stream, &[("grpc-status", "9")]).await;
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn a_call_that_ends_without_a_status_has_failed() {
    let (client, mut link) = connected().await;
    let answer = async |link: &mut Link, stream| link.headers(stream, HEAD, true).await;
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
    let answer = async |link: &mut Link, stream| {
        link.begin(stream).await;
        link.peer
            .send_data(stream, &peer::message(b"x"), true)
            .await;
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
}

#[tokio::test]
async fn what_cannot_be_read_of_a_status_is_no_failure_of_its_own() {
    let (client, mut link) = connected().await;
    for (said, understood) in [
        ("plain", "plain"),
        ("100%25 %E2%98%BA", "100% ☺"),
        ("100%", "100%"),
        ("%zz%4", "%zz%4"),
        ("a%FFb", "a\u{fffd}b"),
    ] {
        let answer = async |link: &mut Link, stream| {
            link.fail(stream, "5", &[("grpc-message", said)]).await;
        };
        let failure = failed(&client, &mut link, answer).await;
        assert_eq!(
            (failure.code(), failure.message()),
            (Code::NotFound, understood)
        );
    }
    for number in ["abc", "", "-1", "5x", "17", "99999999999"] {
        let answer = async |link: &mut Link, stream| link.fail(stream, number, &[]).await;
        let failure = failed(&client, &mut link, answer).await;
        assert_eq!(failure.code(), Code::Unknown, "{number:?}");
    }
}

#[tokio::test]
async fn metadata_keeps_its_order_and_trailers_only_is_trailers() {
    let (client, mut link) = connected().await;
    let answer = async |link: &mut Link, stream| {
        link.fail(
            stream,
            "5",
            &[("k", "1"), ("x-bin", "AQI="), ("k", "2"), ("x-bin", "Aw")],
        )
        .await;
    };
    let failure = failed(&client, &mut link, answer).await;
    let metadata = failure.metadata();
    assert_eq!(metadata.texts("k").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(
        metadata.all_bytes("x-bin").collect::<Vec<_>>(),
        [&[1, 2][..], &[3]]
    );
    assert_eq!((metadata.len(), failure.initial_metadata()), (4, None));

    let answer = async |link: &mut Link, stream| {
        let head = [HEAD, &[("k", "head"), ("k", "again")]].concat();
        link.headers(stream, &head, false).await;
        link.end(stream, &[("grpc-status", "9"), ("k", "tail")])
            .await;
    };
    let failure = failed(&client, &mut link, answer).await;
    let initial = failure.initial_metadata().unwrap();
    assert_eq!(initial.texts("k").collect::<Vec<_>>(), ["head", "again"]);
    assert_eq!(failure.metadata().texts("k").collect::<Vec<_>>(), ["tail"]);
}

#[tokio::test]
async fn a_binary_value_that_is_not_base64_is_internal() {
    let (client, mut link) = connected().await;
    let bad = [("x-bin", "A(=")];
    let answer = async |link: &mut Link, stream| {
        link.headers(stream, &[HEAD, &bad].concat(), false).await;
        link.message(stream, b"x").await;
        link.end(stream, OK).await;
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
    let answer = async |link: &mut Link, stream| {
        link.begin(stream).await;
        link.message(stream, b"x").await;
        link.end(stream, &[OK, &bad].concat()).await;
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
}

#[tokio::test]
async fn second_headers_that_do_not_end_the_stream_break_the_protocol() {
    let (client, mut link) = connected().await;
    let mut reset = None;
    let answer = async |link: &mut Link, stream| {
        link.begin(stream).await;
        link.message(stream, b"x").await;
        link.headers(stream, OK, false).await;
        reset = Some(link.reset(stream).await);
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
    assert_eq!(reset, Some(PROTOCOL_ERROR));
}

#[tokio::test]
async fn a_header_list_that_is_too_large_is_internal_and_others_go_on() {
    let (client, mut link) = connected().await;
    let large = "x".repeat(9000);
    let answer = async |link: &mut Link, stream| {
        let head = [HEAD, &[("large", large.as_str())]].concat();
        link.headers(stream, &head, false).await;
        link.message(stream, b"x").await;
        link.end(stream, OK).await;
    };
    assert_eq!(
        failed(&client, &mut link, answer).await.code(),
        Code::Internal
    );
    let answer = async |link: &mut Link, stream| link.ok(stream, b"next").await;
    assert_eq!(
        ended(&client, &mut link, answer).await.unwrap(),
        reply("next")
    );
}

#[tokio::test]
async fn replies_before_a_failure_are_delivered() {
    let (client, mut link) = connected().await;
    let script = async {
        let stream = link.request().await.stream;
        link.begin(stream).await;
        link.message(stream, b"1").await;
        link.message(stream, b"2").await;
        link.peer.send_reset(stream, CANCEL).await;
    };
    let call = async {
        let call = client.call(REPEAT);
        let mut replies: Responses<RawMessage> =
            call.server_streaming(RawMessage::new("")).await.unwrap();
        // Both messages and the reset have come before anybody looks.
        tokio::task::yield_now().await;
        let mut texts = Vec::new();
        loop {
            match replies.message().await {
                Ok(message) => texts.push(message.unwrap()),
                Err(status) => return (texts, status.code()),
            }
        }
    };
    let ((texts, code), ()) = join!(call, script);
    assert_eq!(
        (texts, code),
        (vec![reply("1"), reply("2")], Code::Cancelled)
    );
}
