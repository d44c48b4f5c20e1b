//! Calls that end before their handler does.

use super::{
    GREET, call,
    peer::{self, Peer, message},
    start, trailers_only, wait_for,
};

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
