//! Which Rust types a handler may take and answer with.
//!
//! One blanket trait and impls for foreign types would collide (E0119), so each trait has a type
//! parameter that says which way a type goes; inference finds it.

use std::any::Any;

use prost_reflect::DynamicMessage;
use serde::{Serialize, de::DeserializeOwned};

use super::{Response, replies::Writing};
use crate::{
    grpc::{RawMessage, Status},
    message::{DecodeError, FieldError, Message},
    schema::MessageType,
};

/// A handler that asks for a field which its method's type does not have is at fault, not the client:
/// INTERNAL, so that `?` may stand behind every access.
impl From<FieldError> for Status {
    fn from(error: FieldError) -> Self {
        Self::internal(error.to_string())
    }
}

/// A type that a request can be read into: [`Message`], [`DynamicMessage`], any type with serde's
/// `Deserialize`, or the undecoded [`RawMessage`].
pub trait FromMessage<Via>: Sized + Send + 'static {
    /// Whether the type fits messages of `message_type`; asked once, when the server is built.
    ///
    /// # Errors
    /// What does not fit, for the person who writes the handler.
    fn check(message_type: &MessageType) -> Result<(), String> {
        let _ = message_type;
        Ok(())
    }

    /// Reads one received message, which may take at most `decode_bytes_max` bytes of memory when it
    /// is decoded.
    ///
    /// # Errors
    /// INTERNAL if the bytes are no message of that type; RESOURCE_EXHAUSTED if it would take more.
    fn from_raw(
        message_type: &MessageType,
        raw: RawMessage,
        decode_bytes_max: usize,
    ) -> Result<Self, Status>;
}

/// A type that a reply can be made of: [`Message`], [`DynamicMessage`], any type with serde's
/// `Serialize`, or an encoded [`RawMessage`].
pub trait IntoMessage<Via>: Sized + Send + 'static {
    /// The encoded message.
    ///
    /// # Errors
    /// INTERNAL if the value does not fit the type.
    fn into_raw(self, message_type: &MessageType) -> Result<RawMessage, Status>;

    /// Writes it as a reply of a stream; how many bytes it takes there.
    ///
    /// # Errors
    /// Those of [`into_raw`](Self::into_raw), and of a reply that cannot be sent.
    #[doc(hidden)]
    fn write(self, message_type: &MessageType, writing: Writing<'_>) -> Result<usize, Status> {
        writing.raw(self.into_raw(message_type)?)
    }
}

/// What a unary or client-streaming handler may answer with: what [`IntoMessage`] takes, or a
/// [`Response`] of it.
pub trait IntoReply<Via>: Send + 'static {
    /// The encoded reply and its metadata.
    ///
    /// # Errors
    /// INTERNAL if the value does not fit the type.
    fn into_reply(self, message_type: &MessageType) -> Result<Response<RawMessage>, Status>;
}

/// The way of [`Message`].
#[derive(Debug)]
pub enum ViaMessage {}
/// The way of [`DynamicMessage`].
#[derive(Debug)]
pub enum ViaDynamic {}
/// The way of serde's types.
#[derive(Debug)]
pub enum ViaSerde {}
/// The way of [`RawMessage`].
#[derive(Debug)]
pub enum ViaRaw {}
/// The way of [`Response`].
#[derive(Debug)]
pub struct ViaResponse<Via>(Via);
/// The way of a bare message.
#[derive(Debug)]
pub struct ViaBare<Via>(Via);

impl FromMessage<ViaMessage> for Message {
    fn from_raw(message_type: &MessageType, raw: RawMessage, _: usize) -> Result<Self, Status> {
        // It takes no more than three times its bytes, and these were limited when they came.
        Self::decode(message_type, raw.bytes).map_err(|error| undecodable(message_type, &error))
    }
}

fn undecodable(message_type: &MessageType, error: &DecodeError) -> Status {
    match error.is_too_large() {
        true => Status::resource_exhausted(format!("{error}; {RAISE_DECODE_BYTES}")),
        false => Status::internal(format!(
            "the message is not a {}: {error}",
            message_type.full_name()
        )),
    }
}

impl FromMessage<ViaDynamic> for DynamicMessage {
    fn from_raw(
        message_type: &MessageType,
        raw: RawMessage,
        decode_bytes_max: usize,
    ) -> Result<Self, Status> {
        let message = Message::from_raw(message_type, raw, decode_bytes_max)?;
        let dynamic = message.into_dynamic_within(decode_bytes_max);
        dynamic.map_err(|error| undecodable(message_type, &error))
    }
}

impl FromMessage<ViaRaw> for RawMessage {
    fn from_raw(_: &MessageType, raw: RawMessage, _: usize) -> Result<Self, Status> {
        Ok(raw)
    }
}

impl<T: DeserializeOwned + Send + 'static> FromMessage<ViaSerde> for T {
    fn check(message_type: &MessageType) -> Result<(), String> {
        crate::message::check_deserialize::<T>(message_type).map_err(|error| error.to_string())
    }

    fn from_raw(
        message_type: &MessageType,
        raw: RawMessage,
        decode_bytes_max: usize,
    ) -> Result<Self, Status> {
        let message = Message::from_raw(message_type, raw, decode_bytes_max)?;
        message
            .deserialize()
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl IntoMessage<ViaRaw> for RawMessage {
    fn into_raw(self, _: &MessageType) -> Result<RawMessage, Status> {
        Ok(self)
    }
}

impl<T: Serialize + Send + 'static> IntoMessage<ViaSerde> for T {
    fn into_raw(self, message_type: &MessageType) -> Result<RawMessage, Status> {
        let message = into_message(self, message_type)?;
        Ok(RawMessage::new(message.into_encoded()))
    }

    #[inline]
    fn write(self, message_type: &MessageType, writing: Writing<'_>) -> Result<usize, Status> {
        writing.message(into_message(self, message_type)?)
    }
}

#[inline]
fn into_message<T: Serialize + 'static>(
    value: T,
    message_type: &MessageType,
) -> Result<Message, Status> {
    // `Message` and `DynamicMessage` implement `Serialize` too, so an impl of their own would
    // make every such handler ambiguous; they are told apart here.
    let mut slot = Some(value);
    let any: &mut dyn Any = &mut slot;
    if let Some(message) = any.downcast_mut::<Option<Message>>().and_then(Option::take) {
        return checked(message, message_type);
    }
    if let Some(message) = any
        .downcast_mut::<Option<DynamicMessage>>()
        .and_then(Option::take)
    {
        return checked(Message::from(message), message_type);
    }
    let message = match &slot {
        Some(value) => Message::from_serialize(message_type, value),
        None => return Err(Status::internal("the reply was taken twice")),
    };
    let message = message.map_err(|error| {
        Status::internal(format!(
            "the reply is no {}: {error}",
            message_type.full_name()
        ))
    })?;
    checked(message, message_type)
}

impl<T: IntoMessage<Via>, Via> IntoReply<ViaBare<Via>> for T {
    fn into_reply(self, message_type: &MessageType) -> Result<Response<RawMessage>, Status> {
        Ok(Response::new(self.into_raw(message_type)?))
    }
}

impl<T: IntoMessage<Via>, Via> IntoReply<ViaResponse<Via>> for Response<T> {
    fn into_reply(self, message_type: &MessageType) -> Result<Response<RawMessage>, Status> {
        self.try_map(|message| message.into_raw(message_type))
    }
}

#[inline]
fn checked(message: Message, expected: &MessageType) -> Result<Message, Status> {
    match message.message_type() == expected {
        true => Ok(message),
        false => Err(of_another_type(&message, expected)),
    }
}

#[cold]
fn of_another_type(message: &Message, expected: &MessageType) -> Status {
    Status::internal(format!(
        "the handler answered with a {}; the method's reply is a {}",
        message.message_type().full_name(),
        expected.full_name()
    ))
}

const RAISE_DECODE_BYTES: &str = "the limit is decode_bytes_max of the server's builder; a handler that takes a Message needs none";
