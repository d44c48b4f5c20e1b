//! Sockets that accept connections.

#[cfg(unix)]
use std::path::Path;
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

#[cfg(feature = "tls")]
use super::tls::Tls;
#[cfg(unix)]
use super::unix::UnixSocket;
use super::{
    ConnectionLimits,
    front_door::Occasionally,
    shutdown::{Phase, Shutdown, ShutdownTrigger},
    worker::{Accepted, Load, Socket, Workers},
};
use crate::{
    limits,
    rpc::{Budget, Peer, Router},
};

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
    pub(crate) connection_limits: Arc<ConnectionLimits>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) hints: Arc<Occasionally>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<Tls>>,
    /// Where a worker says what it has to do.
    pub(crate) load: Option<Arc<Load>>,
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

    /// Waits for a connection and lets a worker serve it.
    async fn accept(&self, acceptor: &Acceptor) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                without_delay(&socket, address);
                acceptor.serve(Socket::Tcp(socket), Peer::at(address))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let socket = listener.accept().await?;
                acceptor.serve(Socket::Unix(socket), Peer::default())
            }
        }
    }
}

impl Service {
    /// The same for another worker, which shares no counts of references.
    pub(super) fn separate(&self) -> Self {
        Self {
            router: Arc::new(self.router.separate()),
            connection_limits: Arc::new(ConnectionLimits::clone(&self.connection_limits)),
            ..self.clone()
        }
    }
}

/// What becomes of a connection that was accepted.
#[derive(Clone)]
struct Acceptor {
    workers: Arc<Workers>,
    hints: Arc<Occasionally>,
    shutdown: Shutdown,
    /// One for each connection that there may be.
    places: Arc<Semaphore>,
}

impl Acceptor {
    /// Lets a worker serve a connection, if there is a place for it; else it is closed, so that its
    /// client knows at once and can go elsewhere.
    fn serve(&self, socket: Socket, peer: Peer) -> io::Result<()> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            if self.hints.is_due() {
                tracing::warn!(%peer, "a connection was closed: there are as many as there may be \
                    (--connections-max, and four fifths of the open files that ulimit -n allows)");
            }
            return Ok(());
        };
        self.workers.serve(Accepted {
            socket,
            peer,
            place,
        })
    }
}

/// Accepts connections on all listeners until `stop` is done, then lets the calls in flight finish
/// for as long as `drain_timeout` says. The connections are served by so many workers; with 0 by tasks
/// of this runtime.
pub(crate) async fn serve(
    listeners: Vec<Listener>,
    service: Service,
    workers: usize,
    stop: impl Future<Output = ()>,
    draining: impl FnOnce(),
    drain_timeout: Duration,
) {
    let mut trigger = ShutdownTrigger::default();
    // A server that is dropped leaves nobody behind who accepts.
    let mut tasks = tokio::task::JoinSet::new();
    #[cfg(feature = "tls")]
    if let Some(tls) = service.tls.clone() {
        tasks.spawn(async move { tls.look_after().await });
    }
    let places = service.connection_limits.connections_allowed(workers);
    let (shutdown, hints) = (trigger.hear(), Arc::clone(&service.hints));
    let (workers, ends) = Workers::start(workers, service, &mut trigger);
    let acceptor = Acceptor {
        workers: Arc::new(workers),
        hints,
        shutdown,
        places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
    };
    for listener in listeners {
        tasks.spawn(accept(listener, acceptor.clone()));
    }
    drop(acceptor);
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
    ends.wait().await;
}

async fn accept(listener: Listener, acceptor: Acceptor) {
    let mut stop = acceptor.shutdown.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => break,
            accepted = listener.accept(&acceptor) => accepted,
        };
        if let Err(error) = accepted {
            if acceptor.hints.is_due() {
                tracing::warn!(%error, "a connection could not be accepted");
            }
            if !concerns_one_connection(&error) {
                // Out of file descriptors or memory: to try again at once would only spin.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Whoever is in the backlog has connected, and may have sent calls, which closing the socket
    // would reset. It is told by GOAWAY instead.
    let backlog = async { while listener.accept(&acceptor).await.is_ok() {} };
    let _ = tokio::time::timeout(limits::BACKLOG_TIMEOUT, backlog).await;
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
