//! A TCP proxy that does to connections what networks do.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Where clients connect to; what becomes of it can be told at any time.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

/// What holds for all connections.
#[derive(Clone, Copy)]
struct State {
    target: SocketAddr,
    /// Bytes wait.
    stalled: bool,
    /// Connections from before are cut.
    cuts: u64,
    /// For connections from before: the client, or the server, hears that nothing follows.
    closed_to_client: u64,
    closed_to_server: u64,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    ToClient,
    ToServer,
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            target,
            stalled: false,
            cuts: 0,
            closed_to_client: 0,
            closed_to_server: 0,
        };
        let state = Arc::new(watch::Sender::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, shared.subscribe()));
            }
        });
        Self { address, state }
    }

    /// Where clients connect to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where new connections lead.
    pub fn lead_to(&self, target: SocketAddr) {
        self.state.send_modify(|state| state.target = target);
    }

    /// Ends all connections at once: both sides hear RST.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Keeps what comes, or lets it go on.
    pub fn stall(&self, stalled: bool) {
        self.state.send_modify(|state| state.stalled = stalled);
    }

    /// Tells clients that the server sends no more, while what they send still arrives.
    pub fn half_close_to_client(&self) {
        self.state.send_modify(|state| state.closed_to_client += 1);
    }

    /// Tells the server that clients send no more, while what it sends still arrives.
    pub fn half_close_to_server(&self) {
        self.state.send_modify(|state| state.closed_to_server += 1);
    }
}

async fn connection(client: TcpStream, mut state: watch::Receiver<State>) {
    let begun = *state.borrow_and_update();
    // Where nobody listens, the client hears so.
    let Ok(server) = TcpStream::connect(begun.target).await else {
        return;
    };
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
        socket2::SockRef::from(socket)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pump(from_client, to_server, Way::ToServer, begun, state.clone()),
        pump(from_server, to_client, Way::ToClient, begun, state),
    );
}

/// Carries bytes one way until there are no more, or the connection is cut.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    begun: State,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16 * 1024];
    let mut closed = false;
    loop {
        let now = *state.borrow_and_update();
        if now.cuts > begun.cuts {
            return;
        }
        let close = match way {
            Way::ToClient => now.closed_to_client > begun.closed_to_client,
            Way::ToServer => now.closed_to_server > begun.closed_to_server,
        };
        if close && !closed {
            closed = true;
            let _ = to.shutdown().await;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() {
                return;
            },
            read = from.read(&mut bytes), if !now.stalled => match read {
                Ok(count) if count > 0 => {
                    if !closed && to.write_all(&bytes[..count]).await.is_err() {
                        return;
                    }
                }
                _ => {
                    let _ = to.shutdown().await;
                    return;
                }
            },
        }
    }
}
