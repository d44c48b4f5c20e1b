//! When which call must have ended.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

use crate::http2::StreamId;

/// The deadlines of a connection's calls, soonest first.
///
/// A call that ends before its deadline leaves its entry behind; it is dropped when it comes up,
/// or all at once when such entries outnumber the calls.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, StreamId)>>,
}

impl Deadlines {
    /// Remembers when `stream` must have ended.
    pub(crate) fn add(&mut self, deadline: Instant, stream: StreamId) {
        self.heap.push(Reverse((deadline, stream)));
    }

    /// A stream whose deadline is not after `now`; each is told once.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<StreamId> {
        let Reverse((deadline, _)) = self.heap.peek()?;
        if *deadline > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, stream))| stream)
    }

    /// When to ask again.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Forgets the streams that `is_open` denies, once they are the greater part.
    pub(crate) fn compact(&mut self, open: usize, is_open: impl Fn(StreamId) -> bool) {
        if self.heap.len() > 2 * open + COMPACT_AT {
            self.heap.retain(|Reverse((_, stream))| is_open(*stream));
        }
    }
}

/// Below this many entries it is not worth looking for dead ones.
const COMPACT_AT: usize = 64;

#[cfg(test)]
mod tests {
    use super::Deadlines;
    use crate::http2::StreamId;
    use std::time::{Duration, Instant};

    #[test]
    fn the_soonest_expires_first_and_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::default();
        for (seconds, stream) in [(3, 1), (1, 3), (2, 5)] {
            deadlines.add(at(seconds), StreamId(stream));
        }
        assert_eq!(deadlines.next(), Some(at(1)));
        assert_eq!(deadlines.expired(at(0)), None);
        assert_eq!(deadlines.expired(at(2)), Some(StreamId(3)));
        assert_eq!(deadlines.expired(at(2)), Some(StreamId(5)));
        assert_eq!(deadlines.expired(at(2)), None);
        assert_eq!(deadlines.next(), Some(at(3)));
    }

    #[test]
    fn ended_calls_do_not_pile_up() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        for stream in 0..10_000 {
            deadlines.add(start, StreamId(stream));
            deadlines.compact(1, |open| open.0 == stream);
            assert!(deadlines.heap.len() <= 2 + super::COMPACT_AT);
        }
    }
}
