//! Sockets that accept connections.

#[cfg(unix)]
use std::path::Path;
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

#[cfg(feature = "tls")]
use super::tls::Tls;
#[cfg(unix)]
use super::unix::UnixSocket;
use super::{
    connection,
    shutdown::{Phase, Shutdown, ShutdownTrigger},
};
use crate::rpc::{Peer, Router};

/// What a server listens on.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// What every connection of a server is served with.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) router: Arc<Router>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Listener {
    /// The address with the port that was free, if it has one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// The path, if it is a Unix socket.
    #[cfg(unix)]
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(socket) => Some(socket.path()),
        }
    }

    /// Waits for a connection and lets a task serve it.
    async fn accept(&self, service: &Service, shutdown: &Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                without_delay(&socket, address);
                let peer = Peer::at(address);
                tokio::spawn(serve_one(socket, peer, service.clone(), shutdown.clone()));
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let socket = listener.accept().await?;
                let peer = Peer::default();
                tokio::spawn(serve_one(socket, peer, service.clone(), shutdown.clone()));
            }
        }
        Ok(())
    }
}

/// Accepts connections on all listeners until `stop` is done, then lets the calls in flight finish
/// for as long as `drain_timeout` says.
pub(crate) async fn serve(
    listeners: Vec<Listener>,
    service: Service,
    stop: impl Future<Output = ()>,
    draining: impl FnOnce(),
    drain_timeout: Duration,
) {
    let (trigger, shutdown) = ShutdownTrigger::new();
    // A server that is dropped leaves nobody behind who accepts.
    let mut tasks = tokio::task::JoinSet::new();
    #[cfg(feature = "tls")]
    if let Some(tls) = service.tls.clone() {
        tasks.spawn(async move { tls.look_after().await });
    }
    for listener in listeners {
        tasks.spawn(accept(listener, service.clone(), shutdown.clone()));
    }
    drop((shutdown, service));
    stop.await;
    draining();
    trigger.enter(Phase::Draining);
    if tokio::time::timeout(drain_timeout, trigger.all_closed())
        .await
        .is_err()
    {
        tracing::warn!(
            ?drain_timeout,
            "calls were still in flight when the drain timeout passed"
        );
        trigger.enter(Phase::Stopped);
        trigger.all_closed().await;
    }
}

async fn accept(listener: Listener, service: Service, shutdown: Shutdown) {
    let mut stop = shutdown.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => return,
            accepted = listener.accept(&service, &shutdown) => accepted,
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "a connection could not be accepted");
            if !concerns_one_connection(&error) {
                // Out of file descriptors or memory: to try again at once would only spin.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one<Io>(io: Io, peer: Peer, service: Service, shutdown: Shutdown)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    #[cfg(feature = "tls")]
    if let Some(tls) = &service.tls {
        match tls.accept(io).await {
            Ok((stream, identity)) => {
                let peer = Peer { identity, ..peer };
                connection::serve(stream, service.router, peer, shutdown).await;
            }
            Err(error) => tracing::info!(%peer, %error, "the TLS handshake failed"),
        }
        return;
    }
    connection::serve(io, service.router, peer, shutdown).await;
}

/// Replies are gathered before they are written; the kernel must not wait for more.
fn without_delay(socket: &TcpStream, address: SocketAddr) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%address, %error, "TCP_NODELAY cannot be set");
    }
}

/// Whether the client is to blame, and the next one may be accepted at once (accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
