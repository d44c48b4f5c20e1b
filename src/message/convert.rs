//! Conversions from and to the messages of prost and prost-reflect.

use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, MapKey as ReflectedKey, ReflectMessage as _, Value as Reflected,
};

use super::{
    DecodeError, MapKeyRef, Message, MessageRef, ValueRef, body::Body, decode_cost,
    received::Received,
};
use crate::schema::{MessageType, layout::Declared};

impl From<DynamicMessage> for Message {
    fn from(dynamic: DynamicMessage) -> Self {
        let message_type = MessageType::new(&dynamic.descriptor());
        let received = Received::trusted(&message_type, dynamic.encode_to_vec().into());
        let body = Body {
            received,
            ..Body::default()
        };
        Self::of_body(&message_type, body)
    }
}

impl From<Message> for DynamicMessage {
    /// It takes many times as much memory, some 56 bytes for each number in a list.
    fn from(message: Message) -> Self {
        reflected(message.as_ref())
    }
}

impl<'a> From<&'a ReflectedKey> for MapKeyRef<'a> {
    fn from(key: &'a ReflectedKey) -> Self {
        match key {
            ReflectedKey::Bool(key) => Self::Bool(*key),
            ReflectedKey::I32(key) => Self::I32(*key),
            ReflectedKey::I64(key) => Self::I64(*key),
            ReflectedKey::U32(key) => Self::U32(*key),
            ReflectedKey::U64(key) => Self::U64(*key),
            ReflectedKey::String(key) => Self::Str(key),
        }
    }
}

impl Message {
    /// The message as prost-reflect's, if that takes at most `memory_bytes_max` bytes of memory.
    ///
    /// A few bytes can become many there: a byte of a packed list of `bool` becomes 56, an empty
    /// sub-message of two bytes as well, one with a field in it some 700. What it will take is found
    /// before anything of it is made.
    ///
    /// # Errors
    /// If it would take more ([`DecodeError::is_too_large`]).
    pub fn into_dynamic_within(
        self,
        memory_bytes_max: usize,
    ) -> Result<DynamicMessage, DecodeError> {
        let encoded = self.encode_to_bytes();
        match decode_cost::exceeds(self.message_type().descriptor(), &encoded, memory_bytes_max) {
            true => Err(DecodeError::too_large(
                self.message_type(),
                memory_bytes_max,
            )),
            false => Ok(self.into()),
        }
    }

    /// A message of the given type from one of a generated type, by way of its encoding.
    ///
    /// # Errors
    /// If the two types are not compatible on the wire.
    pub fn transcode_from<M: prost::Message>(
        message_type: &MessageType,
        message: &M,
    ) -> Result<Self, DecodeError> {
        Self::decode(message_type, message.encode_to_vec())
    }

    /// A message of a generated type with what this one holds, by way of its encoding.
    ///
    /// # Errors
    /// If the two types are not compatible on the wire.
    pub fn transcode_to<M: prost::Message + Default>(&self) -> Result<M, DecodeError> {
        M::decode(self.encode_to_bytes())
            .map_err(|source| DecodeError::foreign(self.message_type(), source))
    }
}

/// By way of the encoding, and field by field if that nests deeper than prost-reflect reads: one that was
/// made of a message of its own may.
pub(super) fn reflected(message: MessageRef<'_>) -> DynamicMessage {
    let descriptor = message.layout.descriptor.clone();
    let decoded = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice());
    decoded.unwrap_or_else(|_| by_fields(message))
}

fn by_fields(message: MessageRef<'_>) -> DynamicMessage {
    let mut dynamic = DynamicMessage::new(message.layout.descriptor.clone());
    for (slot, value) in message.set_values() {
        let value = reflected_value(value);
        match &message.layout.info(slot).declared {
            // It is of the field's type, for both are made of the same descriptor.
            Declared::Field(field) => {
                let _ = dynamic.try_set_field(field, value);
            }
            Declared::Extension(extension) => dynamic.set_extension(extension, value),
        }
    }
    // What was read once is read again.
    let _ = dynamic.merge(&*message.unknown());
    dynamic
}

fn reflected_value(value: ValueRef<'_>) -> Reflected {
    match value {
        ValueRef::Bool(value) => Reflected::Bool(value),
        ValueRef::I32(value) => Reflected::I32(value),
        ValueRef::I64(value) => Reflected::I64(value),
        ValueRef::U32(value) => Reflected::U32(value),
        ValueRef::U64(value) => Reflected::U64(value),
        ValueRef::F32(value) => Reflected::F32(value),
        ValueRef::F64(value) => Reflected::F64(value),
        ValueRef::Str(value) => Reflected::String(value.to_owned()),
        ValueRef::Bytes(value) => Reflected::Bytes(value.to_vec().into()),
        ValueRef::Enum(value) => Reflected::EnumNumber(value),
        ValueRef::Message(value) => Reflected::Message(by_fields(value)),
        ValueRef::List(items) => Reflected::List(items.iter().map(reflected_value).collect()),
        ValueRef::Map(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (reflected_key(key), reflected_value(value)));
            Reflected::Map(entries.collect::<HashMap<_, _>>())
        }
    }
}

fn reflected_key(key: MapKeyRef<'_>) -> ReflectedKey {
    match key {
        MapKeyRef::Bool(key) => ReflectedKey::Bool(key),
        MapKeyRef::I32(key) => ReflectedKey::I32(key),
        MapKeyRef::I64(key) => ReflectedKey::I64(key),
        MapKeyRef::U32(key) => ReflectedKey::U32(key),
        MapKeyRef::U64(key) => ReflectedKey::U64(key),
        MapKeyRef::Str(key) => ReflectedKey::String(key.to_owned()),
    }
}
