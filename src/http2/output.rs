//! The bytes that a connection has to send.

use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;

/// What is to be written: small things copied one behind the other, large ones between them as they
/// are.
#[derive(Debug, Default)]
pub(super) struct Output {
    copied: Vec<u8>,
    /// How much of `copied` has been written.
    written: usize,
    /// Each goes before the byte of `copied` at that place.
    shared: VecDeque<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.copied.len() - self.written + self.shared_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where frames are written; only added to.
    pub(super) fn copied(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    /// Adds bytes without a copy, if they are worth a slice of their own.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.copied.extend_from_slice(&bytes);
        }
        self.shared_bytes += bytes.len();
        self.shared.push_back((self.copied.len(), bytes));
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
    pub(super) fn advance(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let until = self.shared.front().map_or(self.copied.len(), |(at, _)| *at);
            let step = bytes.min(until - self.written);
            self.written += step;
            bytes -= step;
            let Some((_, shared)) = self.shared.front_mut().filter(|_| bytes > 0) else {
                break;
            };
            let step = bytes.min(shared.len());
            bytes::Buf::advance(shared, step);
            self.shared_bytes -= step;
            bytes -= step;
            if shared.is_empty() {
                self.shared.pop_front();
            }
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

    pub(super) fn has_buffer(&self) -> bool {
        self.copied.capacity() > 0
    }

    /// Uses a buffer that others have used, unless there is one.
    pub(super) fn lend(&mut self, buffer: Vec<u8>) {
        if !self.has_buffer() {
            self.copied = buffer;
        }
    }

    /// The buffer, if it is not needed now.
    pub(super) fn reclaim(&mut self) -> Option<Vec<u8>> {
        let spare = self.is_empty() && self.copied.capacity() > 0;
        spare.then(|| {
            self.shared.shrink_to_fit();
            std::mem::take(&mut self.copied)
        })
    }
}

/// Below that a copy costs less than a slice more.
const SHARED_BYTES_MIN: usize = 4 * 1024;

const TIDY_BYTES_MIN: usize = 16 * 1024;

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
            }
            while !output.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = output.slices(&mut slices);
                let first = slices[..count][0].to_vec();
                output.advance(first.len());
                written.extend(first);
            }
            prop_assert_eq!(written, expected);
            prop_assert!(output.reclaim().is_none_or(|buffer| buffer.is_empty()));
            prop_assert!(!output.has_buffer());
        }
    }
}
