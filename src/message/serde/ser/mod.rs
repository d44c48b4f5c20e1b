//! From a Rust value to a message.

mod compound;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value as Reflected};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, Impossible},
};

use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{
        Message, Value,
        fit::{Misfit, declared, fit_one, kind_name, map_entry},
        serde::{
            SerdeError, names,
            well_known::{WellKnown, from_json, from_text, too_deep},
        },
    },
    schema::{EnumType, Field, MessageType, Oneof},
};
use compound::{Elements, FieldsOrEntries, MessageBuilder, VariantBuilder, VariantFields};

pub(super) fn message_from<T: Serialize + ?Sized>(
    message_type: &MessageType,
    value: &T,
) -> Result<Message, SerdeError> {
    let kind = Kind::Message(message_type.descriptor().clone());
    let target = Target {
        place: Place::One(&kind),
        levels: MESSAGE_NESTING_MAX + 1,
        optional: false,
    };
    match target.put(value)? {
        Some(Output::Value(Reflected::Message(message))) => Ok(message.into()),
        _ => Err(target.misfit("nothing").into()),
    }
}

/// Where a value is to go.
#[derive(Clone, Copy)]
struct Target<'a> {
    place: Place<'a>,
    /// How many messages may still be made inside each other.
    levels: usize,
    /// Whether nothing may go there too: a field can stay unset, an element of a list cannot.
    optional: bool,
}

#[derive(Clone, Copy)]
enum Place<'a> {
    /// A singular field, or an element of a list or a map.
    One(&'a Kind),
    List(&'a FieldDescriptor),
    Map(&'a FieldDescriptor),
    /// Whichever member the value is a variant for.
    Oneof(&'a Oneof),
}

/// What a value became.
enum Output {
    Value(Reflected),
    /// The value of one member of a oneof.
    Member(Field, Reflected),
}

type Put = Result<Option<Output>, SerdeError>;

impl<'a> Target<'a> {
    /// Serializes into here; `None` leaves it unset.
    fn put<T: Serialize + ?Sized>(self, value: &T) -> Put {
        let Some(message_type) = self.json_type() else {
            return value.serialize(self);
        };
        let json = serde_json::to_value(value).map_err(SerdeError::custom)?;
        if json.is_null() {
            // `None`, which leaves the field unset, and a unit, which is JSON's null, look alike.
            return value.serialize(self);
        }
        let message = from_json(&message_type, json, self.levels)?;
        Ok(Some(Output::Value(Reflected::Message(message.into()))))
    }

    /// The type that is to go here, if it is one that holds JSON.
    fn json_type(self) -> Option<MessageType> {
        let message_type = self.message_type()?;
        (WellKnown::of(&message_type) == Some(WellKnown::Json)).then_some(message_type)
    }

    fn message_type(self) -> Option<MessageType> {
        match self.place {
            Place::One(Kind::Message(kind)) => Some(MessageType::new(kind.clone())),
            _ => None,
        }
    }

    fn enum_type(self) -> Option<&'a EnumDescriptor> {
        match self.place {
            Place::One(Kind::Enum(kind)) => Some(kind),
            _ => None,
        }
    }

    fn scalar(self, value: impl Into<Value>, given: &str) -> Put {
        let value = value.into();
        let Place::One(kind) = self.place else {
            return Err(self.misfit(given).into());
        };
        let Some(message_type) = self.message_type() else {
            return Ok(Some(Output::Value(fit_one(kind, value)?)));
        };
        let message = match (WellKnown::of(&message_type), value) {
            (Some(WellKnown::Wrapper), value) => self.wrapper(&message_type, value)?,
            (Some(_), Value::String(text)) => from_text(&message_type, &text)?,
            _ => None,
        };
        let message = message.ok_or_else(|| self.misfit(given))?;
        self.levels.checked_sub(1).ok_or_else(too_deep)?;
        Ok(Some(Output::Value(Reflected::Message(message.into()))))
    }

    fn wrapper(
        self,
        message_type: &MessageType,
        value: Value,
    ) -> Result<Option<Message>, SerdeError> {
        let Some(field) = message_type.field("value") else {
            return Ok(None);
        };
        fit_one(&field.descriptor().kind(), value.clone())?;
        let mut message = Message::new(message_type);
        let set = message.set(&field, value);
        set.map_err(|error| SerdeError::structural(error.to_string()))?;
        Ok(Some(message))
    }

    fn integer(self, value: i128) -> Put {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.scalar(value, "an integer"),
            (_, Ok(value)) => self.scalar(value, "an integer"),
            _ => Err(SerdeError::from(Misfit::OutOfRange {
                value: value.to_string(),
                expected: self.expected(),
            })),
        }
    }

    /// Nothing: the field stays unset.
    fn nothing(self, given: &str) -> Put {
        if self.optional {
            Ok(None)
        } else {
            Err(self.misfit(given).into())
        }
    }

    fn empty_message(self, kind: &MessageDescriptor) -> Put {
        self.levels.checked_sub(1).ok_or_else(too_deep)?;
        let message = prost_reflect::DynamicMessage::new(kind.clone());
        Ok(Some(Output::Value(Reflected::Message(message))))
    }

    fn message_builder(self, given: &str) -> Result<MessageBuilder, SerdeError> {
        let message_type = self.message_type().ok_or_else(|| self.misfit(given))?;
        MessageBuilder::new(&message_type, self.levels)
    }

    /// The member that a variant stands for. A message whose fields are all of one oneof can be an
    /// enum itself.
    fn variant_builder(self, variant: &str) -> Result<VariantBuilder, SerdeError> {
        let given = || format!("variant `{variant}` of an enum");
        let (outer, oneof) = match (self.place, self.message_type()) {
            (Place::Oneof(oneof), _) => (None, oneof.clone()),
            (_, Some(message_type)) => match names::only_oneof(&message_type) {
                Some(oneof) => (
                    Some(MessageBuilder::new(&message_type, self.levels)?),
                    oneof,
                ),
                None => return Err(self.misfit(&given()).into()),
            },
            _ => return Err(self.misfit(&given()).into()),
        };
        match names::oneof_member(&oneof, variant)? {
            Some(member) => Ok(VariantBuilder::new(outer, member, self.levels)),
            None => Err(SerdeError::structural(format!(
                "oneof `{}` has no member for variant `{variant}`",
                oneof.name()
            ))),
        }
    }

    fn misfit(self, given: &str) -> Misfit {
        Misfit::wrong_type(self.expected(), given)
    }

    fn expected(self) -> String {
        match self.place {
            Place::One(Kind::Message(kind)) => format!("message `{}`", kind.full_name()),
            Place::One(Kind::Enum(kind)) => format!("enum `{}`", kind.full_name()),
            Place::One(kind) => kind_name(kind),
            Place::List(field) | Place::Map(field) => declared(field),
            Place::Oneof(oneof) => format!("an enum for oneof `{}`", oneof.name()),
        }
    }
}

/// What kind of place a field is.
fn place<'a>(field: &'a FieldDescriptor, kind: &'a Kind) -> Place<'a> {
    if map_entry(field).is_some() {
        Place::Map(field)
    } else if field.is_list() {
        Place::List(field)
    } else {
        Place::One(kind)
    }
}

impl<'a> Serializer for Target<'a> {
    type Ok = Option<Output>;
    type Error = SerdeError;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Impossible<Option<Output>, SerdeError>;
    type SerializeMap = FieldsOrEntries<'a>;
    type SerializeStruct = FieldsOrEntries<'a>;
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
            return Ok(Some(Output::Value(Reflected::Message(message.into()))));
        }
        match self.place {
            Place::One(Kind::Message(kind)) if !self.optional || kind.fields().len() == 0 => {
                self.empty_message(kind)
            }
            _ => self.nothing("a unit"),
        }
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Put {
        match self.place {
            Place::One(Kind::Message(kind)) => self.empty_message(kind),
            _ => Err(self.misfit("a unit struct").into()),
        }
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Put {
        match self.place {
            Place::One(Kind::Enum(kind)) => enum_number(kind, variant),
            Place::One(Kind::Message(_)) | Place::Oneof(_) => {
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

    fn serialize_map(self, _len: Option<usize>) -> Result<FieldsOrEntries<'a>, SerdeError> {
        FieldsOrEntries::new(self, "a map")
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<FieldsOrEntries<'a>, SerdeError> {
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
            Place::One(Kind::Bytes) => false,
            Place::One(Kind::Message(kind)) => kind.full_name() != "google.protobuf.BytesValue",
            _ => true,
        }
    }
}

fn enum_number(kind: &EnumDescriptor, name: &str) -> Put {
    match names::enum_value(&EnumType::new(kind.clone()), name)? {
        Some(value) => Ok(Some(Output::Value(Reflected::EnumNumber(value.number())))),
        None => Err(Misfit::unknown_enum_name(kind, name).into()),
    }
}
