//! How far a run is, for who waits at a terminal.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;

/// A bar on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Live {
    bar: ProgressBar,
    /// What the bar measures: calls, else milliseconds.
    total: Option<u64>,
    before: (Duration, u64),
    rps: u64,
}

impl Live {
    pub(super) fn new(plan: &Plan) -> Self {
        let length = plan
            .total
            .or_else(|| plan.time.map(|time| time.as_millis() as u64));
        let target = match io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(length, target);
        let bar = match ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self {
            bar,
            total: plan.total,
            before: (Duration::ZERO, 0),
            rps: 0,
        }
    }

    /// Shows how many calls have ended by now, and how many of them failed.
    pub(super) fn show(&mut self, elapsed: Duration, ended: u64, failed: u64) {
        let (then, count) = self.before;
        let since = elapsed.saturating_sub(then);
        if since >= Duration::from_secs(1) || then.is_zero() {
            let calls = ended.saturating_sub(count) as f64;
            self.rps = (calls / since.as_secs_f64().max(0.001)) as u64;
            if since >= Duration::from_secs(1) {
                self.before = (elapsed, ended);
            }
        }
        self.bar.set_position(match self.total {
            Some(_) => ended,
            None => elapsed.as_millis() as u64,
        });
        let (calls, rps) = (HumanCount(ended), HumanCount(self.rps));
        let failed = match failed {
            0 => String::new(),
            failed => format!(", {} failed", HumanCount(failed)),
        };
        self.bar
            .set_message(format!("{calls} calls, {rps}/s{failed}"));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
