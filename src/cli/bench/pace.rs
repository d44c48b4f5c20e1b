//! The clock of an open loop: a thread of its own, which no server can hold up.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{load::Shared, plan::Plan};

/// Lets calls go when they are due, until there are no more. It sleeps on a thread because a
/// runtime's timers are whole milliseconds.
pub(super) fn run(shared: &Shared, started: Instant) {
    let plan = &shared.plan;
    sharpen();
    let mut released = 0;
    while !shared.is_stopped() {
        let elapsed = started.elapsed();
        let left = plan
            .time
            .map_or(SLEEP_MAX, |time| time.saturating_sub(elapsed));
        if left.is_zero() {
            return shared.stop();
        }
        let due = due_until(plan, elapsed);
        if due > released {
            shared.release(due - released);
            released = due;
        }
        let next = match plan.total {
            Some(total) if released >= total && plan.time.is_none() => return,
            Some(total) if released >= total => left,
            _ => plan.due(released).saturating_sub(started.elapsed()),
        };
        thread::sleep(next.min(left).min(SLEEP_MAX));
    }
}

/// How many calls are due by then.
pub(super) fn due_until(plan: &Plan, elapsed: Duration) -> u64 {
    let due = (elapsed.as_secs_f64() * plan.rps.unwrap_or_default()) as u64 + 1;
    due.min(plan.total.unwrap_or(u64::MAX))
}

/// A sleeping thread is woken up to 50 microseconds late by Linux, unless it asks for less.
#[cfg(target_os = "linux")]
fn sharpen() {
    // Without it times are a little less sharp.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(not(target_os = "linux"))]
fn sharpen() {}

/// So long it may take to see that a run was stopped.
const SLEEP_MAX: Duration = Duration::from_millis(50);
