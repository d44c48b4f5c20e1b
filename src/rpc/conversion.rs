//! Which Rust types a handler may take and answer with.
//!
//! One blanket trait and impls for foreign types would collide (E0119), so each trait has a type
//! parameter that says which way a type goes; inference finds it.

use std::any::Any;

use bytes::Bytes;
use prost_reflect::DynamicMessage;
use serde::{Serialize, de::DeserializeOwned};

use super::{Call, Response};
use crate::{
    grpc::{PREFIX_BYTES, RawMessage, Status, prefix},
    http2::{Output, SHARED_BYTES_MIN},
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

    /// What is to be encoded, for who encodes it in its place.
    #[doc(hidden)]
    fn into_unwritten(self, message_type: &MessageType) -> Result<Unwritten, Status> {
        self.into_raw(message_type).map(Unwritten::Raw)
    }
}

/// A reply before it is written.
#[doc(hidden)]
#[derive(Debug)]
pub enum Unwritten {
    /// To be encoded.
    Message(Message),
    /// Encoded already.
    Raw(RawMessage),
}

impl Unwritten {
    /// The encoded message.
    pub(super) fn encode(self) -> RawMessage {
        match self {
            Self::Message(message) => RawMessage::new(message.into_encoded()),
            Self::Raw(raw) => raw,
        }
    }

    /// Adds the Length-Prefixed-Message to `out`, compressed if the handler has marked it so or the call
    /// asks for it: its length, prefix and all.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED if the message is longer than what is sent, before it is compressed; nothing
    /// is added.
    #[inline]
    pub(super) fn write(self, terms: &Terms, out: &mut Output) -> Result<usize, Status> {
        let marked = matches!(&self, Self::Raw(raw) if raw.compressed);
        if marked || terms.call.compresses_replies() {
            let compressed = terms.compress(self.encode())?;
            return Self::Raw(compressed).write_as_it_is(usize::MAX, out);
        }
        self.write_as_it_is(terms.send_bytes_max, out)
    }

    fn write_as_it_is(self, bytes_max: usize, out: &mut Output) -> Result<usize, Status> {
        let copied = out.copied();
        let at = copied.len();
        copied.extend_from_slice(&[0; PREFIX_BYTES]);
        let (shared, compressed) = match self {
            Self::Message(message) => (message.encode_or_share(copied, SHARED_BYTES_MIN), false),
            Self::Raw(raw) if raw.bytes.len() >= SHARED_BYTES_MIN => {
                (Some(raw.bytes), raw.compressed)
            }
            Self::Raw(raw) => {
                copied.extend_from_slice(&raw.bytes);
                (None, raw.compressed)
            }
        };
        let here = copied.len() - at - PREFIX_BYTES;
        let length = shared.as_ref().map_or(here, Bytes::len);
        if length > bytes_max {
            copied.truncate(at);
            return Err(too_long(length, bytes_max));
        }
        if let Some(place) = copied.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = prefix(length, compressed);
        }
        if let Some(shared) = shared {
            out.push(shared);
        }
        Ok(PREFIX_BYTES + length)
    }
}

/// What a call asks of the replies of its handler.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) call: Call,
    pub(super) send_bytes_max: usize,
}

impl Terms {
    #[cold]
    fn compress(&self, raw: RawMessage) -> Result<RawMessage, Status> {
        let bytes = raw.bytes.len();
        if bytes > self.send_bytes_max {
            return Err(too_long(bytes, self.send_bytes_max));
        }
        self.call.compress(raw)
    }
}

/// A reply has more bytes than are sent.
pub(super) fn too_long(bytes: usize, bytes_max: usize) -> Status {
    Status::resource_exhausted(format!(
        "the reply has {bytes} bytes; at most {bytes_max} are sent"
    ))
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
        self.into_unwritten(message_type).map(Unwritten::encode)
    }

    fn into_unwritten(self, message_type: &MessageType) -> Result<Unwritten, Status> {
        // `Message` and `DynamicMessage` implement `Serialize` too, so an impl of their own would
        // make every such handler ambiguous; they are told apart here.
        let mut slot = Some(self);
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

fn checked(message: Message, expected: &MessageType) -> Result<Unwritten, Status> {
    if message.message_type() != expected {
        return Err(Status::internal(format!(
            "the handler answered with a {}; the method's reply is a {}",
            message.message_type().full_name(),
            expected.full_name()
        )));
    }
    Ok(Unwritten::Message(message))
}

const RAISE_DECODE_BYTES: &str = "the limit is decode_bytes_max of the server's builder; a handler that takes a Message needs none";
