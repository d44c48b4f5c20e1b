//! The client's half of a call.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};

use super::failure::Failure;
use crate::grpc::{RawMessage, prefix};

/// What a client sends in one attempt. Dropped before its end, it gives the call up.
#[derive(Debug)]
pub(super) struct Sending {
    stream: SendStream<Bytes>,
    closed: bool,
    /// Whether there may be more waiting than one write has taken along.
    long: bool,
}

impl Sending {
    pub(super) fn new(stream: SendStream<Bytes>) -> Self {
        Self {
            stream,
            closed: false,
            long: false,
        }
    }

    /// Whether the server has room for some of a message; `false`: the attempt has failed.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.stream.capacity() > 0 {
            return Poll::Ready(true);
        }
        self.stream.reserve_capacity(1);
        loop {
            return match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(0)) => continue,
                Some(Ok(_)) => Poll::Ready(true),
                Some(Err(_)) | None => Poll::Ready(false),
            };
        }
    }

    /// Sends a message: what there is no room for is kept. That an attempt has failed is told by its
    /// other half.
    pub(super) fn send(&mut self, message: &RawMessage) {
        let _ = self.write(message, false);
    }

    /// Sends the only message of a call, and that it is the last: what the server has no room for
    /// yet is kept.
    pub(super) fn send_only(&mut self, message: &RawMessage) -> Result<(), Box<Failure>> {
        self.write(message, true)?;
        self.closed = true;
        Ok(())
    }

    /// A message behind its prefix; a short one in one piece.
    fn write(&mut self, message: &RawMessage, end: bool) -> Result<(), h2::Error> {
        let prefix = prefix(message.bytes.len(), message.compressed);
        if message.bytes.len() > COPIED_BYTES_MAX {
            self.long = true;
            let prefix = Bytes::copy_from_slice(&prefix);
            self.stream.send_data(prefix, false)?;
            return self.stream.send_data(message.bytes.clone(), end);
        }
        let mut whole = Vec::with_capacity(prefix.len() + message.bytes.len());
        whole.extend_from_slice(&prefix);
        whole.extend_from_slice(&message.bytes);
        self.stream.send_data(whole.into(), end)
    }

    /// Tells the server that nothing follows. A call that has ended already does not mind.
    pub(super) fn close(&mut self) {
        if !self.closed {
            self.closed = self.stream.send_data(Bytes::new(), true).is_ok();
        }
    }

    /// The server has ended the call: what was not sent will not be (RFC 9113, 8.1).
    pub(super) fn finish(&mut self) {
        if !self.closed || self.long {
            self.stream.send_reset(Reason::NO_ERROR);
        }
    }

    /// The call is not wanted any more; what has come of it can still be taken.
    pub(super) fn cancel(&mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }
}

/// Up to here a copy costs less than a frame of its own for the prefix.
const COPIED_BYTES_MAX: usize = 16 * 1024;
