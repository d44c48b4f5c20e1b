//! What a connection and an open call hold while nothing happens on them: counted, not estimated.

#[path = "support/peer.rs"]
mod peer;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread::sleep,
    time::Duration,
};

use peak_alloc::PeakAlloc;
use peer::{DATA, END_STREAM, PING, PREFACE, SETTINGS, frame, message, request};
use reflectd::{RawMessage, Replies, Schema, Server, Status, Streaming};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const GREET: &str = "/greeter.Greeter/Greet";
const EACH: &str = "/greeter.Greeter/GreetEach";

/// Answers at once with the request; an empty one never.
async fn greet(request: RawMessage) -> Result<RawMessage, Status> {
    if request.bytes.is_empty() {
        std::future::pending::<()>().await;
    }
    Ok(request)
}

async fn each(
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    while let Some(request) = requests.message().await? {
        replies.send(request).await?;
    }
    Ok(())
}

/// A server on a thread of its own.
fn start() -> SocketAddr {
    let (tell, address) = mpsc::channel();
    std::thread::spawn(move || {
        let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::builder(schema)
                .unary(GREET, greet)
                .bidi(EACH, each)
                .build()
                .unwrap()
                .bind("127.0.0.1:0")
                .await
                .unwrap();
            tell.send(server.local_addresses()[0]).unwrap();
            server.serve().await;
        });
    });
    address.recv().unwrap()
}

fn call(stream: u32, path: &str, body: &[u8], flags: u8) -> Vec<u8> {
    let mut frames = request(stream, path, &[], false);
    frames.extend(frame(DATA, flags, stream, body));
    frames
}

/// A connection that has made a call, with so many others open; its client has no heap.
fn open(address: SocketAddr, path: &str, calls: u32) -> TcpStream {
    let mut output = PREFACE.to_vec();
    output.extend(frame(SETTINGS, 0, 0, &[]));
    output.extend(frame(SETTINGS, 1, 0, &[]));
    output.extend(call(1, GREET, &message(b"hi"), END_STREAM));
    for index in 1..=calls {
        let (body, flags) = match path {
            GREET => (message(b""), END_STREAM),
            _ => (Vec::new(), 0),
        };
        output.extend(call(2 * index + 1, path, &body, flags));
    }
    output.extend(frame(PING, 0, 0, b"pingpong"));
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&output).unwrap();
    let (mut input, mut buffer) = (Vec::new(), [0; 4096]);
    let has = |input: &[u8], what: &[u8]| input.windows(what.len()).any(|part| part == what);
    while !(has(&input, b"pingpong") && has(&input, b"hi")) {
        let count = socket.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the server has closed a connection");
        input.extend(&buffer[..count]);
    }
    socket
}

/// What so many connections hold, each: at once, and when they have been idle for a while.
fn held(address: SocketAddr, path: &str, calls: u32) -> (usize, usize) {
    let mut sockets = Vec::with_capacity(CONNECTIONS);
    let before = HEAP.current_usage();
    sockets.extend((0..CONNECTIONS).map(|_| open(address, path, calls)));
    let busy = HEAP.current_usage() - before;
    sleep(Duration::from_secs(2));
    let idle = HEAP.current_usage() - before;
    drop(sockets);
    sleep(Duration::from_millis(500));
    (busy / CONNECTIONS, idle / CONNECTIONS)
}

/// The size of a handler's future.
fn bytes_of<F, A, B, Fut>(_: F) -> usize
where
    F: Fn(A, B) -> Fut,
{
    size_of::<Fut>()
}

#[test]
fn idle_connections_and_calls_that_wait_hold_little() {
    let address = start();
    // What threads keep for the next calls is there before.
    held(address, EACH, CALLS);
    let (busy, idle) = held(address, GREET, 0);
    assert!(idle <= 8 * 1024, "an idle connection holds {idle} bytes");
    // What it had for its call is given back.
    assert!(idle + 1024 < busy, "{idle} of {busy} bytes are kept");
    let future = bytes_of(|request, ()| greet(request));
    let beside = |path, future| (held(address, path, CALLS).1 - idle) / CALLS as usize - future;
    let unary = beside(GREET, future);
    assert!(unary <= 1024, "a unary call holds {unary} bytes");
    // It has room for requests and replies, too.
    let streaming = beside(EACH, bytes_of(each));
    assert!(streaming <= 1536, "a stream holds {streaming} bytes");
}

const CONNECTIONS: usize = 20;
const CALLS: u32 = 90;
