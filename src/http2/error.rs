//! What the peer did wrong (RFC 9113, 5.4).

use super::{ErrorCode, StreamId};

/// An error of the whole connection, or of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The connection ends: GOAWAY with a code, and with what it is about as debug data (5.4.1).
    Connection(ErrorCode, &'static str),
    /// The stream ends: RST_STREAM with a code (5.4.2).
    Stream(StreamId, ErrorCode),
}

impl Error {
    pub(super) fn protocol(why: &'static str) -> Self {
        Self::Connection(ErrorCode::ProtocolError, why)
    }

    pub(super) fn frame_size(why: &'static str) -> Self {
        Self::Connection(ErrorCode::FrameSizeError, why)
    }

    pub(super) fn calm(why: &'static str) -> Self {
        Self::Connection(ErrorCode::EnhanceYourCalm, why)
    }
}
