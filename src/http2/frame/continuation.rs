//! CONTINUATION (RFC 9113, 6.10).

use super::{END_HEADERS, Head, Kind};
use crate::http2::StreamId;

/// A CONTINUATION frame. That it belongs to the HEADERS before it is for the connection to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Continuation<'a> {
    /// Of a field block.
    pub(crate) fragment: &'a [u8],
    /// Whether it is the last.
    pub(crate) end_headers: bool,
}

impl<'a> Continuation<'a> {
    pub(crate) fn parse(head: Head, payload: &'a [u8]) -> Self {
        Self {
            fragment: payload,
            end_headers: head.has(END_HEADERS),
        }
    }

    pub(crate) fn write(self, stream: StreamId, out: &mut Vec<u8>) {
        Head {
            length: self.fragment.len(),
            kind: Kind::Continuation,
            flags: if self.end_headers { END_HEADERS } else { 0 },
            stream,
        }
        .write(out);
        out.extend_from_slice(self.fragment);
    }
}
