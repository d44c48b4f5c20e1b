//! Whether an endpoint is connected, and when to connect again.
//!
//! ```text
//!          a call                     up                       lost
//!   idle ─────────▶ connecting ───────────────▶ ready ─────────────────▶ idle
//!                    │      ▲
//!              failed ▼      │ after the backoff
//!               transient failure ───────────────────────────────▶ idle
//!                                   no call for the idle timeout
//! ```
//!
//! A server that greets and hangs up before it takes a call has failed, too, from the second time
//! on: the backoff grows until a connection is used, or lives for longer than its first wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::backoff::{Backoff, random};

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

/// How far the connections to one endpoint are.
#[derive(Debug)]
pub(super) struct ConnectionStatus {
    pub(super) state: ConnectivityState,
    /// Why the last attempt failed.
    pub(super) error: Option<Arc<str>>,
    /// Whether a task is about to connect.
    pub(super) connecting: bool,
    /// Whether it waits for the backoff.
    pub(super) waiting: bool,
    /// Since a connection was of use.
    pub(super) failures: u32,
    /// When the backoff after the last of them is over.
    not_before: Option<Instant>,
    /// Whether a connection was lost since then before it was of use.
    pub(super) lost: bool,
}

impl ConnectionStatus {
    pub(super) fn new() -> Self {
        Self {
            state: ConnectivityState::Idle,
            error: None,
            connecting: false,
            waiting: false,
            failures: 0,
            not_before: None,
            lost: false,
        }
    }

    /// The state while there is no connection.
    pub(super) fn without_connection(&self) -> ConnectivityState {
        match (self.waiting, self.connecting) {
            (true, _) => ConnectivityState::TransientFailure,
            (false, true) => ConnectivityState::Connecting,
            (false, false) => ConnectivityState::Idle,
        }
    }

    /// A failure, and how long to wait after it.
    pub(super) fn fail(&mut self, error: &str, backoff: &Backoff) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.error = Some(error.into());
        let delay = backoff.delay(self.failures, random());
        self.not_before = Instant::now().checked_add(delay);
        delay
    }

    /// How long not to connect.
    pub(super) fn backoff(&self) -> Option<Duration> {
        let left = self.not_before?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// A connection is, or was, of use.
    pub(super) fn is_of_use(&mut self) {
        (self.failures, self.not_before, self.lost) = (0, None, false);
    }
}
