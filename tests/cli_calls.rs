//! What `serve` does around every call: logs it, bounds its time.
#![cfg(all(feature = "cli", unix))]

#[path = "support/peer.rs"]
mod peer;
#[path = "support/reflectd.rs"]
mod support;

use peer::{Answer, Peer, message};
use serde_json::Value;
use support::{Running, folder, reflectd, run};

const GET: &str = "/user.UserInfo/getUser";

/// Runs a server for one call, `getUser` of what is not there; its log.
async fn log_of_a_call(flags: &[&str], environment: &[(&str, &str)]) -> Vec<Value> {
    let folder = folder();
    let mut arguments = vec!["user.proto", "--listen", "0", "--store", "memory"];
    arguments.extend(flags);
    let mut command = reflectd(folder.path(), &arguments);
    command.envs(environment.iter().copied());
    let server = Running::start(command);
    let answer = call(&server, Some("7")).await;
    assert_eq!(answer.status(), Some("5"), "{answer:?}");
    server.signal("TERM");
    let log = server.wait().stderr;
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A call; without an id its request never ends.
async fn call(server: &Running, id: Option<&str>) -> Answer {
    let mut peer = Peer::connect(server.address()).await;
    peer.send_request(1, GET, &[("authorization", "Bearer s3cret")], false)
        .await;
    if let Some(id) = id {
        let bytes = [&[0x0a, id.len() as u8], id.as_bytes()].concat();
        peer.send_data(1, &message(&bytes), true).await;
    }
    peer.answer(1).await
}

#[tokio::test]
async fn a_call_that_fails_is_one_line_of_the_log() {
    for (flags, environment) in [
        (&[][..], &[][..]),
        (&[], &[("RUST_LOG", "")]),
        (&[], &[("RUST_LOG", "reflectd=info")]),
        (&["--access-log", "errors"], &[]),
        (&[], &[("REFLECTD_ACCESS_LOG", "all")]),
    ] {
        let log = log_of_a_call(flags, environment).await;
        let [line] = &log[..] else {
            panic!("{flags:?} {environment:?} {log:?}");
        };
        assert_eq!(line["target"], "reflectd::access", "{line}");
        assert_eq!(line["level"], "INFO", "{line}");
        let fields = &line["fields"];
        assert_eq!(fields["message"], "NOT_FOUND", "{line}");
        assert_eq!(fields["rpc.method"], "getUser", "{line}");
        assert_eq!(fields["rpc.grpc.status_code"], 5, "{line}");
        assert_eq!(fields["error"], "no user.User with id \"7\"", "{line}");
        assert!(!line.to_string().contains("s3cret"), "{line}");
    }
    for (flags, environment) in [
        (&["--access-log", "off"][..], &[][..]),
        (&[], &[("REFLECTD_ACCESS_LOG", "off")]),
        (&["--access-log", "all"], &[("RUST_LOG", "warn")]),
    ] {
        let log = log_of_a_call(flags, environment).await;
        assert_eq!(log, [] as [Value; 0], "{flags:?} {environment:?}");
    }
}

#[test]
fn who_asks_what_there_is_leaves_in_order() {
    let folder = folder();
    let serve = ["user.proto", "--listen", "0", "--store", "memory"];
    let server = Running::start(reflectd(folder.path(), &serve));
    let at = &server.address().to_string();
    for asks in [
        &["list", at][..],
        &["list", at, "user.UserInfo"],
        &["describe", at],
        &["call", at, "user.UserInfo/addUser", "name=Ann"],
        &["bench", at, "user.UserInfo/addUser", "-n", "3"],
        &["describe", at, "user.Nobody"],
    ] {
        run(folder.path(), asks);
    }
    server.signal("TERM");
    assert_eq!(server.wait().stderr, "");
}

#[tokio::test]
async fn calls_have_the_deadline_that_serve_was_given() {
    for flag in ["--max-timeout", "--default-timeout"] {
        let folder = folder();
        let arguments = [
            "user.proto",
            "--listen",
            "0",
            "--store",
            "memory",
            flag,
            "30ms",
        ];
        let server = Running::start(reflectd(folder.path(), &arguments));
        assert_eq!(call(&server, None).await.status(), Some("4"), "{flag}");
    }
}
