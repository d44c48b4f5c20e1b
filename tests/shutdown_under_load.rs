//! SIGTERM in the middle of a steady load: each call is answered, or its client is told that it was
//! not looked at (GOAWAY, RFC 9113, 6.8) and may make it again elsewhere. There is no third outcome.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "support/target.rs"]
mod target;

use std::{io::ErrorKind, net::SocketAddr};

use target::{
    ADD_USER, GET_USER,
    peer::{DATA, END_STREAM, Frame, PING, PREFACE, Peer, SETTINGS, frame, message, request},
    reflectd::{self, Running},
    support::{Client, soon},
};
use tokio::{net::TcpStream, task::JoinHandle};

/// A server, and the request that all calls make.
struct Served {
    server: Running,
    request: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Served {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(arguments: &[&str]) -> Self {
        let folder = reflectd::folder();
        let common = ["user.proto", "--listen", "0", "--store", "memory"];
        let arguments = [&common, arguments].concat();
        let server = Running::start(reflectd::reflectd(folder.path(), &arguments));
        let client = Client::connect(server.address()).await;
        let id = client.unary(ADD_USER, &b"\x12\x03Ada"[..]).await.message();
        Self {
            server,
            request: id.to_vec(),
            _folder: folder,
        }
    }

    /// Waits for its end, which must be in order.
    async fn ended(self) {
        let ran = tokio::task::spawn_blocking(move || self.server.wait());
        let ran = soon("the server's end", ran).await.unwrap();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!ran.stderr.contains("drain_timeout"), "{ran:?}");
    }
}

/// What became of the calls of one connection, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    answered: usize,
    /// Sent, and above the last stream of the GOAWAY.
    refused: usize,
    /// Sent, and neither answered nor refused.
    lost: usize,
}

impl Calls {
    fn and(self, other: Self) -> Self {
        Self {
            answered: self.answered + other.answered,
            refused: self.refused + other.refused,
            lost: self.lost + other.lost,
        }
    }
}

/// A connection that always has some calls in flight, until it is told to go away.
struct Caller {
    peer: Peer,
    request: Vec<u8>,
    /// The number of the next stream.
    next: u32,
    in_flight: Vec<u32>,
    /// The last stream that the server says it looks at.
    last: Option<u32>,
    /// Whether it goes when its calls are answered, rather than make more.
    leaves: bool,
    calls: Calls,
}

impl Caller {
    fn new(peer: Peer, request: Vec<u8>) -> Self {
        Self {
            peer,
            request,
            next: 1,
            in_flight: Vec::new(),
            last: None,
            leaves: false,
            calls: Calls::default(),
        }
    }

    /// One more call; its bytes.
    fn call(&mut self) -> Vec<u8> {
        let stream = self.next;
        self.next += 2;
        self.in_flight.push(stream);
        let data = frame(DATA, END_STREAM, stream, &message(&self.request));
        [request(stream, GET_USER, &[], false), data].concat()
    }

    /// Makes a call for each that is answered; when the server goes away waits for the others, and
    /// counts.
    async fn run(mut self) -> Calls {
        let mut heard = false;
        while let Some(received) = self.peer.recv().await {
            heard = true;
            match received {
                Frame::Headers {
                    stream,
                    headers,
                    end: true,
                } => {
                    assert_eq!(headers.get("grpc-status"), Some("0"), "{headers:?}");
                    self.in_flight.retain(|open| *open != stream);
                    self.calls.answered += 1;
                    if self.leaves && self.in_flight.is_empty() {
                        break;
                    }
                    if self.last.is_none() && !self.leaves {
                        let call = self.call();
                        self.send(&call).await;
                    }
                }
                Frame::Reset { code, .. } => panic!("a call was reset with {code}"),
                Frame::Goaway { last, code: 0, .. } => self.last = Some(last),
                Frame::Goaway { code, .. } => panic!("GOAWAY with {code}"),
                Frame::Ping { ack: false, data } => self.send(&frame(PING, 1, 0, &data)).await,
                Frame::Settings { ack: false, .. } => self.send(&frame(SETTINGS, 1, 0, &[])).await,
                _ => {}
            }
        }
        // A connection that the server never took has no calls that it could have lost.
        let last = self.last.unwrap_or(if heard { u32::MAX } else { 0 });
        self.calls.refused = self.in_flight.iter().filter(|open| **open > last).count();
        self.calls.lost = self.in_flight.len() - self.calls.refused;
        self.calls
    }

    /// Whether it still can is told by what comes.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.peer.send_bytes_until_closed(bytes).await;
    }
}

/// Starts connections with eight calls in flight each.
async fn load(served: &Served, connections: usize) -> Vec<JoinHandle<Calls>> {
    let mut running = Vec::new();
    for _ in 0..connections {
        let peer = Peer::connect(served.server.address()).await;
        let mut caller = Caller::new(peer, served.request.clone());
        let first: Vec<_> = (0..8).map(|_| caller.call()).collect();
        caller.send(&first.concat()).await;
        running.push(tokio::spawn(caller.run()));
    }
    running
}

/// Makes a connection for each call, until none can be made.
async fn come_and_go(address: SocketAddr, request: Vec<u8>) -> Calls {
    let mut calls = Calls::default();
    loop {
        let socket = match TcpStream::connect(address).await {
            Ok(socket) => socket,
            // Reset: it came between the last connection that was accepted and the listener's end.
            Err(error) if CLOSED.contains(&error.kind()) => return calls,
            Err(error) => panic!("{error}"),
        };
        let mut caller = Caller::new(Peer::on(socket), request.clone());
        caller.leaves = true;
        let preface = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        let call = caller.call();
        caller.send(&[preface, call].concat()).await;
        calls = calls.and(caller.run().await);
    }
}

async fn all(running: Vec<JoinHandle<Calls>>) -> Calls {
    let mut sum = Calls::default();
    for calls in running {
        sum = sum.and(soon("the calls' end", calls).await.unwrap());
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_when_a_loaded_server_is_terminated() {
    for _ in 0..2 {
        let served = Served::start().await;
        let mut running = load(&served, 16).await;
        for _ in 0..2 {
            let coming = come_and_go(served.server.address(), served.request.clone());
            running.push(tokio::spawn(coming));
        }
        // The load is steady when one more client has made its calls.
        let client = Client::connect(served.server.address()).await;
        for _ in 0..100 {
            client
                .unary(GET_USER, served.request.clone())
                .await
                .message();
        }
        drop(client);
        served.server.signal("TERM");
        let calls = all(running).await;
        assert_eq!(calls.lost, 0, "{calls:?}");
        assert!(calls.answered > 1_000, "{calls:?}");
        served.ended().await;
    }
}

/// What the server finds when it looks up: a signal, connections that wait to be accepted and have
/// sent calls, and more calls on those that it has.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_the_backlog_at_the_signal_is_not_reset() {
    for _ in 0..3 {
        let served = Served::start().await;
        let old = Peer::connect(served.server.address()).await;
        served.server.signal("STOP");
        let mut callers = vec![Caller::new(old, served.request.clone())];
        for _ in 0..20 {
            let peer = Peer::connect(served.server.address()).await;
            callers.push(Caller::new(peer, served.request.clone()));
        }
        let mut running = Vec::new();
        for mut caller in callers {
            let calls = [caller.call(), caller.call()].concat();
            caller.send(&calls).await;
            running.push(tokio::spawn(caller.run()));
        }
        served.server.signal("TERM");
        served.server.signal("CONT");
        let calls = all(running).await;
        assert_eq!(calls.lost, 0, "{calls:?}");
        served.ended().await;
    }
}

/// The time for calls is up, and one reply cannot leave: in the second that is left for last bytes
/// half a frame comes, which is no reason to go on.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_after_the_last_word_keeps_nobody() {
    let served = Served::start_with(&["--drain-timeout", "200ms"]).await;
    let mut peer = Peer::open(served.server.address()).await;
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let call = Caller::new(
        Peer::connect(served.server.address()).await,
        served.request.clone(),
    )
    .call();
    peer.send_bytes(&[PREFACE, &settings, &call].concat()).await;
    peer.recv_until(|frame| matches!(frame, Frame::Headers { .. }))
        .await;
    served.server.signal("TERM");
    peer.recv_until(|frame| matches!(frame, Frame::Goaway { last: 1, .. }))
        .await;
    peer.send_bytes(&request(3, GET_USER, &[], true)[..20])
        .await;
    let ran = tokio::task::spawn_blocking(move || served.server.wait());
    let ran = soon("the server's end", ran).await.unwrap();
    assert!(ran.stderr.contains("drain_timeout"), "{ran:?}");
}

/// What connecting ends with when nobody listens any more.
const CLOSED: [ErrorKind; 2] = [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset];
