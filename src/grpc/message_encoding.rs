//! Message-Encoding → `grpc-encoding` "identity" | "gzip" | … (grpc/grpc, doc/compression.md).

use super::{RawMessage, Status};

/// How the messages of one direction of a call are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MessageEncoding {
    #[default]
    Identity,
}

impl MessageEncoding {
    /// Reads `grpc-encoding`.
    ///
    /// # Errors
    /// UNIMPLEMENTED for a coding that is not served. The reply to it lists
    /// [`ACCEPTED`](Self::ACCEPTED).
    pub(crate) fn parse(value: Option<&[u8]>) -> Result<Self, Status> {
        match value {
            None | Some(b"identity") => Ok(Self::Identity),
            Some(other) => Err(Status::unimplemented(format!(
                "messages in the coding {:?} cannot be read; use one of: {}",
                String::from_utf8_lossy(other),
                Self::ACCEPTED
            ))),
        }
    }

    /// The message's bytes, decompressed.
    ///
    /// # Errors
    /// INTERNAL if the Compressed-Flag is set where there is no coding; the flag counts even where
    /// the message is empty.
    pub(crate) fn decompress(self, message: RawMessage) -> Result<RawMessage, Status> {
        match self {
            Self::Identity if message.compressed => Err(Status::internal(
                "a message has its compressed flag set, but the call names no grpc-encoding",
            )),
            Self::Identity => Ok(message),
        }
    }

    /// The codings that requests may have, for `grpc-accept-encoding`.
    pub(crate) const ACCEPTED: &str = "identity";
}
