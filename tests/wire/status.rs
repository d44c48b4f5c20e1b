//! How a call ends: status, message, details.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use percent_encoding::percent_decode_str;
use prost::Message;
use reflectd::{Call, Code, Metadata, RawMessage, Replies, Status, Streaming};

use super::{
    ECHO, GREET, JOIN, REPEAT, call,
    peer::{Answer, Frame, Headers, Peer, SETTINGS, message},
    serve, start, trailers_only,
};

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
async fn a_stream_that_nothing_answers_is_told_so_whatever_it_sends() {
    let why = "nobody knows how";
    let address = serve(|builder| builder.unimplemented(ECHO, why).unimplemented(JOIN, why)).await;
    for path in [ECHO, JOIN] {
        for sent in [0, 1, 2] {
            let mut peer = Peer::connect(address).await;
            peer.send_request(1, path, &[], false).await;
            for _ in 0..sent {
                peer.send_data(1, &message(b""), false).await;
            }
            let answer = peer.answer(1).await;
            trailers_only(&answer, "12");
            assert_eq!(answer.headers.get("grpc-message"), Some(why), "{sent}");
        }
    }
}

fn pair(name: &str) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.append(name, "1").unwrap();
    metadata
}

fn end(call: &Call) -> Result<(), Status> {
    match call.metadata().text("x-fail") {
        Some(message) => Err(Status::aborted(message.to_owned())),
        None => Ok(()),
    }
}

/// Sends both kinds of metadata and no message.
async fn without_messages(
    call: Call,
    _: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    replies.send_headers(pair("x-initial"));
    replies.trailers(pair("x-trailing"));
    end(&call)
}

#[tokio::test]
async fn initial_metadata_stays_apart_from_the_status() {
    let unary = |call: Call, request: RawMessage| {
        call.add_metadata(pair("x-initial"));
        call.add_trailers(pair("x-trailing"));
        end(&call).map(|()| request)
    };
    let address = serve(|builder| {
        builder
            .bidi(ECHO, without_messages)
            .unary_sync(GREET, unary)
    })
    .await;
    for path in [ECHO, GREET] {
        for (more, code) in [(&[("x-fail", "no")][..], "10"), (&[], "0")] {
            let answer = call(address, path, more, &message(b"")).await;
            let trailers = answer.trailers.as_ref().expect("a list of their own");
            for (list, there, elsewhere) in [
                (&answer.headers, "x-initial", "x-trailing"),
                (trailers, "x-trailing", "x-initial"),
            ] {
                assert_eq!((list.get(there), list.get(elsewhere)), (Some("1"), None));
            }
            assert_eq!(answer.headers.get("grpc-status"), None);
            assert_eq!(trailers.get("grpc-status"), Some(code));
            assert_eq!(trailers.get(":status"), None);
        }
    }
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
async fn what_was_sent_before_a_panic_arrives() {
    let handler = async |request: RawMessage, mut replies: Replies<RawMessage>| {
        for _ in 0..3 {
            replies.send(request.clone()).await?;
        }
        panic!("as asked")
    };
    let address = serve(|builder| builder.server_streaming(REPEAT, handler)).await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(b"hi"), true).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.status(), Some("2"));
    assert_eq!(answer.body, message(b"hi").repeat(3));
}

/// A server whose calls fail as the headers say, with a message that is the request, repeated.
async fn failing() -> SocketAddr {
    let fail = |call: Call, request: RawMessage| {
        let number = |name| {
            call.metadata()
                .text(name)
                .map_or(0, |text| text.parse().unwrap())
        };
        let message = String::from_utf8(request.bytes.to_vec()).unwrap();
        let code = Code::from_number(number("x-code") as u32);
        let mut status = Status::new(code, message.repeat(number("x-times").max(1)));
        if let Some(bytes) = call.metadata().text("x-details") {
            status = status.with_detail_bytes("a/b.C", vec![7; bytes.parse().unwrap()]);
        }
        let mut metadata = Metadata::new();
        for _ in 0..number("x-more") {
            metadata.append("x-trailer", &"m".repeat(1000)).unwrap();
        }
        Err::<RawMessage, _>(status.with_metadata(metadata))
    };
    serve(|builder| builder.unary_sync(GREET, fail)).await
}

/// The bytes of a header list (RFC 9113, 6.5.2).
fn list_bytes(headers: &Headers) -> usize {
    let fields = headers.0.iter();
    fields
        .map(|(name, value)| name.len() + value.len() + 32)
        .sum()
}

/// Of `grpc-message`: it must be percent-encoded whole.
fn decoded(answer: &Answer) -> String {
    let text = answer.headers.get("grpc-message").unwrap_or_default();
    assert!(
        text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)),
        "{text}"
    );
    for (at, _) in text.match_indices('%') {
        let hex = text
            .get(at + 1..at + 3)
            .expect("a cut in the middle of %xx");
        assert!(hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "%{hex}");
    }
    percent_decode_str(text)
        .decode_utf8()
        .expect("a cut in a character")
        .into_owned()
}

#[tokio::test]
async fn a_message_of_any_characters_arrives_exact() {
    let address = failing().await;
    for text in [
        "\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\n",
        "100% %41 %",
        "~ {}|\"\u{7f}\0",
        " spaces ",
    ] {
        let answer = call(
            address,
            GREET,
            &[("x-code", "9")],
            &message(text.as_bytes()),
        )
        .await;
        trailers_only(&answer, "9");
        assert_eq!(decoded(&answer), text);
    }
}

#[tokio::test]
async fn a_message_is_cut_to_what_this_client_takes() {
    let address = failing().await;
    for list_bytes in [600_u32, 2_000, 100_000] {
        let mut peer = Peer::connect(address).await;
        let takes = [&6_u16.to_be_bytes()[..], &list_bytes.to_be_bytes()].concat();
        peer.send_frame(SETTINGS, 0, 0, &takes).await;
        let more = [("x-code", "9"), ("x-times", "100000")];
        peer.send_request(1, GREET, &more, false).await;
        peer.send_data(1, &message(b"x"), true).await;
        let answer = peer.answer(1).await;
        let (bytes, most) = (list_bytes as usize, 8_192);
        let told = self::list_bytes(&answer.headers);
        assert!(told <= bytes.min(most), "{list_bytes}: {told}");
        assert!(
            decoded(&answer).len() >= bytes.min(most) / 8,
            "{list_bytes}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_message_of_any_length_is_cut_to_what_every_client_takes() {
    let address = failing().await;
    // 8 KiB is what gRPC's clients take.
    for text in ["%", "\r\n", "\u{1f608}", "x", "a\u{1f608}", "ab\u{263a}%"] {
        for more in [&[][..], &[("x-more", "5")]] {
            let times = [("x-code", "9"), ("x-times", "100000")];
            let body = message(text.as_bytes());
            let answer = call(address, GREET, &[&times[..], more].concat(), &body).await;
            trailers_only(&answer, "9");
            let bytes = list_bytes(&answer.headers);
            assert!((7_800..=8_192).contains(&bytes), "{text:?}: {bytes}");
            let whole = text.repeat(100_000);
            assert!(whole.starts_with(&decoded(&answer)), "{text:?}");
        }
    }
    // However much metadata there is, something of the message is left.
    let more = [("x-code", "9"), ("x-times", "100000"), ("x-more", "9")];
    let answer = call(address, GREET, &more, &message(b"long ")).await;
    assert_eq!(decoded(&answer).len(), 250);
}

/// `google.rpc.Status`, read by somebody else's decoder.
#[derive(PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[tokio::test]
async fn details_repeat_the_status_and_are_cut_alike() {
    let address = failing().await;
    for (times, bytes, has_details) in [
        ("1", "0", true),
        ("1", "4000", true),
        ("100000", "10", true),
        ("100000", "4000", true),
        ("100000", "6000", false),
        ("1", "6000", false),
    ] {
        let more = [("x-code", "9"), ("x-times", times), ("x-details", bytes)];
        let answer = call(address, GREET, &more, &message("\u{263a}%".as_bytes())).await;
        trailers_only(&answer, "9");
        assert!(list_bytes(&answer.headers) <= 8_192, "{more:?}");
        let details = answer.headers.get("grpc-status-details-bin");
        assert_eq!(details.is_some(), has_details, "{more:?}");
        assert_ne!(decoded(&answer), "");
        if let Some(details) = details {
            let details = BASE64_STANDARD_NO_PAD.decode(details).unwrap();
            let details = RpcStatus::decode(&*details).unwrap();
            assert_eq!((details.code, details.message), (9, decoded(&answer)));
            let length = details.details[0].value.len();
            assert_eq!(length.to_string(), bytes);
        }
    }
}

#[tokio::test]
async fn every_code_is_told_as_its_number() {
    let address = failing().await;
    for code in 1..=16 {
        let code = code.to_string();
        let answer = call(address, GREET, &[("x-code", &code)], &message(b"why")).await;
        trailers_only(&answer, &code);
        assert_eq!(answer.headers.get("grpc-message"), Some("why"));
        let silent = call(address, GREET, &[("x-code", &code)], &message(b"")).await;
        trailers_only(&silent, &code);
        assert_eq!(silent.headers.get("grpc-message"), None);
    }
    // A failure is none if it says OK.
    let answer = call(address, GREET, &[("x-code", "0")], &message(b"why")).await;
    trailers_only(&answer, "13");
    // No message and no details go with OK.
    let (address, _) = start().await;
    for path in [GREET, JOIN, ECHO] {
        let trailers = call(address, path, &[], &message(b""))
            .await
            .trailers
            .unwrap();
        assert_eq!(trailers.get("grpc-status"), Some("0"));
        assert_eq!(trailers.get("grpc-message"), None);
        assert_eq!(trailers.get("grpc-status-details-bin"), None);
    }
}

#[tokio::test]
async fn a_reply_that_is_too_long_to_send_is_resource_exhausted() {
    let echo = async |mut requests: Streaming<RawMessage>, mut replies: Replies<RawMessage>| {
        while let Some(request) = requests.message().await? {
            replies.send(request).await?;
        }
        Ok(())
    };
    let address = serve(|builder| {
        let builder = builder.send_bytes_max(100).bidi(ECHO, echo);
        builder.unary_sync(GREET, |request: RawMessage| Ok(request))
    })
    .await;
    for path in [GREET, ECHO] {
        let fits = call(address, path, &[], &message(&[1; 100])).await;
        assert_eq!(fits.status(), Some("0"));
        trailers_only(&call(address, path, &[], &message(&[1; 101])).await, "8");
    }
    // What went before it has arrived.
    let body = [message(b"1"), message(&[1; 101]), message(b"3")].concat();
    let answer = call(address, ECHO, &[], &body).await;
    assert_eq!((answer.status(), &answer.body), (Some("8"), &message(b"1")));
}

#[tokio::test]
async fn nothing_is_sent_before_the_handler_asks() {
    let (address, _) = start().await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, ECHO, &[], false).await;
    let of_call = |frame: &Frame| matches!(frame, Frame::Headers { .. } | Frame::Data { .. });
    assert!(!peer.recv_until_heard().await.iter().any(of_call));
    // The first reply commits the call.
    peer.send_data(1, &message(b"1"), false).await;
    let first = peer.recv_until(of_call).await;
    assert!(
        matches!(first, Frame::Headers { end: false, .. }),
        "{first:?}"
    );

    // Or the handler does, before any reply.
    peer.send_request(3, ECHO, &[("x-headers", "1")], false)
        .await;
    let asked = |frame: &Frame| matches!(frame, Frame::Headers { stream: 3, .. });
    let Frame::Headers { headers, end, .. } = peer.recv_until(asked).await else {
        panic!("it asked for headers");
    };
    assert_eq!(
        (headers.get(":status"), headers.get("grpc-status"), end),
        (Some("200"), None, false)
    );
}

#[tokio::test]
async fn a_panic_after_replies_ends_its_call_with_trailers() {
    let panics = async |mut requests: Streaming<RawMessage>, mut replies: Replies<RawMessage>| {
        while let Some(request) = requests.message().await? {
            assert_ne!(request.bytes, "panic");
            replies.send(request).await?;
        }
        Ok(())
    };
    let address = serve(|builder| builder.bidi(ECHO, panics)).await;
    let mut peer = Peer::connect(address).await;
    for stream in [1, 3] {
        peer.send_request(stream, ECHO, &[], false).await;
        peer.send_data(stream, &message(b"1"), false).await;
    }
    peer.send_data(1, &message(b"panic"), false).await;
    let answer = peer.answer(1).await;
    assert_eq!((answer.status(), &answer.body), (Some("2"), &message(b"1")));
    peer.send_data(3, &message(b"2"), true).await;
    assert_eq!(peer.answer(3).await.status(), Some("0"));
}
