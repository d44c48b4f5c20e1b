//! How a call ends: status, message, details.

use super::{
    ECHO, GREET, call,
    peer::{Peer, message},
    start, trailers_only,
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
