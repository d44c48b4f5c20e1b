//! The main job, end to end: `reflectd serve user.proto`, with grpcurl as the client.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/reflectd.rs"]
mod reflectd;
#[path = "support/tools.rs"]
mod tools;

use std::{path::Path, process::Command};

use peer::{Peer, message};
use reflectd::{Running, protos};

/// A server of the demo, from memory, on a free port.
fn from_memory(more: &[&str]) -> Running {
    let arguments = ["user.proto", "--listen", "127.0.0.1:0", "--store", "memory"];
    Running::start(reflectd::reflectd(&protos(), &[&arguments, more].concat()))
}

/// The same, with its rows in a folder.
fn from_folder(data: &Path) -> Running {
    Running::start(command_on(data))
}

fn command_on(data: &Path) -> Command {
    let data = data.to_str().expect("UTF-8");
    let arguments = ["user.proto", "--listen", "127.0.0.1:0", "--data", data];
    reflectd::reflectd(&protos(), &arguments)
}

/// What grpcurl says (stdout and stderr, white space folded) and whether it succeeded.
fn grpcurl(tool: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(tool)
        .args(["-plaintext", "-max-time", "10"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("grpcurl runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("grpcurl speaks UTF-8");
    (
        output.status.success(),
        said.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}

#[track_caller]
fn says(tool: &Path, arguments: &[&str], expected: &str) {
    let (succeeded, said) = grpcurl(tool, arguments);
    assert!(succeeded, "{arguments:?}: {said}");
    assert_eq!(said, expected, "{arguments:?}");
}

#[track_caller]
fn fails(tool: &Path, arguments: &[&str], expected: &str) {
    let (succeeded, said) = grpcurl(tool, arguments);
    assert!(!succeeded, "{arguments:?}: {said}");
    assert!(said.contains(expected), "{arguments:?}: {said}");
}

const ADD: &str = "user.UserInfo/addUser";
const GET: &str = "user.UserInfo/getUser";

#[test]
fn reflection_tells_what_there_is() {
    let Some(tool) = tools::grpcurl() else { return };
    let server = from_memory(&[]);
    let at = &server.address().to_string();
    says(
        tool,
        &[at, "list"],
        "grpc.health.v1.Health grpc.reflection.v1.ServerReflection \
         grpc.reflection.v1alpha.ServerReflection user.UserInfo",
    );
    says(
        tool,
        &[at, "list", "user.UserInfo"],
        "user.UserInfo.addUser user.UserInfo.getUser",
    );
    let (succeeded, said) = grpcurl(tool, &[at, "describe", "user.User"]);
    assert!(succeeded, "{said}");
    for part in [
        "message User {",
        "string id = 1;",
        "string name = 2;",
        "string description = 3;",
    ] {
        assert!(said.contains(part), "{said}");
    }
    fails(
        tool,
        &[at, "describe", "user.Nobody"],
        "Symbol not found: user.Nobody",
    );
}

#[test]
fn users_are_added_and_found() {
    let Some(tool) = tools::grpcurl() else { return };
    let server = from_memory(&[]);
    let at = &server.address().to_string();
    let jack = r#"{"name":"jack","description":"strong"}"#;
    let with_proto = ["-import-path", "proto", "-proto", "user.proto"];

    says(tool, &["-d", jack, at, ADD], r#"{ "Value": "0" }"#);
    let add = [&with_proto[..], &["-d", r#"{"name":"ann"}"#, at, ADD]].concat();
    says(tool, &add, r#"{ "Value": "1" }"#);
    says(
        tool,
        &["-d", r#"{"Value":"0"}"#, at, GET],
        r#"{ "id": "0", "name": "jack", "description": "strong" }"#,
    );
    let get = [&with_proto[..], &["-d", r#"{"Value":"1"}"#, at, GET]].concat();
    says(tool, &get, r#"{ "id": "1", "name": "ann" }"#);

    says(
        tool,
        &["-d", r#"{"id":"me","name":"x"}"#, at, ADD],
        r#"{ "Value": "me" }"#,
    );
    says(
        tool,
        &["-d", r#"{"Value":"me"}"#, at, GET],
        r#"{ "id": "me", "name": "x" }"#,
    );
    fails(
        tool,
        &["-d", r#"{"id":"me"}"#, at, ADD],
        "Code: AlreadyExists",
    );
    fails(tool, &["-d", r#"{"Value":"7"}"#, at, GET], "Code: NotFound");
    fails(
        tool,
        &["-d", r#"{"Value":"7"}"#, at, GET],
        r#"no user.User with id "7""#,
    );
}

#[test]
fn what_is_not_there_is_refused() {
    let Some(tool) = tools::grpcurl() else { return };
    let server = from_memory(&[]);
    let at = &server.address().to_string();
    // grpcurl would refuse these itself; a file with more in it than is served makes it ask.
    let folder = tempfile::tempdir().expect("a folder");
    let more = folder.path().join("more.proto");
    std::fs::write(
        &more,
        "syntax = \"proto3\"; package user; message M {} \
         service UserInfo { rpc dropUser(M) returns (M); } service Other { rpc Get(M) returns (M); }",
    )
    .expect("the file is written");
    let folder = folder.path().to_str().expect("UTF-8");
    let with_proto = ["-import-path", folder, "-proto", "more.proto", at];
    fails(
        tool,
        &[&with_proto[..], &["user.UserInfo/dropUser"]].concat(),
        "Code: Unimplemented",
    );
    fails(
        tool,
        &[&with_proto[..], &["user.Other/Get"]].concat(),
        "unknown service user.Other",
    );

    let (succeeded, said) = grpcurl(tool, &[at, "grpc.health.v1.Health/Check"]);
    assert!(succeeded && said == r#"{ "status": "SERVING" }"#, "{said}");
}

#[test]
fn reflection_can_be_left_out() {
    let Some(tool) = tools::grpcurl() else { return };
    let server = from_memory(&["--no-reflection"]);
    fails(
        tool,
        &[&server.address().to_string(), "list"],
        "does not support the reflection API",
    );
}

#[tokio::test]
async fn a_malformed_body_is_internal() {
    let server = from_memory(&[]);
    // Field 2 with a length that goes beyond the end; field 2 that is no UTF-8; an open group.
    for body in [&b"\x12\x05ab"[..], b"\x12\x02\xff\xfe", b"\x13"] {
        let mut peer = Peer::connect(server.address()).await;
        peer.send_request(1, "/user.UserInfo/addUser", &[], false)
            .await;
        peer.send_data(1, &message(body), true).await;
        let answer = peer.answer(1).await;
        assert_eq!(answer.status(), Some("13"), "{answer:?}");
    }
}

#[test]
fn answered_writes_survive_a_kill() {
    let Some(tool) = tools::grpcurl() else { return };
    let data = tempfile::tempdir().expect("a folder");
    for round in 0..3 {
        let server = from_folder(data.path());
        let at = server.address().to_string();
        for earlier in 0..round {
            let (succeeded, said) = grpcurl(
                tool,
                &["-d", &format!(r#"{{"Value":"r{earlier}"}}"#), &at, GET],
            );
            assert!(
                succeeded && said.contains(&format!("round {earlier}")),
                "{said}"
            );
        }
        let user = format!(r#"{{"id":"r{round}","name":"round {round}"}}"#);
        says(
            tool,
            &["-d", &user, &at, ADD],
            &format!(r#"{{ "Value": "r{round}" }}"#),
        );
        // Drop sends SIGKILL: no chance to close anything.
        drop(server);
    }
}

#[test]
fn numbers_are_not_given_twice_across_a_kill() {
    let Some(tool) = tools::grpcurl() else { return };
    let data = tempfile::tempdir().expect("a folder");
    let mut given = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let server = from_folder(data.path());
        let at = server.address().to_string();
        for _ in 0..2 {
            let (succeeded, said) = grpcurl(tool, &["-d", r#"{"name":"x"}"#, &at, ADD]);
            assert!(
                succeeded && given.insert(said.clone()),
                "{said} after {given:?}"
            );
        }
    }
}

#[test]
fn two_servers_cannot_share_a_data_folder() {
    let data = tempfile::tempdir().expect("a folder");
    let _first = from_folder(data.path());
    let second = command_on(data.path()).output().expect("it runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains("in use by another process") && said.contains("--data"),
        "{said}"
    );
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_lets_a_call_in_flight_finish() {
    let server = from_memory(&[]);
    let mut peer = Peer::connect(server.address()).await;
    peer.send_request(1, "/user.UserInfo/addUser", &[], false)
        .await;
    let body = message(b"\x12\x03ann");
    peer.send_data(1, &body[..4], false).await;
    // The server has seen the call once it has answered a PING that came after it.
    peer.send_frame(peer::PING, 0, 0, &[7; 8]).await;
    peer.recv_until(|frame| matches!(frame, peer::Frame::Ping { ack: true, .. }))
        .await;

    server.signal("TERM");
    peer.recv_until(|frame| matches!(frame, peer::Frame::Goaway { code: 0, .. }))
        .await;
    peer.send_data(1, &body[4..], true).await;
    let answer = peer.answer(1).await;
    assert_eq!(
        (answer.status(), &answer.body[5..]),
        (Some("0"), &b"\x0a\x010"[..]),
        "{answer:?}"
    );
    drop(peer);
    assert_eq!(server.wait().code, Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn connections_without_calls_do_not_hold_up_the_end() {
    let server = from_memory(&[]);
    // A port scanner, and a client that never answers the PING of the shutdown.
    let _silent = Peer::open(server.address()).await;
    let mut idle = Peer::connect(server.address()).await;
    idle.recv().await;
    let started = std::time::Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code, Some(0));
    // The drain timeout is 30 seconds; nobody has a call in flight.
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}
