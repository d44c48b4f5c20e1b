//! Borrowed values: what getters give.

use std::fmt;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, Value as Reflected};

use crate::message::{ListRef, MapRef, MessageRef, Value, lending::Lender};

/// A value in a message, borrowed from it.
#[derive(Clone, Copy, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the Rust type of its name")]
pub enum ValueRef<'a> {
    Bool(bool),
    I32(i32),
    I64(i64),
    U32(u32),
    U64(u64),
    F32(f32),
    F64(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    /// The number of an enum value.
    Enum(i32),
    Message(MessageRef<'a>),
    List(ListRef<'a>),
    Map(MapRef<'a>),
}

impl<'a> ValueRef<'a> {
    /// The value of a `bool` field.
    pub fn as_bool(self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The value of an `int32`, `sint32` or `sfixed32` field.
    pub fn as_i32(self) -> Option<i32> {
        match self {
            Self::I32(value) => Some(value),
            _ => None,
        }
    }

    /// The value of any integer field that always fits: all but `uint64` and `fixed64`.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::I32(value) => Some(value.into()),
            Self::I64(value) => Some(value),
            Self::U32(value) => Some(value.into()),
            _ => None,
        }
    }

    /// The value of a `uint32` or `fixed32` field.
    pub fn as_u32(self) -> Option<u32> {
        match self {
            Self::U32(value) => Some(value),
            _ => None,
        }
    }

    /// The value of an unsigned integer field of either width.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a `float` field.
    pub fn as_f32(self) -> Option<f32> {
        match self {
            Self::F32(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a `double` or `float` field.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a `string` field.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a `bytes` field.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(value) => Some(value),
            _ => None,
        }
    }

    /// The number of an enum value.
    pub fn as_enum_number(self) -> Option<i32> {
        match self {
            Self::Enum(value) => Some(value),
            _ => None,
        }
    }

    /// A sub-message.
    pub fn as_message(self) -> Option<MessageRef<'a>> {
        match self {
            Self::Message(value) => Some(value),
            _ => None,
        }
    }

    /// The elements of a repeated field.
    pub fn as_list(self) -> Option<ListRef<'a>> {
        match self {
            Self::List(value) => Some(value),
            _ => None,
        }
    }

    /// The entries of a map field.
    pub fn as_map(self) -> Option<MapRef<'a>> {
        match self {
            Self::Map(value) => Some(value),
            _ => None,
        }
    }

    /// An owned copy.
    pub fn to_owned(self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::I32(value) => Value::I32(value),
            Self::I64(value) => Value::I64(value),
            Self::U32(value) => Value::U32(value),
            Self::U64(value) => Value::U64(value),
            Self::F32(value) => Value::F32(value),
            Self::F64(value) => Value::F64(value),
            Self::Str(value) => Value::from(value),
            Self::Bytes(value) => Value::from(value),
            Self::Enum(value) => Value::Enum(value),
            Self::Message(value) => Value::from(value),
            Self::List(items) => Value::List(items.iter().map(Self::to_owned).collect()),
            Self::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
            ),
        }
    }

    pub(super) fn stored(value: &'a Reflected, lender: &'a Lender) -> Self {
        match value {
            Reflected::Bool(value) => Self::Bool(*value),
            Reflected::I32(value) => Self::I32(*value),
            Reflected::I64(value) => Self::I64(*value),
            Reflected::U32(value) => Self::U32(*value),
            Reflected::U64(value) => Self::U64(*value),
            Reflected::F32(value) => Self::F32(*value),
            Reflected::F64(value) => Self::F64(*value),
            Reflected::String(value) => Self::Str(value),
            Reflected::Bytes(value) => Self::Bytes(value),
            Reflected::EnumNumber(value) => Self::Enum(*value),
            Reflected::Message(value) => Self::Message(MessageRef::new(value, lender)),
            Reflected::List(items) => Self::List(ListRef::new(items, lender)),
            Reflected::Map(entries) => Self::Map(MapRef::new(Some(entries), lender)),
        }
    }

    /// What an unset field reads as.
    pub(super) fn default_of_field(field: &FieldDescriptor, lender: &'a Lender) -> Self {
        if field.is_list() {
            Self::List(ListRef::new(&[], lender))
        } else if field.is_map() {
            Self::Map(MapRef::new(None, lender))
        } else if field.field_descriptor_proto().default_value.is_some() {
            Self::stored(lender.default_of(field), lender)
        } else {
            Self::default_of_kind(&field.kind(), lender)
        }
    }

    /// The value of a type's absence: zero, empty, the enum's first value.
    pub(super) fn default_of_kind(kind: &Kind, lender: &'a Lender) -> Self {
        match kind {
            Kind::Double => Self::F64(0.0),
            Kind::Float => Self::F32(0.0),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Self::I32(0),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Self::I64(0),
            Kind::Uint32 | Kind::Fixed32 => Self::U32(0),
            Kind::Uint64 | Kind::Fixed64 => Self::U64(0),
            Kind::Bool => Self::Bool(false),
            Kind::String => Self::Str(""),
            Kind::Bytes => Self::Bytes(&[]),
            Kind::Enum(kind) => Self::Enum(first_number(kind)),
            Kind::Message(kind) => {
                Self::Message(MessageRef::new(&lender.type_entry(kind).empty, lender))
            }
        }
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::I32(value) | Self::Enum(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U32(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::F32(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Str(value) => value.fmt(f),
            Self::Bytes(value) => write!(f, "b\"{}\"", value.escape_ascii()),
            Self::Message(value) => value.fmt(f),
            Self::List(value) => value.fmt(f),
            Self::Map(value) => value.fmt(f),
        }
    }
}

/// Read off the descriptor itself: the first value *declared*, which is the default of an open and
/// of a closed enum alike.
fn first_number(kind: &EnumDescriptor) -> i32 {
    kind.enum_descriptor_proto()
        .value
        .first()
        .map_or(0, |value| value.number())
}
