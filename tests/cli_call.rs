//! `reflectd call`, and `list` and `describe` against a live server; with grpcurl beside it where
//! there is one.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "support/reflection_messages.rs"]
mod messages;
#[path = "support/reflectd.rs"]
mod program;
mod support;
#[path = "support/tools.rs"]
mod tools;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use messages::{
    ErrorResponse, FileDescriptorResponse, ListServiceResponse, MessageRequest as Ask,
    MessageResponse, ServiceResponse,
};
use program::{Ran, Running, protos, reflectd};
use prost::Message as _;
use reflectd::{Call, Metadata, RawMessage, Replies, Response, Schema, Server, Status, Streaming};
use serde::{Deserialize, Serialize};
use support::TestServer;
use tokio::task::block_in_place;

#[derive(Deserialize)]
struct Person {
    name: String,
    times: u32,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
}

fn of(name: &str) -> String {
    format!("type.googleapis.com/{name}")
}

async fn greet(call: Call, person: Person) -> Result<Response<Greeting>, Status> {
    let mut headers = Metadata::new();
    let mut trailers = Metadata::new();
    for value in call.metadata().texts("x-echo") {
        headers.append("x-echo", value)?;
    }
    for value in call.metadata().all_bytes("x-echo-bin") {
        trailers.append_bytes("x-after-bin", &value)?;
    }
    match person.name.as_str() {
        "fail" => Err(Status::not_found("as \"asked\" <&>")
            .with_detail_bytes(of("greeter.Person"), &b"\x0a\x03Ann\x10\x02"[..])
            .with_detail_bytes(of("nobody.Knows"), &b"\x08\x03"[..])
            .with_detail_bytes(of("google.protobuf.Duration"), &b"\x08\x03"[..])
            .with_detail_bytes(of("greeter.Greeting"), &b""[..])),
        "slow" => Err(Status::unavailable("")
            .with_detail_bytes(of("google.rpc.RetryInfo"), &b"\x0a\x02\x08\x03"[..])),
        "steer" => Err(Status::not_found("\x1b[2Jgone\u{9b}1m\r\nOK")),
        "wait" => std::future::pending().await,
        name => Ok(Response::new(Greeting {
            text: name.to_owned(),
        })
        .with_metadata(headers)
        .with_trailers(trailers)),
    }
}

async fn repeat(person: Person, mut replies: Replies<Greeting>) -> Result<(), Status> {
    for number in 0..person.times {
        let text = format!("{} {number}", person.name);
        replies.send(Greeting { text }).await?;
    }
    match person.name.as_str() {
        "fail" => Err(Status::aborted("half-way")),
        _ => Ok(()),
    }
}

async fn together(mut people: Streaming<Person>) -> Result<Greeting, Status> {
    let mut names = Vec::new();
    while let Some(person) = people.message().await? {
        names.push(person.name);
    }
    Ok(Greeting {
        text: names.join(" "),
    })
}

async fn each(mut people: Streaming<Person>, mut replies: Replies<Greeting>) -> Result<(), Status> {
    while let Some(person) = people.message().await? {
        replies.send(Greeting { text: person.name }).await?;
    }
    Ok(())
}

async fn greeter() -> TestServer {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let builder = Server::builder(schema)
        .unary("/greeter.Greeter/Greet", greet)
        .server_streaming("/greeter.Greeter/GreetRepeatedly", repeat)
        .client_streaming("/greeter.Greeter/GreetTogether", together)
        .bidi("/greeter.Greeter/GreetEach", each);
    TestServer::start(builder).await
}

const GREET: &str = "greeter.Greeter/Greet";
const REPEAT: &str = "greeter.Greeter/GreetRepeatedly";
const TOGETHER: &str = "greeter.Greeter/GreetTogether";
const EACH: &str = "greeter.Greeter/GreetEach";

/// Runs the program in `proto/`.
fn run(arguments: &[&str]) -> Ran {
    block_in_place(|| program::run(&protos(), arguments))
}

/// What it prints, white space folded, where it succeeds.
#[track_caller]
fn says(arguments: &[&str], expected: &str) {
    let ran = run(arguments);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), ""),
        "{arguments:?}"
    );
    let said: Vec<&str> = ran.stdout.split_whitespace().collect();
    assert_eq!(said.join(" "), expected, "{arguments:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_four_kinds_are_called() {
    let server = greeter().await;
    let at = &server.address().to_string();
    says(&["call", at, GREET, "name=Ann"], r#"{ "text": "Ann" }"#);
    says(
        &[
            "call",
            at,
            "greeter.Greeter.GreetRepeatedly",
            "name=a",
            "times:=2",
        ],
        r#"{ "text": "a 0" } { "text": "a 1" }"#,
    );
    let two = r#"{"name":"a"} {"name":"b"}"#;
    says(&["call", at, TOGETHER, "-d", two], r#"{ "text": "a b" }"#);
    says(
        &["call", at, EACH, "-d", two, "--proto", "greeter.proto"],
        r#"{ "text": "a" } { "text": "b" }"#,
    );
    says(&["call", at, TOGETHER], "{}");
    says(&["call", at, GREET], "{}");

    let ran = run(&["call", at, REPEAT, "name=fail", "times=1"]);
    assert_eq!(ran.code, Some(64 + 10), "{ran:?}");
    assert_eq!(ran.stdout, "{\n  \"text\": \"fail 0\"\n}\n");
    assert_eq!(ran.stderr, "ERROR:\n  Code: Aborted\n  Message: half-way\n");
    let ran = run(&["call", at, GREET, "name=wait", "-max-time", "0.2"]);
    assert_eq!(ran.code, Some(64 + 4), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_sent_and_printed_as_it_comes() {
    let server = greeter().await;
    let at = &server.address().to_string();
    for data in ["@", "@-"] {
        let mut command = reflectd(&protos(), &["call", at, EACH, "-d", data]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        block_in_place(|| {
            for name in ["a", "b", "c"] {
                // No byte behind the brace: the value is whole without one.
                write!(stdin, "{{\"name\":\"{name}\"}}").unwrap();
                let reply: Vec<_> = (0..3).map(|_| lines.next().unwrap().unwrap()).collect();
                assert_eq!(reply[1], format!("  \"text\": \"{name}\""));
            }
            drop(stdin);
            assert!(lines.next().is_none());
            assert_eq!(child.wait().unwrap().code(), Some(0));
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_goes_both_ways() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let flags = [
        "-v",
        "-H",
        "X-Echo: ${WHO}",
        "-rpc-header",
        "x-echo-bin: AQI=",
    ];
    let arguments = [
        &["call", at, GREET, "name=a"][..],
        &flags,
        &["-expand-headers"],
    ]
    .concat();
    let mut command = reflectd(&protos(), &arguments);
    command
        .env("WHO", "me: $you")
        .env("REFLECTD_REFLECT_HEADER", "a: 1,2\nb: 3");
    let ran = Ran::from(block_in_place(|| command.output().unwrap()));
    let expected = "
Resolved method descriptor:
rpc Greet(greeter.Person) returns (greeter.Greeting);

Request metadata to send:
x-echo: me: $you
x-echo-bin: AQI=

Response headers received:
content-type: application/grpc
grpc-accept-encoding: identity,gzip,deflate,zstd
x-echo: me: $you

Response contents:
{
  \"text\": \"a\"
}

Response trailers received:
x-after-bin: AQI=
Sent 1 request and received 1 response
";
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), expected),
        "{ran:?}"
    );
    let ran = run(&[
        "call",
        at,
        GREET,
        "-H",
        "x: ${NOBODY_SETS_THIS}",
        "-expand-headers",
    ]);
    assert!(ran.failed(2).contains("NOBODY_SETS_THIS, which is not set"));
    let ran = run(&["call", at, GREET, "-H", "x-bin: ?"]);
    assert!(ran.failed(2).contains("no base64"));
}

/// Flags of a call, and the method: what grpcurl prints for them we print.
const SAME: &[(&[&str], &str)] = &[
    (&["-d", r#"{"name":"Ann"}"#], GREET),
    (&["-d", r#"{"name":"a","times":3}"#], REPEAT),
    (&["-d", r#"{"name":"a"}{"name":"b"}"#], TOGETHER),
    (&["-d", r#"{"name":"a"}{"name":"b"}"#], EACH),
    (
        &["-proto", "greeter.proto", "-import-path", ".", "-d", "{}"],
        GREET,
    ),
    (&["-emit-defaults"], GREET),
    (
        &["-allow-unknown-fields", "-d", r#"{"name":"a","no":1}"#],
        GREET,
    ),
    (&["-format", "text", "-d", "name: 'a' times: 2"], REPEAT),
    (&["-format=text", "-d", "name: 'a'\u{1e}name: 'b'"], EACH),
    (&["-d", r#"{"name":"fail"}"#], GREET),
    (&["-d", r#"{"name":"fail","times":2}"#], REPEAT),
    (
        &["-format-error", "-d", r#"{"name":"fail","times":1}"#],
        REPEAT,
    ),
    (&["-max-time", "0.2", "-d", r#"{"name":"wait"}"#], GREET),
    (&["-d", r#"{"nam":"a"}"#], GREET),
    (&["-d", "{}{}"], GREET),
    (&["-d", "{"], GREET),
    (&[], "greeter.Greeter/Gret"),
    (&[], "greeter.Greter/Greet"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_grpcurl_prints_is_printed() {
    let Some(grpcurl) = tools::grpcurl() else {
        return;
    };
    let server = greeter().await;
    let at = &server.address().to_string();
    for (flags, method) in SAME {
        let flags = [&["-plaintext"], *flags, &[at, method]].concat();
        let ours = run(&[&["call"], &flags[..]].concat());
        let theirs = Command::new(grpcurl)
            .args(&flags)
            .current_dir(protos())
            .output();
        let theirs = Ran::from(theirs.unwrap());
        assert_eq!(ours.code, theirs.code, "{flags:?} {ours:?} {theirs:?}");
        assert_eq!(ours.stdout, theirs.stdout, "{flags:?}");
        // The deadline has other words there, and what is no call's end is told in one line here.
        if theirs.code.is_some_and(|code| code > 64 && code != 68) {
            assert_eq!(
                ours.stderr.trim_end(),
                theirs.stderr.trim_end(),
                "{flags:?}"
            );
        }
    }
    for words in [vec![at, "list"], vec![at, "list", "greeter.Greeter"]] {
        let theirs = Command::new(grpcurl)
            .arg("-plaintext")
            .args(&words)
            .output();
        let theirs = Ran::from(theirs.unwrap());
        let ours = run(&[&["list", at], &words[2..]].concat());
        assert_eq!(
            (ours.code, ours.stdout),
            (theirs.code, theirs.stdout),
            "{words:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn details_are_shown_whatever_their_type() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let ran = run(&["call", at, GREET, "name=fail", "--format-error"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(69), ""), "{ran:?}");
    let status: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    let expected = serde_json::json!({
        "code": 5,
        "message": "as \"asked\" <&>",
        "details": [
            {"@type": of("greeter.Person"), "name": "Ann", "times": 2},
            {
                "@type": of("nobody.Knows"),
                "@value": "CAM=",
                "@error": "nobody.Knows is not recognized; see @value for raw binary message data",
            },
            {"@type": of("google.protobuf.Duration"), "value": "3s"},
            {"@type": of("greeter.Greeting")},
        ],
    });
    assert_eq!(status, expected);
    // The types of google/rpc are known whatever the server says.
    let ran = run(&["call", at, GREET, "name=slow"]);
    let expected = "ERROR:\n  Code: Unavailable\n  Message: \n  Details:\n  1)\t{\n    \t  \"@type\": \
                    \"type.googleapis.com/google.rpc.RetryInfo\",\n    \t  \"retryDelay\": \
                    \"3s\"\n    \t}\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(78), expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_server_is_listed_and_described() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let services = "greeter.Greeter grpc.health.v1.Health grpc.reflection.v1.ServerReflection \
                    grpc.reflection.v1alpha.ServerReflection";
    says(&["list", at], services);
    says(&["list", &format!("http://{at}")], services);
    says(
        &["list", at, "greeter.Greeter", "--methods"],
        "greeter.Greeter/Greet greeter.Greeter/GreetRepeatedly greeter.Greeter/GreetTogether \
         greeter.Greeter/GreetEach",
    );
    let greeting = "message Greeting { string text = 1; }";
    says(&["describe", at, "greeter.Greeting"], greeting);
    says(&["describe", ".greeter.Greeting", at], greeting);
    let all = run(&["describe", at]).stdout;
    for service in ["service Greeter {", "service Health {"] {
        assert!(all.contains(service), "{all}");
    }
    let told = run(&["describe", at, "greeter.Greter"])
        .failed(1)
        .to_owned();
    assert!(
        told.ends_with("(did you mean \"greeter.Greeter\"?)"),
        "{told}"
    );

    // What can be read in two ways is asked back.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(at), "").unwrap();
    let ran = block_in_place(|| program::run(folder.path(), &["list", at]));
    let told = format!("say ./{at} or http://{at}");
    assert!(ran.failed(2).contains(&told), "{ran:?}");
    let ran = run(&["list", "localhost"]);
    assert!(
        ran.failed(2)
            .contains("neither a file or folder here nor the address of a server")
    );
    let ran = run(&["list", at, "user.proto"]);
    assert!(ran.failed(2).contains("name one or the other"));
}

/// What is typed (AT: the address), the exit code, and what must be told.
const WRONG: &[(&str, i32, &str)] = &[
    ("call AT", 2, "<METHOD> is missing"),
    (
        "call AT Greet",
        2,
        "\"Greet\" is no method: it wants package.Service/Method",
    ),
    (
        "call AT a.B/c -plaintxt",
        2,
        "has no flag --plaintxt; did you mean --plaintext?",
    ),
    (
        "call AT a.B/c -max-time x",
        2,
        "\"x\" is no value for --max-time",
    ),
    ("call AT a.B/c x=1 -d {}", 2, "--data"),
    (
        "call AT a.B/c -plaintext -insecure",
        2,
        "--insecure with it: leave one out",
    ),
    (
        "call localhost a.B/c",
        2,
        "\"localhost\" is no address: it wants HOST:PORT",
    ),
    (
        "call ::1:5 a.B/c",
        2,
        "\"::1:5\" is no address: it wants HOST:PORT, http://HOST:PORT, https://HOST:PORT or \
         unix:PATH; did you mean [::1]:5?",
    ),
    (
        "call greeter.proto greeter.Greeter/Greet",
        2,
        "unix:PATH; files are named with --proto",
    ),
    ("list AT/", 2, "is no address"),
    (
        "describe localhost:99999",
        2,
        "\"localhost:99999\" is no address: it wants HOST:PORT",
    ),
    (
        "list AT a.B c.D",
        2,
        "a.B and c.D are two symbols: name one",
    ),
    (
        "list AT Greeter",
        1,
        "no symbol \"Greeter\" (did you mean \"greeter.Greeter\"?)",
    ),
    (
        "list AT nobody",
        1,
        "no symbol \"nobody\"; its services are greeter.Greeter, grpc.",
    ),
    (
        "list greeter.proto nobody",
        1,
        "no service named \"nobody\"; there is greeter.Greeter",
    ),
    (
        "list greeter.proto greeter.Greeter.Greet",
        1,
        "\"greeter.Greeter.Greet\" is no service; `reflectd describe` shows what it is",
    ),
    (
        "call AT greeter.Greeter/Greet -d {name:\"x\"}",
        1,
        "key must be a string at line 1 column 2; names stand in double quotes",
    ),
    (
        "call AT greeter.Greeter/Greet -d {\"name\":\"x\",}",
        1,
        "and no comma before }",
    ),
    (
        "call AT greeter.Greeter/Greet -d greeter.proto",
        2,
        "is a file here, and no JSON: say @greeter.proto",
    ),
    (
        "call AT greeter.Greter/Greet",
        1,
        "did you mean \"greeter.Greeter\"?",
    ),
    (
        "call AT greeter.Greeter/Gret",
        1,
        "has no method \"Gret\"; it has Greet, ",
    ),
    (
        "call AT greeter.Greeter/Greet name",
        2,
        "\"name\" has no value: a field is name=TEXT",
    ),
    (
        "call AT greeter.Greeter/Greet times=3 nam=x",
        2,
        "error: \"nam=x\": `greeter.Person` has no field `nam`; did you mean `name`?",
    ),
    (
        "call AT greeter.Greeter/Greet name=a times=many",
        2,
        "error: \"times=many\": ",
    ),
    (
        "call AT greeter.Greeter/Greet -d @gone",
        1,
        "cannot open the data gone: ",
    ),
    (
        "call AT greeter.Greeter/Greet -d {}{}",
        1,
        "there is more than one in the data",
    ),
    ("call 127.0.0.1:1 greeter.Greeter/Greet", 1, "refused"),
    (
        "call AT greeter.Greeter/Greet --proto gone.proto",
        1,
        "cannot open gone.proto",
    ),
    ("call AT greeter.Greeter/Greet -tls", 1, "(--plaintext)"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_in_one_line() {
    let server = greeter().await;
    let at = server.address().to_string();
    for (typed, code, told) in WRONG {
        let typed = typed.replace("AT", &at);
        let arguments: Vec<&str> = typed.split(' ').collect();
        let ran = run(&arguments);
        assert!(ran.failed(*code).contains(told), "{typed}: {ran:?}");
        // Places in JSON that nobody has typed are no help.
        let has_place = ran.stderr.contains(" at line ");
        assert!(!has_place || typed.contains("-d"), "{typed}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_limit_a_reply_is_beyond_is_told() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let name = format!("name={}", "x".repeat(1000));
    let ran = run(&["call", at, GREET, &name, "-max-msg-sz", "1000"]);
    assert_eq!(ran.code, Some(72), "{ran:?}");
    let told = "the reply is too long for this client: the message has 1003 bytes; at most 1000 \
                are received (receive_bytes_max, --max-msg-sz)";
    assert!(ran.stderr.contains(told), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_too_long_are_told_of() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let long = format!("x-echo: {}", "a".repeat(9000));
    let ran = run(&["call", at, GREET, "-H", &long]);
    assert_eq!(ran.code, Some(77), "{ran:?}");
    let told = "broke the protocol, or sent longer headers than this client takes";
    assert!(ran.stderr.contains(told), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_typed_is_one_and_a_variable_has_one_a_line() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let typed = run(&["call", "-v", "-H", "x-echo: a\nx-echo: b", at, GREET]);
    assert_eq!(typed.code, Some(2), "{typed:?}");
    let arguments = ["call", "-v", at, GREET];
    let mut command = reflectd(&protos(), &arguments);
    command.env("REFLECTD_HEADER", "x-echo: a\nx-echo: b\n");
    let ran = Ran::from(block_in_place(|| command.output()).unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let sent_and_received = ran.stdout.matches("x-echo: a\nx-echo: b\n").count();
    assert_eq!(sent_and_received, 2, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_does_not_steer_the_terminal() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let ran = run(&["call", at, GREET, "name=steer"]);
    assert_eq!(ran.code, Some(69), "{ran:?}");
    let told = "Message: \\u{1b}[2Jgone\\u{9b}1m\\r\nOK\n";
    assert!(ran.stderr.ends_with(told), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_counts_though_nobody_reads() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let arguments = ["call", "-v", at, GREET, "name=fail"];
    let mut command = reflectd(&protos(), &arguments);
    let output = block_in_place(|| command.stdout(writer).output());
    let ran = Ran::from(output.unwrap());
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(ran.stderr.contains("Code: NotFound"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_waited_for_beyond_the_time_there_is() {
    let server = greeter().await;
    let at = &server.address().to_string();
    let arguments = ["call", "-v", "--max-time", "1", "-d", "@", at, GREET];
    let mut command = reflectd(&protos(), &arguments);
    let started = std::time::Instant::now();
    let ran = block_in_place(|| {
        let mut call = command.stdin(Stdio::piped()).spawn().unwrap();
        let _held = call.stdin.take();
        Ran::from(call.wait_with_output().unwrap())
    });
    assert_eq!(ran.code, Some(68), "{ran:?}");
    assert!(started.elapsed().as_secs() < 10, "{ran:?}");
    assert!(ran.stdout.contains("Sent 0 requests"), "{ran:?}");
    assert!(ran.stderr.contains("Code: DeadlineExceeded"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_that_does_not_answer_is_not_waited_for() {
    let silent = async |_: Streaming<RawMessage>, _: Replies<RawMessage>| {
        std::future::pending::<Result<(), Status>>().await
    };
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let server = TestServer::start(Server::builder(Schema::built_in()).bidi(path, silent)).await;
    let at = &server.address().to_string();
    for asks in [&["call", at, GREET][..], &["list", at], &["describe", at]] {
        let ran = run(&[asks, &["--reflect-timeout", "0.1"]].concat());
        let told = "wait longer (--reflect-timeout), or name their .proto files (--proto): \
                    DEADLINE_EXCEEDED: it has not answered in 100ms";
        assert!(ran.failed(68).contains(told), "{ran:?}");
    }
}

/// Lists one service that it has, and one of which it knows no more.
async fn half_described(
    mut questions: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let file = schema.descriptor_pool().get_file_by_name("greeter.proto");
    let file = Bytes::from(file.unwrap().encode_to_vec());
    let service = |name: &str| ServiceResponse { name: name.into() };
    while let Some(question) = questions.message().await? {
        let question = messages::Request::decode(question.bytes).unwrap();
        let answer = match question.message_request.unwrap() {
            Ask::ListServices(_) => MessageResponse::Services(ListServiceResponse {
                service: vec![service("ghost.Ghost"), service("greeter.Greeter")],
            }),
            Ask::FileContainingSymbol(name) if name == "greeter.Greeter" => {
                MessageResponse::Files(FileDescriptorResponse {
                    file_descriptor_proto: vec![file.clone()],
                })
            }
            _ => MessageResponse::Error(ErrorResponse {
                error_code: 5,
                error_message: "not found".to_owned(),
            }),
        };
        let response = messages::Response {
            message_response: Some(answer),
            ..messages::Response::default()
        };
        let response = Bytes::from(response.encode_to_vec());
        replies.send(RawMessage::new(response)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_listed_and_not_described_is_told_of() {
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let builder = Server::builder(Schema::built_in()).bidi(path, half_described);
    let server = TestServer::start(builder).await;
    let at = &server.address().to_string();
    for asks in [&["list", at, "--methods"][..], &["describe", at]] {
        let ran = run(asks);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("GreetTogether"), "{ran:?}");
        let told = "warning: the server lists \"ghost.Ghost\", and what it says of it is missing or \
                    cannot be read\n";
        assert_eq!(ran.stderr, told);
    }
    let ran = run(&["call", at, "ghost.Ghost/Boo"]);
    let told = "the server lists \"ghost.Ghost\", and cannot describe it; name its .proto files";
    assert!(ran.failed(1).contains(told), "{ran:?}");
}

#[test]
fn without_reflection_files_are_asked_for() {
    let server = serve(&["--listen", "127.0.0.1:0", "--no-reflection"]);
    let at = &server.address().to_string();
    let add = ["call", at, "user.UserInfo/addUser", "name=Ann"];
    // 64 and UNIMPLEMENTED, as where the call itself ends so.
    for asks in [&add[..], &["list", at], &["describe", at]] {
        let ran = program::run(&protos(), asks);
        let told = ran.failed(76);
        assert!(
            told.contains("name their .proto files (--proto)"),
            "{ran:?}"
        );
    }
    let ran = program::run(&protos(), &[&add[..], &["-proto", "user.proto"]].concat());
    assert_eq!(ran.stdout, "{\n  \"Value\": \"0\"\n}\n", "{ran:?}");
}

fn serve(arguments: &[&str]) -> Running {
    let demo = ["user.proto", "--store", "memory"];
    Running::start(reflectd(&protos(), &[&demo, arguments].concat()))
}

/// A certificate of localhost, by an authority that only `ca.pem` knows.
fn certificates(folder: &Path) {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("ca.pem"), key.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.signing_key.serialize_pem()).unwrap();
}

#[test]
fn tls_is_spoken_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, key) = (file("ca.pem"), file("key.pem"));
    let tls = [
        "--tls-cert",
        &ca,
        "--tls-key",
        &key,
        "--listen",
        "127.0.0.1:0",
    ];
    let server = serve(&tls);
    let port = server.address().port();
    let (ip, name) = (format!("127.0.0.1:{port}"), format!("localhost:{port}"));
    let url = format!("https://{name}");
    let add = |address: &str, flags: &[&str]| {
        let add = [
            "call",
            address,
            "user.UserInfo/addUser",
            "name=a",
            "-max-time",
            "20",
        ];
        program::run(&protos(), &[&add[..], flags].concat())
    };
    for (address, flags) in [
        (&name, &["-cacert", &ca][..]),
        (&url, &["-cacert", &ca]),
        (&ip, &["-cacert", &ca, "-servername", "localhost"]),
        (&ip, &["-cacert", &ca, "-authority", "localhost"]),
        (&ip, &["-insecure"]),
    ] {
        let ran = add(address, flags);
        assert_eq!(ran.code, Some(0), "{address} {flags:?} {ran:?}");
    }
    // `bench` has ghz's flags: --insecure is without TLS there.
    for (flag, code) in [("-skip-tls", 0), ("-skipTLS", 0), ("-insecure", 1)] {
        let bench = ["bench", &ip, "user.UserInfo/addUser", "-n", "3", flag];
        let ran = program::run(&protos(), &bench);
        assert_eq!(ran.code, Some(code), "{flag} {ran:?}");
    }
    let bench = [
        "bench",
        &ip,
        "user.UserInfo/addUser",
        "-cacert",
        &ca,
        "-cname",
        "localhost",
    ];
    let ran = program::run(&protos(), &bench);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // Plaintext is what this machine gets unless told.
    let ran = add(&ip, &[]);
    assert!(ran.failed(1).contains("use https:// (--tls)"), "{ran:?}");
    for flags in [
        &["-cacert", &ca][..],
        &["-cacert", &ca, "-servername", "other"],
    ] {
        let ran = add(&ip, flags);
        assert!(ran.failed(1).contains("certificate"), "{ran:?}");
    }
}

#[test]
fn unix_sockets_are_called_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let (path, url) = (path.to_str().unwrap(), format!("unix:{}", path.display()));
    let _server = serve(&["--listen", &url]);
    for arguments in [
        &["list", &url][..],
        &["list", "unix:s.sock"],
        &["list", "-unix", path],
        &["list", "-unix", "s.sock", "user.UserInfo"],
    ] {
        let ran = program::run(folder.path(), arguments);
        assert!(ran.stdout.contains("user.UserInfo"), "{ran:?}");
    }
    // Without a word that says so it is not guessed.
    for arguments in [&["list", path][..], &["call", path, "a.B/c"]] {
        let ran = program::run(folder.path(), arguments);
        let told = format!("a socket is {url}");
        assert!(ran.failed(2).contains(&told), "{ran:?}");
    }
    let ran = program::run(
        folder.path(),
        &["call", "-unix", path, "user.UserInfo/addUser"],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn shells_are_told_what_there_is() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = program::run(&protos(), &["completions", shell]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("max-time"), "{ran:?}");
    }
}
