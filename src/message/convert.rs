//! Conversions from and to the messages of prost and prost-reflect.

use prost_reflect::{DynamicMessage, ReflectMessage as _};

use crate::{
    message::{DecodeError, Message, lending::Lender},
    schema::MessageType,
};

impl From<DynamicMessage> for Message {
    fn from(inner: DynamicMessage) -> Self {
        Self {
            message_type: MessageType::new(inner.descriptor()),
            inner,
            lender: Lender::default(),
        }
    }
}

impl From<Message> for DynamicMessage {
    fn from(message: Message) -> Self {
        message.inner
    }
}

impl Message {
    /// A message of the given type from one of a generated type, by way of its encoding.
    ///
    /// # Errors
    /// If the two types are not compatible on the wire.
    pub fn transcode_from<M: prost::Message>(
        message_type: &MessageType,
        message: &M,
    ) -> Result<Self, DecodeError> {
        // It is in memory already.
        Self::decode_within(message_type, message.encode_to_vec(), usize::MAX)
    }

    /// A message of a generated type with what this one holds, by way of its encoding.
    ///
    /// # Errors
    /// If the two types are not compatible on the wire.
    pub fn transcode_to<M: prost::Message + Default>(&self) -> Result<M, DecodeError> {
        M::decode(self.encode_to_bytes())
            .map_err(|source| DecodeError::new(&self.message_type, source))
    }
}
