//! Who asks for more than is good: ENHANCE_YOUR_CALM (RFC 9113, 10.5).

use std::time::{Duration, Instant};

use super::Error;
use crate::limits;

/// What is counted of a connection's peer.
#[derive(Debug)]
pub(super) struct Calm {
    /// Frames that carry nothing, since the last DATA or HEADERS in either direction.
    control_frames: Rate,
    control_frames_max: usize,
    /// DATA frames without data, one after the other.
    empty_data: u32,
    ping_min: Duration,
    /// Of the last PING, if nothing was sent since.
    pinged: Option<Instant>,
    ping_strikes: u32,
    resets: Rate,
    errors: Rate,
}

impl Calm {
    /// `ping_min`: at least that long from one PING to the next; `streams_max`: calls at once, all of
    /// which may be given up at once.
    pub(super) fn new(ping_min: Duration, streams_max: u32) -> Self {
        let of_streams = limits::CONTROL_FRAMES_OF_A_STREAM.saturating_mul(streams_max as usize);
        Self {
            control_frames: Rate::default(),
            control_frames_max: limits::CONTROL_FRAMES_MAX.max(of_streams),
            empty_data: 0,
            ping_min,
            pinged: None,
            ping_strikes: 0,
            resets: Rate::default(),
            errors: Rate::default(),
        }
    }

    /// SETTINGS, PING, PRIORITY, WINDOW_UPDATE, or a frame of no effect: RST_STREAM of a call that has
    /// just ended, say.
    ///
    /// As many as there are calls are fine: grpc-go sends a PING and a WINDOW_UPDATE with every call.
    /// So are those that come now and then while all calls are quiet: keepalive and its answers.
    pub(super) fn control_frame(&mut self, now: Instant) -> Result<(), Error> {
        match self.control_frames.count(now) > self.control_frames_max {
            true => Err(Error::calm("too_many_control_frames")),
            false => Ok(()),
        }
    }

    /// DATA or HEADERS were received.
    pub(super) fn received(&mut self) {
        self.control_frames.forget();
        self.empty_data = 0;
    }

    /// DATA or HEADERS were sent.
    pub(super) fn sent(&mut self) {
        self.control_frames.forget();
        self.pinged = None;
        self.ping_strikes = 0;
    }

    /// DATA without data, and without END_STREAM.
    pub(super) fn empty_data(&mut self) -> Result<(), Error> {
        self.empty_data += 1;
        match self.empty_data > limits::EMPTY_DATA_FRAMES_MAX {
            true => Err(Error::calm("too_many_empty_data_frames")),
            false => Ok(()),
        }
    }

    /// PING (grpc/grpc, doc/keepalive.md, "Server Enforcement").
    pub(super) fn ping(&mut self, calls_open: bool, now: Instant) -> Result<(), Error> {
        let min = match calls_open {
            true => self.ping_min,
            false => self.ping_min.max(limits::PING_MIN_WITHOUT_CALLS),
        };
        let before = self.pinged.replace(now);
        if before.is_none_or(|before| now.saturating_duration_since(before) >= min) {
            return Ok(());
        }
        self.ping_strikes += 1;
        match self.ping_strikes > limits::PING_STRIKES_MAX {
            true => Err(Error::calm("too_many_pings")),
            false => Ok(()),
        }
    }

    /// The peer has given up a call before it was even looked at (CVE-2023-44487, "rapid reset").
    pub(super) fn reset_before_start(&mut self, now: Instant) -> Result<(), Error> {
        match self.resets.count(now) > limits::RESETS_BEFORE_START_MAX {
            true => Err(Error::calm("too_many_resets")),
            false => Ok(()),
        }
    }

    /// The peer has made the server reset a stream (CVE-2025-8671, "MadeYouReset").
    pub(super) fn stream_error(&mut self, now: Instant) -> Result<(), Error> {
        match self.errors.count(now) >= limits::ERROR_RESETS_MAX {
            true => Err(Error::calm("too_many_stream_errors")),
            false => Ok(()),
        }
    }
}

/// How often something happened within the current period.
#[derive(Debug, Default)]
struct Rate {
    since: Option<Instant>,
    count: usize,
}

impl Rate {
    fn count(&mut self, now: Instant) -> usize {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) > limits::RATE_PERIOD {
            *self = Self {
                since: Some(now),
                count: 0,
            };
        }
        self.count += 1;
        self.count
    }

    /// The period goes on, and what was counted in it is in order.
    fn forget(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_fourth_ping_in_a_row_is_one_too_many() {
        let (mut calm, start) = (Calm::new(seconds(10), 100), Instant::now());
        // The first is fine, two strikes are forgiven.
        for second in 0..3 {
            assert_eq!(calm.ping(true, start + seconds(second)), Ok(()));
        }
        let too_many = Err(Error::calm("too_many_pings"));
        assert_eq!(calm.ping(true, start + seconds(3)), too_many);
    }

    #[test]
    fn pings_are_fine_when_they_are_rare_or_when_something_was_sent() {
        let (mut calm, start) = (Calm::new(seconds(10), 100), Instant::now());
        for ping in 0..100 {
            assert_eq!(calm.ping(true, start + seconds(10 * ping)), Ok(()));
        }
        for _ in 0..100 {
            calm.sent();
            assert_eq!(calm.ping(true, start), Ok(()));
        }
        // Without calls they are to be rarer.
        let start = start + seconds(100_000);
        for (ping, accepted) in [(0, true), (10, true), (20, true), (30, false)] {
            assert_eq!(calm.ping(false, start + seconds(ping)).is_ok(), accepted);
        }
    }

    #[test]
    fn what_is_counted_is_forgotten_after_a_while() {
        let (mut calm, start) = (Calm::new(seconds(10), 100), Instant::now());
        for period in 0..3 {
            let now = start + period * (limits::RATE_PERIOD + seconds(1));
            for _ in 0..limits::RESETS_BEFORE_START_MAX {
                assert_eq!(calm.reset_before_start(now), Ok(()));
            }
        }
        let too_many = Err(Error::calm("too_many_resets"));
        let now = start + 2 * (limits::RATE_PERIOD + seconds(1));
        assert_eq!(calm.reset_before_start(now), too_many);
    }
}
