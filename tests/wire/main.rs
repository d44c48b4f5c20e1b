//! The letter of gRPC over HTTP/2, byte by byte, against a scripted client.

mod endings;
mod faults;
mod flow;
mod headers;
mod metadata;
#[path = "../support/peer.rs"]
mod peer;
mod replies;
mod requests;
mod status;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use peer::{Answer, Peer};
use reflectd::{
    Call, Metadata, RawMessage, Replies, Response, Schema, Server, ServerBuilder, Status, Streaming,
};

/// How often the handlers below were started and dropped before they had ended.
#[derive(Clone, Default)]
struct Seen {
    started: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A server with one method of each kind, all on undecoded messages.
async fn start() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let (started, dropped) = (Arc::clone(&seen.started), Arc::clone(&seen.dropped));
    let greet = move |call: Call, request: RawMessage| {
        started.fetch_add(1, Ordering::SeqCst);
        let dropped = Arc::clone(&dropped);
        async move { answer_as_asked(&call, request, dropped).await }
    };
    let address = serve(|builder| {
        builder
            .receive_bytes_max(1000)
            .unary(GREET, greet)
            .server_streaming(REPEAT, repeat)
            .client_streaming(JOIN, join)
            .bidi(ECHO, echo)
    });
    (address.await, seen)
}

/// A server for the methods of proto/greeter.proto, with handlers of a test's own.
async fn serve(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> SocketAddr {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let builder = configure(Server::builder(schema));
    let server = builder.build().unwrap().bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses()[0];
    tokio::spawn(server.serve());
    address
}

/// Does what the metadata says: waits, fails, panics; else answers with the request.
async fn answer_as_asked(
    call: &Call,
    request: RawMessage,
    dropped: Arc<AtomicUsize>,
) -> Result<Response<RawMessage>, Status> {
    let asked = |name: &str| call.metadata().text(name).map(str::to_owned);
    if asked("x-wait").is_some() {
        let _dropped = OnDrop(dropped);
        std::future::pending::<()>().await;
    }
    if asked("x-panic").is_some() {
        panic!("as asked");
    }
    if let Some(message) = asked("x-fail") {
        let mut metadata = Metadata::new();
        metadata.append("x-why", "asked").unwrap();
        return Err(Status::not_found(message)
            .with_detail_bytes("type.googleapis.com/greeter.Person", &b"\x0a\x01A"[..])
            .with_metadata(metadata));
    }
    let mut headers = Metadata::new();
    for bytes in call.metadata().all_bytes("x-bin") {
        headers.append_bytes("x-bin", &bytes).unwrap();
    }
    let mut trailers = Metadata::new();
    trailers.append("x-after", "1").unwrap();
    Ok(Response::new(request)
        .with_metadata(headers)
        .with_trailers(trailers))
}

async fn repeat(request: RawMessage, mut replies: Replies<RawMessage>) -> Result<(), Status> {
    for _ in 0..request.bytes.len() {
        replies.send(request.clone()).await?;
    }
    Ok(())
}

async fn join(mut requests: Streaming<RawMessage>) -> Result<RawMessage, Status> {
    let mut all = Vec::new();
    while let Some(request) = requests.message().await? {
        all.extend_from_slice(&request.bytes);
        all.push(b'|');
    }
    Ok(RawMessage::new(all))
}

async fn echo(
    call: Call,
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    if call.metadata().text("x-headers").is_some() {
        replies.send_headers(Metadata::new());
    }
    while let Some(request) = requests.message().await? {
        replies.send(request).await?;
    }
    match call.metadata().text("x-fail") {
        Some(message) => Err(Status::aborted(message.to_owned())),
        None => Ok(()),
    }
}

const GREET: &str = "/greeter.Greeter/Greet";
const REPEAT: &str = "/greeter.Greeter/GreetRepeatedly";
const JOIN: &str = "/greeter.Greeter/GreetTogether";
const ECHO: &str = "/greeter.Greeter/GreetEach";

async fn call(address: SocketAddr, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, path, more, false).await;
    peer.send_data(1, body, true).await;
    peer.answer(1).await
}

fn trailers_only(answer: &Answer, code: &str) {
    assert_eq!(answer.headers.get(":status"), Some("200"), "{answer:?}");
    assert_eq!(answer.headers.get("grpc-status"), Some(code), "{answer:?}");
    assert_eq!(
        answer.headers.get("content-type"),
        Some("application/grpc"),
        "{answer:?}"
    );
    assert_eq!(
        (&answer.body[..], &answer.trailers),
        (&b""[..], &None),
        "{answer:?}"
    );
}

async fn wait_for(counter: &AtomicUsize, count: usize) {
    for _ in 0..1000 {
        if counter.load(Ordering::SeqCst) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it did not happen within two seconds");
}
