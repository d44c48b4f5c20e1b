//! Rust sequences.

use bytes::Bytes;
use prost_reflect::{Kind, Value as Reflected};
use serde::{
    Serialize,
    ser::{SerializeSeq, SerializeTuple, SerializeTupleStruct},
};

use super::target::{Output, Place, Put, Target};
use crate::message::serde::{SerdeError, error::Segment};
/// A sequence: the elements of a list, or bytes one by one.
pub(super) enum Elements<'a> {
    List {
        target: Target<'a>,
        kind: Kind,
        items: Vec<Reflected>,
    },
    Bytes {
        target: Target<'a>,
        bytes: Vec<u8>,
    },
}

impl<'a> Elements<'a> {
    pub(super) fn new(target: Target<'a>, len: Option<usize>) -> Result<Self, SerdeError> {
        // What a length says is not allocated before the elements come.
        let room = len.unwrap_or(0).min(1024);
        match target.place {
            Place::List(field) => Ok(Self::List {
                target,
                kind: field.kind(),
                items: Vec::with_capacity(room),
            }),
            Place::One(Kind::Bytes) => Ok(Self::Bytes {
                target,
                bytes: Vec::with_capacity(room),
            }),
            Place::One(Kind::Message(kind)) if kind.full_name() == "google.protobuf.BytesValue" => {
                Ok(Self::Bytes {
                    target,
                    bytes: Vec::with_capacity(room),
                })
            }
            _ => Err(target.misfit("a sequence").into()),
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        match self {
            Self::List {
                target,
                kind,
                items,
            } => {
                let index = Segment::Index(items.len());
                let put = Target::required(kind, target.levels).put(value);
                if let Some(Output::Value(item)) = put.map_err(|error| error.within(index))? {
                    items.push(item);
                }
                Ok(())
            }
            Self::Bytes { bytes, .. } => {
                let index = Segment::Index(bytes.len());
                bytes.push(byte(value).map_err(|error| error.within(index))?);
                Ok(())
            }
        }
    }

    fn finish(self) -> Put {
        match self {
            Self::List { items, .. } => Ok(Some(Output::Value(Reflected::List(items)))),
            Self::Bytes { target, bytes } => target.scalar(Bytes::from(bytes), "bytes"),
        }
    }
}

impl SerializeSeq for Elements<'_> {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        self.element(value)
    }

    fn end(self) -> Put {
        self.finish()
    }
}

impl SerializeTuple for Elements<'_> {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        self.element(value)
    }

    fn end(self) -> Put {
        self.finish()
    }
}

impl SerializeTupleStruct for Elements<'_> {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        self.element(value)
    }

    fn end(self) -> Put {
        self.finish()
    }
}

fn byte<T: Serialize + ?Sized>(value: &T) -> Result<u8, SerdeError> {
    match Target::required(&Kind::Uint32, 0).put(value)? {
        Some(Output::Value(Reflected::U32(byte))) => {
            u8::try_from(byte).map_err(|_| SerdeError::of_value(format!("{byte} is not a byte")))
        }
        _ => Err(SerdeError::structural("expected a byte")),
    }
}
