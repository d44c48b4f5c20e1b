//! What is kept of the calls of a run: counts, times, a few messages.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use reflectd::{Code, Status, limits};

/// What came of calls. Its size is bounded, however many there are.
#[derive(Debug)]
pub(super) struct Record {
    /// Microseconds of the calls that count.
    latency: Histogram<u64>,
    by_code: [u64; CODES],
    messages: BTreeMap<(u8, String), u64>,
    /// Failures whose messages there was no room for.
    other_messages: u64,
    counts_errors: bool,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) late: Late,
    /// From the first call to the last reply.
    pub(super) took: Duration,
}

/// How well the schedule of an open loop was kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Late {
    /// Calls that left later than they should have.
    pub(super) calls: u64,
    pub(super) max: Duration,
}

impl Record {
    /// An empty record; `counts_errors`: whether the time of a call that failed counts.
    pub(super) fn new(counts_errors: bool) -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
            .expect("the bounds are a microsecond and some hours, the precision is 3 digits");
        Self {
            latency,
            by_code: [0; CODES],
            messages: BTreeMap::new(),
            other_messages: 0,
            counts_errors,
            sent: 0,
            received: 0,
            late: Late::default(),
            took: Duration::ZERO,
        }
    }

    /// Notes a call that has ended.
    pub(super) fn ended(&mut self, took: Duration, status: Option<&Status>) {
        let code = status.map_or(Code::Ok, Status::code);
        self.by_code[usize::from(code.number())] += 1;
        if code == Code::Ok || self.counts_errors {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.latency.saturating_record(micros.max(1));
        }
        if let Some(status) = status {
            self.failed(code, status.message());
        }
    }

    /// Notes that a call leaves now, which was due some time ago.
    pub(super) fn left(&mut self, late: Duration) {
        if late > limits::BENCH_LATE {
            self.late.calls += 1;
            self.late.max = self.late.max.max(late);
        }
    }

    fn failed(&mut self, code: Code, message: &str) {
        let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
        let key = (code.number(), message);
        self.note_message(key, 1);
    }

    fn note_message(&mut self, key: (u8, String), count: u64) {
        let has_room = self.messages.len() < limits::BENCH_ERROR_MESSAGES_MAX;
        match self.messages.get_mut(&key) {
            Some(seen) => *seen += count,
            None if has_room => {
                self.messages.insert(key, count);
            }
            None => self.other_messages += count,
        }
    }

    /// Adds what another thread has noted.
    pub(super) fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
        for (count, more) in self.by_code.iter_mut().zip(other.by_code) {
            *count += more;
        }
        for (key, count) in &other.messages {
            self.note_message(key.clone(), *count);
        }
        self.other_messages += other.other_messages;
        self.sent += other.sent;
        self.received += other.received;
        self.late.calls += other.late.calls;
        self.late.max = self.late.max.max(other.late.max);
        self.took = self.took.max(other.took);
    }

    /// The times of the calls that count, in microseconds.
    pub(super) fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// All calls that have ended.
    pub(super) fn count(&self) -> u64 {
        self.by_code.iter().sum()
    }

    /// Those that failed.
    pub(super) fn errors(&self) -> u64 {
        self.count() - self.by_code[0]
    }

    /// Which part of them failed, 0 to 1.
    pub(super) fn error_rate(&self) -> f64 {
        self.errors() as f64 / self.count().max(1) as f64
    }

    /// Calls that succeeded, a second.
    pub(super) fn rps(&self) -> f64 {
        match self.took.as_secs_f64() {
            0.0 => 0.0,
            seconds => self.by_code[0] as f64 / seconds,
        }
    }

    /// How often each code was the end; those that never were are left out.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (Code, u64)> {
        let numbered = self.by_code.iter().zip(0..);
        numbered
            .filter(|(count, _)| **count > 0)
            .map(|(count, number)| (Code::from_number(number), *count))
    }

    /// The code that most failures have.
    pub(super) fn worst(&self) -> Option<Code> {
        let failures = self.statuses().filter(|(code, _)| *code != Code::Ok);
        failures
            .max_by_key(|(_, count)| *count)
            .map(|(code, _)| code)
    }

    /// What was said of failures, most frequent first; and how many said something else.
    pub(super) fn messages(&self) -> (Vec<(Code, &str, u64)>, u64) {
        let mut messages: Vec<_> = self
            .messages
            .iter()
            .map(|((code, text), count)| {
                (Code::from_number(u32::from(*code)), text.as_str(), *count)
            })
            .collect();
        messages.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        (messages, self.other_messages)
    }
}

/// The codes there are.
const CODES: usize = 17;

/// Longer than any call that somebody waits for.
const LATENCY_US_MAX: u64 = 24 * 3600 * 1_000_000;

/// A line of a terminal or two.
const MESSAGE_CHARS_MAX: usize = 200;
