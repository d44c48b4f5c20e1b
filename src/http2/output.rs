//! The bytes that are to be sent, on their way from a call to the socket.

use std::{cell::RefCell, collections::VecDeque, io::IoSlice};

use bytes::Bytes;

use crate::{grpc::PREFIX_BYTES, limits};

/// What is to be written: small things copied one behind the other, large ones between them as they
/// are. A call gathers its messages in one, a stream what it may not send yet, the connection its
/// frames.
#[derive(Debug, Default)]
pub(crate) struct Output {
    copied: Vec<u8>,
    /// How much of `copied` has been written.
    written: usize,
    /// Each goes before the byte of `copied` at that place.
    shared: VecDeque<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.copied.len() - self.written + self.shared_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where small things are written; only added to.
    pub(crate) fn copied(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    /// Adds bytes without a copy, if they are worth a slice of their own.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.copied.extend_from_slice(&bytes);
        }
        self.shared_bytes += bytes.len();
        self.shared.push_back((self.copied.len(), bytes));
    }

    /// The same of bytes that somebody else has, too.
    pub(crate) fn push_ref(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.copied.extend_from_slice(bytes);
        }
        self.push(bytes.clone());
    }

    /// What to write first, as many slices as there is place for.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut places = slices.iter_mut();
        let mut count = 0;
        let mut add = |bytes: &'a [u8]| {
            if bytes.is_empty() {
                return true;
            }
            let Some(place) = places.next() else {
                return false;
            };
            *place = IoSlice::new(bytes);
            count += 1;
            true
        };
        let mut from = self.written;
        for (at, bytes) in &self.shared {
            let before = self.copied.get(from..*at).unwrap_or_default();
            if !add(before) || !add(bytes) {
                return count;
            }
            from = *at;
        }
        add(self.copied.get(from..).unwrap_or_default());
        count
    }

    /// That many bytes have been written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.consume(bytes, |_| {});
    }

    /// Moves that many bytes to the end of another.
    pub(crate) fn move_to(&mut self, other: &mut Self, bytes: usize) {
        self.consume(bytes, |part| match part {
            Part::Copied(bytes) => other.copied.extend_from_slice(bytes),
            Part::Shared(bytes) => other.push(bytes),
        });
    }

    /// How many bytes the Length-Prefixed-Messages have, from the first, that are together no longer than
    /// `bytes_max`, and how many they are. Nothing has been written.
    pub(crate) fn whole_messages(&self, bytes_max: usize) -> (usize, u64) {
        let mut shared = self.shared.iter().peekable();
        let (mut at, mut bytes, mut messages) = (0, 0, 0);
        while let Some([_, length @ ..]) = self
            .copied
            .get(at..)
            .and_then(<[u8]>::first_chunk::<PREFIX_BYTES>)
        {
            let length = u32::from_be_bytes(*length) as usize;
            if bytes + PREFIX_BYTES + length > bytes_max {
                break;
            }
            at += PREFIX_BYTES;
            if shared.next_if(|(place, _)| *place == at).is_none() {
                at += length;
            }
            bytes += PREFIX_BYTES + length;
            messages += 1;
        }
        (bytes, messages)
    }

    /// Gives all there is away, in parts, each with whether a message ends where it does: one that is
    /// shared has its prefix before it.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(Bytes, bool)) {
        let mut shared = self.shared.len();
        self.consume(self.len(), |part| match part {
            Part::Copied(bytes) => take(Bytes::copy_from_slice(bytes), shared == 0),
            Part::Shared(bytes) => {
                shared -= 1;
                take(bytes, true);
            }
        });
    }

    /// Takes that many bytes from the front.
    fn consume(&mut self, mut bytes: usize, mut take: impl FnMut(Part<'_>)) {
        while bytes > 0 {
            let until = self.shared.front().map_or(self.copied.len(), |(at, _)| *at);
            let end = until.min(self.written + bytes);
            if let Some(part) = self.copied.get(self.written..end).filter(|p| !p.is_empty()) {
                take(Part::Copied(part));
            }
            bytes -= end - self.written;
            self.written = end;
            let Some((_, shared)) = self.shared.front_mut().filter(|_| bytes > 0) else {
                break;
            };
            let part = shared.split_to(bytes.min(shared.len()));
            if shared.is_empty() {
                self.shared.pop_front();
            }
            bytes -= part.len();
            self.shared_bytes -= part.len();
            take(Part::Shared(part));
        }
        self.tidy();
    }

    /// Forgets what was written, at once or when it is the greater part.
    fn tidy(&mut self) {
        if self.is_empty() {
            self.copied.clear();
            self.written = 0;
        } else if self.written > TIDY_BYTES_MIN && self.written > self.copied.len() / 2 {
            self.copied.drain(..self.written);
            for (at, _) in &mut self.shared {
                *at -= self.written;
            }
            self.written = 0;
        }
    }

    /// Takes one of the thread's buffers, unless it has one.
    pub(crate) fn borrow_buffer(&mut self) {
        if self.copied.capacity() == 0 {
            self.copied = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
    }

    /// Gives the buffer to the thread, if there is nothing in it.
    pub(crate) fn return_buffer(&mut self) {
        if !self.is_empty() || self.copied.capacity() == 0 {
            return;
        }
        self.shared.shrink_to_fit();
        let buffer = std::mem::take(&mut self.copied);
        BUFFERS.with_borrow_mut(|buffers| {
            if buffers.len() < limits::BUFFERS_KEPT && buffer.capacity() <= limits::OUTPUT_BYTES_MAX
            {
                buffers.push(buffer);
            }
        });
    }
}

/// What is taken in one piece.
enum Part<'a> {
    Copied(&'a [u8]),
    Shared(Bytes),
}

thread_local! {
    /// Those that nobody uses now: an idle connection has none, nor a call that sends nothing.
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Below that a copy costs less than a slice more.
pub(crate) const SHARED_BYTES_MIN: usize = 4 * 1024;

/// What a call has waiting goes on in frames, and is not moved between them.
const TIDY_BYTES_MIN: usize = limits::REPLIES_UNSENT_BYTES;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_pushed_comes_out_in_order(
            steps in proptest::collection::vec((0usize..10_000, any::<bool>(), 0usize..30_000), 1..60),
        ) {
            let mut output = Output::default();
            let (mut expected, mut written) = (Vec::new(), Vec::new());
            for (index, (length, share, write)) in steps.into_iter().enumerate() {
                let bytes = vec![index as u8; length];
                expected.extend_from_slice(&bytes);
                match share {
                    true => output.push(bytes.into()),
                    false => output.copied().extend_from_slice(&bytes),
                }
                prop_assert_eq!(output.len(), expected.len() - written.len());
                let mut slices = [IoSlice::new(&[]); 3];
                let count = output.slices(&mut slices);
                let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                let write = write.min(all.len());
                written.extend_from_slice(&all[..write]);
                output.advance(write);
                if share {
                    // By way of another, in two parts.
                    let mut other = Output::default();
                    output.move_to(&mut other, write.min(output.len()));
                    output.move_to(&mut other, output.len());
                    prop_assert!(output.is_empty());
                    output = other;
                }
            }
            while !output.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = output.slices(&mut slices);
                let first = slices[..count][0].to_vec();
                output.advance(first.len());
                written.extend(first);
            }
            prop_assert_eq!(written, expected);
            output.return_buffer();
            prop_assert_eq!(output.copied.capacity(), 0);
            output.borrow_buffer();
            prop_assert!(output.is_empty());
        }

        #[test]
        fn as_many_whole_messages_are_found_as_there_is_room_for(
            lengths in proptest::collection::vec(prop_oneof![0usize..300, 4_000usize..6_000], 0..20),
            bytes_max in 0usize..40_000,
        ) {
            let mut output = Output::default();
            for length in &lengths {
                output.copied().extend_from_slice(&crate::grpc::prefix(*length, false));
                output.push(vec![7; *length].into());
            }
            let mut expected = (0, 0);
            for length in lengths {
                if expected.0 + PREFIX_BYTES + length > bytes_max {
                    break;
                }
                expected = (expected.0 + PREFIX_BYTES + length, expected.1 + 1);
            }
            prop_assert_eq!(output.whole_messages(bytes_max), expected);
        }
    }
}
