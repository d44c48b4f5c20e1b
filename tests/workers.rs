//! Workers: who serves which connection, what holds for all of them together, how they end.

mod support;

use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reflectd::{Call, Message, RawMessage, Replies, Schema, Server, ServerBuilder, Status};
use support::{TestServer, client::Client, soon};

/// Answers with the name of the thread; with `x-wait` after so many milliseconds.
fn builder(workers: usize) -> ServerBuilder {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    Server::builder(schema)
        .workers(NonZero::new(workers).unwrap())
        .unary(GREET, async |call: Call, _: RawMessage| {
            let waits = call.metadata().text("x-wait");
            if let Some(millis) = waits.and_then(|wait| wait.parse().ok()) {
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            Ok::<_, Status>(RawMessage::new(thread_name()))
        })
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

async fn served_by(client: &Client) -> String {
    let reply = client.unary(GREET, "").await;
    assert_eq!(reply.status().code, 0, "{reply:?}");
    String::from_utf8(reply.messages[0].to_vec()).unwrap()
}

#[tokio::test]
async fn connections_are_dealt_to_the_worker_that_has_the_fewest() {
    let server = TestServer::start(builder(3)).await;
    let mut by_worker: BTreeMap<String, Vec<Client>> = BTreeMap::new();
    for _ in 0..6 {
        let client = server.client().await;
        let worker = served_by(&client).await;
        // All its calls are answered by the same one, which is no thread of this runtime.
        assert_eq!(served_by(&client).await, worker);
        assert_ne!(worker, thread_name());
        by_worker.entry(worker).or_default().push(client);
    }
    let counts: Vec<usize> = by_worker.values().map(Vec::len).collect();
    assert_eq!(counts, [2, 2, 2], "{:?}", by_worker.keys());

    // Who loses its connections gets the next ones.
    let (emptied, clients) = by_worker.pop_last().unwrap();
    drop(clients);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (first, second) = (server.client().await, server.client().await);
    assert_eq!(served_by(&first).await, emptied);
    assert_eq!(served_by(&second).await, emptied);
}

#[tokio::test]
async fn of_two_with_as_many_connections_the_one_with_fewer_calls_is_chosen() {
    let server = TestServer::start(builder(2)).await;
    let (busy, idle) = (server.client().await, server.client().await);
    let (busy_worker, idle_worker) = (served_by(&busy).await, served_by(&idle).await);
    assert_ne!(busy_worker, idle_worker);
    let mut waiting = busy.call(GREET).header("x-wait", "2000").stream().await;
    waiting.send("").await;
    waiting.close();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(served_by(&server.client().await).await, idle_worker);
    drop(waiting);
}

/// A second of work, and room for all of its replies: the handler never has to wait.
#[tokio::test]
async fn a_handler_that_sends_all_the_time_leaves_its_worker_to_others() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let busy = move |request: RawMessage, mut replies: Replies<RawMessage>| {
        let count = Arc::clone(&count);
        async move {
            for _ in 0..BUSY_SENDS {
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(1) {}
                replies.send(request.clone()).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    };
    let server = TestServer::start(builder(1).server_streaming(REPEAT, busy)).await;
    let (sending, other) = (server.client().await, server.client().await);
    let answered = async {
        while sent.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Also a call on the same connection.
        served_by(&other).await;
        served_by(&sending).await;
        sent.load(Ordering::Relaxed)
    };
    let (reply, sent_by_then) = tokio::join!(sending.call(REPEAT).unary("hi"), answered);
    assert_eq!(reply.messages.len(), BUSY_SENDS);
    assert!(sent_by_then < BUSY_SENDS, "the other waited for all of it");
}

#[tokio::test]
async fn a_limit_on_connections_holds_for_all_workers_together() {
    let mut limits = reflectd::ConnectionLimits::default();
    limits.connections_max = 3;
    let server = TestServer::start(builder(2).connection_limits(limits)).await;
    let clients = [
        server.client().await,
        server.client().await,
        server.client().await,
    ];
    for client in &clients {
        served_by(client).await;
    }
    let mut socket = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut socket, &mut byte);
    assert_eq!(soon("the end", read).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_shutdown_waits_for_the_calls_of_all_workers() {
    let server = TestServer::start(builder(2)).await;
    let clients = [server.client().await, server.client().await];
    let mut calls = Vec::new();
    for client in &clients {
        served_by(client).await;
        calls.push(client.call(GREET).header("x-wait", "500").stream().await);
    }
    for call in &mut calls {
        call.send("").await;
        call.close();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let took = server.stop().await;
    assert!(took >= Duration::from_millis(300), "{took:?}");
    for call in calls {
        assert_eq!(call.end().await.status().code, 0);
    }
}

#[tokio::test]
async fn messages_of_all_workers_are_of_one_schema() {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let output = schema.method(GREET).unwrap().output().clone();
    // A reply of the schema's own type, whatever handle the worker has.
    let builder = Server::builder(schema)
        .workers(NonZero::new(2).unwrap())
        .unary_sync(GREET, move |_: Message| Ok(Message::new(&output)));
    let server = TestServer::start(builder).await;
    for _ in 0..2 {
        let reply = server.client().await.unary(GREET, "").await;
        assert_eq!(reply.status().code, 0, "{reply:?}");
    }
}

#[test]
fn too_many_workers_are_told() {
    let error = builder(5000).build().err().unwrap().to_string();
    assert_eq!(error, "5000 workers were asked for; there may be 1024");
}

const BUSY_SENDS: usize = 1_000;
const GREET: &str = "/greeter.Greeter/Greet";
const REPEAT: &str = "/greeter.Greeter/GreetRepeatedly";
