//! Interceptors: asked before the handler, told of the end, however it comes.

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::{
    future::{Future, pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reflectd::{
    Call, CallEnd, Code, Metadata, RawMessage, Replies, Schema, Server, ServerBuilder, Status,
    Streaming,
};
use support::{TestServer, soon};
use tokio::sync::{Semaphore, mpsc};

const GREET: &str = "/greeter.Greeter/Greet";
const TOGETHER: &str = "/greeter.Greeter/GreetTogether";
const EACH: &str = "/greeter.Greeter/GreetEach";
const REPEATEDLY: &str = "/greeter.Greeter/GreetRepeatedly";

/// A server on undecoded messages whose handlers do what the metadata says.
fn builder() -> ServerBuilder {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    Server::builder(schema)
        .unary(GREET, async |call: Call, request: RawMessage| {
            obey(&call).await.map(|()| request)
        })
        .client_streaming(TOGETHER, async |mut requests: Streaming<RawMessage>| {
            let mut all = Vec::new();
            while let Some(request) = requests.message().await? {
                all.extend_from_slice(&request.bytes);
            }
            Ok(RawMessage::new(all))
        })
        .bidi(EACH, echo)
}

async fn echo(
    call: Call,
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    while let Some(request) = requests.message().await? {
        replies.send(request).await?;
    }
    obey(&call).await
}

async fn obey(call: &Call) -> Result<(), Status> {
    match call.metadata().text("x-do") {
        Some("fail") => Err(Status::not_found("as asked")),
        Some("fail with OK") => Err(Status::new(Code::Ok, "as asked")),
        Some("panic") => panic!("as asked"),
        Some("panic later") => {
            tokio::task::yield_now().await;
            panic!("as asked");
        }
        Some("wait") => pending().await,
        _ => Ok(()),
    }
}

/// What an `after` was told: the path, the code, messages in and out.
type Told = (String, Code, u64, u64);

/// Tells of every end to a channel.
fn told(builder: ServerBuilder) -> (ServerBuilder, mpsc::UnboundedReceiver<Told>) {
    let (tell, told) = mpsc::unbounded_channel();
    let builder = builder.after(move |end: &CallEnd<'_>| {
        assert_eq!(end.code(), end.status().map_or(Code::Ok, Status::code));
        let messages = (end.messages_received(), end.messages_sent());
        let path = end.call().path().to_owned();
        let _ = tell.send((path, end.code(), messages.0, messages.1));
    });
    (builder, told)
}

async fn next(told: &mut mpsc::UnboundedReceiver<Told>) -> Told {
    soon("the end of a call", told.recv()).await.unwrap()
}

#[tokio::test]
async fn each_end_is_told_once() {
    let (builder, mut told) = told(builder().receive_bytes_max(100));
    let server = TestServer::start(builder.drain_timeout(Duration::ZERO)).await;
    let client = server.client().await;
    let greet = GREET.to_owned();
    for (headers, code, received, sent) in [
        (&[][..], Code::Ok, 1, 1),
        (&[("x-do", "fail")], Code::NotFound, 1, 0),
        (&[("x-do", "fail with OK")], Code::Internal, 1, 0),
        (&[("x-do", "panic")], Code::Unknown, 1, 0),
        (&[("x-do", "panic later")], Code::Unknown, 1, 0),
        (
            &[("x-do", "wait"), ("grpc-timeout", "20m")],
            Code::DeadlineExceeded,
            1,
            0,
        ),
        // Refused by its headers.
        (&[("grpc-timeout", "0n")], Code::DeadlineExceeded, 0, 0),
        (&[("grpc-timeout", "soon")], Code::Internal, 0, 0),
        (&[("grpc-encoding", "snappy")], Code::Unimplemented, 0, 0),
    ] {
        let mut call = client.call(GREET);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        let reply = call.unary("hi").await;
        assert_eq!(reply.code(), u32::from(code.number()), "{headers:?}");
        let expected = (greet.clone(), code, received, sent);
        assert_eq!(next(&mut told).await, expected, "{headers:?}");
    }

    client.unary("/no.Such/Method", "").await;
    let unknown = ("/no.Such/Method".to_owned(), Code::Unimplemented, 0, 0);
    assert_eq!(next(&mut told).await, unknown);
    client.unary(REPEATEDLY, "").await;
    let unanswered = (REPEATEDLY.to_owned(), Code::Unimplemented, 1, 0);
    assert_eq!(next(&mut told).await, unanswered);
    client.unary(GREET, vec![0; 101]).await;
    let too_long = (greet.clone(), Code::ResourceExhausted, 0, 0);
    assert_eq!(next(&mut told).await, too_long);
    let reply = client.call(EACH).messages(["a", "b"]).await;
    assert_eq!(reply.messages.len(), 2);
    assert_eq!(next(&mut told).await, (EACH.to_owned(), Code::Ok, 2, 2));

    // No call of gRPC's, so nobody is told.
    let html = client.call(GREET).set_header("content-type", "text/html");
    assert_eq!(html.headers_only().await.http_status, 415);

    let mut stream = client.stream(EACH).await;
    stream.send("a").await;
    stream.next().await.unwrap();
    stream.reset(h2::Reason::CANCEL);
    let cancelled = (EACH.to_owned(), Code::Cancelled, 1, 1);
    assert_eq!(next(&mut told).await, cancelled);

    let mut lost = peer::Peer::connect(server.address()).await;
    lost.send_request(1, EACH, &[], false).await;
    lost.send_data(1, &peer::message(b"a"), false).await;
    let is_data = |frame: &peer::Frame| matches!(frame, peer::Frame::Data { .. });
    lost.recv_until(is_data).await;
    drop(lost);
    assert_eq!(next(&mut told).await, cancelled);

    let mut stream = client.stream(EACH).await;
    stream.send("a").await;
    stream.next().await.unwrap();
    server.stop().await;
    let stopped = (EACH.to_owned(), Code::Unavailable, 1, 1);
    assert_eq!(next(&mut told).await, stopped);
    assert_eq!(told.recv().await, None, "an end was told twice");
}

#[tokio::test]
async fn a_refusal_comes_before_the_messages_are_read() {
    let started = Arc::new(AtomicUsize::new(0));
    let handler = {
        let started = Arc::clone(&started);
        move |_: RawMessage| {
            started.fetch_add(1, Ordering::SeqCst);
            ready(Ok(RawMessage::default()))
        }
    };
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let builder = Server::builder(schema)
        .unary(GREET, handler)
        .fallback(async |_, _, _| Ok(()))
        .before(|call: &Call| {
            call.add_metadata(pair("x-realm", "tests"));
            call.add_trailers(pair("x-request-id", "7"));
            assert_eq!(call.method().is_some(), call.path() == GREET);
            match call.metadata().text("x-api-key") {
                Some("good") => Ok(()),
                Some("lost") => Err(Status::new(Code::Ok, "neither in nor out")),
                Some("burn") => panic!("as asked"),
                _ => Err(Status::unauthenticated("x-api-key is missing or wrong")),
            }
        });
    let server = TestServer::start(builder).await;
    let client = server.client().await;
    for path in [GREET, "/what.Ever/Else"] {
        // The request never ends, and its message never comes.
        let reply = client.call(path).stream().await.end().await;
        assert_eq!(reply.error(16), "x-api-key is missing or wrong");
        // Initial and trailing metadata are never sent as one.
        assert_eq!(reply.headers["x-realm"], "tests");
        assert_eq!(reply.trailers["x-request-id"], "7");
        assert_eq!(reply.trailers.get("x-realm"), None);
    }
    for (key, code) in [("lost", 13), ("burn", 2)] {
        let call = client.call(GREET).header("x-api-key", key);
        assert_eq!(call.stream().await.end().await.code(), code, "{key}");
    }
    assert_eq!(started.load(Ordering::SeqCst), 0);

    let call = client.call(GREET).header("x-api-key", "good");
    let reply = call.unary("").await;
    assert_eq!(reply.code(), 0);
    assert_eq!(started.load(Ordering::SeqCst), 1);
    assert_eq!(reply.headers["x-realm"], "tests");
    assert_eq!(reply.trailers["x-request-id"], "7");
}

fn pair(name: &str, value: &str) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.append(name, value).unwrap();
    metadata
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn asked(&self, name: &'static str) -> impl Fn(&Call) -> Result<(), Status> + use<> {
        let diary = self.clone();
        move |call| {
            diary.write(format!("before {name}"));
            match call.metadata().text("x-refused-by") {
                Some(refused) if refused == name => Err(Status::permission_denied(name)),
                _ => Ok(()),
            }
        }
    }

    /// The same, after a while.
    fn asked_later(
        &self,
        name: &'static str,
    ) -> impl Fn(Call) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Status>> + Send>> + use<>
    {
        let asked = Arc::new(self.asked(name));
        move |call| {
            let asked = Arc::clone(&asked);
            Box::pin(async move {
                tokio::task::yield_now().await;
                asked(&call)
            })
        }
    }

    fn told(&self, name: &'static str) -> impl Fn(&CallEnd<'_>) + use<> {
        let diary = self.clone();
        move |end| {
            diary.write(format!("after {name}"));
            assert!(end.call().metadata().text("x-burn") != Some(name));
        }
    }
}

#[tokio::test]
async fn they_are_asked_in_order_and_told_in_reverse() {
    let diary = Diary::default();
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let handler = {
        let diary = diary.clone();
        move |_: RawMessage| {
            diary.write("handler");
            ready(Ok(RawMessage::default()))
        }
    };
    let builder = Server::builder(schema)
        .unary(GREET, handler)
        .before(diary.asked("a"))
        .after(diary.told("a"))
        .before(diary.asked_later("b"))
        .after(diary.told("b"))
        .before(diary.asked("c"))
        .before(diary.asked_later("d"));
    let server = TestServer::start(builder).await;
    let client = server.client().await;
    let all = "before a, before b, before c, before d, handler, after b, after a";
    for (header, happened) in [
        ("", all),
        ("a", "before a, after b, after a"),
        ("b", "before a, before b, after b, after a"),
        ("c", "before a, before b, before c, after b, after a"),
    ] {
        let call = client.call(GREET).header("x-refused-by", header);
        let reply = call.unary("").await;
        assert_eq!(reply.code(), if header.is_empty() { 0 } else { 7 });
        assert_eq!(diary.take().join(", "), happened, "refused by {header:?}");
    }
    // One that panics keeps nobody from being told, and no call from its reply.
    let reply = client.call(GREET).header("x-burn", "b").unary("").await;
    assert_eq!((reply.code(), diary.take().join(", ")), (0, all.to_owned()));
}

#[tokio::test]
async fn an_answer_that_is_waited_for_holds_up_its_own_call_only() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&permits);
    let asked = Arc::new(AtomicUsize::new(0));
    let (builder, mut told) = told(builder());
    let builder = builder.before({
        let asked = Arc::clone(&asked);
        move |call: Call| {
            let waiting = Arc::clone(&waiting);
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                if call.metadata().text("x-hold").is_some() {
                    waiting.acquire().await.unwrap().forget();
                }
                Ok(())
            }
        }
    });
    let server = TestServer::start(builder).await;
    let client = server.client().await;
    let held = |path| client.call(path).header("x-hold", "1");

    let mut together = held(TOGETHER).stream().await;
    for message in ["a", "b", "c"] {
        together.send(message).await;
    }
    together.close();
    let mut greet = held(GREET).stream().await;
    greet.send("hi").await;
    greet.close();
    assert_eq!(client.unary(GREET, "not held").await.message(), "not held");
    assert_eq!(next(&mut told).await.1, Code::Ok);
    assert!(told.try_recv().is_err());
    permits.add_permits(2);
    assert_eq!(together.end().await.message(), "abc");
    assert_eq!(greet.end().await.message(), "hi");
    next(&mut told).await;
    next(&mut told).await;

    // Its deadline holds meanwhile, and a client that gives up ends it.
    let late = held(GREET).header("grpc-timeout", "20m").unary("").await;
    assert_eq!(late.code(), 4);
    assert_eq!(next(&mut told).await.1, Code::DeadlineExceeded);
    let given_up = held(GREET).stream().await;
    while asked.load(Ordering::SeqCst) < 5 {
        tokio::task::yield_now().await;
    }
    given_up.reset(h2::Reason::CANCEL);
    assert_eq!(next(&mut told).await.1, Code::Cancelled);
    permits.add_permits(1);
    assert_eq!(permits.available_permits(), 1, "somebody still waits");
}

/// Fails where a step of a call does not run in the task of the first one, or does, as `wanted`.
fn task_of(step: &str, call: &Call, wanted: &str) -> Result<(), Status> {
    let task = tokio::task::id();
    let first: tokio::task::Id = call.extension().unwrap_or(task);
    call.set_extension(first);
    let which = if task == first { "same" } else { "another" };
    match which == wanted {
        true => Ok(()),
        false => Err(Status::aborted(format!("{step} runs in {which} task"))),
    }
}

#[tokio::test]
async fn an_answer_that_is_ready_costs_no_task() {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let builder = Server::builder(schema)
        .unary_sync(GREET, |call: Call, request: RawMessage| {
            task_of("the handler", &call, "same").map(|()| request)
        })
        .before(async |call: Call| task_of("the first", &call, "same"))
        .before(async |call: Call| {
            if call.metadata().text("x-wait").is_some() {
                tokio::task::yield_now().await;
                return task_of("the waiting one", &call, "another");
            }
            task_of("the second", &call, "same")
        });
    let server = TestServer::start(builder).await;
    let client = server.client().await;
    assert_eq!(client.unary(GREET, "hi").await.message(), "hi");
    let reply = client.call(GREET).header("x-wait", "1").unary("hi").await;
    assert_eq!(reply.message(), "hi");
}
