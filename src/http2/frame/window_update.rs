//! WINDOW_UPDATE (RFC 9113, 6.9).

use super::{Head, Kind};
use crate::http2::{Error, ErrorCode, StreamId};

/// A WINDOW_UPDATE frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowUpdate {
    /// 1 to 2^31 - 1.
    pub(crate) increment: u32,
}

impl WindowUpdate {
    pub(crate) fn parse(head: Head, payload: &[u8]) -> Result<Self, Error> {
        let increment = payload
            .try_into()
            .map_err(|_| Error::frame_size("WINDOW_UPDATE has four bytes"))?;
        let increment = u32::from_be_bytes(increment) & INCREMENT_MAX;
        // "A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a flow-control window
        // increment of 0 as a stream error of type PROTOCOL_ERROR; errors on the connection
        // flow-control window MUST be treated as a connection error."
        match (increment, head.stream) {
            (0, StreamId::CONNECTION) => Err(Error::protocol("WINDOW_UPDATE by nothing")),
            (0, stream) => Err(Error::Stream(stream, ErrorCode::ProtocolError)),
            (increment, _) => Ok(Self { increment }),
        }
    }

    pub(crate) fn write(self, stream: StreamId, out: &mut Vec<u8>) {
        Head {
            length: 4,
            kind: Kind::WindowUpdate,
            flags: 0,
            stream,
        }
        .write(out);
        out.extend_from_slice(&self.increment.to_be_bytes());
    }
}

const INCREMENT_MAX: u32 = (1 << 31) - 1;
