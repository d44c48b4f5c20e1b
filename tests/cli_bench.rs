//! `reflectd bench`, run as a shell would run it.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "support/json_schema.rs"]
mod json_schema;
#[path = "support/reflectd.rs"]
mod program;
mod support;

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use program::{Ran, protos, reflectd};
use reflectd::{Call, Replies, Schema, Server, Status, Streaming};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use support::TestServer;
use tokio::{sync::Mutex, task::block_in_place, time::sleep};

#[derive(Deserialize)]
struct Person {
    name: String,
    times: u32,
}

#[derive(Default, Serialize)]
struct Greeting {
    text: String,
}

/// What the server has seen, and when it stalls.
#[derive(Clone, Default)]
struct Seen {
    calls: Arc<AtomicUsize>,
    under_way: Arc<AtomicUsize>,
    most_under_way: Arc<AtomicUsize>,
    peers: Arc<std::sync::Mutex<std::collections::HashSet<String>>>,
    /// Held while the server stalls.
    stall: Arc<Mutex<()>>,
    failures: Arc<AtomicU32>,
}

impl Seen {
    async fn greet(self, call: Call, person: Person) -> Result<Greeting, Status> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::Relaxed);
        let peer = format!("{:?}", call.peer());
        self.peers.lock().unwrap().insert(peer);
        let answer = match person.name.as_str() {
            "fail" => Err(Status::not_found("no such person")),
            "fail with a number" => {
                let number = self.failures.fetch_add(1, Ordering::Relaxed);
                Err(Status::aborted(format!("\x1b[31m{number}")))
            }
            "wait" => std::future::pending().await,
            "slowly" => {
                sleep(Duration::from_millis(30)).await;
                Ok(Greeting::default())
            }
            "stall once" => {
                let guard = self.stall.lock().await;
                if number == STALLED {
                    sleep(STALL).await;
                }
                drop(guard);
                Ok(Greeting::default())
            }
            "metadata" => {
                let text = call.metadata().texts("x-a").collect::<Vec<_>>().join(",");
                match text.as_str() {
                    "1,2" => Ok(Greeting { text }),
                    _ => Err(Status::invalid_argument(text)),
                }
            }
            name => Ok(Greeting {
                text: name.to_owned(),
            }),
        };
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

async fn repeat(person: Person, mut replies: Replies<Greeting>) -> Result<(), Status> {
    for _ in 0..person.times {
        replies.send(Greeting::default()).await?;
    }
    Ok(())
}

async fn together(mut people: Streaming<Person>) -> Result<Greeting, Status> {
    while people.message().await?.is_some() {}
    Ok(Greeting::default())
}

async fn each(mut people: Streaming<Person>, mut replies: Replies<Greeting>) -> Result<(), Status> {
    while people.message().await?.is_some() {
        replies.send(Greeting::default()).await?;
    }
    Err(Status::out_of_range("that was all"))
}

async fn greeter() -> (TestServer, Seen) {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let seen = Seen::default();
    let handler = seen.clone();
    let builder = Server::builder(schema)
        .unary("/greeter.Greeter/Greet", move |call: Call, person| {
            handler.clone().greet(call, person)
        })
        .server_streaming("/greeter.Greeter/GreetRepeatedly", repeat)
        .client_streaming("/greeter.Greeter/GreetTogether", together)
        .bidi("/greeter.Greeter/GreetEach", each);
    (TestServer::start(builder).await, seen)
}

/// Runs `bench` in `proto/`.
fn bench(at: &str, arguments: &[&str]) -> Ran {
    let arguments = [&["bench", at][..], arguments].concat();
    block_in_place(|| program::run(&protos(), &arguments))
}

/// Runs it with `--json`; its exit code and its document, which fits the schema.
#[track_caller]
fn document(at: &str, arguments: &[&str]) -> (i32, Value) {
    let ran = bench(at, &[arguments, &["--json"]].concat());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    json_schema::validate(&schema(), &document, "").unwrap();
    (ran.code.unwrap(), document)
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string("docs/bench.schema.json").unwrap()).unwrap()
}

fn number(document: &Value, path: &str) -> u64 {
    let value = document.pointer(path).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("{path} of {document}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_makes_so_many_calls_so_many_at_once() {
    let (server, seen) = greeter().await;
    let at = &server.address().to_string();
    let load = ["-n", "60", "-c", "6", "--connections", "3", "--cpus", "2"];
    let (code, document) = document(at, &[&[GREET, "name=slowly"], &load[..]].concat());
    assert_eq!(code, 0, "{document}");
    assert_eq!(number(&document, "/count"), 60);
    assert_eq!(number(&document, "/status/OK"), 60);
    assert_eq!(number(&document, "/latency_us/count"), 60);
    assert_eq!(number(&document, "/messages/received"), 60);
    assert_eq!(number(&document, "/options/threads"), 2);
    assert_eq!(document["end"], "total");
    assert_eq!(document["schedule"], Value::Null);
    let (least, most) = (
        number(&document, "/latency_us/min"),
        number(&document, "/latency_us/max"),
    );
    assert!(least >= 30_000, "each call takes 30 ms: {document}");
    assert!(least <= number(&document, "/latency_us/p50"), "{document}");
    assert!(number(&document, "/latency_us/p99") <= most, "{document}");
    let seconds = document["duration_s"].as_f64().unwrap();
    assert!(seconds >= 0.3, "ten calls after another: {document}");
    let rps = document["rps"].as_f64().unwrap();
    assert!((rps * seconds - 60.0).abs() < 0.01, "{document}");
    let buckets = document["histogram"].as_array().unwrap();
    let counted: u64 = buckets.iter().map(|bucket| number(bucket, "/count")).sum();
    assert_eq!(counted, 60, "{document}");

    assert_eq!(seen.calls.load(Ordering::Relaxed), 60);
    assert_eq!(seen.most_under_way.load(Ordering::Relaxed), 6);
    assert_eq!(seen.peers.lock().unwrap().len(), 3, "three connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_its_time_is_up_and_waits_for_what_is_under_way() {
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    for load in [&["-z", "200ms"][..], &["-n", "100000000", "-x", "0.2"]] {
        let (code, document) = document(at, &[&[GREET, "name=slowly", "-c", "2"], load].concat());
        assert_eq!(code, 0, "{document}");
        assert_eq!(document["end"], "duration");
        let seconds = document["duration_s"].as_f64().unwrap();
        assert!((0.2..5.0).contains(&seconds), "{document}");
        let count = number(&document, "/count");
        assert!((2..=16).contains(&count), "{document}");
        assert_eq!(number(&document, "/given_up"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_open_loop_time_counts_from_when_a_call_was_due() {
    let arguments = [GREET, "name=stall once", "-n", "200"];
    let p90 = |document: &Value| Duration::from_micros(number(document, "/latency_us/p90"));
    // 200 a second, and 0.6 s in which nothing is answered: 120 calls are due then, of which the
    // slowest 20 wait for more than 0.4 s. One caller sends them when it can.
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let load = ["-c", "1", "--rps", "200"];
    let (code, one) = document(at, &[&arguments[..], &load].concat());
    assert_eq!((code, number(&one, "/status/OK")), (0, 200), "{one}");
    assert!(p90(&one) > STALL / 2, "{one}");
    assert_eq!(one["schedule"]["kept"], false);
    assert!(number(&one, "/schedule/late") > 40, "{one}");
    assert!(number(&one, "/schedule/late_max_us") > 400_000, "{one}");
    let seconds = one["duration_s"].as_f64().unwrap();
    assert!(seconds > 0.99, "the last call is due after 995 ms: {one}");

    // With enough callers the schedule is kept, and the figures are much the same.
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let load = ["-c", "200", "--rps", "200"];
    let (_, many) = document(at, &[&arguments[..], &load].concat());
    assert!(p90(&many) > STALL / 2, "{many}");
    assert!(number(&many, "/schedule/late") < 40, "{many}");

    // A closed loop sees one slow call.
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let (_, closed) = document(at, &[&arguments[..], &["-c", "1"]].concat());
    assert!(p90(&closed) < STALL / 2, "{closed}");
    assert!(number(&closed, "/latency_us/max") > 590_000, "{closed}");

    // What never left is told.
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let load = ["-c", "1", "--rps", "200", "-z", "500ms"];
    let (_, cut) = document(at, &[&[GREET, "name=stall once"], &load[..]].concat());
    assert!(number(&cut, "/schedule/unsent") > 40, "{cut}");
    let summary = bench(
        at,
        &[GREET, "name=slowly", "-c", "1", "-r", "200", "-n", "20"],
    );
    assert!(summary.stdout.contains("was not kept"), "{summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_is_counted_by_name() {
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let data = r#"[{"name":"a"},{"name":"fail"},{"name":"a"},{"name":"a"}]"#;
    let (code, document) = document(at, &[GREET, "-d", data, "-n", "100"]);
    assert_eq!(code, 64 + 5, "that of most failures: {document}");
    assert_eq!(number(&document, "/status/OK"), 75);
    assert_eq!(number(&document, "/status/NOT_FOUND"), 25);
    assert_eq!(number(&document, "/errors"), 25);
    assert_eq!(
        number(&document, "/latency_us/count"),
        75,
        "failures do not count"
    );
    let said = &document["error_messages"]["most"][0];
    assert_eq!(
        (said["code"].as_str(), number(said, "/count")),
        (Some("NOT_FOUND"), 25)
    );
    let seconds = document["duration_s"].as_f64().unwrap();
    let rps = document["rps"].as_f64().unwrap();
    assert!((rps * seconds - 75.0).abs() < 0.01, "{document}");

    let (_, all) = self::document(at, &[GREET, "-d", data, "-n", "100", "--count-errors"]);
    assert_eq!(number(&all, "/latency_us/count"), 100);

    let (code, late) = self::document(at, &[GREET, "name=wait", "-n", "2", "-t", "50ms"]);
    assert_eq!(
        (code, number(&late, "/status/DEADLINE_EXCEEDED")),
        (64 + 4, 2)
    );
    assert_eq!(late["latency_us"], Value::Null);

    let ran = bench(at, &[GREET, "name=fail with a number", "-n", "100"]);
    assert_eq!(ran.code, Some(64 + 10));
    assert!(ran.stdout.contains("80 x something else"), "{ran:?}");
    assert!(
        !ran.stdout.contains('\x1b'),
        "a server's words are not to steer a terminal"
    );
    assert_eq!(
        ran.stderr,
        "error: 100 of 100 calls failed, most of them with ABORTED; --fail-if 'errors>COUNT' says how \
         many may\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_decide_how_it_ends() {
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let half = r#"{"name":"a"} {"name":"fail"}"#;
    for (code, arguments, broken) in [
        (
            0,
            &["name=a", "--fail-if", "p99>1m", "--fail-if", "count<200"][..],
            &[][..],
        ),
        (
            3,
            &["name=slowly", "-n", "9", "--fail-if", "p50 > 1ms"],
            &["p50 > 1ms"],
        ),
        (
            3,
            &["name=a", "--fail-if", "max<1us,rps<1,min>=1us,mean<0.1us"],
            &["min>=1us"],
        ),
        (0, &["-d", half, "--fail-if", "errors>100"], &[]),
        (
            3,
            &["-d", half, "--fail-if", "errors>=100"],
            &["errors>=100"],
        ),
        (0, &["-d", half, "--fail-if", "error_rate>0.5"], &[]),
        (
            3,
            &["-d", half, "--fail-if", "errors>49.9%"],
            &["errors>49.9%"],
        ),
        (64 + 5, &["-d", half, "--fail-if", "count<1"], &[]),
        (
            3,
            &[
                "name=fail",
                "--fail-if",
                "p99>1m",
                "--fail-if",
                "errors>1000",
            ],
            &["p99>1m"],
        ),
    ] {
        let ran = bench(at, &[&[GREET, "--json"], arguments].concat());
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        json_schema::validate(&schema(), &document, "").unwrap();
        assert_eq!(ran.code, Some(code), "{arguments:?} {ran:?}");
        let judged = document["thresholds"].as_array().unwrap();
        let failed: Vec<&str> = judged
            .iter()
            .filter(|judged| judged["failed"] == true)
            .map(|judged| judged["fail_if"].as_str().unwrap())
            .collect();
        assert_eq!(failed, broken, "{arguments:?}");
        for broken in broken {
            assert!(ran.stderr.contains(broken), "{ran:?}");
        }
    }
    let ran = bench(at, &[GREET, "name=a", "-n", "7", "--fail-if", "count<8"]);
    assert_eq!(ran.stderr, "error: the run fails: count<8, it was 7\n");
    assert!(ran.stdout.contains("count<8"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_decide_though_nobody_reads() {
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let arguments = ["bench", at, GREET, "-n", "10", "--fail-if", "p99>1us"];
    let mut command = reflectd(&protos(), &arguments);
    let output = block_in_place(|| command.stdout(writer).output());
    let ran = Ran::from(output.unwrap());
    assert_eq!(ran.code, Some(3), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_refuses_what_is_no_such_document() {
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let tags = r#"{"branch":"main"}"#;
    let load = [
        "-r",
        "1000",
        "--name",
        "x",
        "--tags",
        tags,
        "--fail-if",
        "p99>1m",
    ];
    let data = r#"{"name":"a"} {"name":"fail"}"#;
    let (_, good) = document(at, &[&[GREET, "-d", data], &load[..]].concat());
    assert_eq!(
        (&good["name"], &good["tags"]["branch"]),
        (&"x".into(), &"main".into())
    );
    let schema = schema();
    let mut changed = 0;
    for path in pointers(&good, "") {
        let mut bad = good.clone();
        *bad.pointer_mut(&path).unwrap() = Value::Array(vec![Value::Null]);
        assert!(
            json_schema::validate(&schema, &bad, "").is_err(),
            "{path} of another type"
        );
        let (parent, name) = path.rsplit_once('/').unwrap();
        let is_counted = parent == "/status" || parent == "/tags";
        if let Some(Value::Object(members)) = bad.pointer_mut(parent)
            && !is_counted
        {
            members.remove(name);
            assert!(
                json_schema::validate(&schema, &bad, "").is_err(),
                "without {path}"
            );
            let mut bad = good.clone();
            bad.pointer_mut(parent).unwrap()["more"] = 1.into();
            assert!(
                json_schema::validate(&schema, &bad, "").is_err(),
                "more in {parent}"
            );
        }
        changed += 1;
    }
    assert!(changed > 50, "{changed} values");
}

/// Where all values below a value are.
fn pointers(value: &Value, path: &str) -> Vec<String> {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(elements) => (0..).map(|i: usize| i.to_string()).zip(elements).collect(),
        _ => Vec::new(),
    };
    let below = members.into_iter().flat_map(|(name, value)| {
        let path = format!("{path}/{name}");
        let mut all = pointers(value, &path);
        all.push(path);
        all
    });
    below.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_one_call() {
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let three = r#"{"name":"a"} {"name":"b"} {"name":"c"}"#;
    let repeat = r#"[{"times":2},{"times":4}]"#;
    for (method, data, code, status, messages) in [
        ("greeter.Greeter.GreetRepeatedly", repeat, 0, "OK", (10, 30)),
        ("greeter.Greeter/GreetTogether", three, 0, "OK", (30, 10)),
        (
            "greeter.Greeter/GreetEach",
            three,
            64 + 11,
            "OUT_OF_RANGE",
            (30, 30),
        ),
    ] {
        let (ended, document) = document(at, &["--call", method, "-d", data, "-n", "10"]);
        assert_eq!(ended, code, "{document}");
        assert_eq!(number(&document, &format!("/status/{status}")), 10);
        let (sent, received) = messages;
        assert_eq!(number(&document, "/messages/sent"), sent, "{method}");
        assert_eq!(
            number(&document, "/messages/received"),
            received,
            "{method}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_come_from_wherever_ghz_takes_them() {
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.json");
    fs::write(&file, r#"{"name": "metadata"}"#).unwrap();
    let file = file.to_str().unwrap();
    let at_file = format!("@{file}");
    let metadata = r#"{"x-a":"2"}"#;
    for arguments in [
        &["--call", GREET, "-D", file, "-H", "x-a: 1", "-m", metadata][..],
        &[
            GREET,
            "-d",
            &at_file,
            "-H",
            "x-a: 1",
            "-rpc-header",
            "x-a: 2",
        ],
        &[
            "-call",
            GREET,
            "name=metadata",
            "-H",
            "x-a: 1,2",
            "-insecure",
        ],
        &[
            "-call",
            GREET,
            "name=metadata",
            "-H",
            "x-a: 1,2",
            "-proto",
            "greeter.proto",
            "-import-paths",
            ".",
        ],
    ] {
        let (code, document) = document(at, arguments);
        assert_eq!(
            (code, number(&document, "/status/OK")),
            (0, 200),
            "{document}"
        );
    }
    let ran = bench(at, &[GREET, "-n", "1", "--insecure"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.stderr,
        "notice: --insecure means without TLS here, as in ghz; --skip-tls takes any certificate\n"
    );
    // Where ghz does something else, it is said.
    let ran = bench(at, &[GREET, "-n", "1", "-d", r#"{"name":"{{newUUID}}"}"#]);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stderr
            .starts_with("notice: templates are not filled in"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_told_before_a_call_is_made() {
    let (server, seen) = greeter().await;
    let at = &server.address().to_string();
    for (arguments, told) in [
        (&[][..], "the method is missing"),
        (&["Greet"], "is no method"),
        (&[GREET, "-n", "0"], "--total"),
        (&[GREET, "-c", "0"], "--concurrency"),
        (&[GREET, "-c", "100001"], "--concurrency"),
        (&[GREET, "--connections", "51"], "51 connections"),
        (&[GREET, "--cpus", "0"], "--cpus"),
        (&[GREET, "-r", "0"], "--rps"),
        (&[GREET, "-r", "NaN"], "--rps"),
        (&[GREET, "-r", "-5"], "--rps"),
        (&[GREET, "-z", "0"], "--duration"),
        (&[GREET, "-z", "1d"], "--duration"),
        (&[GREET, "-z", "1", "-n", "5"], "do not go together"),
        (&[GREET, "-t", "-1"], "--timeout"),
        (&[GREET, "name=a", "-d", "{}"], "do not go together"),
        (&[GREET, "-d", "{}", "-D", "x"], "do not go together"),
        (&[GREET, "-m", "[]"], "--metadata wants a JSON object"),
        (&[GREET, "-m", "{\"te\":\"x\"}"], "reserved"),
        (
            &[GREET, "--tags", "{\"a\":1}"],
            "--tags wants a JSON object",
        ),
        (
            &[GREET, "--fail-if", "p99=5ms"],
            "a condition is, for example",
        ),
        (&[GREET, "--fail-if", "p99>5"], "times want a unit"),
        (&[GREET, "--fail-if", "q>5"], "there are p50 to p999"),
        (&[GREET, "--skip-tls", "--insecure"], "leave one out"),
        (&[GREET, "-d", "[]"], "the data has no request"),
    ] {
        let ran = bench(at, arguments);
        let complaint = ran.failed(2);
        assert!(complaint.contains(told), "{arguments:?} {complaint}");
    }
    for (arguments, told) in [
        (&["greeter.Greeter/Nope"][..], "has no method"),
        (&[GREET, "-d", "{"], "no JSON"),
        (&[GREET, "-d", "{\"nope\":1}"], "nope"),
        (&[GREET, "-D", "no/such/file"], "no/such/file"),
    ] {
        let ran = bench(at, arguments);
        let complaint = ran.failed(1);
        assert!(complaint.contains(told), "{arguments:?} {complaint}");
    }
    assert_eq!(seen.calls.load(Ordering::Relaxed), 0);
    let ran = bench("127.0.0.1:1", &[GREET]);
    assert!(
        ran.failed(1)
            .starts_with("error: cannot connect to 127.0.0.1:1"),
        "{ran:?}"
    );
    let ran = bench(at, &[GREET, "--skip-tls"]);
    assert!(ran.failed(1).contains("--plaintext"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_not_waited_for_beyond_the_time_there_is() {
    let (server, seen) = greeter().await;
    let at = &server.address().to_string();
    let typed = ["bench", at, GREET, "--max-time", "1", "-d", "@"];
    let mut command = reflectd(&protos(), &typed);
    let ran = block_in_place(|| {
        let mut bench = command.stdin(Stdio::piped()).spawn().unwrap();
        // Somebody types, and does not come to an end.
        let mut typing = bench.stdin.take().unwrap();
        typing.write_all(b"{\"name\":\"a\"} {").unwrap();
        Ran::from(bench.wait_with_output().unwrap())
    });
    let told = "the time was over before the data was there (--max-time)";
    assert!(ran.failed(68).contains(told), "{ran:?}");
    assert_eq!(seen.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_there_is_no_server_callers_pause() {
    let (server, seen) = greeter().await;
    let at = server.address().to_string();
    let typed = [GREET, "name=a", "-z", "1", "-c", "4", "--json"];
    let typed = typed.map(str::to_owned);
    let run = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = typed.iter().map(String::as_str).collect();
        bench(&at, &arguments)
    });
    while seen.calls.load(Ordering::Relaxed) == 0 {
        assert!(!run.is_finished(), "it made no call");
        sleep(Duration::from_millis(5)).await;
    }
    server.stop().await;
    let ran = run.await.unwrap();
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let failed = number(&document, "/status/UNAVAILABLE");
    // Each of the four waits for a millisecond at least after a call that failed at once.
    let most = 4 * (document["duration_s"].as_f64().unwrap() * 1000.0) as u64 + 100;
    assert!((1..most).contains(&failed), "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_run_was_made_the_document_says_why() {
    let (server, _) = greeter().await;
    let at = &server.address().to_string();
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.proto");
    fs::write(&bad, "syntax = \"proto3\"; message {}").unwrap();
    let bad = bad.to_str().unwrap();
    for (at, arguments, code, told) in [
        (at.as_str(), &[][..], 2, "the method is missing"),
        (at, &[GREET, "nam=x"], 2, "\"nam=x\": `greeter.Person`"),
        (at, &[GREET, "--tags", "[]"], 2, "--tags wants"),
        (at, &["greeter.Gone/Greet"], 1, "no symbol \"greeter.Gone\""),
        (at, &[GREET, "--proto", "gone.proto"], 1, "gone.proto"),
        (at, &[GREET, "--proto", bad], 100, "the files have errors"),
        ("127.0.0.1:1", &[GREET], 1, "cannot connect to 127.0.0.1:1"),
    ] {
        let (exit, document) = document(at, arguments);
        let error = document["error"].as_str().unwrap();
        assert!(error.contains(told), "{arguments:?} {document}");
        assert_eq!(exit, code, "{document}");
        assert_eq!(document["call"].as_str(), arguments.first().copied());
        let mut whole = document.clone();
        whole["count"] = 1.into();
        whole.as_object_mut().unwrap().remove("error");
        assert!(json_schema::validate(&schema(), &whole, "").is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_early_with_what_there_is() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (server, seen) = greeter().await;
        let at = &server.address().to_string();
        let arguments = [
            "bench",
            at,
            GREET,
            "-d",
            "@data.json",
            "-z",
            "1h",
            "-c",
            "8",
            "--json",
        ];
        let folder = tempfile::tempdir().unwrap();
        let data = r#"{"name":"a"} {"name":"a"} {"name":"a"} {"name":"wait"}"#;
        fs::write(folder.path().join("data.json"), data).unwrap();
        let child = reflectd(folder.path(), &arguments).spawn().unwrap();
        let started = Instant::now();
        // In the end all eight wait.
        while seen.under_way.load(Ordering::Relaxed) < 8 {
            assert!(started.elapsed() < Duration::from_secs(20), "no calls");
            sleep(Duration::from_millis(10)).await;
        }
        let kill = format!("kill -{signal} {}", child.id());
        block_in_place(|| Command::new("sh").args(["-c", &kill]).status().unwrap());
        let ran = Ran::from(block_in_place(|| child.wait_with_output().unwrap()));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        json_schema::validate(&schema(), &document, "").unwrap();
        assert_eq!(document["end"], "signal");
        assert_eq!(number(&document, "/given_up"), 8);
        let ended = seen.calls.load(Ordering::Relaxed) as u64 - 8;
        assert_eq!(number(&document, "/status/OK"), ended, "{document}");
    }
}

const GREET: &str = "greeter.Greeter/Greet";

/// Which call stalls the server, and for how long.
const STALLED: usize = 40;
const STALL: Duration = Duration::from_millis(600);
