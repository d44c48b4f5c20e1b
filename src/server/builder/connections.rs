//! What a server does with its connections: who serves them, what they may take, when they end.

use std::{num::NonZero, time::Duration};

use super::ServerBuilder;
#[cfg(feature = "tls")]
use crate::transport::TlsConfig;
use crate::{limits, transport::ConnectionLimits};

impl ServerBuilder {
    /// Serves TLS on every TCP port and Unix socket.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: TlsConfig) -> Self {
        self.tls = Some(config);
        self
    }

    /// What connections may take: how many, how old, how much each.
    pub fn connection_limits(mut self, limits: ConnectionLimits) -> Self {
        self.connection_limits = limits;
        self
    }

    /// Serves connections on so many threads of the server's own, each with a single-threaded runtime,
    /// instead of as tasks of the runtime that calls `serve`. At most
    /// [`WORKERS_MAX`](limits::WORKERS_MAX).
    ///
    /// One for each core is fastest: a call is then worked for by one thread only, and no two of them
    /// write the same memory. A connection stays with the worker it was dealt to, the one that had the
    /// fewest. What handlers spawn is spawned on their worker; the future of `serve` only accepts. The
    /// limits on connections hold for all workers together.
    pub fn workers(mut self, count: NonZero<usize>) -> Self {
        let (count, most) = (count.get(), limits::WORKERS_MAX);
        if count > most {
            let error = format!("{count} workers were asked for; there may be {most}");
            self.errors.push(error);
        }
        self.workers = count.min(most);
        self
    }

    /// How long a shutdown waits for calls in flight; 30 seconds unless set.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }
}
