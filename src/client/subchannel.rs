//! The connections to one endpoint: made when they are needed, made again when they are lost.

mod connecting;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use self::connecting::connect;
use super::{
    builder::Options,
    connection::{Connection, Driver, End, Place},
    connectivity::{ConnectionStatus, ConnectivityState},
    endpoint::Endpoint,
    outlier::Outlier,
};

/// The connections to one endpoint.
pub(super) struct Subchannel {
    pub(super) endpoint: Endpoint,
    options: Arc<Options>,
    connections: RwLock<Vec<Arc<Connection>>>,
    status: Mutex<ConnectionStatus>,
    /// Bumped with every change, for all endpoints of a channel.
    changes: watch::Sender<u64>,
    /// Counted up by the calls of the channel that look for a connection, to whatever endpoint.
    asked: Arc<AtomicUsize>,
    keepalive: Mutex<Option<Duration>>,
    outlier: Outlier,
    /// Whether there are other endpoints.
    is_balanced: bool,
}

impl Subchannel {
    pub(super) fn new(
        endpoint: Endpoint,
        options: Arc<Options>,
        changes: watch::Sender<u64>,
        asked: Arc<AtomicUsize>,
        is_balanced: bool,
    ) -> Arc<Self> {
        let keepalive = Mutex::new(options.keepalive);
        let outlier = Outlier::new(options.ejection);
        Arc::new(Self {
            endpoint,
            options,
            connections: RwLock::default(),
            status: Mutex::new(ConnectionStatus::new()),
            changes,
            asked,
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
        status.waiting = status.backoff().is_some();
        if self.is_empty() {
            status.state = status.without_connection();
        }
        drop(status);
        self.changed();
        tokio::spawn(connect(Arc::downgrade(self)));
    }

    /// The task that connects has done what it can; `false`: it has to go on, because a connection
    /// was lost at once.
    fn rest(&self) -> bool {
        let mut status = self.status();
        let is_empty = self.is_empty();
        status.connecting = is_empty && status.backoff().is_some();
        status.waiting = status.connecting;
        let rests = !status.connecting;
        if is_empty {
            // Who waits for it must ask anew.
            status.state = status.without_connection();
        }
        drop(status);
        self.changed();
        rests
    }

    /// A stream was opened: the endpoint is one to make calls of.
    pub(super) fn opened(&self, connection: &Connection) {
        if connection.mark_used() {
            self.status().is_of_use();
        }
    }

    /// A connection takes no more calls; those that it has go on.
    pub(super) fn retire(self: &Arc<Self>, connection: &Arc<Connection>) {
        let Some(left) = self.remove(connection) else {
            return;
        };
        let mut status = self.status();
        if connection.is_used() || connection.age() > self.options.backoff.base {
            status.is_of_use();
        } else if std::mem::replace(&mut status.lost, true) {
            let name = self.endpoint.name();
            let why = format!("{name} closes connections before it takes a call");
            status.fail(&why, &self.options.backoff);
        }
        let is_failing = status.backoff().is_some();
        if self.is_empty() {
            status.waiting |= is_failing && !status.connecting;
            status.state = status.without_connection();
        }
        drop(status);
        self.changed();
        let is_small = (1..self.options.pool_min).contains(&left);
        if is_small || (left == 0 && is_failing) {
            self.connect();
        }
    }

    /// Takes a connection out of the pool; how many are left, unless it was out already.
    fn remove(&self, connection: &Arc<Connection>) -> Option<usize> {
        connection.retire();
        let mut connections = self
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = connections.len();
        connections.retain(|other| !Arc::ptr_eq(other, connection));
        (connections.len() < before).then_some(connections.len())
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

    /// An attempt to connect has failed; after how long there may be another.
    fn failed(&self, error: &str) -> Duration {
        let mut status = self.status();
        let delay = status.fail(error, &self.options.backoff);
        tracing::debug!(error, status.failures, "an attempt to connect failed");
        status.waiting = true;
        if self.is_empty() {
            status.state = status.without_connection();
        }
        drop(status);
        self.changed();
        delay
    }

    /// The backoff is over; whether there is to be another attempt.
    fn waited(&self) -> bool {
        let mut status = self.status();
        status.waiting = false;
        let count = self.connections();
        if count == 0 {
            status.state = status.without_connection();
        }
        drop(status);
        self.changed();
        // It was for the pool to grow; the others do meanwhile.
        count == 0 || count < self.options.pool_min
    }

    /// Nobody has asked for a connection for long: the next call begins anew.
    fn go_idle(&self) {
        let mut status = self.status();
        (status.connecting, status.waiting) = (false, false);
        if self.is_empty() {
            status.state = status.without_connection();
        }
        drop(status);
        self.changed();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
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
        let mut connections = self
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        connections.push(connection);
        let count = connections.len();
        drop(connections);
        let mut status = self.status();
        (status.state, status.error) = (ConnectivityState::Ready, None);
        drop(status);
        self.changed();
        // Not before it is in the pool: it may end at once.
        tokio::spawn(async move {
            // However it ends, it is not in the pool any more.
            let leaving = Leaving {
                subchannel: this,
                connection: Weak::clone(&held),
            };
            let end = driver.run(held, |_| leaving.retire()).await;
            if end == End::TooManyPings {
                leaving.ping_less();
            }
        });
        if count > self.options.pool_min.max(1) {
            tokio::spawn(shrink(Arc::downgrade(self), watched, idle));
        }
        count
    }

    /// The server has had too many pings (gRFC A8).
    fn ping_less(&self) {
        let mut keepalive = self
            .keepalive
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *keepalive = keepalive.map(|interval| interval.saturating_mul(2));
        tracing::warn!(
            endpoint = self.endpoint.name(),
            interval = ?*keepalive,
            "the server has had too many pings; the keepalive interval is doubled"
        );
    }
}

/// A connection that leaves the pool when it is not driven any more.
struct Leaving {
    subchannel: Weak<Subchannel>,
    connection: Weak<Connection>,
}

impl Leaving {
    fn retire(&self) {
        if let (Some(subchannel), Some(connection)) =
            (self.subchannel.upgrade(), self.connection.upgrade())
        {
            subchannel.retire(&connection);
        }
    }

    fn ping_less(&self) {
        if let Some(subchannel) = self.subchannel.upgrade() {
            subchannel.ping_less();
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.retire();
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
            this.remove(&connection);
            return;
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
