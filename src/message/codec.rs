//! Messages from and to their bytes on the wire.

use std::fmt;

use bytes::{BufMut, Bytes};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value as Reflected};

use crate::{
    limits::{MESSAGE_DECODE_FACTOR, MESSAGE_RECEIVE_BYTES},
    message::{Message, MessageRef, decode_cost, lending::Lender},
    schema::MessageType,
};

impl Message {
    /// Decodes a message from its protobuf encoding.
    ///
    /// Fields that the schema does not know are kept and written again. A proto2 `required` field
    /// may be missing: [`is_initialized`](Self::is_initialized) tells.
    ///
    /// A message may take [`MESSAGE_DECODE_FACTOR`] times the length of its encoding in memory, or
    /// of [`MESSAGE_RECEIVE_BYTES`] if that is more; see [`decode_within`](Self::decode_within).
    ///
    /// # Errors
    /// If the bytes are no encoding of this type: cut short, another wire type, a string that is
    /// not UTF-8, or nested deeper than
    /// [`MESSAGE_NESTING_MAX`](crate::limits::MESSAGE_NESTING_MAX). And if the message would take
    /// too much memory ([`DecodeError::is_too_large`]).
    pub fn decode(
        message_type: &MessageType,
        encoded: impl Into<Bytes>,
    ) -> Result<Self, DecodeError> {
        let encoded = encoded.into();
        let memory_bytes_max = memory_bytes_max(encoded.len());
        Self::decode_within(message_type, encoded, memory_bytes_max)
    }

    /// Decodes a message that may take at most `memory_bytes_max` bytes in memory, its encoding not
    /// counted. `usize::MAX` is for bytes that this program has encoded itself.
    ///
    /// A few bytes can become many: a byte of a packed list of `bool` becomes 56, an empty
    /// sub-message of two bytes as well, one with a field in it some 700. What a message will take
    /// is found before anything of it is decoded.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub fn decode_within(
        message_type: &MessageType,
        encoded: impl Into<Bytes>,
        memory_bytes_max: usize,
    ) -> Result<Self, DecodeError> {
        let mut message = Self::new(message_type);
        message.merge_checked(encoded.into(), memory_bytes_max)?;
        Ok(message)
    }

    /// Decodes on top of what is there, as protobuf's `MergeFrom` does: scalars that are set
    /// replace, lists are appended, sub-messages are merged in turn.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode), what is added counted; the message is then as it was.
    pub fn merge(&mut self, encoded: impl Into<Bytes>) -> Result<(), DecodeError> {
        let encoded = encoded.into();
        let memory_bytes_max = memory_bytes_max(encoded.len());
        let mut merged = self.clone();
        merged.merge_checked(encoded, memory_bytes_max)?;
        self.inner = merged.inner;
        Ok(())
    }

    fn merge_checked(
        &mut self,
        encoded: Bytes,
        memory_bytes_max: usize,
    ) -> Result<(), DecodeError> {
        if decode_cost::exceeds(self.message_type.descriptor(), &encoded, memory_bytes_max) {
            return Err(DecodeError::too_large(&self.message_type, memory_bytes_max));
        }
        self.inner
            .merge(encoded)
            .map_err(|source| DecodeError::new(&self.message_type, source))
    }

    /// Appends the message's protobuf encoding to a buffer.
    ///
    /// # Errors
    /// If the buffer cannot grow and has less room than [`encoded_len`](Self::encoded_len).
    pub fn encode(&self, buffer: &mut impl BufMut) -> Result<(), EncodeError> {
        self.inner
            .encode(buffer)
            .map_err(|source| EncodeError { source })
    }

    /// The message's protobuf encoding.
    pub fn encode_to_vec(&self) -> Vec<u8> {
        self.inner.encode_to_vec()
    }

    /// The message's protobuf encoding, to share.
    pub fn encode_to_bytes(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// The length of the message's protobuf encoding, in bytes.
    pub fn encoded_len(&self) -> usize {
        self.inner.encoded_len()
    }

    /// A message that shares no memory with the buffer it was decoded from, to keep for long: one
    /// small field would otherwise hold a whole read buffer.
    #[must_use = "the message that was detached is returned"]
    pub fn detach(mut self) -> Self {
        detach_fields(&mut self.inner);
        self.lender = Lender::default();
        self
    }
}

impl MessageRef<'_> {
    /// The message's protobuf encoding.
    pub fn encode_to_vec(self) -> Vec<u8> {
        self.reflected().encode_to_vec()
    }

    /// The length of the message's protobuf encoding, in bytes.
    pub fn encoded_len(self) -> usize {
        self.reflected().encoded_len()
    }
}

/// What a message of that length may take where nobody has said so.
pub(super) fn memory_bytes_max(encoded_bytes: usize) -> usize {
    encoded_bytes
        .max(MESSAGE_RECEIVE_BYTES)
        .saturating_mul(MESSAGE_DECODE_FACTOR)
}

fn detach_fields(message: &mut DynamicMessage) {
    for (_, value) in message.fields_mut() {
        detach_value(value);
    }
    for (_, value) in message.extensions_mut() {
        detach_value(value);
    }
}

fn detach_value(value: &mut Reflected) {
    match value {
        Reflected::Bytes(shared) => *shared = Bytes::copy_from_slice(shared),
        Reflected::Message(message) => detach_fields(message),
        Reflected::List(items) => items.iter_mut().for_each(detach_value),
        Reflected::Map(entries) => entries.values_mut().for_each(detach_value),
        _ => {}
    }
}

/// Why bytes could not be decoded as a message.
pub struct DecodeError {
    message_type: Box<str>,
    kind: DecodeErrorKind,
}

enum DecodeErrorKind {
    Malformed(prost::DecodeError),
    TooLarge { memory_bytes_max: usize },
}

impl DecodeError {
    /// Whether the message would take more memory than it may.
    pub fn is_too_large(&self) -> bool {
        matches!(self.kind, DecodeErrorKind::TooLarge { .. })
    }

    pub(super) fn new(message_type: &MessageType, source: prost::DecodeError) -> Self {
        Self {
            message_type: message_type.full_name().into(),
            kind: DecodeErrorKind::Malformed(source),
        }
    }

    fn too_large(message_type: &MessageType, memory_bytes_max: usize) -> Self {
        Self {
            message_type: message_type.full_name().into(),
            kind: DecodeErrorKind::TooLarge { memory_bytes_max },
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message_type = &self.message_type;
        match &self.kind {
            DecodeErrorKind::Malformed(source) => {
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
        match &self.kind {
            DecodeErrorKind::Malformed(source) => Some(source),
            DecodeErrorKind::TooLarge { .. } => None,
        }
    }
}

/// The buffer has no room for the message's encoding.
#[derive(Debug)]
pub struct EncodeError {
    source: prost::EncodeError,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl std::error::Error for EncodeError {}
