//! Whether a call that failed is made again (gRFC A6).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    Channel,
    backoff::random,
    failure::{Failure, Reach},
    service_config::{RetryPolicy, RetryThrottling},
};

/// The attempts of one call.
#[derive(Debug)]
pub(super) struct Attempts {
    policy: Option<Arc<RetryPolicy>>,
    throttle: Option<Arc<Throttle>>,
    /// Those that count: made by the policy, the first included.
    made: u32,
    /// Since the last pushback.
    backoffs: u32,
    replayed: bool,
}

impl Attempts {
    pub(super) fn new(channel: &Channel, path: &str) -> Self {
        let inner = &channel.inner;
        let config = inner.options.service_config.method(path);
        Self {
            policy: config.and_then(|config| config.retry.clone()),
            throttle: inner.throttle.clone(),
            made: 1,
            backoffs: 0,
            replayed: false,
        }
    }

    /// How many were made before this one, for `grpc-previous-rpc-attempts`.
    pub(super) fn previous(&self) -> u32 {
        self.made - 1
    }

    /// After how long a failed call is made again; `None`: not at all.
    pub(super) fn again(&mut self, failure: &Failure) -> Option<Duration> {
        match failure.reach {
            // Nobody has seen it: it is as if it had not been made.
            Reach::Unsent => return Some(Duration::ZERO),
            Reach::Unprocessed if !std::mem::replace(&mut self.replayed, true) => {
                return Some(Duration::ZERO);
            }
            Reach::Unprocessed | Reach::Processed => {}
            Reach::Answered => return None,
        }
        let policy = self.policy.as_ref()?;
        let pushback = pushback(failure);
        let retryable = policy.codes.contains(&failure.status.code());
        if retryable || matches!(pushback, Some(Pushback::Never)) {
            let allowed = self
                .throttle
                .as_ref()
                .is_none_or(|throttle| throttle.failed());
            if !allowed {
                return None;
            }
        }
        if !retryable || self.made >= policy.attempts_max {
            return None;
        }
        let delay = match pushback {
            Some(Pushback::Never) => return None,
            Some(Pushback::After(delay)) => {
                self.backoffs = 0;
                delay
            }
            None => {
                let exponent = i32::try_from(self.backoffs).unwrap_or(i32::MAX);
                self.backoffs += 1;
                let grown = policy.initial_backoff.as_secs_f64() * policy.multiplier.powi(exponent);
                let capped = grown.min(policy.max_backoff.as_secs_f64());
                Duration::from_secs_f64(capped * (0.8 + 0.4 * random()))
            }
        };
        self.made += 1;
        Some(delay)
    }

    /// The call has been answered.
    pub(super) fn succeeded(&self) {
        if let Some(throttle) = &self.throttle {
            throttle.succeeded();
        }
    }
}

/// What a server asks for with `grpc-retry-pushback-ms`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pushback {
    After(Duration),
    /// A negative number, or none at all.
    Never,
}

pub(super) fn pushback(failure: &Failure) -> Option<Pushback> {
    let said = failure.pushback.as_deref()?;
    Some(match said.parse() {
        Ok(milliseconds) => Pushback::After(Duration::from_millis(milliseconds)),
        Err(_) => Pushback::Never,
    })
}

/// Stops the retries of a channel while most calls fail: each failure takes a token, each success
/// gives back a part of one, and calls are retried only while more than half are there.
#[derive(Debug)]
pub(super) struct Throttle {
    config: RetryThrottling,
    tokens: Mutex<f64>,
}

impl Throttle {
    pub(super) fn new(config: RetryThrottling) -> Self {
        Self {
            config,
            tokens: Mutex::new(config.tokens_max),
        }
    }

    /// Whether calls may be retried, now that one has failed.
    pub(super) fn failed(&self) -> bool {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens - 1.0).max(0.0);
        *tokens > self.config.tokens_max / 2.0
    }

    /// Whether calls may be made once more.
    pub(super) fn allows(&self) -> bool {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens > self.config.tokens_max / 2.0
    }

    pub(super) fn succeeded(&self) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + self.config.token_ratio).min(self.config.tokens_max);
    }
}
