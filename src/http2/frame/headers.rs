//! HEADERS (RFC 9113, 6.2).

use super::{
    Continuation, END_HEADERS, END_STREAM, Head, Kind, PADDED, PAYLOAD_BYTES_MAX, PRIORITY,
    Priority,
};
use crate::http2::{Error, StreamId};

/// A HEADERS frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Headers<'a> {
    /// Of a field block.
    pub(crate) fragment: &'a [u8],
    pub(crate) end_stream: bool,
    /// Whether the fragment is the last; if not, CONTINUATION follows.
    pub(crate) end_headers: bool,
    pub(crate) priority: Option<Priority>,
}

impl<'a> Headers<'a> {
    pub(crate) fn parse(head: Head, payload: &'a [u8]) -> Result<Self, Error> {
        if head.stream == StreamId::CONNECTION {
            return Err(Error::protocol("HEADERS on stream 0"));
        }
        let mut fragment = payload;
        let mut padding_bytes = 0;
        if head.has(PADDED) {
            let (first, rest) = fragment
                .split_first()
                .ok_or_else(|| Error::frame_size("padded HEADERS without a pad length"))?;
            (padding_bytes, fragment) = (usize::from(*first), rest);
        }
        let mut priority = None;
        if head.has(PRIORITY) {
            let (first, rest) = fragment
                .split_first_chunk::<{ Priority::BYTES }>()
                .ok_or_else(|| Error::frame_size("HEADERS too short for its priority"))?;
            (priority, fragment) = (Some(Priority::read(*first)), rest);
        }
        // "If the length of the padding is the length of the frame payload or greater" (6.1, 6.2).
        let length = fragment
            .len()
            .checked_sub(padding_bytes)
            .ok_or_else(|| Error::protocol("more padding than payload"))?;
        Ok(Self {
            fragment: fragment.get(..length).unwrap_or_default(),
            end_stream: head.has(END_STREAM),
            end_headers: head.has(END_HEADERS),
            priority,
        })
    }
}

/// Writes a field block as HEADERS, and CONTINUATION where one frame cannot hold it.
#[inline]
pub(crate) fn write_block(stream: StreamId, block: &[u8], end_stream: bool, out: &mut Vec<u8>) {
    let (first, rest) = block.split_at(block.len().min(PAYLOAD_BYTES_MAX));
    let end_headers = if rest.is_empty() { END_HEADERS } else { 0 };
    Head {
        length: first.len(),
        kind: Kind::Headers,
        flags: end_headers | if end_stream { END_STREAM } else { 0 },
        stream,
    }
    .write(out);
    out.extend_from_slice(first);
    if !rest.is_empty() {
        write_continuations(stream, rest, out);
    }
}

fn write_continuations(stream: StreamId, mut rest: &[u8], out: &mut Vec<u8>) {
    while !rest.is_empty() {
        let (fragment, after) = rest.split_at(rest.len().min(PAYLOAD_BYTES_MAX));
        rest = after;
        Continuation {
            fragment,
            end_headers: rest.is_empty(),
        }
        .write(stream, out);
    }
}
