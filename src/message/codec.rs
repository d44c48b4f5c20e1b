//! Messages from and to their bytes on the wire.

use std::fmt;

use bytes::{BufMut, Bytes};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value as Reflected};

use crate::{
    message::{Message, MessageRef, lending::Lender},
    schema::MessageType,
};

impl Message {
    /// Decodes a message from its protobuf encoding.
    ///
    /// Fields that the schema does not know are kept and written again. A proto2 `required` field
    /// may be missing: [`is_initialized`](Self::is_initialized) tells.
    ///
    /// # Errors
    /// If the bytes are no encoding of this type: cut short, another wire type, a string that is
    /// not UTF-8, or nested deeper than
    /// [`MESSAGE_NESTING_MAX`](crate::limits::MESSAGE_NESTING_MAX).
    pub fn decode(
        message_type: &MessageType,
        encoded: impl Into<Bytes>,
    ) -> Result<Self, DecodeError> {
        let mut message = Self::new(message_type);
        message
            .inner
            .merge(encoded.into())
            .map_err(|source| DecodeError::new(message_type, source))?;
        Ok(message)
    }

    /// Decodes on top of what is there, as protobuf's `MergeFrom` does: scalars that are set
    /// replace, lists are appended, sub-messages are merged in turn.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode); the message is then as it was.
    pub fn merge(&mut self, encoded: impl Into<Bytes>) -> Result<(), DecodeError> {
        let mut merged = self.inner.clone();
        merged
            .merge(encoded.into())
            .map_err(|source| DecodeError::new(&self.message_type, source))?;
        self.inner = merged;
        Ok(())
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
    source: prost::DecodeError,
}

impl DecodeError {
    pub(super) fn new(message_type: &MessageType, source: prost::DecodeError) -> Self {
        Self {
            message_type: message_type.full_name().into(),
            source,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            message_type,
            source,
        } = self;
        write!(f, "the bytes are no `{message_type}`: {source}")
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
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
