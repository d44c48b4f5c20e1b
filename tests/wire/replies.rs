//! Replies leave when they are sent, whatever their handler does next.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use reflectd::{GrpcService, RawMessage, Replies, Schema, Server, Status};
use serde::{Serialize, Serializer, ser::Error, ser::SerializeStruct};
use tokio::{sync::Notify, time::sleep};
use tower_service::Service;

use super::{
    GREET, REPEAT,
    peer::{Frame, Peer, SETTINGS, message},
    serve,
};

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A greeting that does something while it is serialized.
struct Greeting<F> {
    text: String,
    meanwhile: F,
}

impl<F: Fn() -> Result<(), &'static str>> Serialize for Greeting<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.meanwhile)().map_err(Error::custom)?;
        let mut greeting = serializer.serialize_struct("Greeting", 1)?;
        greeting.serialize_field("text", &self.text)?;
        greeting.end()
    }
}

/// A greeting as it travels.
fn greeting(text: &str) -> Vec<u8> {
    message(&[&[10, text.len() as u8], text.as_bytes()].concat())
}

/// The next DATA of a stream.
async fn data(peer: &mut Peer, of: u32) -> Vec<u8> {
    let data = |frame: &Frame| matches!(frame, Frame::Data { stream, .. } if *stream == of);
    match peer.recv_until(data).await {
        Frame::Data { bytes, .. } => bytes,
        frame => panic!("{frame:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reply_leaves_while_its_handler_blocks_its_thread() {
    let (tell, told): (Sender<()>, Receiver<()>) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let send = move |request: RawMessage, mut replies: Replies<RawMessage>| {
        let told = Arc::clone(&told);
        async move {
            // From here on it is a task of its own.
            sleep(Duration::from_millis(1)).await;
            for _ in 0..request.bytes.len() {
                replies.send(request.clone()).await?;
                let arrives = || told.lock().unwrap().recv_timeout(PATIENCE);
                tokio::task::block_in_place(arrives)
                    .map_err(|_| Status::aborted("it does not arrive"))?;
            }
            Ok(())
        }
    };
    let address = serve(|builder| builder.server_streaming(REPEAT, send)).await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(b"12345"), true).await;
    for _ in 0..5 {
        assert_eq!(data(&mut peer, 1).await, message(b"12345"));
        tell.send(()).unwrap();
    }
    assert_eq!(peer.answer(1).await.headers.get("grpc-status"), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reply_that_is_long_in_the_making_holds_no_other_call_back() {
    // Workers that are awake: the one that makes the reply may be the one that waited for sockets.
    for _ in 0..2 {
        tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
                std::thread::sleep(Duration::from_micros(200));
            }
        });
    }
    let made = Arc::<Notify>::default();
    let (tell, told): (Sender<()>, Receiver<()>) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let making = Arc::clone(&made);
    let send = move |_: RawMessage, mut replies: Replies<_>| {
        let (making, told) = (Arc::clone(&making), Arc::clone(&told));
        async move {
            for text in ["at once", "slow"] {
                // The connection has its turn.
                sleep(Duration::from_millis(1)).await;
                let (making, told) = (Arc::clone(&making), Arc::clone(&told));
                let meanwhile = move || {
                    if text == "slow" {
                        making.notify_one();
                        let told = told.lock().unwrap().recv_timeout(PATIENCE);
                        told.map_err(|_| "no other call is answered")?;
                    }
                    Ok(())
                };
                let text = text.to_owned();
                replies.send(Greeting { text, meanwhile }).await?;
            }
            Ok(())
        }
    };
    let greet = async |request: RawMessage| Ok::<_, Status>(request);
    let address = serve(|builder| builder.server_streaming(REPEAT, send).unary(GREET, greet)).await;
    let mut peer = Peer::connect(address).await;
    let no_window = [&[0, 4][..], &0_u32.to_be_bytes()].concat();
    peer.send_frame(SETTINGS, 0, 0, &no_window).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(b""), true).await;
    made.notified().await;
    // The first leaves while the second is made, which the call is told.
    peer.send_window(1, 1000).await;
    assert_eq!(data(&mut peer, 1).await, greeting("at once"));
    peer.send_request(3, GREET, &[], false).await;
    peer.send_window(3, 1000).await;
    peer.send_data(3, &message(b"hi"), true).await;
    assert_eq!(data(&mut peer, 3).await, message(b"hi"));
    tell.send(()).unwrap();
    assert_eq!(data(&mut peer, 1).await, greeting("slow"));
    assert_eq!(peer.answer(1).await.headers.get("grpc-status"), Some("0"));
}

/// Calls a server in this process, whose handler sends three replies, on this thread and in one go.
fn call_in_process(service: &GrpcService) -> Result<(), &'static str> {
    let request = http::Request::post(REPEAT)
        .header("content-type", "application/grpc")
        .body("\0\0\0\0\0".to_owned());
    let answer = service.clone().call(request.map_err(|_| "no request")?);
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) if response.headers().get("grpc-status").is_none() => Ok(()),
        _ => Err("it does not answer"),
    }
}

#[tokio::test]
async fn a_reply_may_be_made_by_a_call_of_another_server_on_the_same_thread() {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let three = async |_: RawMessage, mut replies: Replies<RawMessage>| {
        for _ in 0..3 {
            replies.send(RawMessage::default()).await?;
        }
        Ok::<_, Status>(())
    };
    let inner = Server::builder(schema).server_streaming(REPEAT, three);
    let service = inner.build().unwrap().into_service();
    let send = move |_: RawMessage, mut replies: Replies<_>| {
        let service = service.clone();
        async move {
            for text in ["a", "b", "c", "d"] {
                let (text, service) = (text.to_owned(), service.clone());
                let meanwhile = move || call_in_process(&service);
                replies.send(Greeting { text, meanwhile }).await?;
            }
            Ok(())
        }
    };
    let address = serve(|builder| builder.server_streaming(REPEAT, send)).await;
    let mut peer = Peer::connect(address).await;
    peer.send_request(1, REPEAT, &[], false).await;
    peer.send_data(1, &message(b""), true).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.status(), Some("0"), "{answer:?}");
    assert_eq!(answer.body, ["a", "b", "c", "d"].map(greeting).concat());
}
