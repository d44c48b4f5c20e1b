//! A header block in several frames (RFC 9113, 4.3 and 6.10).

use crate::{
    http2::{Error, StreamId, frame::Continuation},
    limits,
};

/// The fragments of a header block whose end has not come.
#[derive(Debug)]
pub(super) struct HeaderBlock {
    pub(super) opening: Opening,
    fragments: Vec<u8>,
    continuations: usize,
}

/// What the HEADERS frame said beside its fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) stream: StreamId,
    pub(super) end_stream: bool,
    /// Whether the stream cannot be what it says: it depends on itself.
    pub(super) malformed: bool,
}

impl HeaderBlock {
    pub(super) fn new(opening: Opening, fragment: &[u8]) -> Self {
        Self {
            opening,
            fragments: fragment.to_vec(),
            continuations: 0,
        }
    }

    /// Takes the next fragment.
    pub(super) fn add(
        &mut self,
        continuation: Continuation<'_>,
        block_bytes_max: usize,
    ) -> Result<(), Error> {
        self.continuations += 1;
        let bytes = self.fragments.len() + continuation.fragment.len();
        if bytes > block_bytes_max || self.continuations > limits::CONTINUATION_FRAMES_MAX {
            return Err(Error::calm("too_many_continuations"));
        }
        self.fragments.extend_from_slice(continuation.fragment);
        Ok(())
    }

    pub(super) fn fragments(&self) -> &[u8] {
        &self.fragments
    }
}
