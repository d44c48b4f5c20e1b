//! The client against this project's own server: calls of every kind, and what becomes of them when
//! the server goes and comes back.

mod support;

use std::{net::SocketAddr, time::Duration};

use reflectd::{
    Call, Code, Message, MessageEncoding, Metadata, RawMessage, Replies, Response, Schema, Server,
    Status, Streaming,
    client::{Backoff, Channel, Client, ConnectivityState},
};
use serde::{Deserialize, Serialize};
use support::soon;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Person {
    name: String,
    times: u32,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Greeting {
    text: String,
}

fn person(name: &str, times: u32) -> Person {
    Person {
        name: name.to_owned(),
        times,
    }
}

fn greeting(text: impl Into<String>) -> Greeting {
    Greeting { text: text.into() }
}

fn schema() -> Schema {
    Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap()
}

/// A server that can be stopped and started again on its port.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn start_on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let server = Server::builder(schema())
            .drain_timeout(Duration::from_millis(100))
            .unary("/greeter.Greeter/Greet", greet)
            .server_streaming("/greeter.Greeter/GreetRepeatedly", repeat)
            .client_streaming("/greeter.Greeter/GreetTogether", together)
            .bidi("/greeter.Greeter/GreetEach", each)
            .build()
            .unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let server = server.bind_listener(listener);
            let stopped = async { drop(stopped.await) };
            server.serve_with_shutdown(stopped).await;
        });
        Self {
            address,
            stop,
            served,
        }
    }

    async fn stop(self) -> SocketAddr {
        drop(self.stop);
        soon("the server's end", self.served).await.unwrap();
        self.address
    }

    async fn client(&self) -> Client {
        let channel = Channel::builder(&format!("http://{}", self.address));
        let mut backoff = Backoff::default();
        backoff.base = Duration::from_millis(50);
        let channel = channel.backoff(backoff).connect().await.unwrap();
        Client::new(channel, schema())
    }
}

async fn greet(call: Call, person: Person) -> Result<Response<Greeting>, Status> {
    let mut headers = Metadata::new();
    let mut trailers = Metadata::new();
    for value in call.metadata().texts("x-echo") {
        headers.append("x-echo", value)?;
        trailers.append("x-after", value)?;
    }
    match person.name.as_str() {
        "fail" => return Err(Status::not_found("as asked").with_detail_bytes("a/b", "c")),
        "wait" => std::future::pending().await,
        "how" => {
            let how = format!("{}", call.request_was_compressed());
            return Ok(Response::new(greeting(how)));
        }
        _ => {}
    }
    let text = person.name.repeat(person.times as usize);
    Ok(Response::new(greeting(text))
        .with_metadata(headers)
        .with_trailers(trailers))
}

async fn repeat(person: Person, mut replies: Replies<Greeting>) -> Result<(), Status> {
    for number in 0..person.times {
        replies
            .send(greeting(format!("{} {number}", person.name)))
            .await?;
    }
    match person.name.as_str() {
        "fail" => Err(Status::aborted("as asked")),
        _ => Ok(()),
    }
}

async fn together(mut people: Streaming<Person>) -> Result<Greeting, Status> {
    let mut names = Vec::new();
    while let Some(person) = people.message().await? {
        names.push(person.name);
    }
    Ok(greeting(names.join(" ")))
}

async fn each(mut people: Streaming<Person>, mut replies: Replies<Greeting>) -> Result<(), Status> {
    while let Some(person) = people.message().await? {
        replies.send(greeting(person.name)).await?;
    }
    Ok(())
}

const GREET: &str = "/greeter.Greeter/Greet";
const REPEAT: &str = "/greeter.Greeter/GreetRepeatedly";
const TOGETHER: &str = "/greeter.Greeter/GreetTogether";
const EACH: &str = "/greeter.Greeter/GreetEach";

async fn greets(client: &Client) -> Result<Greeting, Status> {
    let call = client.call(GREET).timeout(Duration::from_secs(10));
    soon("a greeting", call.unary(person("a", 3))).await
}

#[tokio::test]
async fn calls_of_every_kind_are_answered() {
    let server = Running::start().await;
    let client = server.client().await;
    assert_eq!(greets(&client).await.unwrap(), greeting("aaa"));

    let call = client.call(REPEAT).server_streaming(person("a", 2));
    let mut replies = call.await.unwrap();
    for text in ["a 0", "a 1"] {
        assert_eq!(replies.message().await.unwrap(), Some(greeting(text)));
    }
    assert_eq!(replies.message().await.unwrap(), None);

    let mut call = client.call(TOGETHER).client_streaming().await.unwrap();
    for name in ["a", "b", "c"] {
        call.send(person(name, 0)).await.unwrap();
    }
    let reply: Greeting = call.reply().await.unwrap();
    assert_eq!(reply, greeting("a b c"));

    let (mut requests, mut replies) = client.call(EACH).bidi().await.unwrap();
    for name in ["a", "b"] {
        requests.send(person(name, 0)).await.unwrap();
        assert_eq!(replies.message().await.unwrap(), Some(greeting(name)));
    }
    requests.close();
    assert_eq!(replies.message().await.unwrap(), None);
}

#[tokio::test]
async fn messages_may_be_dynamic_or_bytes() {
    let server = Running::start().await;
    let client = server.client().await;
    let method = client.schema().method(GREET).unwrap();
    let mut person = Message::new(method.input());
    person.set("name", "x").unwrap();
    person.set("times", 2u32).unwrap();
    let greeting: Message = client.unary(GREET, person.clone()).await.unwrap();
    assert_eq!(greeting.str("text").unwrap(), "xx");
    let raw = RawMessage::new(person.encode_to_bytes());
    let greeting: RawMessage = client.unary(GREET, raw).await.unwrap();
    assert_eq!(greeting.bytes, &b"\x0a\x02xx"[..]);
}

#[tokio::test]
async fn metadata_goes_both_ways_and_failures_arrive_whole() {
    let server = Running::start().await;
    let client = server.client().await;
    let mut metadata = Metadata::new();
    metadata.append("x-echo", "1").unwrap();
    metadata.append("x-echo", "2").unwrap();
    let call = client.call(GREET).metadata(metadata);
    let reply: Response<Greeting> = call.unary_response(person("a", 1)).await.unwrap();
    let echoed: Vec<_> = reply.metadata().texts("x-echo").collect();
    let after: Vec<_> = reply.trailers().texts("x-after").collect();
    assert_eq!((echoed, after), (vec!["1", "2"], vec!["1", "2"]));

    let failed: Result<Greeting, _> = client.unary(GREET, person("fail", 1)).await;
    let status = failed.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "as asked")
    );
    assert_eq!(status.details().next(), Some(("a/b", &"c".into())));

    let replies = client.call(REPEAT).server_streaming(person("fail", 1));
    let mut replies = replies.await.unwrap();
    assert_eq!(replies.message().await.unwrap(), Some(greeting("fail 0")));
    for _ in 0..2 {
        let status = replies.message().await.unwrap_err();
        assert_eq!(status.code(), Code::Aborted, "as often as it is asked");
    }
    let unknown: Result<Greeting, _> = client.unary("/no.Such/Method", person("", 0)).await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn requests_are_compressed_where_asked() {
    let server = Running::start().await;
    let client = server.client().await;
    for encoding in MessageEncoding::ALL {
        let call = client.call(GREET).compress(*encoding);
        let reply: Greeting = call.unary(person("how", 1)).await.unwrap();
        let compressed = *encoding != MessageEncoding::Identity;
        assert_eq!(reply, greeting(compressed.to_string()), "{encoding:?}");
    }
}

#[tokio::test]
async fn a_deadline_holds_here_whatever_the_server_does() {
    let server = Running::start().await;
    let client = server.client().await;
    let call = client.call(GREET).timeout(Duration::from_millis(100));
    let late: Result<Greeting, _> = call.unary(person("wait", 1)).await;
    assert_eq!(late.unwrap_err().code(), Code::DeadlineExceeded);
    let call = client.call(GREET).timeout(Duration::ZERO);
    let late: Result<Greeting, _> = call.unary(person("a", 1)).await;
    assert_eq!(late.unwrap_err().code(), Code::DeadlineExceeded);
    let call = client.call(EACH).timeout(Duration::from_millis(100));
    let (_requests, mut replies) = call.bidi::<Person, Greeting, _, _>().await.unwrap();
    let late = replies.message().await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn many_tasks_share_one_connection() {
    let server = Running::start().await;
    let client = server.client().await;
    let mut calls = JoinSet::new();
    for number in 0..1000 {
        let client = client.clone();
        calls.spawn(async move {
            let reply: Greeting = client.unary(GREET, person(&number.to_string(), 1)).await?;
            Ok::<_, Status>((number, reply))
        });
    }
    while let Some(done) = calls.join_next().await {
        let (number, reply) = done.unwrap().unwrap();
        assert_eq!(reply, greeting(number.to_string()));
    }
}

#[tokio::test]
async fn the_channel_comes_back_when_the_server_does() {
    let mut server = Running::start().await;
    let client = server.client().await;
    for _ in 0..5 {
        assert_eq!(greets(&client).await.unwrap(), greeting("aaa"));
        let address = server.stop().await;
        let down: Result<Greeting, _> = client.unary(GREET, person("a", 3)).await;
        assert_eq!(down.unwrap_err().code(), Code::Unavailable);
        // A call that may wait is answered by the server that is not there yet.
        let waiting = client.clone();
        let waiting = tokio::spawn(async move {
            let call = waiting.call(GREET).wait_for_ready();
            call.unary::<_, Greeting, _, _>(person("b", 1)).await
        });
        server = Running::start_on(TcpListener::bind(address).await.unwrap());
        let reply = soon("the call that waits", waiting).await.unwrap();
        assert_eq!(reply.unwrap(), greeting("b"));
        assert_eq!(client.channel().state(), ConnectivityState::Ready);
    }
}

#[tokio::test]
async fn nobody_there_is_told_at_once_and_the_state_can_be_watched() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Channel::connect(&address).await.unwrap_err().to_string();
    assert!(error.contains("cannot connect to 127.0.0.1:"), "{error}");
    let channel = Channel::builder(&address).lazy().unwrap();
    assert_eq!(channel.state(), ConnectivityState::Idle);
    let client = Client::new(channel.clone(), schema());
    let failed = greets(&client).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    assert!(
        failed.message().starts_with("cannot connect to 127.0.0.1:"),
        "{failed}"
    );
    assert!(failed.message().contains("refused"), "{failed}");
    let stream = client.call(EACH).bidi::<Person, Greeting, _, _>();
    let not_opened = stream.await.unwrap_err();
    assert_eq!(not_opened.message(), failed.message());
    let state = channel.state_changed(ConnectivityState::Connecting);
    let state = soon("the state", state).await;
    assert_eq!(state, ConnectivityState::TransientFailure);
}
