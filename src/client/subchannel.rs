//! The connections to one endpoint: made when they are needed, made again when they are lost.
//!
//! ```text
//!          a call                     up                       lost
//!   idle ─────────▶ connecting ───────────────▶ ready ─────────────────▶ idle
//!                    │      ▲
//!              failed ▼      │ after the backoff
//!               transient failure
//! ```

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};

use super::{
    backoff::random,
    builder::Options,
    connection::{Connection, Driver, End, Place},
    endpoint::Endpoint,
    outlier::Outlier,
};

/// Whether a channel is connected (grpc/grpc, doc/connectivity-semantics-and-api.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectivityState {
    /// Not connected, and nobody has asked for it.
    Idle,
    /// On the way.
    Connecting,
    /// Calls can be made.
    Ready,
    /// The last attempt failed; the next one comes after the backoff.
    TransientFailure,
}

/// The connections to one endpoint.
pub(super) struct Subchannel {
    pub(super) endpoint: Endpoint,
    options: Arc<Options>,
    connections: RwLock<Vec<Arc<Connection>>>,
    status: Mutex<ConnectionStatus>,
    /// Bumped with every change, for all endpoints of a channel.
    changes: watch::Sender<u64>,
    keepalive: Mutex<Option<Duration>>,
    outlier: Outlier,
    /// Whether there are other endpoints.
    is_balanced: bool,
}

#[derive(Debug)]
struct ConnectionStatus {
    state: ConnectivityState,
    /// Why the last attempt failed.
    error: Option<Arc<str>>,
    /// Whether a task is about to connect.
    connecting: bool,
}

impl Subchannel {
    pub(super) fn new(
        endpoint: Endpoint,
        options: Arc<Options>,
        changes: watch::Sender<u64>,
        is_balanced: bool,
    ) -> Arc<Self> {
        let keepalive = Mutex::new(options.keepalive);
        let outlier = Outlier::new(options.ejection);
        Arc::new(Self {
            endpoint,
            options,
            connections: RwLock::default(),
            status: Mutex::new(ConnectionStatus {
                state: ConnectivityState::Idle,
                error: None,
                connecting: false,
            }),
            changes,
            keepalive,
            outlier,
            is_balanced,
        })
    }

    /// A place on the connection that carries least; `None`: there is no connection.
    pub(super) fn place(self: &Arc<Self>) -> Option<Place> {
        let connections = self
            .connections
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let usable = connections
            .iter()
            .filter(|connection| !connection.is_gone());
        let best = usable.min_by_key(|connection| connection.calls())?;
        let place = best.place();
        let full = best.calls() * 5 > best.calls_max().saturating_mul(4);
        let grow = full && connections.len() < self.options.pool_max;
        drop(connections);
        if grow {
            self.connect();
        }
        Some(place)
    }

    /// How many calls its connections carry.
    pub(super) fn calls(&self) -> usize {
        let connections = self
            .connections
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        connections
            .iter()
            .map(|connection| connection.calls())
            .sum()
    }

    pub(super) fn state(&self) -> ConnectivityState {
        self.status().state
    }

    /// Why the last attempt to connect failed.
    pub(super) fn error(&self) -> Option<Arc<str>> {
        self.status().error.clone()
    }

    /// Lets a task connect, unless one is at it.
    pub(super) fn connect(self: &Arc<Self>) {
        let mut status = self.status();
        if std::mem::replace(&mut status.connecting, true) {
            return;
        }
        if self.is_empty() {
            status.state = ConnectivityState::Connecting;
        }
        drop(status);
        self.changed();
        tokio::spawn(connect(Arc::downgrade(self)));
    }

    /// The task that connects has done what it can.
    fn rest(&self) {
        let mut status = self.status();
        status.connecting = false;
        if self.is_empty() {
            // It was lost again at once, and who waits for it must ask anew.
            status.state = ConnectivityState::Idle;
        }
        drop(status);
        self.changed();
    }

    /// A connection takes no more calls; those that it has go on.
    pub(super) fn retire(self: &Arc<Self>, connection: &Arc<Connection>) {
        connection.retire();
        let mut connections = self
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = connections.len();
        connections.retain(|other| !Arc::ptr_eq(other, connection));
        let left = connections.len();
        drop(connections);
        if left == before {
            return;
        }
        if left > 0 {
            if left < self.options.pool_min {
                self.connect();
            }
            return;
        }
        let mut status = self.status();
        if self.is_empty() {
            status.state = match status.connecting {
                true => ConnectivityState::Connecting,
                false => ConnectivityState::Idle,
            };
        }
        drop(status);
        self.changed();
    }

    /// A call has ended: `failed` if the endpoint seems to be at fault.
    pub(super) fn judge(&self, failed: bool) {
        if self.is_balanced {
            self.outlier.judge(failed, Instant::now());
        }
    }

    /// Whether it is left out for a while because calls failed.
    pub(super) fn is_ejected(&self) -> bool {
        self.outlier.is_ejected(Instant::now())
    }

    fn connections(&self) -> usize {
        let connections = self
            .connections
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        connections.len()
    }

    fn is_empty(&self) -> bool {
        self.connections() == 0
    }

    fn enter(&self, state: ConnectivityState, error: Option<Arc<str>>) {
        let mut status = self.status();
        status.state = state;
        if error.is_some() || state == ConnectivityState::Ready {
            status.error = error;
        }
        drop(status);
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    fn status(&self) -> MutexGuard<'_, ConnectionStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, connection: Arc<Connection>, driver: Driver) -> usize {
        let held = Arc::downgrade(&connection);
        let this = Arc::downgrade(self);
        let idle = self.options.pool_idle_timeout;
        let watched = Weak::clone(&held);
        tokio::spawn(async move {
            let end = driver.run(Weak::clone(&held)).await;
            if let (Some(this), Some(connection)) = (this.upgrade(), held.upgrade()) {
                this.ended(&connection, end);
            }
        });
        let mut connections = self
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        connections.push(connection);
        let count = connections.len();
        drop(connections);
        if count > self.options.pool_min.max(1) {
            tokio::spawn(shrink(Arc::downgrade(self), watched, idle));
        }
        self.enter(ConnectivityState::Ready, None);
        count
    }

    fn ended(self: &Arc<Self>, connection: &Arc<Connection>, end: End) {
        if end == End::TooManyPings {
            let mut keepalive = self
                .keepalive
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *keepalive = keepalive.map(|interval| interval * 2);
            tracing::warn!(
                endpoint = self.endpoint.name(),
                interval = ?*keepalive,
                "the server has had too many pings; the keepalive interval is doubled"
            );
        }
        self.retire(connection);
    }
}

/// Connects, and after a failure again and again, until there are as many connections as there
/// should be.
async fn connect(subchannel: Weak<Subchannel>) {
    let mut failures = 0;
    while let Some(this) = subchannel.upgrade() {
        let (endpoint, options) = (this.endpoint.clone(), Arc::clone(&this.options));
        let keepalive = *this
            .keepalive
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A channel that is dropped is not waited for.
        drop(this);
        let opened = Connection::open(&endpoint, &options, keepalive);
        let opened = timeout(options.connect_timeout, opened).await;
        let opened = opened.unwrap_or_else(|_| {
            let (name, after) = (endpoint.name(), options.connect_timeout);
            Err(format!("cannot connect to {name}: no answer in {after:?}"))
        });
        let Some(this) = subchannel.upgrade() else {
            return;
        };
        match opened {
            Ok((connection, driver)) => {
                failures = 0;
                if this.add(connection, driver) >= options.pool_min {
                    return this.rest();
                }
            }
            Err(error) => {
                failures += 1;
                tracing::debug!(error, failures, "an attempt to connect failed");
                if this.is_empty() {
                    this.enter(ConnectivityState::TransientFailure, Some(error.into()));
                }
                drop(this);
                tokio::time::sleep(options.backoff.delay(failures, random())).await;
                let Some(this) = subchannel.upgrade() else {
                    return;
                };
                match this.connections() {
                    0 => this.enter(ConnectivityState::Connecting, None),
                    // It was for the pool to grow; the others do meanwhile.
                    count if count >= options.pool_min => return this.rest(),
                    _ => {}
                }
            }
        }
    }
}

/// Takes a connection out of the pool when it has had no calls for long.
async fn shrink(subchannel: Weak<Subchannel>, connection: Weak<Connection>, idle: Duration) {
    loop {
        tokio::time::sleep(idle).await;
        let (Some(this), Some(connection)) = (subchannel.upgrade(), connection.upgrade()) else {
            return;
        };
        let connections = this
            .connections
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let spare = connections.len() > this.options.pool_min.max(1);
        drop(connections);
        if spare && connection.calls() == 0 {
            return this.retire(&connection);
        }
    }
}

impl fmt::Debug for Subchannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subchannel")
            .field("endpoint", &self.endpoint.name())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
