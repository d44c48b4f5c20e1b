//! The server as a service of somebody else's HTTP server: the same calls, the same answers.

mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use reflectd::{
    Call, ConnectionLimits, Message, RawMessage, Replies, Schema, Server, Status, Streaming,
};
use support::{Client, soon};
use tokio::{net::TcpListener, sync::Notify};

/// An axum server with ours behind it.
struct Served {
    address: SocketAddr,
    /// Told when a handler that waits is dropped.
    dropped: Arc<Notify>,
    /// How many replies the handler of GreetRepeatedly has sent.
    repeated: Arc<AtomicUsize>,
}

async fn start() -> Served {
    let dropped = Arc::<Notify>::default();
    let gone = Arc::clone(&dropped);
    let repeated = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&repeated);
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let service = Server::builder(schema)
        .receive_bytes_max(100_000)
        .unary(
            "/greeter.Greeter/Greet",
            move |call: Call, person: Message| greet(call, person, Arc::clone(&gone)),
        )
        .server_streaming(
            "/greeter.Greeter/GreetRepeatedly",
            move |request, replies| repeat(request, replies, Arc::clone(&counter)),
        )
        .bidi("/greeter.Greeter/GreetEach", echo)
        .build()
        .unwrap()
        .into_service();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new()
        .route("/about", axum::routing::get(async || "about"))
        .fallback_service(service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Served {
        address,
        dropped,
        repeated,
    }
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn greet(call: Call, person: Message, dropped: Arc<Notify>) -> Result<Message, Status> {
    let greeting = call.method().expect("it has one").output().clone();
    let mut greeting = Message::new(&greeting);
    match person.str("name")? {
        "wait" => {
            let _dropped = OnDrop(dropped);
            std::future::pending::<()>().await;
        }
        "fail" => return Err(Status::not_found("as asked")),
        name => greeting.set("text", format!("Hello, {name}!"))?,
    }
    Ok(greeting)
}

/// A client of a server that stands behind axum.
async fn behind_axum(server: Server) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback_service(server.into_service());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Client::connect(address).await
}

/// Sends the request as often as its name is long, at most a hundred times.
async fn repeat(
    request: RawMessage,
    mut replies: Replies<RawMessage>,
    sent: Arc<AtomicUsize>,
) -> Result<(), Status> {
    for _ in 0..request.bytes.len().saturating_sub(2).min(100) {
        replies.send(request.clone()).await?;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn echo(
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    while let Some(request) = requests.message().await? {
        replies.send(request).await?;
    }
    Ok(())
}

const GREET: &str = "/greeter.Greeter/Greet";

fn person(name: &str) -> Vec<u8> {
    let mut bytes = vec![10, u8::try_from(name.len()).unwrap()];
    bytes.extend(name.as_bytes());
    bytes
}

/// Each stream has sent a reply of which all is read, and stays open.
#[tokio::test]
async fn what_was_sent_is_not_held_of_the_memory_budget() {
    let handler = async |_: RawMessage, mut replies: Replies<RawMessage>| {
        replies.send(RawMessage::new(vec![7; REPLY_BYTES])).await?;
        std::future::pending().await
    };
    let mut limits = ConnectionLimits::default();
    limits.in_flight_bytes = 10 * REPLY_BYTES;
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let server = Server::builder(schema)
        .connection_limits(limits)
        .server_streaming("/greeter.Greeter/GreetRepeatedly", handler)
        .build()
        .unwrap();
    let client = behind_axum(server).await;
    let mut open = Vec::new();
    for stream in 0..30 {
        let mut call = client.stream("/greeter.Greeter/GreetRepeatedly").await;
        call.send("").await;
        call.close();
        let reply = soon("the reply", call.next()).await;
        let bytes = reply.map(|reply| reply.len());
        assert_eq!(bytes, Some(REPLY_BYTES), "stream {stream}");
        open.push(call);
    }
}

const REPLY_BYTES: usize = 120_000;

#[tokio::test]
async fn calls_of_every_kind_are_answered() {
    let Served { address, .. } = start().await;
    let client = Client::connect(address).await;
    let reply = client.unary(GREET, person("Ann")).await;
    assert_eq!(reply.status().code, 0);
    assert_eq!(reply.messages, [&b"\x0a\x0bHello, Ann!"[..]]);

    let path = "/greeter.Greeter/GreetRepeatedly";
    let reply = client.unary(path, person("1234")).await;
    assert_eq!((reply.status().code, reply.messages.len()), (0, 4));

    let mut call = client.stream("/greeter.Greeter/GreetEach").await;
    for name in ["a", "b"] {
        call.send(person(name)).await;
        assert_eq!(call.next().await.as_deref(), Some(&*person(name)));
    }
    call.close();
    assert_eq!(call.end().await.status().code, 0);
}

#[tokio::test]
async fn refusals_and_failures_look_as_they_do_without_it() {
    let Served { address, .. } = start().await;
    let client = Client::connect(address).await;
    let failed = client.unary(GREET, person("fail")).await;
    let status = failed.status();
    assert_eq!((status.code, &*status.message), (5, "as asked"));
    let unknown = client.unary("/greeter.Greeter/Nothing", "").await;
    assert_eq!(unknown.status().code, 12);
    let none = client.call(GREET).headers_only().await;
    assert_eq!(none.status().code, 12, "no message");
    let long = client.unary(GREET, vec![0; 100_001]).await;
    assert_eq!(long.status().code, 8);
    let plain = client.call(GREET).set_header("content-type", "text/html");
    assert_eq!(plain.unary("").await.http_status, 415);
}

#[tokio::test]
async fn deadlines_hold_and_calls_that_are_given_up_are_dropped() {
    let Served {
        address, dropped, ..
    } = start().await;
    let client = Client::connect(address).await;
    let late = client.call(GREET).header("grpc-timeout", "100m");
    assert_eq!(late.unary(person("wait")).await.status().code, 4);
    soon("the drop of the handler", dropped.notified()).await;

    let mut call = client.stream(GREET).await;
    call.send(person("wait")).await;
    call.close();
    // The handler is at work when a call that came after it is answered.
    assert_eq!(client.unary(GREET, person("Ann")).await.status().code, 0);
    drop(call);
    soon("the drop of the handler", dropped.notified()).await;
}

#[tokio::test]
async fn a_slow_reader_holds_its_handler_back() {
    let server = start().await;
    let (slow, other) = (
        Client::connect(server.address).await,
        Client::connect(server.address),
    );
    let mut call = slow.stream("/greeter.Greeter/GreetRepeatedly").await;
    call.send(vec![b'x'; 90_000]).await;
    call.close();
    let other = other.await;
    for _ in 0..100 {
        assert_eq!(other.unary(GREET, person("Ann")).await.status().code, 0);
    }
    // Some wait in windows and buffers, 9 MB do not.
    let sent = server.repeated.load(Ordering::Relaxed);
    assert!((1..50).contains(&sent), "{sent} replies that nobody read");
    let reply = call.end().await;
    assert_eq!((reply.status().code, reply.messages.len()), (0, 100));
}

/// A client that takes its time must not keep a handler beyond the deadline.
#[tokio::test]
async fn the_deadline_ends_a_call_whose_replies_are_not_read() {
    let dropped = Arc::<Notify>::default();
    let gone = Arc::clone(&dropped);
    let send = move |request: RawMessage, mut replies: Replies<RawMessage>| {
        let dropped = OnDrop(Arc::clone(&gone));
        async move {
            let _dropped = dropped;
            loop {
                replies.send(request.clone()).await?;
            }
        }
    };
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let server = Server::builder(schema)
        .server_streaming("/greeter.Greeter/GreetRepeatedly", send)
        .build()
        .unwrap();
    let client = behind_axum(server).await;
    // Short ones wait whole; of long ones the rest of one may have to follow what has left.
    for bytes in [100, 90_000] {
        let call = client
            .call("/greeter.Greeter/GreetRepeatedly")
            .header("grpc-timeout", "300m");
        let mut call = call.stream().await;
        call.send(vec![b'x'; bytes]).await;
        call.close();
        soon("the drop of the handler", dropped.notified()).await;
        // What it is told when it reads again.
        let mut whole = 0;
        while let Some(reply) = soon("the end", call.next()).await {
            assert_eq!(reply.len(), bytes);
            whole += 1;
        }
        let reply = call.end().await;
        match bytes {
            100 => assert_eq!(reply.status().code, 4, "after {whole} replies"),
            _ => assert!(reply.reset.is_some() || reply.status().code == 4),
        }
    }
}
