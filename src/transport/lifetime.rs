//! When a connection is asked whether its client is there, when it is drained, when it is closed.
//!
//! ```text
//!            age or idleness, or the server is shut down
//!   serving ────────────────────────────────────────────▶ draining ──▶ closed
//!      │  a client that is silent, or slow with a header block            ▲
//!      └──────────────────────────────────────────────────────────────────┘
//! ```

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use super::ConnectionLimits;
use crate::{http2::StreamId, limits};

/// What time does to one connection. It is told what happens and asked what is due.
#[derive(Debug)]
pub(super) struct Lifetime {
    limits: Arc<ConnectionLimits>,
    /// Until when the client may take for its preface.
    greet_until: Option<Instant>,
    heard_at: Instant,
    /// Since when the client owes the answer to a PING.
    asked_at: Option<Instant>,
    /// When a client that sends no more is to be sent a PING: one that is gone refuses it.
    probe_at: Option<Instant>,
    /// Since when a header block has not been whole.
    header_block_since: Option<Instant>,
    /// Since when there has been no call.
    idle_since: Option<Instant>,
    old_at: Option<Instant>,
    shrink_at: Option<Instant>,
    /// As it was at the last look.
    last_stream: StreamId,
    sweep_at: Instant,
    draining: Option<Draining>,
    /// What [`next`](Self::next) said last; `None`: something has changed since.
    next: Option<Option<Instant>>,
}

#[derive(Debug)]
struct Draining {
    /// Until when calls that cross the word are taken; `None`: they are not any more.
    taking_until: Option<Instant>,
    calls_until: Option<Instant>,
}

/// What was seen of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Whether anything was received.
    pub(super) heard: bool,
    /// Whether the preface is whole.
    pub(super) greeted: bool,
    /// Whether a header block has begun that is not whole.
    pub(super) in_header_block: bool,
    /// Whether no call is open, and all that was sent has left.
    pub(super) idle: bool,
    /// The highest number of a stream that the client has opened.
    pub(super) last_stream: StreamId,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask the client whether it is there.
    Ping,
    /// Look for calls that have stalled.
    Sweep,
    /// Tell the client to make no new calls, and close the connection after the last.
    Drain(&'static str),
    /// Take no new calls, whether the client has answered or not.
    TakeNoMore,
    /// Give back memory: there has been no call for a moment.
    Shrink,
    /// End the calls that are left, and close.
    EndCalls,
    /// Close the connection of a client that is gone, or that has nothing to do here.
    Close(&'static str),
    /// Close the connection of a client that misbehaves.
    Expel(&'static str),
}

impl Lifetime {
    pub(super) fn new(limits: Arc<ConnectionLimits>, now: Instant) -> Self {
        let old_at = limits.age_max.and_then(|age| now.checked_add(jitter(age)));
        Self {
            sweep_at: now + limits.stall_timeout,
            greet_until: Some(now + limits.handshake_timeout),
            limits,
            heard_at: now,
            asked_at: None,
            probe_at: None,
            header_block_since: None,
            idle_since: Some(now),
            old_at,
            shrink_at: None,
            last_stream: StreamId::CONNECTION,
            draining: None,
            next: None,
        }
    }

    /// Takes what was seen since the last time.
    pub(super) fn observe(&mut self, seen: Seen, now: Instant) {
        let before = self.set_timers();
        if seen.heard {
            self.heard_at = now;
            self.asked_at = None;
        }
        if seen.greeted {
            self.greet_until = None;
        }
        self.header_block_since = seen
            .in_header_block
            .then(|| self.header_block_since.unwrap_or(now));
        let was_idle = self.idle_since.is_some();
        // Most calls begin and end between two looks.
        let called = std::mem::replace(&mut self.last_stream, seen.last_stream) != seen.last_stream;
        let idle_since = self.idle_since.filter(|_| !called);
        self.idle_since = seen.idle.then(|| idle_since.unwrap_or(now));
        if was_idle && !seen.idle {
            self.sweep_at = now + self.limits.stall_timeout;
            self.shrink_at = None;
        } else if seen.idle && (called || !was_idle) {
            self.shrink_at = Some(now + limits::SHRINK_AFTER);
        }
        if before != self.set_timers() {
            self.next = None;
        }
    }

    /// Which timers there are, of those that what is seen may set; what only puts them off is left out.
    fn set_timers(&self) -> [bool; 5] {
        [
            self.asked_at.is_some(),
            self.greet_until.is_some(),
            self.header_block_since.is_some(),
            self.idle_since.is_some(),
            self.shrink_at.is_some(),
        ]
    }

    /// The client sends no more: it can answer no PING, and need not.
    pub(super) fn half_close(&mut self, now: Instant) {
        self.probe_at = Some(now + limits::HALF_CLOSED_FIRST_PROBE);
        self.next = None;
    }

    /// No new calls are taken from now on. Those that are left may go on for `grace`, or as long as
    /// they like.
    pub(super) fn drain(&mut self, grace: Option<Duration>, now: Instant) {
        let calls_until = grace.map(|grace| now + grace);
        let draining = self.draining.get_or_insert(Draining {
            taking_until: Some(now + limits::GOAWAY_TIMEOUT),
            calls_until,
        });
        draining.calls_until = draining.calls_until.or(calls_until);
        self.next = None;
    }

    /// When to ask [`due`](Self::due) again. It may be too soon: a client that is heard only puts
    /// things off.
    pub(super) fn next(&mut self) -> Option<Instant> {
        let known = self.next;
        let next = known.unwrap_or_else(|| self.timers().map(|(at, _)| at).min());
        *self.next.insert(next)
    }

    /// One thing that is due; to be asked until there is none.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        self.next = None;
        let (_, due) = self
            .timers()
            .filter(|(at, _)| *at <= now)
            .min_by_key(|(at, _)| *at)?;
        match due {
            Due::Ping => match &mut self.probe_at {
                Some(probe) => *probe = now + limits::HALF_CLOSED_PROBE,
                None => self.asked_at = Some(now),
            },
            Due::Sweep => self.sweep_at = now + self.limits.stall_timeout,
            Due::Drain(MAX_AGE) => self.drain(Some(self.limits.age_grace), now),
            Due::Drain(_) => self.drain(None, now),
            Due::Shrink => self.shrink_at = None,
            Due::TakeNoMore => {
                if let Some(draining) = &mut self.draining {
                    draining.taking_until = None;
                }
            }
            Due::EndCalls | Due::Close(_) | Due::Expel(_) => {}
        }
        Some(due)
    }

    fn timers(&self) -> impl Iterator<Item = (Instant, Due)> {
        let limits = &self.limits;
        let keepalive = match (self.probe_at, self.asked_at) {
            (Some(probe), _) => Some((probe, Due::Ping)),
            (None, Some(asked)) => Some((asked + limits.keepalive_timeout, Due::Close(SILENT))),
            (None, None) => limits
                .keepalive_interval
                .map(|interval| (self.heard_at + interval, Due::Ping)),
        };
        let header_block = self
            .header_block_since
            .map(|since| (since + limits.header_timeout, Due::Expel(SLOW_HEADERS)));
        let greeting = self
            .greet_until
            .map(|until| (until, Due::Close(SLOW_PREFACE)));
        let idle = limits
            .idle_timeout
            .zip(self.idle_since)
            .map(|(timeout, since)| (since + timeout, Due::Drain(MAX_IDLE)))
            .filter(|_| self.draining.is_none());
        let old = self
            .old_at
            .map(|at| (at, Due::Drain(MAX_AGE)))
            .filter(|_| self.draining.is_none());
        let shrink = self.shrink_at.map(|at| (at, Due::Shrink));
        let sweep = (self.sweep_at, Due::Sweep);
        let sweep = self.idle_since.is_none().then_some(sweep);
        let drained = self
            .draining
            .as_ref()
            .and_then(|draining| Some((draining.taking_until?, Due::TakeNoMore)));
        let calls = self
            .draining
            .as_ref()
            .and_then(|draining| Some((draining.calls_until?, Due::EndCalls)));
        let closing = [keepalive, greeting, header_block, drained, calls];
        let others = [idle, old, sweep, shrink];
        closing.into_iter().chain(others).flatten()
    }
}

/// A tenth more or less.
fn jitter(age: Duration) -> Duration {
    // Every hasher of the standard library has a seed of its own.
    let random = RandomState::new().hash_one(age) as f64 / u64::MAX as f64;
    let factor = 1.0 + limits::AGE_JITTER * (2.0 * random - 1.0);
    Duration::try_from_secs_f64(age.as_secs_f64() * factor).unwrap_or(age)
}

const MAX_AGE: &str = "max_age";
const MAX_IDLE: &str = "max_idle";
const SILENT: &str = "the client did not answer a PING";
const SLOW_PREFACE: &str = "no SETTINGS came in time";
const SLOW_HEADERS: &str = "a header block was not sent to its end in time";

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Seen = Seen {
        heard: true,
        greeted: true,
        in_header_block: false,
        idle: false,
        last_stream: StreamId::CONNECTION,
    };
    const IDLE: Seen = Seen {
        heard: false,
        greeted: true,
        in_header_block: false,
        idle: true,
        last_stream: StreamId::CONNECTION,
    };

    fn lifetime(set: impl FnOnce(&mut ConnectionLimits)) -> (Lifetime, Instant) {
        let mut limits = ConnectionLimits::default();
        set(&mut limits);
        let start = Instant::now();
        (Lifetime::new(Arc::new(limits), start), start)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_client_is_asked_once_and_then_given_up() {
        let (mut lifetime, start) = lifetime(|_| {});
        lifetime.observe(IDLE, start);
        assert_eq!(lifetime.due(start + seconds(119)), None);
        assert_eq!(lifetime.due(start + seconds(120)), Some(Due::Ping));
        assert_eq!(lifetime.due(start + seconds(139)), None);
        assert_eq!(lifetime.due(start + seconds(140)), Some(Due::Close(SILENT)));
        // Whatever it sends, it is there.
        let heard = Seen {
            heard: true,
            ..IDLE
        };
        lifetime.observe(heard, start + seconds(139));
        assert_eq!(lifetime.next(), Some(start + seconds(259)));
    }

    #[test]
    fn a_preface_without_settings_is_not_waited_for() {
        let (mut lifetime, start) = lifetime(|_| {});
        let half = Seen {
            greeted: false,
            ..IDLE
        };
        lifetime.observe(half, start + seconds(9));
        assert_eq!(lifetime.due(start + seconds(9)), None);
        let closed = Some(Due::Close(SLOW_PREFACE));
        assert_eq!(lifetime.due(start + seconds(10)), closed);
    }

    #[test]
    fn idleness_counts_from_the_end_of_the_last_call() {
        let (mut lifetime, start) = lifetime(|limits| {
            limits.keepalive_interval = None;
            limits.stall_timeout = seconds(100_000);
        });
        lifetime.observe(BUSY, start + seconds(1));
        assert_eq!(lifetime.due(start + seconds(5000)), None);
        lifetime.observe(IDLE, start + seconds(5000));
        assert_eq!(lifetime.due(start + seconds(5001)), Some(Due::Shrink));
        assert_eq!(lifetime.due(start + seconds(5899)), None);
        let idle = Some(Due::Drain(MAX_IDLE));
        assert_eq!(lifetime.due(start + seconds(5900)), idle);
        // The client has five seconds to make no more calls and close.
        assert_eq!(lifetime.due(start + seconds(5904)), None);
        let told = Some(Due::TakeNoMore);
        assert_eq!(lifetime.due(start + seconds(5905)), told);
        assert_eq!(lifetime.due(start + seconds(5906)), None);
    }

    #[test]
    fn a_call_that_ends_before_the_next_look_was_one() {
        let (mut lifetime, start) = lifetime(|limits| limits.keepalive_interval = None);
        for call in 0..200 {
            let last_stream = StreamId(2 * call + 1);
            let called = Seen {
                last_stream,
                ..IDLE
            };
            let now = start + seconds(u64::from(10 * call));
            lifetime.observe(called, now);
            assert_eq!(lifetime.next(), Some(now + seconds(1)));
            assert_eq!(lifetime.due(now + seconds(1)), Some(Due::Shrink));
            assert_eq!(lifetime.due(now + seconds(9)), None);
        }
        let idle = Some(Due::Drain(MAX_IDLE));
        assert_eq!(lifetime.due(start + seconds(1990 + 899)), None);
        assert_eq!(lifetime.due(start + seconds(1990 + 900)), idle);
    }

    #[test]
    fn an_old_connection_is_drained_and_its_calls_have_a_grace() {
        let (mut lifetime, start) = lifetime(|limits| {
            limits.keepalive_interval = None;
            limits.age_max = Some(seconds(1000));
            limits.stall_timeout = seconds(100_000);
        });
        lifetime.observe(BUSY, start);
        assert_eq!(lifetime.due(start + seconds(899)), None);
        let old = lifetime.next().expect("it will be old");
        assert!(old <= start + seconds(1100));
        assert_eq!(lifetime.due(old), Some(Due::Drain(MAX_AGE)));
        assert_eq!(lifetime.due(old + seconds(29)), Some(Due::TakeNoMore));
        assert_eq!(lifetime.due(old + seconds(29)), None);
        assert_eq!(lifetime.due(old + seconds(30)), Some(Due::EndCalls));
    }

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        let ages: Vec<_> = (0..100).map(|_| jitter(seconds(1000))).collect();
        assert!(
            ages.iter()
                .all(|age| (seconds(900)..=seconds(1100)).contains(age))
        );
        assert!(ages.iter().any(|age| *age != ages[0]));
    }

    #[test]
    fn a_header_block_has_ten_seconds_however_it_trickles() {
        let (mut lifetime, start) = lifetime(|_| {});
        let trickle = Seen {
            in_header_block: true,
            ..BUSY
        };
        for second in 0..10 {
            lifetime.observe(trickle, start + seconds(second));
            assert_eq!(lifetime.due(start + seconds(second)), None);
        }
        let expelled = Some(Due::Expel(SLOW_HEADERS));
        assert_eq!(lifetime.due(start + seconds(10)), expelled);
    }
}
