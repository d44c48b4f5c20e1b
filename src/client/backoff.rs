//! How long to wait before the next attempt to connect (grpc/grpc, doc/connection-backoff.md).

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The wait after a failed attempt: it begins with `base`, grows by `multiplier` up to `max`, and is
/// spread by `jitter` both ways, so that clients that failed together do not come back together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Backoff {
    /// After the first failure; 1 second.
    pub base: Duration,
    /// 1.6.
    pub multiplier: f64,
    /// A part of the wait, from 0 to 1; 0.2.
    pub jitter: f64,
    /// 120 seconds.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            multiplier: 1.6,
            jitter: 0.2,
            max: Duration::from_secs(120),
        }
    }
}

impl Backoff {
    /// The wait after that many failures in a row, spread by `random` from 0 to 1.
    pub(super) fn delay(&self, failures: u32, random: f64) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.base.as_secs_f64() * self.multiplier.powi(exponent);
        let capped = grown.min(self.max.as_secs_f64());
        let spread = capped * (1.0 + self.jitter * (2.0 * random - 1.0));
        Duration::try_from_secs_f64(spread.max(0.0)).unwrap_or(self.max)
    }
}

/// A number from 0 to 1 that nobody foresees.
pub(super) fn random() -> f64 {
    // Every hasher of the standard library has a seed of its own.
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_maximum_and_is_spread_by_a_fifth() {
        let backoff = Backoff::default();
        let seconds: Vec<_> = (1..=5)
            .map(|failures| backoff.delay(failures, 0.5).as_secs_f64())
            .collect();
        for (seconds, expected) in seconds.iter().zip([1.0, 1.6, 2.56, 4.096, 6.5536]) {
            assert!((seconds - expected).abs() < 1e-6, "{seconds}");
        }
        assert_eq!(backoff.delay(u32::MAX, 0.5), Duration::from_secs(120));
        assert_eq!(backoff.delay(1, 0.0), Duration::from_millis(800));
        assert_eq!(backoff.delay(1, 1.0), Duration::from_millis(1200));
    }

    #[test]
    fn chance_is_not_the_same_twice() {
        let chances: Vec<_> = (0..10).map(|_| random()).collect();
        assert!(chances.iter().any(|chance| *chance != chances[0]));
        assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
    }
}
