//! PRIORITY (RFC 9113, 6.3): read, because it may be malformed, and not followed.

use super::Head;
use crate::http2::{Error, ErrorCode, StreamId};

/// What a PRIORITY frame, or HEADERS with that flag, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Priority {
    /// Which stream this one depends on.
    pub(crate) dependency: StreamId,
}

impl Priority {
    pub(crate) const BYTES: usize = 5;

    pub(crate) fn parse(head: Head, payload: &[u8]) -> Result<Self, Error> {
        if head.stream == StreamId::CONNECTION {
            return Err(Error::protocol("PRIORITY on stream 0"));
        }
        // "A PRIORITY frame with a length other than 5 octets MUST be treated as a stream error of
        // type FRAME_SIZE_ERROR."
        let wrong = Error::Stream(head.stream, ErrorCode::FrameSizeError);
        let payload = payload.try_into().map_err(|_| wrong)?;
        Self::read(payload).on(head.stream)
    }

    /// Exclusive (1), Stream Dependency (31), Weight (8).
    pub(crate) fn read([a, b, c, d, _weight]: [u8; Self::BYTES]) -> Self {
        Self {
            dependency: StreamId::from_wire([a, b, c, d]),
        }
    }

    /// RFC 7540, 5.3.1: "A stream cannot depend on itself. An endpoint MUST treat this as a stream
    /// error of type PROTOCOL_ERROR."
    pub(crate) fn on(self, stream: StreamId) -> Result<Self, Error> {
        if self.dependency == stream {
            return Err(Error::Stream(stream, ErrorCode::ProtocolError));
        }
        Ok(self)
    }
}
