//! The access log and the spans of calls, as a subscriber sees them.
#![cfg(feature = "cli")]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use peer::Peer;
use reflectd::{
    AccessLog, Call, CallEnd, Code, RawMessage, Replies, Schema, Server, ServerBuilder, Status,
};
use serde_json::{Value, json};
use support::TestServer;
use tokio::sync::{MutexGuard, OnceCell};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan, layer::SubscriberExt};

const GREET: &str = "/greeter.Greeter/Greet";

/// Everything that this process logs: as JSON, and as text.
#[derive(Clone, Default)]
struct Log {
    json: Written,
    text: Written,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Log {
    /// The log, for one test at a time.
    async fn start() -> (Self, MutexGuard<'static, ()>) {
        static LOG: OnceLock<Log> = OnceLock::new();
        static TURN: OnceCell<tokio::sync::Mutex<()>> = OnceCell::const_new();
        let turn = TURN.get_or_init(async || tokio::sync::Mutex::default());
        let turn = turn.await.lock().await;
        let log = LOG.get_or_init(Self::install).clone();
        log.json.take();
        log.text.take();
        (log, turn)
    }

    /// All that reflectd has to say; h2 writes out every frame, and that is its own affair.
    fn install() -> Self {
        let log = Self::default();
        let (json, text) = (log.json.clone(), log.text.clone());
        let json = tracing_subscriber::fmt::layer()
            .json()
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(move || json.clone());
        let text = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || text.clone());
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::new("reflectd=trace,access_log=info"))
            .with(json)
            .with(text);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    }

    /// What was logged under a target since the last time.
    fn events(&self, target: &str) -> Vec<Value> {
        let lines = self.json.take();
        let events = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        events
            .filter(|event: &Value| event["target"] == target)
            .collect()
    }
}

/// A server whose one method fails with the code and the text that the metadata says.
fn builder() -> ServerBuilder {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    Server::builder(schema).unary(GREET, fail_as_asked)
}

async fn fail_as_asked(call: Call, request: RawMessage) -> Result<RawMessage, Status> {
    let code = call.metadata().text("x-code");
    let code = code.map_or(0, |code| code.parse().unwrap());
    match Code::from_number(code) {
        Code::Ok => Ok(request),
        code => {
            let text = String::from_utf8(request.bytes.to_vec()).unwrap();
            Err(Status::new(code, text))
        }
    }
}

#[tokio::test]
async fn each_call_is_one_event_at_the_level_of_its_code() {
    let (log, _turn) = Log::start().await;
    for (mode, logged) in [
        (AccessLog::Off, 17..17),
        (AccessLog::Errors, 1..17),
        (AccessLog::All, 0..17),
    ] {
        let server = TestServer::start(builder().access_log(mode)).await;
        let client = server.client().await;
        for code in 0..17 {
            let call = client.call(GREET).header("x-code", &code.to_string());
            assert_eq!(call.unary("why").await.code(), code);
            let events = log.events("reflectd::access");
            if !logged.contains(&code) {
                assert_eq!(events, [] as [Value; 0], "{mode:?} {code}");
                continue;
            }
            let [event] = &events[..] else {
                panic!("{mode:?} {code} {events:?}")
            };
            let fault = matches!(code, 2 | 4 | 12 | 13 | 14 | 15);
            assert_eq!(event["level"], if fault { "WARN" } else { "INFO" });
            let mut fields = event["fields"].clone();
            let fields = fields.as_object_mut().unwrap();
            let took = fields.remove("duration_ms").unwrap();
            assert!(took.as_f64().unwrap() > 0.0);
            let peer = fields.remove("peer").unwrap();
            assert!(peer.as_str().unwrap().starts_with("127.0.0.1:"), "{peer}");
            let mut expected = json!({
                "message": Code::from_number(code).name(),
                "rpc.system": "grpc",
                "rpc.service": "greeter.Greeter",
                "rpc.method": "Greet",
                "rpc.grpc.status_code": code,
            });
            if code != 0 {
                expected["error"] = json!("why");
            }
            assert_eq!(json!(fields), expected);
        }
    }
}

#[tokio::test]
async fn a_library_logs_no_call_unless_asked() {
    let (log, _turn) = Log::start().await;
    let server = TestServer::start(builder()).await;
    let call = server.client().await.call(GREET).header("x-code", "13");
    assert_eq!(call.unary("why").await.code(), 13);
    assert_eq!(log.events("reflectd::access"), [] as [Value; 0]);
}

#[tokio::test]
async fn calls_that_reach_no_handler_are_logged_too() {
    let (log, _turn) = Log::start().await;
    let server = TestServer::start(builder().access_log(AccessLog::Errors)).await;
    let client = server.client().await;
    let logged = || {
        let events = log.events("reflectd::access");
        let names = ["rpc.service", "rpc.method", "rpc.grpc.status_code"];
        let fields = events
            .iter()
            .map(|event| names.map(|name| event["fields"][name].clone()));
        json!(fields.collect::<Vec<_>>())
    };
    client.unary("/no.Such/Method", "").await;
    assert_eq!(logged(), json!([["no.Such", "Method", 12]]));
    client.unary("/nonsense", "").await;
    assert_eq!(logged(), json!([["", "/nonsense", 12]]));
    client
        .call(GREET)
        .header("grpc-timeout", "0n")
        .unary("")
        .await;
    assert_eq!(logged(), json!([["greeter.Greeter", "Greet", 4]]));
    let mut call = client.stream(GREET).await;
    call.send("").await;
    // Its answer says that what came before it was read.
    client.unary(GREET, "").await.message();
    call.reset(h2::Reason::CANCEL);
    server.stop().await;
    assert_eq!(logged(), json!([["greeter.Greeter", "Greet", 1]]));
}

#[tokio::test]
async fn nobody_can_write_lines_of_the_log() {
    let (log, _turn) = Log::start().await;
    let server = TestServer::start(builder().access_log(AccessLog::Errors)).await;
    let client = server.client().await;
    let evil = "a\nINFO fake\r\t\u{1b}[2J\u{7f}\u{85}\u{2028}\u{202e}\u{2066}\0 ü";
    let call = client.call(GREET).header("x-code", "5");
    assert_eq!(
        call.unary(evil).await.error(5),
        evil,
        "the client is told all"
    );
    let text = log.text.take();
    assert_eq!(text.lines().count(), 1, "{text:?}");
    assert!(
        text.trim_end()
            .chars()
            .all(|c| c == 'ü' || (' '..='~').contains(&c)),
        "{text:?}"
    );
    let events = log.events("reflectd::access");
    let written = r"a\nINFO fake\r\t\u{1b}[2J\u{7f}\u{85}\u{2028}\u{202e}\u{2066}\u{0} ü";
    assert_eq!(events[0]["fields"]["error"], written);

    // A path may have what HTTP/2 lets through.
    let mut peer = Peer::connect(server.address()).await;
    let path = "/evil\u{202e}.Service/Me\u{2028}thod";
    peer.send_request(1, path, &[], true).await;
    peer.answer(1).await;
    let events = log.events("reflectd::access");
    assert_eq!(events[0]["fields"]["rpc.service"], r"evil\u{202e}.Service");
    assert_eq!(events[0]["fields"]["rpc.method"], r"Me\u{2028}thod");

    // Nor fill it at once.
    let long = "ä".repeat(5000);
    let call = client.call(GREET).header("x-code", "5");
    assert_eq!(call.unary(long.clone()).await.code(), 5);
    let events = log.events("reflectd::access");
    let error = events[0]["fields"]["error"].as_str().unwrap();
    let kept = error.strip_suffix('…').unwrap();
    assert!(
        long.starts_with(kept) && kept.len() == 1024,
        "{}",
        kept.len()
    );
}

#[tokio::test]
async fn no_secret_gets_into_the_log() {
    let (log, _turn) = Log::start().await;
    let builder = builder()
        .access_log(AccessLog::All)
        .before(|call: &Call| {
            // What a handler may do without thinking of it.
            tracing::info!(call = ?call, metadata = ?call.metadata(), "asked");
            Ok(())
        })
        .after(|end: &CallEnd<'_>| tracing::info!(?end, "told"));
    let server = TestServer::start(builder).await;
    let client = server.client().await;
    for code in ["0", "13"] {
        let call = client
            .call(GREET)
            .header("x-code", code)
            .header("authorization", "Bearer s3cret")
            .header("cookie", "session=s3cret")
            .header("x-api-key", "s3cret")
            // "s3cret"
            .header("token-bin", "czNjcmV0");
        call.unary("why").await;
    }
    server.stop().await;
    let text = log.text.take();
    assert_eq!(text.matches("asked").count(), 2, "{text}");
    assert_eq!(text.matches("reflectd::access").count(), 2, "{text}");
    assert!(text.contains("x-code"), "{text}");
    for secret in ["s3cret", "czNjcmV0"] {
        assert!(!text.contains(secret), "{text}");
    }
}

async fn speak(request: RawMessage) -> Result<RawMessage, Status> {
    tracing::info!("at once");
    tokio::task::yield_now().await;
    tracing::info!("later");
    Ok(request)
}

async fn speak_and_stream(_: RawMessage, _: Replies<RawMessage>) -> Result<(), Status> {
    tracing::info!("at once");
    let _dropped = SpeakWhenDropped;
    std::future::pending().await
}

struct SpeakWhenDropped;

impl Drop for SpeakWhenDropped {
    fn drop(&mut self) {
        tracing::info!("dropped");
    }
}

fn speak_and_block(request: RawMessage) -> Result<RawMessage, Status> {
    tracing::info!("on a thread");
    Ok(request)
}

#[tokio::test]
async fn what_a_handler_logs_carries_its_call() {
    let (log, _turn) = Log::start().await;
    let schema = Schema::compile(["proto/greeter.proto", "proto/user.proto"], ["proto"]).unwrap();
    let builder = Server::builder(schema)
        .unary(GREET, speak)
        .server_streaming("/greeter.Greeter/GreetRepeatedly", speak_and_stream)
        .blocking("/user.UserInfo/getUser", speak_and_block)
        .before(|_: &Call| {
            tracing::info!("before");
            Ok(())
        })
        .before(async |_: Call| {
            tokio::task::yield_now().await;
            tracing::info!("before, later");
            Ok(())
        })
        .after(|_: &CallEnd<'_>| tracing::info!("after"));
    let server = TestServer::start(builder).await;
    let client = server.client().await;
    let before = ["before", "before, later"];
    for (service, method, code, said) in [
        (
            "greeter.Greeter",
            "Greet",
            0,
            &["at once", "later", "after"][..],
        ),
        (
            "greeter.Greeter",
            "GreetRepeatedly",
            4,
            &["at once", "after", "dropped"],
        ),
        ("user.UserInfo", "getUser", 0, &["on a thread", "after"]),
    ] {
        let call = client.call(&format!("/{service}/{method}"));
        let reply = call.header("grpc-timeout", "1S").unary("").await;
        assert_eq!(reply.code(), code, "{method}");
        let mut spoken = Vec::new();
        let mut closed = None;
        // The span is closed when the last who works for the call has gone.
        while closed.is_none() {
            tokio::task::yield_now().await;
            let lines = log.json.take();
            for line in lines.lines() {
                let event: Value = serde_json::from_str(line).unwrap();
                match event["target"].as_str() {
                    Some("access_log") => {
                        assert_eq!(event["span"]["rpc.service"], service, "{event}");
                        assert_eq!(event["span"]["rpc.method"], method, "{event}");
                        let message = event["fields"]["message"].as_str().unwrap();
                        spoken.push(message.to_owned());
                    }
                    Some("reflectd::call") => closed = Some(event),
                    _ => {}
                }
            }
        }
        assert_eq!(spoken, [&before[..], said].concat(), "{method}");
        let span = &closed.unwrap()["span"];
        assert_eq!(span["name"], "call");
        assert_eq!(span["rpc.system"], "grpc");
        assert_eq!(span["rpc.grpc.status_code"], code);
        assert!(span["duration_ms"].as_f64().unwrap() > 0.0);
        assert!(span["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    }
}
