//! How `serve` ends: calls in flight are finished, unless it is told twice.
#![cfg(all(feature = "cli", unix))]

#[path = "support/peer.rs"]
mod peer;
#[path = "support/reflectd.rs"]
mod support;

use peer::{Frame, Peer};
use support::{Running, folder, reflectd};

fn start(folder: &tempfile::TempDir) -> Running {
    Running::start(reflectd(folder.path(), &["user.proto", "--listen", "0"]))
}

/// A connection with a call whose request is not complete yet.
async fn call_in_flight(server: &Running) -> Peer {
    let mut peer = Peer::connect(server.address()).await;
    peer.send_request(1, "/user.UserInfo/addUser", &[], false)
        .await;
    // The answer to a PING says that what came before it was read.
    peer.send_frame(PING, 0, 0, &[7; 8]).await;
    peer.recv_until(|frame| matches!(frame, Frame::Ping { ack: true, .. }))
        .await;
    peer
}

const PING: u8 = 6;

#[test]
fn a_signal_ends_a_server_that_has_nothing_to_do() {
    for (signal, name) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
        let folder = folder();
        let mut server = start(&folder);
        server.signal(signal);
        let draining = server.event();
        assert_eq!(draining["event"], "draining");
        assert_eq!(draining["signal"], name);
        assert_eq!(draining["timeout_seconds"], 30.0);
        let ran = server.wait();
        assert_eq!(ran.stdout, "{\"event\":\"stopped\"}\n");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        // The folder is free again.
        start(&folder);
    }
}

#[tokio::test]
async fn a_call_in_flight_is_answered_first() {
    let folder = folder();
    let mut server = start(&folder);
    let mut peer = call_in_flight(&server).await;
    server.signal("TERM");
    assert_eq!(server.event()["event"], "draining");
    assert!(server.is_running());
    // `name: "Ada"`
    peer.send_data(1, &peer::message(b"\x12\x03Ada"), true)
        .await;
    assert_eq!(peer.answer(1).await.status(), Some("0"));
    drop(peer);
    let ran = server.wait();
    assert_eq!(ran.stdout, "{\"event\":\"stopped\"}\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let folder = folder();
        let mut server = start(&folder);
        let peer = call_in_flight(&server).await;
        server.signal("TERM");
        assert_eq!(server.event()["event"], "draining");
        server.signal(signal);
        let ran = server.wait();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran:?}");
        drop(peer);
    }
}

#[tokio::test]
async fn the_drain_timeout_ends_a_call_that_does_not_end() {
    let folder = folder();
    let arguments = ["user.proto", "--listen", "0", "--drain-timeout", "100ms"];
    let mut server = Running::start(reflectd(folder.path(), &arguments));
    let peer = call_in_flight(&server).await;
    server.signal("TERM");
    assert_eq!(server.event()["timeout_seconds"], 0.1);
    let ran = server.wait();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("drain_timeout"), "{ran:?}");
    drop(peer);
}
