//! From a Rust value to a message.

mod fields;
mod oneof;
mod sequence;
mod target;

use serde::{Serialize, Serializer, ser::Impossible};

use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{
        Message,
        body::Slot,
        fit::Misfit,
        serde::{SerdeError, names, well_known::from_json},
    },
    schema::{
        EnumType, MessageType,
        layout::{EnumLayout, FieldLayout, FieldType},
    },
};
use fields::FieldsOrEntries;
use oneof::VariantFields;
use sequence::Elements;
use target::{Output, Place, Put, Target};

pub(super) fn message_from<T: Serialize + ?Sized>(
    message_type: &MessageType,
    value: &T,
) -> Result<Message, SerdeError> {
    let whole = FieldLayout::of_value(FieldType::Message, message_type.index());
    let target = Target::required(message_type.tables(), whole, MESSAGE_NESTING_MAX + 1);
    match target.put(value)? {
        Some(Output::Value(Slot::Message(body))) => Ok(Message::of_body(message_type, *body)),
        _ => Err(target.misfit("nothing").into()),
    }
}

impl<'a> Serializer for Target<'a> {
    type Ok = Option<Output>;
    type Error = SerdeError;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Impossible<Option<Output>, SerdeError>;
    type SerializeMap = FieldsOrEntries;
    type SerializeStruct = FieldsOrEntries;
    type SerializeStructVariant = VariantFields;

    fn serialize_bool(self, value: bool) -> Put {
        self.scalar(value, "a bool")
    }

    fn serialize_i8(self, value: i8) -> Put {
        self.integer(value.into())
    }

    fn serialize_i16(self, value: i16) -> Put {
        self.integer(value.into())
    }

    fn serialize_i32(self, value: i32) -> Put {
        self.integer(value.into())
    }

    fn serialize_i64(self, value: i64) -> Put {
        self.integer(value.into())
    }

    fn serialize_i128(self, value: i128) -> Put {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Put {
        self.integer(value.into())
    }

    fn serialize_u16(self, value: u16) -> Put {
        self.integer(value.into())
    }

    fn serialize_u32(self, value: u32) -> Put {
        self.integer(value.into())
    }

    fn serialize_u64(self, value: u64) -> Put {
        self.integer(value.into())
    }

    fn serialize_u128(self, value: u128) -> Put {
        self.integer(i128::try_from(value).unwrap_or(i128::MAX))
    }

    fn serialize_f32(self, value: f32) -> Put {
        self.scalar(value, "a floating-point number")
    }

    fn serialize_f64(self, value: f64) -> Put {
        self.scalar(value, "a floating-point number")
    }

    fn serialize_char(self, value: char) -> Put {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Put {
        match self.enum_type() {
            Some(kind) => enum_number(kind, value),
            None => self.scalar(value, "a string"),
        }
    }

    fn serialize_bytes(self, value: &[u8]) -> Put {
        self.scalar(value, "bytes")
    }

    fn serialize_none(self) -> Put {
        if !self.optional && self.json_type().is_some() {
            return self.serialize_unit();
        }
        self.nothing("None")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Put {
        self.put(value)
    }

    fn serialize_unit(self) -> Put {
        if let Some(message_type) = self.json_type() {
            let message = from_json(&message_type, serde_json::Value::Null, self.levels)?;
            return Ok(Some(Output::message(message)));
        }
        match self.message_type() {
            Some(of) if !self.optional || of.fields().len() == 0 => self.empty_message(),
            _ => self.nothing("a unit"),
        }
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Put {
        match self.message_type() {
            Some(_) => self.empty_message(),
            None => Err(self.misfit("a unit struct").into()),
        }
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Put {
        match (self.enum_type(), self.place) {
            (Some(values), _) => enum_number(values, variant),
            (None, Place::Oneof(_)) => self.variant_builder(variant)?.put(&()),
            (None, Place::One(value)) if value.field_type.is_message() => {
                self.variant_builder(variant)?.put(&())
            }
            _ => self.scalar(variant, "a variant of an enum"),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Put {
        self.put(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Put {
        self.variant_builder(variant)?.put(value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'a>, SerdeError> {
        Elements::new(self, len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements<'a>, SerdeError> {
        Elements::new(self, Some(len))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, SerdeError> {
        Elements::new(self, Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, SerdeError> {
        Err(SerdeError::structural(format!(
            "variant `{variant}` holds several values without names, a member of a oneof only one"
        )))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<FieldsOrEntries, SerdeError> {
        FieldsOrEntries::new(self, "a map")
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<FieldsOrEntries, SerdeError> {
        FieldsOrEntries::new(self, "a struct")
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<VariantFields, SerdeError> {
        self.variant_builder(variant)?.with_fields()
    }

    /// What writes itself as bytes for machines does so in a `bytes` field.
    fn is_human_readable(&self) -> bool {
        match self.place {
            Place::One(value) if value.field_type == FieldType::Bytes => false,
            Place::One(value) if value.field_type.is_message() => {
                let of = self.tables.descriptor(value.inner);
                of.full_name() != "google.protobuf.BytesValue"
            }
            _ => true,
        }
    }
}

fn enum_number(values: &EnumLayout, name: &str) -> Put {
    match names::enum_value(&EnumType::new(values.descriptor.clone()), name)? {
        Some(value) => {
            let bits = i64::from(value.number()) as u64;
            Ok(Some(Output::Value(Slot::Bits(bits))))
        }
        None => Err(Misfit::unknown_enum_name(values, name).into()),
    }
}
