//! A reply is written where it waits.

use std::fmt;

use bytes::Bytes;

use crate::{
    grpc::{PREFIX_BYTES, RawMessage, Status, prefix},
    http2::{Output, SHARED_BYTES_MIN},
    message::Message,
    rpc::Call,
};

/// What a call asks of the replies of its handler.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) call: Call,
    pub(super) send_bytes_max: usize,
}

/// Where one reply is written, as its call asks for.
#[doc(hidden)]
pub struct Writing<'a> {
    pub(super) terms: &'a Terms,
    pub(super) output: &'a mut Output,
}

impl Writing<'_> {
    /// Adds the Length-Prefixed-Message, compressed if the call asks for it; how long it is, prefix and
    /// all.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED if the message is longer than what is sent, before it is compressed; nothing
    /// is added.
    #[inline]
    pub(in crate::rpc) fn message(self, message: Message) -> Result<usize, Status> {
        if self.terms.call.compresses_replies() {
            return self.compressed(RawMessage::new(message.into_encoded()));
        }
        let copied = self.output.copied();
        let at = copied.len();
        copied.extend_from_slice(&[0; PREFIX_BYTES]);
        let shared = message.encode_or_share(copied, SHARED_BYTES_MIN);
        let here = copied.len() - at - PREFIX_BYTES;
        let length = shared.as_ref().map_or(here, Bytes::len);
        let bytes_max = self.terms.send_bytes_max;
        if length > bytes_max {
            copied.truncate(at);
            return Err(too_long(length, bytes_max));
        }
        if let Some(place) = copied.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = prefix(length, false);
        }
        if let Some(shared) = shared {
            self.output.push(shared);
        }
        Ok(PREFIX_BYTES + length)
    }

    /// The same for one that is encoded; compressed also if it is marked so.
    pub(in crate::rpc) fn raw(self, raw: RawMessage) -> Result<usize, Status> {
        if raw.compressed || self.terms.call.compresses_replies() {
            return self.compressed(raw);
        }
        let bytes_max = self.terms.send_bytes_max;
        match raw.bytes.len() {
            bytes if bytes > bytes_max => Err(too_long(bytes, bytes_max)),
            _ => Ok(self.add(raw)),
        }
    }

    #[cold]
    fn compressed(self, raw: RawMessage) -> Result<usize, Status> {
        let raw = RawMessage {
            compressed: true,
            ..raw
        };
        let Terms {
            call,
            send_bytes_max,
        } = self.terms;
        if raw.bytes.len() > *send_bytes_max {
            return Err(too_long(raw.bytes.len(), *send_bytes_max));
        }
        let compressed = call.compress(raw)?;
        Ok(self.add(compressed))
    }

    fn add(self, raw: RawMessage) -> usize {
        let length = raw.bytes.len();
        let prefix = prefix(length, raw.compressed);
        self.output.copied().extend_from_slice(&prefix);
        self.output.push(raw.bytes);
        PREFIX_BYTES + length
    }
}

impl fmt::Debug for Writing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.terms.fmt(f)
    }
}

/// A reply has more bytes than are sent.
pub(in crate::rpc) fn too_long(bytes: usize, bytes_max: usize) -> Status {
    Status::resource_exhausted(format!(
        "the reply has {bytes} bytes; at most {bytes_max} are sent"
    ))
}
