//! The clock of an open loop: a thread of its own, which no server can hold up.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::turns::Turns;

/// Rings for the calls that are due, until there are no more. It sleeps on a thread because a
/// runtime's timers are whole milliseconds.
pub(super) fn run(turns: &Turns, started: Instant) {
    sharpen();
    let plan = &turns.plan;
    // A thread that is held up leaves the call to the next one.
    for thread in (0..plan.threads).cycle() {
        loop {
            let elapsed = started.elapsed();
            if plan.time.is_some_and(|time| elapsed >= time) {
                turns.stop();
            }
            if turns.are_over() {
                return;
            }
            let next = plan.due(turns.begun()).saturating_sub(elapsed);
            if next.is_zero() {
                break;
            }
            let left = plan.time.map_or(SLEEP_MAX, |time| time - elapsed);
            thread::sleep(next.min(left).min(SLEEP_MAX));
        }
        turns.bell(thread).notify_one();
        thread::sleep(RINGS_APART);
    }
}

/// A sleeping thread is woken up to 50 microseconds late by Linux, unless it asks for less.
#[cfg(target_os = "linux")]
fn sharpen() {
    // Without it times are a little less sharp.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(not(target_os = "linux"))]
fn sharpen() {}

/// So long callers have to take what they were rung for. At higher rates an idle thread starts a few
/// calls at a time, which are so much late at the most: to wake it for each would cost more than the
/// calls. A busy one looks for itself.
const RINGS_APART: Duration = Duration::from_micros(100);

/// So long it may take to see that a run was stopped.
const SLEEP_MAX: Duration = Duration::from_millis(50);
