//! DATA (RFC 9113, 6.1).

use super::{END_STREAM, Head, Kind, PADDED};
use crate::http2::{Error, StreamId};

/// How a DATA frame's payload is divided. It is taken as it comes, so there is no whole to point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data {
    /// Before the data: the byte that says how much padding there is.
    pub(crate) pad_length_bytes: usize,
    pub(crate) data_bytes: usize,
    /// After the data.
    pub(crate) padding_bytes: usize,
    pub(crate) end_stream: bool,
}

impl Data {
    /// `first` is the first byte of the payload; `None` if it has not come, which matters only to a
    /// padded frame: then it is not known yet, `Ok(None)`.
    pub(crate) fn parse(head: Head, first: Option<u8>) -> Result<Option<Self>, Error> {
        // "If a DATA frame is received whose Stream Identifier field is 0x00, the recipient MUST
        // respond with a connection error of type PROTOCOL_ERROR."
        if head.stream == StreamId::CONNECTION {
            return Err(Error::protocol("DATA on stream 0"));
        }
        let end_stream = head.has(END_STREAM);
        if !head.has(PADDED) {
            return Ok(Some(Self {
                pad_length_bytes: 0,
                data_bytes: head.length,
                padding_bytes: 0,
                end_stream,
            }));
        }
        // "If the length of the padding is the length of the frame payload or greater, the recipient
        // MUST treat this as a connection error of type PROTOCOL_ERROR."
        let Some(rest) = head.length.checked_sub(1) else {
            return Err(Error::frame_size("padded DATA without a pad length"));
        };
        let Some(first) = first else {
            return Ok(None);
        };
        let padding_bytes = usize::from(first);
        let data_bytes = rest
            .checked_sub(padding_bytes)
            .ok_or_else(|| Error::protocol("more padding than payload"))?;
        Ok(Some(Self {
            pad_length_bytes: 1,
            data_bytes,
            padding_bytes,
            end_stream,
        }))
    }

    /// Writes the head of a frame without padding; the data follow.
    pub(crate) fn write_head(stream: StreamId, data_bytes: usize, end: bool, out: &mut Vec<u8>) {
        Head {
            length: data_bytes,
            kind: Kind::Data,
            flags: if end { END_STREAM } else { 0 },
            stream,
        }
        .write(out);
    }
}
