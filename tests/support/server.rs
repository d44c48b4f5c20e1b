//! A server in the background of a test.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use reflectd::{Health, Server, ServerBuilder};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{client::Client, soon};

/// A server on a free port of the loopback address. It goes with the test's runtime, or when it is
/// [stopped](Self::stop).
pub struct TestServer {
    address: SocketAddr,
    health: Health,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl TestServer {
    /// Builds a server, which must work, and serves.
    pub async fn start(builder: ServerBuilder) -> Self {
        Self::serve(builder.build().unwrap()).await
    }

    /// Serves.
    pub async fn serve(server: Server) -> Self {
        let bound = server.bind("127.0.0.1:0").await.unwrap();
        let address = bound.local_addresses()[0];
        let health = bound.health().clone();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(bound.serve_with_shutdown(async {
            // Without a word: the test has ended.
            let _ = stopped.await;
        }));
        Self {
            address,
            health,
            stop: Some(stop),
            served,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its health.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// A client with a connection of its own.
    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Tells it to stop, and does not wait.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).expect("the server runs until it is told");
        }
    }

    /// Stops it and waits until it has; how long that took.
    pub async fn stop(mut self) -> Duration {
        let started = Instant::now();
        self.begin_stop();
        soon("the server's end", self.served).await.unwrap();
        started.elapsed()
    }
}
