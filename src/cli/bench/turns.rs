//! Which calls may leave, and when.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::plan::Plan;

/// The calls of a run, which the callers of all threads take one after another.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) plan: Plan,
    next: AtomicU64,
    stopped: AtomicBool,
    /// One of each thread.
    bells: Vec<Notify>,
}

/// A call that may leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) number: u64,
    /// From here its time counts.
    pub(super) due: Instant,
    /// How long ago that was.
    pub(super) late: Duration,
    /// Whether another call of an open loop is due as well.
    pub(super) is_followed: bool,
}

/// What a caller does next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    Call(Turn),
    /// No call is due. It waits until its thread's [bell](Turns::bell) has rung.
    Wait,
    /// There are no more calls.
    End,
}

impl Turns {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            bells: (0..plan.threads).map(|_| Notify::new()).collect(),
            plan,
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    pub(super) fn next(&self, started: Instant, now: Instant) -> Next {
        let (plan, elapsed) = (&self.plan, now - started);
        if self.is_stopped() || plan.time.is_some_and(|time| elapsed >= time) {
            return Next::End;
        }
        let total = plan.total.unwrap_or(u64::MAX);
        let due = plan.rps.map_or(total, |_| plan.due_until(elapsed));
        let take = |next| (next < due).then_some(next + 1);
        match (self.next).fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(number) => {
                if number + 1 == total {
                    self.ring_all();
                }
                let is_followed = plan.rps.is_some() && number + 1 < due;
                let due = plan.rps.map_or(now, |_| started + plan.due(number));
                Next::Call(Turn {
                    number,
                    due,
                    late: now.saturating_duration_since(due),
                    is_followed,
                })
            }
            Err(next) if next >= total => Next::End,
            Err(_) => Next::Wait,
        }
    }

    /// Rings when calls of an open loop may wait for a caller of this thread, and when there are no more.
    pub(super) fn bell(&self, thread: usize) -> &Notify {
        &self.bells[thread]
    }

    /// Rings at the end of a run, when nobody is to wait any more.
    fn ring_all(&self) {
        for bell in &self.bells {
            bell.notify_one();
        }
    }

    /// No more calls: those that are due and have not left do not leave.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.ring_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether all calls have been taken, or no more are to be.
    pub(super) fn are_over(&self) -> bool {
        self.is_stopped() || self.plan.total.is_some_and(|total| self.begun() >= total)
    }

    /// How many calls were taken.
    pub(super) fn begun(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}
