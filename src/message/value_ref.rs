//! Borrowed values: what getters give.

use std::fmt;

use crate::{
    message::{ListRef, MapRef, MessageRef, Value, body::Slot},
    schema::layout::{FieldLayout, FieldType},
};

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

    /// A number from its form in memory.
    #[inline]
    pub(super) fn of_bits(field_type: FieldType, bits: u64) -> Self {
        match field_type {
            FieldType::Int32 | FieldType::Sint32 | FieldType::Sfixed32 => Self::I32(bits as i32),
            FieldType::Uint32 | FieldType::Fixed32 => Self::U32(bits as u32),
            FieldType::Int64 | FieldType::Sint64 | FieldType::Sfixed64 => Self::I64(bits as i64),
            FieldType::Bool => Self::Bool(bits != 0),
            FieldType::Enum | FieldType::ClosedEnum => Self::Enum(bits as i32),
            FieldType::Float => Self::F32(f32::from_bits(bits as u32)),
            FieldType::Double => Self::F64(f64::from_bits(bits)),
            _ => Self::U64(bits),
        }
    }

    /// A number in its form in memory; 0 of anything else.
    pub(super) fn bits(self) -> u64 {
        match self {
            Self::Bool(value) => value.into(),
            Self::I32(value) | Self::Enum(value) => i64::from(value) as u64,
            Self::I64(value) => value as u64,
            Self::U32(value) => value.into(),
            Self::U64(value) => value,
            Self::F32(value) => value.to_bits().into(),
            Self::F64(value) => value.to_bits(),
            Self::Str(_) | Self::Bytes(_) | Self::Message(_) | Self::List(_) | Self::Map(_) => 0,
        }
    }

    /// The value of one element that was set, of a list or a map of `message`.
    pub(super) fn of_slot(message: MessageRef<'a>, field: &FieldLayout, slot: &'a Slot) -> Self {
        match slot {
            Slot::Bits(bits) => Self::of_bits(field.field_type, *bits),
            Slot::Text(text) => Self::Str(text),
            Slot::Bytes(bytes) => Self::Bytes(bytes),
            Slot::Message(body) => Self::Message(message.in_slot(field.inner, body)),
            // No element is one of these.
            Slot::Cleared | Slot::Numbers(_) | Slot::Values(_) | Slot::Map(_) => {
                Self::default_of(message, field)
            }
        }
    }

    /// The value of a type's absence in an element: zero, empty, the enum's first value.
    pub(super) fn default_of(message: MessageRef<'a>, field: &FieldLayout) -> Self {
        match field.field_type {
            FieldType::String => Self::Str(""),
            FieldType::Bytes => Self::Bytes(&[]),
            FieldType::Message | FieldType::Group => Self::Message(message.empty(field.inner)),
            FieldType::Enum | FieldType::ClosedEnum => {
                Self::Enum(message.tables().enum_layout(field.inner).first)
            }
            number => Self::of_bits(number, 0),
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
