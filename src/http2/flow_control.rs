//! Flow-control windows (RFC 9113, 5.2 and 6.9): one for sending and one for receiving, of each
//! stream and of the connection.

use super::ErrorCode;

/// What may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendWindow {
    /// "A change to SETTINGS_INITIAL_WINDOW_SIZE can cause the available space in a flow-control
    /// window to become negative" (6.9.2).
    bytes: i64,
}

/// What may be received, and what of it was taken and is to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceiveWindow {
    /// What the peer may still send, as far as it knows.
    bytes: i64,
    /// Taken, and not yet told to the peer.
    taken: u32,
    /// How much is gathered before it is told.
    batch: u32,
}

impl SendWindow {
    pub(crate) fn new(bytes: u32) -> Self {
        Self {
            bytes: i64::from(bytes),
        }
    }

    pub(crate) fn available(self) -> usize {
        usize::try_from(self.bytes).unwrap_or(0)
    }

    /// Counts what is sent; at most what is [available](Self::available).
    pub(crate) fn send(&mut self, bytes: usize) {
        self.bytes -= i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    /// The window grows, or shrinks with the peer's settings.
    ///
    /// "A sender MUST NOT allow a flow-control window to exceed 2^31-1 octets" (6.9.1).
    pub(crate) fn grow(&mut self, by: i64) -> Result<(), ErrorCode> {
        self.bytes += by;
        match self.bytes <= WINDOW_BYTES_MAX {
            true => Ok(()),
            false => Err(ErrorCode::FlowControlError),
        }
    }
}

impl ReceiveWindow {
    /// The peer knows of `bytes`; what it sends is given back in portions of `batch`.
    pub(crate) fn new(bytes: u32, batch: u32) -> Self {
        Self {
            bytes: i64::from(bytes),
            taken: 0,
            batch: batch.max(1),
        }
    }

    /// Counts what was received.
    pub(crate) fn receive(&mut self, bytes: usize) -> Result<(), ErrorCode> {
        self.bytes -= i64::try_from(bytes).unwrap_or(i64::MAX);
        match self.bytes >= 0 {
            true => Ok(()),
            false => Err(ErrorCode::FlowControlError),
        }
    }

    /// Gives back what was taken of it. The increment of a WINDOW_UPDATE, if it is time for one.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<u32> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.taken = self.taken.saturating_add(bytes);
        if self.taken < self.batch {
            return None;
        }
        let increment = std::mem::take(&mut self.taken);
        self.bytes += i64::from(increment);
        Some(increment)
    }

    /// The peer has learned of another initial window than it began with.
    pub(crate) fn grow(&mut self, by: i64) {
        self.bytes += by;
    }
}

const WINDOW_BYTES_MAX: i64 = (1 << 31) - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Both ends of a window, with updates that are under way: the receiver never sees more than
        /// it allowed, and what was taken is given back but for less than a batch.
        #[test]
        fn a_sender_that_keeps_to_its_window_never_exceeds_the_receivers(
            initial in 1u32..200_000,
            divisor in 1u32..5,
            steps in proptest::collection::vec((0usize..70_000, 0usize..70_000, any::<bool>()), 1..200),
        ) {
            let mut sending = SendWindow::new(initial);
            let mut receiving = ReceiveWindow::new(initial, initial / divisor);
            let (mut sent, mut held, mut under_way) = (0_u64, 0_usize, 0_u64);
            let mut returned = 0_u64;
            for (wanted, taken, delivered) in steps {
                let now = wanted.min(sending.available());
                sending.send(now);
                sent += now as u64;
                prop_assert_eq!(receiving.receive(now), Ok(()));
                held += now;
                let taken = taken.min(held);
                held -= taken;
                under_way += u64::from(receiving.take(taken).unwrap_or(0));
                if delivered {
                    sending.grow(under_way as i64).unwrap();
                    returned += std::mem::take(&mut under_way);
                }
            }
            prop_assert!(sent <= u64::from(initial) + returned);
            let owed = sent - held as u64 - returned - under_way;
            prop_assert!(owed < u64::from((initial / divisor).max(1)), "{} is kept back", owed);
            // One byte more than there is room for is found.
            let room = usize::try_from(receiving.bytes).unwrap();
            prop_assert_eq!(receiving.receive(room + 1), Err(ErrorCode::FlowControlError));
        }
    }

    #[test]
    fn a_window_may_be_negative_and_never_beyond_its_maximum() {
        let mut window = SendWindow::new(65_535);
        window.send(65_535);
        window.grow(-65_535).unwrap();
        assert_eq!(window.available(), 0);
        window.grow(65_536).unwrap();
        assert_eq!(window.available(), 1);
        window.grow(WINDOW_BYTES_MAX - 1).unwrap();
        assert_eq!(window.grow(1), Err(ErrorCode::FlowControlError));
    }
}
