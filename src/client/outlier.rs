//! Endpoints where calls fail that would not elsewhere (after gRFC A50, "Outlier Detection").

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::limits;

/// Whether an endpoint is left out, and why.
#[derive(Debug)]
pub(super) struct Outlier {
    ejection: Ejection,
    state: Mutex<State>,
}

/// When an endpoint is left out, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ejection {
    /// So many calls in a row must fail.
    pub(super) failures: u32,
    /// The first time; twice that the second, and so on.
    pub(super) time: Duration,
    pub(super) time_max: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: limits::CLIENT_EJECTION_FAILURES,
            time: limits::CLIENT_EJECTION,
            time_max: limits::CLIENT_EJECTION_MAX,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Since a call has succeeded.
    ejections: u32,
    until: Option<Instant>,
}

impl Outlier {
    pub(super) fn new(ejection: Ejection) -> Self {
        Self {
            ejection,
            state: Mutex::default(),
        }
    }

    /// A call has ended; `failed`: the endpoint seems to be at fault.
    pub(super) fn judge(&self, failed: bool, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.until.is_some_and(|until| until > now) {
            // It was made before the ejection; this is known already.
            return;
        }
        if !failed {
            *state = State::default();
            return;
        }
        state.failures += 1;
        // Who comes back is on probation: the first failure is one too many.
        if state.failures >= self.ejection.failures || state.ejections > 0 {
            state.failures = 0;
            state.ejections += 1;
            let time = self.ejection.time.saturating_mul(state.ejections);
            state.until = Some(now + time.min(self.ejection.time_max));
        }
    }

    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.until.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_eject_and_one_more_does_so_for_longer() {
        let outlier = Outlier::new(Ejection::default());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for failed in [true, true, true, true, false, true, true, true, true] {
            outlier.judge(failed, start);
            assert!(!outlier.is_ejected(start));
        }
        outlier.judge(true, start);
        assert!(outlier.is_ejected(at(29)));
        assert!(!outlier.is_ejected(at(30)));
        outlier.judge(true, at(30));
        assert!(outlier.is_ejected(at(89)));
        outlier.judge(true, at(60));
        assert!(!outlier.is_ejected(at(90)), "a late failure adds nothing");
        outlier.judge(false, at(90));
        outlier.judge(true, at(91));
        assert!(!outlier.is_ejected(at(91)));
    }

    #[test]
    fn how_many_failures_and_for_how_long_at_the_most_can_be_set() {
        let outlier = Outlier::new(Ejection {
            failures: 2,
            time: Duration::from_secs(30),
            time_max: Duration::from_secs(50),
        });
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        outlier.judge(true, start);
        assert!(!outlier.is_ejected(start));
        outlier.judge(true, start);
        outlier.judge(true, at(30));
        assert!(outlier.is_ejected(at(79)));
        assert!(!outlier.is_ejected(at(80)), "50 seconds, not 60");
    }
}
