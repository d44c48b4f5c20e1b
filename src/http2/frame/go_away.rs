//! GOAWAY (RFC 9113, 6.8).

use super::{Head, Kind};
use crate::http2::{Error, ErrorCode, StreamId};

/// A GOAWAY frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoAway<'a> {
    /// Streams above it were not and will not be processed.
    pub(crate) last: StreamId,
    pub(crate) code: ErrorCode,
    /// For people.
    pub(crate) debug: &'a [u8],
}

impl<'a> GoAway<'a> {
    pub(crate) fn parse(head: Head, payload: &'a [u8]) -> Result<Self, Error> {
        if head.stream != StreamId::CONNECTION {
            return Err(Error::protocol("GOAWAY on a stream"));
        }
        let short = Error::frame_size("GOAWAY has eight bytes at least");
        let (last, rest) = payload.split_first_chunk().ok_or(short)?;
        let (code, debug) = rest.split_first_chunk().ok_or(short)?;
        Ok(Self {
            last: StreamId::from_wire(*last),
            code: ErrorCode::from_wire(*code),
            debug,
        })
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        Head {
            length: 8 + self.debug.len(),
            kind: Kind::GoAway,
            flags: 0,
            stream: StreamId::CONNECTION,
        }
        .write(out);
        out.extend_from_slice(&self.last.0.to_be_bytes());
        out.extend_from_slice(&self.code.number().to_be_bytes());
        out.extend_from_slice(self.debug);
    }
}
