//! Messages from and to their bytes on the wire.

use std::fmt;

use bytes::{BufMut, Bytes};

use super::{
    Message, MessageRef,
    decode::{Fault, Why},
    encode::{Backward, append, flat_len, write, write_deterministic},
};
use crate::schema::MessageType;

impl Message {
    /// Decodes a message from its protobuf encoding, which it shares.
    ///
    /// Fields that the schema does not know are kept and written again. A proto2 `required` field
    /// may be missing: [`is_initialized`](Self::is_initialized) tells.
    ///
    /// A decoded message takes at most three times the bytes of its encoding, these included, whatever
    /// it holds.
    ///
    /// # Errors
    /// If the bytes are no encoding of this type: cut short, another wire type, a string that is
    /// not UTF-8, or nested deeper than
    /// [`MESSAGE_NESTING_MAX`](crate::limits::MESSAGE_NESTING_MAX).
    pub fn decode(
        message_type: &MessageType,
        encoded: impl Into<Bytes>,
    ) -> Result<Self, DecodeError> {
        Self::decode_within(message_type, encoded, usize::MAX)
    }

    /// Decodes a message that may take at most `memory_bytes_max` bytes of memory beside its encoding.
    /// What has no room is not laid out when it is decoded, but looked for in the encoding each time that
    /// it is read.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub fn decode_within(
        message_type: &MessageType,
        encoded: impl Into<Bytes>,
        memory_bytes_max: usize,
    ) -> Result<Self, DecodeError> {
        let mut bytes = encoded.into();
        let mut message = Self::new(message_type);
        let received = &mut message.inner.body.received;
        match received.lay_out(message_type, &mut bytes, memory_bytes_max) {
            Ok(()) => {
                // Last: a handle that was just written is not read in one go without waiting.
                received.bytes = bytes;
                Ok(message)
            }
            Err(fault) => Err(DecodeError::new(message_type, fault)),
        }
    }

    /// Decodes on top of what is there, as protobuf's `MergeFrom` does: scalars that are set
    /// replace, lists are appended, sub-messages are merged in turn.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode); the message is then as it was.
    pub fn merge(&mut self, encoded: impl Into<Bytes>) -> Result<(), DecodeError> {
        // One encoding behind another is that of both merged.
        let encoded = encoded.into();
        let mut both = self.encode_to_vec();
        Self::decode(self.message_type(), encoded.clone())?;
        both.extend_from_slice(&encoded);
        *self = Self::decode(self.message_type(), both)?;
        Ok(())
    }

    /// Appends the message's protobuf encoding to a buffer. What was received and not changed since is
    /// copied as it came.
    ///
    /// # Errors
    /// If the buffer cannot grow and has less room than [`encoded_len`](Self::encoded_len).
    pub fn encode(&self, buffer: &mut impl BufMut) -> Result<(), EncodeError> {
        let body = &self.inner.body;
        if body.received.bytes().is_empty() && buffer.remaining_mut() > GROWING {
            let message_type = self.message_type();
            append(
                buffer,
                message_type.tables(),
                message_type.layout(),
                &body.slots,
            );
            return Ok(());
        }
        self.with_encoded(|encoded| match buffer.remaining_mut() < encoded.len() {
            true => Err(EncodeError {
                needed: encoded.len(),
                room: buffer.remaining_mut(),
            }),
            false => {
                buffer.put_slice(encoded);
                Ok(())
            }
        })
    }

    /// The message's protobuf encoding.
    pub fn encode_to_vec(&self) -> Vec<u8> {
        let body = &self.inner.body;
        if body.received.bytes().is_empty() {
            let (tables, layout) = (self.message_type().tables(), self.message_type().layout());
            if let Some(length) = flat_len(layout, &body.slots) {
                let mut encoded = Vec::with_capacity(length);
                append(&mut encoded, tables, layout, &body.slots);
                return encoded;
            }
        }
        self.with_encoded(<[u8]>::to_vec)
    }

    /// Appends the encoding to a buffer, or gives it, if it has `shared_bytes_min` or more.
    pub(crate) fn encode_or_share(
        &self,
        buffer: &mut Vec<u8>,
        shared_bytes_min: usize,
    ) -> Option<Bytes> {
        let flat = self.flat_len();
        if flat.is_some_and(|length| length < shared_bytes_min) {
            let (message_type, body) = (self.message_type(), &self.inner.body);
            append(
                buffer,
                message_type.tables(),
                message_type.layout(),
                &body.slots,
            );
            return None;
        }
        if flat.is_some()
            || self
                .inner
                .body
                .untouched()
                .is_some_and(|b| b.len() >= shared_bytes_min)
        {
            return Some(self.encode_to_bytes());
        }
        self.with_encoded(|encoded| {
            if encoded.len() >= shared_bytes_min {
                return Some(Bytes::copy_from_slice(encoded));
            }
            buffer.extend_from_slice(encoded);
            None
        })
    }

    /// The message's protobuf encoding, to share.
    pub fn encode_to_bytes(&self) -> Bytes {
        match self.inner.body.untouched() {
            Some(bytes) => bytes.clone(),
            None => self.encode_to_vec().into(),
        }
    }

    /// The same, with what is left of the message.
    pub(crate) fn into_encoded(mut self) -> Bytes {
        match self.inner.body.untouched().is_some() {
            true => self.inner.body.received.take_bytes(),
            false => self.encode_to_vec().into(),
        }
    }

    /// The length of the message's protobuf encoding, in bytes.
    pub fn encoded_len(&self) -> usize {
        let flat = self.flat_len();
        flat.unwrap_or_else(|| self.with_encoded(<[u8]>::len))
    }

    /// The length of a message of which nothing was received, if it needs no encoding to be known.
    fn flat_len(&self) -> Option<usize> {
        let body = &self.inner.body;
        let built = body.received.bytes().is_empty();
        built
            .then(|| flat_len(self.message_type().layout(), &body.slots))
            .flatten()
    }

    /// The encoding that is the same for all messages that say the same, for keys, ETags and golden
    /// tests: fields in the order of their numbers, entries of maps in that of their keys, and last
    /// what the schema does not know.
    pub fn deterministic(&self) -> Vec<u8> {
        self.as_ref().deterministic()
    }

    fn with_encoded<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        let body = &self.inner.body;
        if body.untouched().is_some() {
            return take(body.received.bytes());
        }
        let message_type = self.message_type();
        let (tables, layout) = (message_type.tables(), message_type.layout());
        Backward::with(|out| write(out, tables, layout, body.parts()), take)
    }

    /// A message that shares no memory with the buffer it was decoded from, to keep for long: one
    /// small field would otherwise hold a whole read buffer.
    #[must_use = "the message that was detached is returned"]
    pub fn detach(mut self) -> Self {
        self.inner.body.detach();
        self.inner.context.clear();
        self
    }
}

impl MessageRef<'_> {
    /// The message's protobuf encoding.
    pub fn encode_to_vec(self) -> Vec<u8> {
        self.with_encoded(<[u8]>::to_vec)
    }

    /// The message's protobuf encoding, to share: that of a received message shares its bytes.
    pub fn encode_to_bytes(self) -> Bytes {
        if !self.slots().is_empty() {
            return self.encode_to_vec().into();
        }
        let (start, end) = self.range();
        self.received().bytes.slice(start..end)
    }

    /// The length of the message's protobuf encoding, in bytes.
    pub fn encoded_len(self) -> usize {
        self.with_encoded(<[u8]>::len)
    }

    /// As for [`Message::deterministic`].
    pub fn deterministic(self) -> Vec<u8> {
        Backward::with(|out| write_deterministic(out, self), <[u8]>::to_vec)
    }

    /// Has `take` see the message's protobuf encoding: where it is, if it was received.
    pub(crate) fn with_encoded<T>(self, take: impl FnOnce(&[u8]) -> T) -> T {
        let (start, end) = self.range();
        let received = &self.view().bytes[start..end];
        if self.slots().is_empty() {
            return take(received);
        }
        let parts = (received, self.slots());
        Backward::with(|out| write(out, self.tables(), self.layout, parts), take)
    }
}

/// A buffer says that it has so much room only if it grows.
const GROWING: usize = isize::MAX as usize / 2;

/// Why bytes could not be decoded as a message.
pub struct DecodeError {
    inner: Box<DecodeErrorInner>,
}

struct DecodeErrorInner {
    message_type: Box<str>,
    kind: DecodeErrorKind,
}

enum DecodeErrorKind {
    Malformed(Box<Fault>),
    /// A generated type does not take them.
    Foreign(prost::DecodeError),
    TooLarge {
        memory_bytes_max: usize,
    },
}

impl DecodeError {
    /// Whether the message would take more memory than it may.
    pub fn is_too_large(&self) -> bool {
        match &self.inner.kind {
            DecodeErrorKind::Malformed(fault) => fault.why == Why::TooLong,
            DecodeErrorKind::Foreign(_) => false,
            DecodeErrorKind::TooLarge { .. } => true,
        }
    }

    #[cold]
    fn new(message_type: &MessageType, fault: Box<Fault>) -> Self {
        Self::of_kind(message_type, DecodeErrorKind::Malformed(fault))
    }

    pub(super) fn foreign(message_type: &MessageType, source: prost::DecodeError) -> Self {
        Self::of_kind(message_type, DecodeErrorKind::Foreign(source))
    }

    pub(super) fn too_large(message_type: &MessageType, memory_bytes_max: usize) -> Self {
        Self::of_kind(message_type, DecodeErrorKind::TooLarge { memory_bytes_max })
    }

    fn of_kind(message_type: &MessageType, kind: DecodeErrorKind) -> Self {
        Self {
            inner: Box::new(DecodeErrorInner {
                message_type: message_type.full_name().into(),
                kind,
            }),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message_type = &self.inner.message_type;
        match &self.inner.kind {
            DecodeErrorKind::Malformed(fault) => {
                write!(f, "the bytes are no `{message_type}`: {fault}")
            }
            DecodeErrorKind::Foreign(source) => {
                write!(f, "the bytes are no `{message_type}`: {source}")
            }
            DecodeErrorKind::TooLarge { memory_bytes_max } => write!(
                f,
                "the `{message_type}` would take more than {memory_bytes_max} bytes of memory when \
                 it is decoded: too many elements"
            ),
        }
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.kind {
            DecodeErrorKind::Foreign(source) => Some(source),
            DecodeErrorKind::Malformed(_) | DecodeErrorKind::TooLarge { .. } => None,
        }
    }
}

/// The buffer has no room for the message's encoding.
#[derive(Debug, thiserror::Error)]
#[error("the encoding takes {needed} bytes, and the buffer has room for {room}")]
pub struct EncodeError {
    needed: usize,
    room: usize,
}
