//! RST_STREAM (RFC 9113, 6.4).

use super::{Head, Kind};
use crate::http2::{Error, ErrorCode, StreamId};

/// A RST_STREAM frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RstStream {
    pub(crate) code: ErrorCode,
}

impl RstStream {
    pub(crate) fn parse(head: Head, payload: &[u8]) -> Result<Self, Error> {
        if head.stream == StreamId::CONNECTION {
            return Err(Error::protocol("RST_STREAM on stream 0"));
        }
        let code = payload
            .try_into()
            .map_err(|_| Error::frame_size("RST_STREAM has four bytes"))?;
        Ok(Self {
            code: ErrorCode::from_wire(code),
        })
    }

    pub(crate) fn write(self, stream: StreamId, out: &mut Vec<u8>) {
        Head {
            length: 4,
            kind: Kind::RstStream,
            flags: 0,
            stream,
        }
        .write(out);
        out.extend_from_slice(&self.code.number().to_be_bytes());
    }
}
