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
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};

use super::{
    backoff::random,
    builder::Options,
    connection::{Connection, Driver, End, Place},
    endpoint::Endpoint,
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
    /// Whether a task is about to connect.
    connecting: AtomicBool,
    /// Bumped with every change, for all endpoints of a channel.
    changes: watch::Sender<u64>,
    keepalive: Mutex<Option<Duration>>,
    outliers: Outliers,
}

#[derive(Debug)]
struct ConnectionStatus {
    state: ConnectivityState,
    /// Why the last attempt failed.
    error: Option<Arc<str>>,
}

/// Whether calls fail here that would not elsewhere.
#[derive(Debug, Default)]
struct Outliers {
    failures: AtomicU32,
    ejections: AtomicU32,
    until: Mutex<Option<Instant>>,
}

impl Subchannel {
    pub(super) fn new(
        endpoint: Endpoint,
        options: Arc<Options>,
        changes: watch::Sender<u64>,
    ) -> Arc<Self> {
        let keepalive = Mutex::new(options.keepalive);
        Arc::new(Self {
            endpoint,
            options,
            connections: RwLock::default(),
            status: Mutex::new(ConnectionStatus {
                state: ConnectivityState::Idle,
                error: None,
            }),
            connecting: AtomicBool::new(false),
            changes,
            keepalive,
            outliers: Outliers::default(),
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
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .state
    }

    /// Why the last attempt to connect failed.
    pub(super) fn error(&self) -> Option<Arc<str>> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.error.clone()
    }

    /// Lets a task connect, unless one is at it.
    pub(super) fn connect(self: &Arc<Self>) {
        if !self.connecting.swap(true, Ordering::AcqRel) {
            if self.is_empty() {
                self.enter(ConnectivityState::Connecting, None);
            }
            tokio::spawn(connect(Arc::downgrade(self)));
        }
    }

    /// A connection takes no more calls; those that it has go on.
    pub(super) fn retire(&self, connection: &Arc<Connection>) {
        connection.retire();
        let mut connections = self
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = connections.len();
        connections.retain(|other| !Arc::ptr_eq(other, connection));
        let lost_last = connections.is_empty() && before > 0;
        drop(connections);
        if lost_last && !self.connecting.load(Ordering::Acquire) {
            self.enter(ConnectivityState::Idle, None);
        }
    }

    /// A call has ended: `failed` if the endpoint seems to be at fault.
    pub(super) fn judge(&self, failed: bool) {
        self.outliers.judge(failed);
    }

    /// Whether it is left out for a while because calls failed.
    pub(super) fn is_ejected(&self) -> bool {
        self.outliers.is_ejected(Instant::now())
    }

    fn is_empty(&self) -> bool {
        let connections = self
            .connections
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        connections.is_empty()
    }

    fn enter(&self, state: ConnectivityState, error: Option<Arc<str>>) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.state = state;
        if error.is_some() || state == ConnectivityState::Ready {
            status.error = error;
        }
        drop(status);
        self.changes.send_modify(|version| *version += 1);
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

    fn ended(&self, connection: &Arc<Connection>, end: End) {
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
                    return this.connecting.store(false, Ordering::Release);
                }
            }
            Err(_) if !this.is_empty() => {
                // It was for the pool to grow; the others do meanwhile.
                return this.connecting.store(false, Ordering::Release);
            }
            Err(error) => {
                failures += 1;
                tracing::debug!(error, failures, "an attempt to connect failed");
                this.enter(ConnectivityState::TransientFailure, Some(error.into()));
                drop(this);
                tokio::time::sleep(options.backoff.delay(failures, random())).await;
                if let Some(this) = subchannel.upgrade() {
                    this.enter(ConnectivityState::Connecting, None);
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

impl Outliers {
    fn judge(&self, failed: bool) {
        if !failed {
            if self.failures.load(Ordering::Relaxed) > 0 {
                self.failures.store(0, Ordering::Relaxed);
                self.ejections.store(0, Ordering::Relaxed);
            }
            return;
        }
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX {
            self.failures.store(0, Ordering::Relaxed);
            let times = self.ejections.fetch_add(1, Ordering::Relaxed) + 1;
            let time = (EJECTION * times).min(EJECTION_MAX);
            *self.until.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Instant::now() + time);
        }
    }

    fn is_ejected(&self, now: Instant) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        match *until {
            Some(end) if end > now => true,
            Some(_) => {
                *until = None;
                false
            }
            None => false,
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

/// So many calls in a row that fail with UNAVAILABLE, and an endpoint is left out.
const FAILURES_MAX: u32 = 5;

/// For how long, the first time; twice that the second, and so on.
const EJECTION: Duration = Duration::from_secs(30);

const EJECTION_MAX: Duration = Duration::from_secs(300);
