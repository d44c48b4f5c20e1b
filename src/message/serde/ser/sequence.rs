//! Rust sequences.

use bytes::Bytes;
use serde::{
    Serialize,
    ser::{SerializeSeq, SerializeTuple, SerializeTupleStruct},
};

use super::target::{Output, Place, Put, Target};
use crate::{
    message::{body::Slot, path::Segment, serde::SerdeError},
    schema::layout::{FieldLayout, FieldType},
};

/// A sequence: the elements of a list, or bytes one by one.
pub(super) enum Elements<'a> {
    List {
        target: Target<'a>,
        element: FieldLayout,
        items: Vec<Slot>,
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
                element: field.layout().element(),
                items: Vec::with_capacity(room),
            }),
            Place::One(value) if is_bytes(target, value) => Ok(Self::Bytes {
                target,
                bytes: Vec::with_capacity(room),
            }),
            _ => Err(target.misfit("a sequence").into()),
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        match self {
            Self::List {
                target,
                element,
                items,
            } => {
                let index = Segment::Index(items.len());
                let put = Target::required(target.tables, *element, target.levels).put(value);
                if let Some(Output::Value(item)) = put.map_err(|error| error.within(index))? {
                    items.push(item);
                }
                Ok(())
            }
            Self::Bytes { target, bytes } => {
                let index = Segment::Index(bytes.len());
                bytes.push(byte(*target, value).map_err(|error| error.within(index))?);
                Ok(())
            }
        }
    }

    fn finish(self) -> Put {
        match self {
            Self::List { element, items, .. } if element.field_type.is_number() => {
                let numbers = items.iter().map(Slot::bits).collect();
                Ok(Some(Output::Value(Slot::Numbers(numbers))))
            }
            Self::List { items, .. } => Ok(Some(Output::Value(Slot::Values(items)))),
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

fn is_bytes(target: Target<'_>, value: FieldLayout) -> bool {
    match value.field_type {
        FieldType::Bytes => true,
        FieldType::Message => {
            let of = target.tables.descriptor(value.inner);
            of.full_name() == "google.protobuf.BytesValue"
        }
        _ => false,
    }
}

fn byte<T: Serialize + ?Sized>(target: Target<'_>, value: &T) -> Result<u8, SerdeError> {
    let number = FieldLayout::of_value(FieldType::Uint32, 0);
    match Target::required(target.tables, number, 0).put(value)? {
        Some(Output::Value(Slot::Bits(byte))) => {
            u8::try_from(byte).map_err(|_| SerdeError::of_value(format!("{byte} is not a byte")))
        }
        _ => Err(SerdeError::structural("expected a byte")),
    }
}
