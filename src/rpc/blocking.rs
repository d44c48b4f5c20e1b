//! Handlers that keep their thread, and with it all other calls of that thread, waiting.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::Router;
use crate::limits;

/// Looks at the clock while handlers run, now and then: the clock costs as much as a small handler.
#[derive(Debug)]
pub(super) struct Watch {
    /// When the run began, or the clock was looked at last.
    clock: Instant,
    /// Routes of the handlers that have run since.
    ran: Vec<Option<u32>>,
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            clock: now,
            ran: Vec::new(),
        }
    }

    /// Handlers are about to be run.
    pub(super) fn begin(&mut self, now: Instant) {
        self.clock = now;
    }

    /// A handler of that route has run.
    pub(super) fn ran(&mut self, route: Option<u32>, router: &Router) {
        self.ran.push(route);
        if self.ran.len() == HANDLERS_PER_LOOK {
            self.look(router);
        }
    }

    /// Tells of those that took too long, if any has run.
    pub(super) fn look(&mut self, router: &Router) {
        if self.ran.is_empty() {
            return;
        }
        let before = std::mem::replace(&mut self.clock, Instant::now());
        let ran = self.ran.drain(..);
        let blocked = self.clock.saturating_duration_since(before);
        if blocked > limits::BLOCKED_WARNING {
            let path = |route| router.method(route).map_or("the fallback", |m| m.path());
            warn(&ran.map(path).collect(), blocked);
        }
    }

    /// Whether that time has come. The clock is looked at where it may have.
    pub(super) fn is_past(&self, time: Instant) -> bool {
        time.saturating_duration_since(self.clock) < SOON && time <= Instant::now()
    }

    pub(super) fn shrink(&mut self) {
        self.ran.shrink_to_fit();
    }
}

/// Tells of a handler that kept its thread; it is of one of these paths.
pub(super) fn warn(paths: &BTreeSet<&str>, blocked: Duration) {
    let path = paths.iter().copied().collect::<Vec<_>>().join(" or ");
    tracing::warn!(
        path,
        ?blocked,
        "a handler kept its thread; register it with .blocking(…) if it is of a unary call, else let what \
         takes long run in spawn_blocking"
    );
}

const HANDLERS_PER_LOOK: usize = 8;

/// Handlers do not take as long from one look to the next, or nothing is in time any more.
const SOON: Duration = Duration::from_secs(1);
