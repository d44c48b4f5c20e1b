//! One value of a message.

use prost_reflect::{EnumDescriptor, Kind};
use serde::{
    Deserializer,
    de::{Error as _, IntoDeserializer, Unexpected, Visitor, value::SeqDeserializer},
    forward_to_deserialize_any,
};

use crate::{
    message::{
        MessageRef, ValueRef,
        serde::{
            SerdeError,
            de::{
                Context, MessageDeserializer,
                collections::{Elements, Entries},
            },
            names::variant_of_value,
        },
    },
    schema::{EnumType, Field},
};

/// What reads numbers reads the numbers of enums too.
macro_rules! deserialize_number {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            match self.value {
                ValueRef::Enum(number) => visitor.visit_i32(number),
                _ => self.deserialize_any(visitor),
            }
        }
    )+};
}

/// Reads a field, or an element of a list or a map.
pub(super) struct ValueDeserializer<'a> {
    value: ValueRef<'a>,
    /// Of the value; of its elements if it is a list; the entry type if it is a map.
    kind: Kind,
    context: Context<'a>,
}

impl<'a> ValueDeserializer<'a> {
    pub(super) fn new(value: ValueRef<'a>, kind: Kind, context: Context<'a>) -> Self {
        Self {
            value,
            kind,
            context,
        }
    }

    pub(super) fn of_field(
        message: MessageRef<'a>,
        field: &Field,
        mut context: Context<'a>,
    ) -> Result<Self, SerdeError> {
        context.any_variant = field.features().presence || field.is_list() || field.is_map();
        let value = message
            .get(field)
            .map_err(|error| SerdeError::structural(error.to_string()))?;
        Ok(Self::new(value, field.descriptor().kind(), context))
    }

    fn message(&self) -> Option<MessageDeserializer<'a>> {
        self.value.as_message().map(|message| MessageDeserializer {
            message,
            context: self.context,
        })
    }

    /// The enum value's name; its number if the file does not name it.
    fn enum_text(kind: &Kind, number: i32) -> String {
        let named = match kind {
            Kind::Enum(kind) => kind.get_value(number),
            _ => None,
        };
        named.map_or_else(|| number.to_string(), |value| value.name().to_owned())
    }
}

impl<'de> Deserializer<'de> for ValueDeserializer<'_> {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        if let Some(message) = self.message() {
            return message.deserialize_any(visitor);
        }
        match self.value {
            ValueRef::Enum(number) => visitor.visit_string(Self::enum_text(&self.kind, number)),
            ValueRef::List(list) => visitor.visit_seq(Elements::new(list, self.kind, self.context)),
            ValueRef::Map(map) => visitor.visit_map(Entries::new(map, &self.kind, self.context)?),
            value => visit_scalar(value, visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match (self.message(), self.value) {
            (Some(message), _) => message.deserialize_str(visitor),
            (None, ValueRef::Bytes(bytes)) => {
                Err(SerdeError::invalid_type(Unexpected::Bytes(bytes), &visitor))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match (self.message(), self.value) {
            (Some(message), _) => message.deserialize_bytes(visitor),
            (None, ValueRef::Str(text)) => {
                Err(SerdeError::invalid_type(Unexpected::Str(text), &visitor))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match (self.message(), self.value) {
            (Some(message), _) => message.deserialize_seq(visitor),
            (None, ValueRef::Bytes(bytes)) => {
                visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.message() {
            Some(message) => message.deserialize_map(visitor),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match self.message() {
            Some(message) => message.deserialize_struct(name, fields, visitor),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match (self.message(), &self.kind, self.value) {
            (Some(message), ..) => message.deserialize_enum(name, variants, visitor),
            (None, Kind::Enum(kind), ValueRef::Enum(number)) => {
                let any = self.context.probe.is_some() && self.context.any_variant;
                match enum_variant(kind, number, variants, any) {
                    Some(variant) => visitor.visit_enum(variant.into_deserializer()),
                    None => {
                        let text = Self::enum_text(&self.kind, number);
                        visitor.visit_enum(text.into_deserializer())
                    }
                }
            }
            // Which strings come is no matter of types.
            (None, _, ValueRef::Str(text)) => visitor
                .visit_enum(text.into_deserializer())
                .map_err(SerdeError::not_structural),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.message() {
            Some(message) => message.deserialize_option(visitor),
            None => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.message() {
            Some(message) => message.deserialize_unit(visitor),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        match self.message() {
            Some(message) => message.is_human_readable(),
            None => !matches!(self.kind, Kind::Bytes),
        }
    }

    deserialize_number! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    forward_to_deserialize_any! { bool i128 u128 char identifier }
}

fn visit_scalar<'de, V: Visitor<'de>>(
    value: ValueRef<'_>,
    visitor: V,
) -> Result<V::Value, SerdeError> {
    match value {
        ValueRef::Bool(value) => visitor.visit_bool(value),
        ValueRef::I32(value) | ValueRef::Enum(value) => visitor.visit_i32(value),
        ValueRef::I64(value) => visitor.visit_i64(value),
        ValueRef::U32(value) => visitor.visit_u32(value),
        ValueRef::U64(value) => visitor.visit_u64(value),
        ValueRef::F32(value) => visitor.visit_f32(value),
        ValueRef::F64(value) => visitor.visit_f64(value),
        ValueRef::Str(value) => visitor.visit_str(value),
        ValueRef::Bytes(value) => visitor.visit_bytes(value),
        // Their own arms are where this is called from.
        ValueRef::Message(_) | ValueRef::List(_) | ValueRef::Map(_) => visitor.visit_unit(),
    }
}

/// The variant for an enum's number; while trying, for any number of the enum if `any`.
fn enum_variant(
    kind: &EnumDescriptor,
    number: i32,
    variants: &'static [&'static str],
    any: bool,
) -> Option<&'static str> {
    let kind = EnumType::new(kind.clone());
    variant_of_value(variants, &kind, number).or_else(|| {
        let mut numbers = kind.values().map(|value| value.number());
        any.then(|| numbers.find_map(|number| variant_of_value(variants, &kind, number)))?
    })
}
