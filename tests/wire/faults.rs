//! Requests in a stream, one of which is wrong: those before it are handled, and their replies arrive.

use std::{sync::Arc, time::Duration};

use reflectd::{ConnectionLimits, RawMessage, Replies, Status, Streaming};
use tokio::sync::Semaphore;

use super::{
    ECHO,
    peer::{Answer, Frame, Peer, SETTINGS, message},
    serve, start,
};

/// A message with a flag that there is not.
fn faulty() -> Vec<u8> {
    let mut wire = message(b"wrong");
    wire[0] = 2;
    wire
}

fn assert_fault_after(answer: &Answer, replies: &[u8]) {
    assert_eq!(answer.status(), Some("13"), "{answer:?}");
    assert_eq!(answer.body, replies, "{answer:?}");
}

/// An echo that takes its time: for each answer it needs a permit.
async fn slow_echo(
    permits: Arc<Semaphore>,
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    while let Some(request) = requests.message().await? {
        permits.acquire().await.expect("it is open").forget();
        replies.send(request).await?;
    }
    Ok(())
}

/// That the server has heard all, and ends nothing for it.
async fn goes_on(peer: &mut Peer) {
    let heard = peer.recv_until_heard().await;
    let ends = |frame: &Frame| matches!(frame, Frame::Headers { .. } | Frame::Reset { .. });
    assert!(!heard.iter().any(ends), "{heard:?}");
}

#[tokio::test]
async fn a_handler_is_not_stopped_at_work_on_what_came_before() {
    let permits = Arc::new(Semaphore::new(0));
    let given = Arc::clone(&permits);
    let echo = move |requests, replies| slow_echo(Arc::clone(&given), requests, replies);
    let address = serve(|builder| builder.bidi(ECHO, echo)).await;
    for before in 1..4 {
        let mut peer = Peer::connect(address).await;
        peer.send_request(1, ECHO, &[], false).await;
        let right = message(b"right").repeat(before);
        let body = [&right[..], &faulty(), &right].concat();
        peer.send_data(1, &body, false).await;
        goes_on(&mut peer).await;
        permits.add_permits(before);
        assert_fault_after(&peer.answer(1).await, &right);
    }
}

#[tokio::test]
async fn a_call_whose_fault_is_kept_back_owes_nothing() {
    let permits = Arc::new(Semaphore::new(0));
    let given = Arc::clone(&permits);
    let echo = move |requests, replies| slow_echo(Arc::clone(&given), requests, replies);
    let mut limits = ConnectionLimits::default();
    limits.stall_timeout = Duration::from_millis(100);
    let address = serve(|builder| builder.connection_limits(limits).bidi(ECHO, echo)).await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, ECHO, &[], false).await;
    let body = [message(b"right"), faulty(), message(b"more")].concat();
    peer.send_data(1, &body, false).await;
    // One that is ended because it owes the rest of a message; the other came before it.
    peer.send_request(3, ECHO, &[], false).await;
    peer.send_data(3, &message(b"part")[..6], false).await;
    let ended = |frame: &Frame| matches!(frame, Frame::Headers { end: true, .. });
    let Frame::Headers {
        stream, headers, ..
    } = peer.recv_until(ended).await
    else {
        panic!("they were HEADERS");
    };
    assert_eq!((stream, headers.get("grpc-status")), (3, Some("4")));
    permits.add_permits(1);
    assert_fault_after(&peer.answer(1).await, &message(b"right"));
}

#[tokio::test]
async fn replies_that_wait_for_a_window_go_before_a_fault_that_comes_later() {
    let (address, _) = start().await;
    let no_window = [&[0, 4][..], &0_u32.to_be_bytes()].concat();
    for more in [&[][..], &[("grpc-timeout", "300m")]] {
        let mut peer = Peer::connect(address).await;
        peer.send_frame(SETTINGS, 0, 0, &no_window).await;
        peer.send_request(1, ECHO, more, false).await;
        peer.send_data(1, &message(b"right"), false).await;
        let headers = |frame: &Frame| matches!(frame, Frame::Headers { end: false, .. });
        peer.recv_until(headers).await;
        peer.send_data(1, &faulty(), false).await;
        goes_on(&mut peer).await;
        if more.is_empty() {
            peer.send_window(1, 1000).await;
            assert_fault_after(&peer.answer(1).await, &message(b"right"));
        } else {
            // The client does not read, and has set itself a time.
            let answer = peer.answer(1).await;
            assert_eq!((answer.status(), &*answer.body), (Some("4"), &b""[..]));
        }
    }
}
