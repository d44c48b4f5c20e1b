//! Sockets that accept connections.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};

use super::{
    connection,
    shutdown::{Phase, Shutdown, ShutdownTrigger},
};
use crate::rpc::{Peer, Router};

/// Accepts connections on all listeners until `stop` is done, then lets the calls in flight finish
/// for as long as `drain_timeout` says.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    router: Arc<Router>,
    stop: impl Future<Output = ()>,
    draining: impl FnOnce(),
    drain_timeout: Duration,
) {
    let (trigger, shutdown) = ShutdownTrigger::new();
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let accept = accept(listener, Arc::clone(&router), shutdown.clone());
            tokio::spawn(accept)
        })
        .collect();
    drop(shutdown);
    // A server that is dropped leaves nobody behind who accepts.
    let _abort = AbortAll(accepting);
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

async fn accept(listener: TcpListener, router: Arc<Router>, shutdown: Shutdown) {
    let mut stop = shutdown.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let peer = Peer {
                    address: Some(address),
                };
                start(socket, peer, Arc::clone(&router), shutdown.clone());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                if !concerns_one_connection(&error) {
                    // Out of file descriptors or memory: to try again at once would only spin.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn start(socket: TcpStream, peer: Peer, router: Arc<Router>, shutdown: Shutdown) {
    // Replies are gathered before they are written; the kernel must not wait for more.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY cannot be set");
    }
    tokio::spawn(connection::serve(socket, router, peer, shutdown));
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

struct AbortAll(Vec<tokio::task::JoinHandle<()>>);

impl Drop for AbortAll {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
