//! Dynamic messages.
use crate::schema::MessageType;
use bytes::Bytes;
use prost::Message as _;
use prost_reflect::DynamicMessage;

/// A dynamic message.
#[derive(Clone, Debug)]
pub struct Message {
    inner: DynamicMessage,
    ty: MessageType,
}
/// temporary
pub fn check_deserialize<T: serde::de::DeserializeOwned>(_: &MessageType) -> Result<(), String> {
    Ok(())
}
#[allow(missing_docs)]
impl Message {
    pub fn decode(ty: &MessageType, b: Bytes) -> Result<Self, prost::DecodeError> {
        Ok(Self {
            inner: DynamicMessage::decode(ty.descriptor().clone(), b)?,
            ty: ty.clone(),
        })
    }
    pub fn deserialize<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(&self.inner)?)
    }
    pub fn from_serialize<T: serde::Serialize>(
        ty: &MessageType,
        t: &T,
    ) -> Result<Self, serde_json::Error> {
        let v = serde_json::to_value(t)?;
        let inner = DynamicMessage::deserialize(ty.descriptor().clone(), v)?;
        Ok(Self {
            inner,
            ty: ty.clone(),
        })
    }
    pub fn message_type(&self) -> &MessageType {
        &self.ty
    }
    pub fn encode_to_bytes(&self) -> Bytes {
        self.inner.encode_to_vec().into()
    }
}
impl serde::Serialize for Message {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(s)
    }
}
impl From<DynamicMessage> for Message {
    fn from(inner: DynamicMessage) -> Self {
        use prost_reflect::ReflectMessage;
        let ty = inner.descriptor().into();
        Self { inner, ty }
    }
}
impl From<Message> for DynamicMessage {
    fn from(m: Message) -> Self {
        m.inner
    }
}
