//! A scripted HTTP/2 server: it answers what it is told to, right or wrong, and shows what a client
//! really sends.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use std::{net::SocketAddr, time::Duration};

use reflectd::{
    RawMessage, Schema, Status,
    client::{Backoff, Channel, ChannelBuilder, Client},
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::peer::{self, Frame, Headers, Peer};

/// Where connections come in.
pub struct ScriptedServer {
    listener: TcpListener,
}

/// The server's end of one connection.
pub struct Link {
    pub peer: Peer,
    /// Requests whose end has not come.
    open: Vec<Request>,
}

impl From<Peer> for Link {
    fn from(peer: Peer) -> Self {
        let open = Vec::new();
        Self { peer, open }
    }
}

/// A request that was received.
#[derive(Debug)]
pub struct Request {
    pub stream: u32,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl ScriptedServer {
    pub async fn bind() -> Self {
        Self::bind_to("127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn bind_to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self { listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// A channel to it that does not wait for long after a failure.
    pub fn channel(&self) -> ChannelBuilder {
        let mut backoff = Backoff::default();
        backoff.base = Duration::from_millis(20);
        Channel::builder(&format!("http://{}", self.address())).backoff(backoff)
    }

    /// A client that connects with its first call.
    pub fn client(&self) -> Client {
        client(self.channel())
    }

    /// The next connection, whose settings are exchanged.
    pub async fn accept(&self) -> Link {
        self.accept_with(&[]).await
    }

    pub async fn accept_with(&self, settings: &[(u16, u32)]) -> Link {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        let (socket, _) = accepted.expect("nobody connected").unwrap();
        let mut peer = Peer::accepted(socket).await;
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        peer.send_frame(peer::SETTINGS, 0, 0, &payload).await;
        peer.send_frame(peer::SETTINGS, ACK, 0, &[]).await;
        peer.into()
    }

    /// The next connection, whose settings come in one write with something else.
    pub async fn accept_and(&self, more: &[u8]) -> Link {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        let (socket, _) = accepted.expect("nobody connected").unwrap();
        let mut peer = Peer::accepted(socket).await;
        let settings = peer::frame(peer::SETTINGS, 0, 0, &[]);
        peer.send_bytes(&[&settings[..], more].concat()).await;
        peer.into()
    }

    /// Whether a client connects within a time that is long for a client, short for a test.
    pub async fn is_connected_to(&self) -> bool {
        timeout(Duration::from_millis(300), self.listener.accept())
            .await
            .is_ok()
    }

    /// Answers every request of every connection with OK and a name, in the background.
    pub fn answer_always(self, name: &'static str) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((socket, _)) = self.listener.accept().await {
                links.spawn(async move {
                    let mut link = Link::from(Peer::accepted(socket).await);
                    link.peer.send_frame(peer::SETTINGS, 0, 0, &[]).await;
                    while let Some(request) = link.try_request().await {
                        link.ok(request.stream, name.as_bytes()).await;
                    }
                });
            }
        })
    }
}

impl Link {
    /// The next request's head, other frames left out.
    pub async fn head(&mut self) -> Request {
        let is_head = |frame: &Frame| matches!(frame, Frame::Headers { .. });
        match self.peer.recv_until(is_head).await {
            Frame::Headers {
                stream, headers, ..
            } => Request {
                stream,
                headers,
                body: Vec::new(),
            },
            _ => unreachable!("it was asked for"),
        }
    }

    /// The next request, with all of its body.
    pub async fn request(&mut self) -> Request {
        self.try_request().await.expect("the client has gone")
    }

    /// The same; `None`: the client has closed the connection.
    pub async fn try_request(&mut self) -> Option<Request> {
        loop {
            match self.peer.recv().await? {
                Frame::Headers {
                    stream,
                    headers,
                    end,
                } => {
                    assert!(!end, "a gRPC request has a body: {headers:?}");
                    self.open.push(Request {
                        stream,
                        headers,
                        body: Vec::new(),
                    });
                }
                Frame::Data { stream, bytes, end } => {
                    let is_it = |request: &Request| request.stream == stream;
                    if let Some(at) = self.open.iter().position(is_it) {
                        self.open[at].body.extend(bytes);
                        if end {
                            return Some(self.open.remove(at));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Sends HEADERS with these and no others.
    pub async fn headers(&mut self, stream: u32, headers: &[(&str, &str)], end: bool) {
        self.peer
            .send_bytes(&peer::headers(stream, headers, end))
            .await;
    }

    /// Sends the head of a gRPC response.
    pub async fn begin(&mut self, stream: u32) {
        self.headers(stream, HEAD, false).await;
    }

    /// Sends one message.
    pub async fn message(&mut self, stream: u32, message: &[u8]) {
        self.peer
            .send_data(stream, &peer::message(message), false)
            .await;
    }

    /// Sends trailers.
    pub async fn end(&mut self, stream: u32, trailers: &[(&str, &str)]) {
        self.headers(stream, trailers, true).await;
    }

    /// Answers with one message and OK.
    pub async fn ok(&mut self, stream: u32, message: &[u8]) {
        self.begin(stream).await;
        self.message(stream, message).await;
        self.end(stream, OK).await;
    }

    /// Answers with a status alone (Trailers-Only).
    pub async fn fail(&mut self, stream: u32, code: &str, more: &[(&str, &str)]) {
        let headers = [HEAD, &[("grpc-status", code)], more].concat();
        self.headers(stream, &headers, true).await;
    }

    /// Sends GOAWAY.
    pub async fn goaway(&mut self, last: u32, code: u32, debug: &str) {
        self.peer.send_bytes(&peer::goaway(last, code, debug)).await;
    }

    /// Whether the client has said nothing of calls by the time when it answers a PING.
    pub async fn is_quiet(&mut self) -> bool {
        self.peer.send_frame(peer::PING, 0, 0, b"are you?").await;
        let wanted = |frame: &Frame| {
            matches!(
                frame,
                Frame::Ping { ack: true, .. }
                    | Frame::Headers { .. }
                    | Frame::Data { .. }
                    | Frame::Reset { .. }
            )
        };
        matches!(self.peer.recv_until(wanted).await, Frame::Ping { .. })
    }

    /// Waits for the RST_STREAM of a stream.
    pub async fn reset(&mut self, wanted: u32) -> u32 {
        let is_reset =
            |frame: &Frame| matches!(frame, Frame::Reset { stream, .. } if *stream == wanted);
        match self.peer.recv_until(is_reset).await {
            Frame::Reset { code, .. } => code,
            _ => unreachable!("it was asked for"),
        }
    }
}

/// The client that all of the tests use.
pub fn client(channel: ChannelBuilder) -> Client {
    Client::new(channel.lazy().unwrap(), schema())
}

pub fn schema() -> Schema {
    Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap()
}

/// Makes a call that needs no more than a path.
pub async fn greet(client: &Client) -> Result<RawMessage, Status> {
    let call = client.call(GREET).timeout(PATIENCE);
    call.unary(RawMessage::new("hello")).await
}

/// What is received when `text` is answered.
pub fn reply(text: &'static str) -> RawMessage {
    RawMessage::new(text)
}

pub const GREET: &str = "/greeter.Greeter/Greet";
pub const REPEAT: &str = "/greeter.Greeter/GreetRepeatedly";
pub const TOGETHER: &str = "/greeter.Greeter/GreetTogether";
pub const EACH: &str = "/greeter.Greeter/GreetEach";

pub const HEAD: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc")];
pub const OK: &[(&str, &str)] = &[("grpc-status", "0")];

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub const MAX_CONCURRENT_STREAMS: u16 = 3;

const ACK: u8 = 1;

/// Longer than any client of the tests thinks.
const PATIENCE: Duration = Duration::from_secs(20);
