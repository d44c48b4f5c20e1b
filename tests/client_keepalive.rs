//! How a client finds out that a server is no longer there, without being a nuisance (gRFC A8).

#[path = "support/peer.rs"]
mod peer;
#[path = "support/scripted_server.rs"]
mod scripted_server;

use std::time::Duration;

use peer::Frame;
use reflectd::{
    Code, RawMessage, Status,
    client::{Client, ConnectivityState},
};
use scripted_server::*;
use tokio::time::timeout;

/// Lets time pass for the client alone.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// The next PING, if the client sends one before it answers ours.
async fn pinged(link: &mut Link) -> bool {
    link.peer.send_frame(peer::PING, 0, 0, b"are you?").await;
    let ping = |frame: &Frame| matches!(frame, Frame::Ping { .. });
    let first = link.peer.recv_until(ping).await;
    if matches!(first, Frame::Ping { ack: true, .. }) {
        return false;
    }
    link.peer.recv_until(ping).await;
    true
}

#[tokio::test]
async fn nobody_is_pinged_who_has_not_been_asked_for() {
    let server = ScriptedServer::bind().await;
    let client = server.client();
    let call = tokio::spawn(async move { unbounded(&client).await });
    let mut link = server.accept().await;
    let stream = link.request().await.stream;
    pass(Duration::from_secs(7200)).await;
    assert!(!pinged(&mut link).await);
    link.ok(stream, b"x").await;
    assert_eq!(call.await.unwrap().unwrap(), reply("x"));
}

/// A call without a deadline.
async fn unbounded(client: &Client) -> Result<RawMessage, Status> {
    client.unary(GREET, RawMessage::new("")).await
}

#[tokio::test]
async fn a_keepalive_that_no_clock_can_count_is_never() {
    let server = ScriptedServer::bind().await;
    let client = client(server.channel().keepalive(Duration::MAX));
    server.answer_always("x");
    for _ in 0..2 {
        assert_eq!(unbounded(&client).await.unwrap(), reply("x"));
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_a_ping_is_given_up() {
    let server = ScriptedServer::bind().await;
    // Less than ten seconds are ten.
    let client = client(server.channel().keepalive(Duration::from_secs(1)));
    let call = {
        let client = client.clone();
        tokio::spawn(async move { unbounded(&client).await })
    };
    let mut link = server.accept().await;
    link.request().await;
    pass(Duration::from_millis(9900)).await;
    assert!(!pinged(&mut link).await);
    pass(Duration::from_millis(200)).await;
    let ping = |frame: &Frame| matches!(frame, Frame::Ping { ack: false, .. });
    link.peer.recv_until(ping).await;
    pass(Duration::from_millis(20_100)).await;
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    // The next call has a connection of its own.
    let call = {
        let client = client.clone();
        tokio::spawn(async move { unbounded(&client).await })
    };
    let mut link = server.accept().await;
    let stream = link.request().await.stream;
    link.ok(stream, b"x").await;
    assert_eq!(call.await.unwrap().unwrap(), reply("x"));
    // Without calls nobody is asked.
    pass(Duration::from_secs(60)).await;
    assert!(!pinged(&mut link).await);
}

#[tokio::test]
async fn too_many_pings_double_the_interval_of_later_connections() {
    let server = ScriptedServer::bind().await;
    let channel = server.channel().keepalive(Duration::from_secs(10));
    let client = client(channel.keepalive_without_calls());
    for (debug, seconds) in [
        ("too_many_pings", 10),
        ("too_many_pings", 20),
        ("other", 40),
        ("", 40),
    ] {
        client.channel().wake();
        let mut link = server.accept().await;
        timeout(Duration::from_secs(10), async {
            while client.channel().state() != ConnectivityState::Ready {
                client
                    .channel()
                    .state_changed(client.channel().state())
                    .await;
            }
        })
        .await
        .unwrap();
        pass(Duration::from_secs(seconds) - Duration::from_millis(100)).await;
        assert!(!pinged(&mut link).await, "{seconds} s");
        pass(Duration::from_millis(200)).await;
        assert!(pinged(&mut link).await, "{seconds} s");
        link.goaway(0, ENHANCE_YOUR_CALM, debug).await;
        drop(link);
        let lost = client.channel().state_changed(ConnectivityState::Ready);
        assert_eq!(lost.await, ConnectivityState::Idle);
    }
}
