//! The row of one field.

use prost_reflect::{
    ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value as Reflected,
};

use super::Tables;
use crate::schema::Features;

/// What decoding and access ask of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldLayout {
    pub(crate) number: u32,
    /// The key before each value: number and wire type. For a packed list that of the whole list.
    pub(crate) key: u32,
    /// The key of a value that is read without tables: a number, string or bytes, no element of a list, of
    /// no closed enum. 0, which is no key, of others.
    pub(crate) plain_key: u32,
    /// The index of the message type or enum of its values.
    pub(crate) inner: u32,
    /// One more than the index of its oneof, 0 for none.
    pub(crate) oneof: u16,
    pub(crate) field_type: FieldType,
    pub(crate) cardinality: Cardinality,
    /// Whether "not set" differs from "set to the default".
    pub(crate) presence: bool,
    /// Whether a list is written packed.
    pub(crate) packed: bool,
}

/// What is asked for seldom.
pub(crate) struct FieldInfo {
    pub(crate) name: Box<str>,
    /// The name in JSON; that of an extension is its full name in brackets.
    pub(crate) json_name: Box<str>,
    /// That name as it is written: behind a comma, in quotes, with its colon.
    pub(crate) json_key: Box<[u8]>,
    pub(crate) features: Features,
    /// What it reads as when it is not set.
    pub(crate) default: Default,
    pub(crate) declared: Declared,
}

/// What a field that is not set reads as.
#[derive(Clone, Debug)]
pub(crate) enum Default {
    /// A number, as [`FieldType`] says.
    Bits(u64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
}

/// Who declares a field.
#[derive(Clone)]
pub(crate) enum Declared {
    Field(FieldDescriptor),
    Extension(ExtensionDescriptor),
}

/// How many values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cardinality {
    One,
    List,
    Map,
}

/// The type of a field's values (descriptor.proto, `FieldDescriptorProto.Type`), one that closed
/// enums have to themselves.
///
/// In memory a number is a `u64`: signed ones sign-extended, unsigned ones, `bool` and floats as their
/// bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldType {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Bool,
    Enum,
    ClosedEnum,
    Fixed32,
    Sfixed32,
    Float,
    Fixed64,
    Sfixed64,
    Double,
    String,
    Bytes,
    Message,
    Group,
}

/// What follows a key (protobuf's encoding, "Message Structure").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum WireType {
    Varint = 0,
    I64 = 1,
    Len = 2,
    StartGroup = 3,
    EndGroup = 4,
    I32 = 5,
}

impl FieldType {
    #[inline]
    pub(crate) fn wire_type(self) -> WireType {
        match self {
            Self::Fixed32 | Self::Sfixed32 | Self::Float => WireType::I32,
            Self::Fixed64 | Self::Sfixed64 | Self::Double => WireType::I64,
            Self::String | Self::Bytes | Self::Message => WireType::Len,
            Self::Group => WireType::StartGroup,
            _ => WireType::Varint,
        }
    }

    /// Whether lists of it may be packed: all numbers.
    #[inline]
    pub(crate) fn is_number(self) -> bool {
        !matches!(
            self,
            Self::String | Self::Bytes | Self::Message | Self::Group
        )
    }

    #[inline]
    pub(crate) fn is_message(self) -> bool {
        matches!(self, Self::Message | Self::Group)
    }
}

impl WireType {
    /// The wire type of a key; `None` for 6 and 7, which there are not.
    #[inline]
    pub(crate) fn of_key(key: u32) -> Option<Self> {
        Some(match key & 7 {
            0 => Self::Varint,
            1 => Self::I64,
            2 => Self::Len,
            3 => Self::StartGroup,
            4 => Self::EndGroup,
            5 => Self::I32,
            _ => return None,
        })
    }
}

impl FieldLayout {
    /// The row of a value that is no field: a whole message, a name.
    pub(crate) const fn of_value(field_type: FieldType, inner: u32) -> Self {
        Self {
            number: 1,
            key: 1 << 3,
            plain_key: 0,
            inner,
            oneof: 0,
            field_type,
            cardinality: Cardinality::One,
            presence: true,
            packed: false,
        }
    }

    /// The row of one element of a list.
    pub(crate) fn element(self) -> Self {
        Self {
            cardinality: Cardinality::One,
            ..self
        }
    }

    /// The key before one value of the field, whether or not its list is packed.
    #[inline]
    pub(crate) fn value_key(&self) -> u32 {
        self.number << 3 | self.field_type.wire_type() as u32
    }
}

impl FieldInfo {
    pub(crate) fn is_extension(&self) -> bool {
        matches!(self.declared, Declared::Extension(_))
    }

    /// The descriptor, if it is no extension.
    pub(crate) fn descriptor(&self) -> Option<&FieldDescriptor> {
        match &self.declared {
            Declared::Field(field) => Some(field),
            Declared::Extension(_) => None,
        }
    }

    pub(crate) fn full_name(&self) -> &str {
        match &self.declared {
            Declared::Field(field) => field.full_name(),
            Declared::Extension(extension) => extension.full_name(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match &self.declared {
            Declared::Field(field) => field.kind(),
            Declared::Extension(extension) => extension.kind(),
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        match &self.declared {
            Declared::Field(field) => field.is_list(),
            Declared::Extension(extension) => extension.is_list(),
        }
    }

    /// The entry type of a map field.
    pub(crate) fn map_entry(&self) -> Option<MessageDescriptor> {
        match (&self.declared, self.kind()) {
            (Declared::Field(field), Kind::Message(entry)) if field.is_map() => Some(entry),
            _ => None,
        }
    }
}

/// A row with the index of its oneof.
pub(super) struct Row {
    pub(super) layout: FieldLayout,
    pub(super) info: FieldInfo,
    pub(super) oneof: Option<usize>,
}

/// The rows of a type's fields and extensions, by number. No more than a `u16` counts are taken; no
/// file of a size that is read has as many.
pub(super) fn rows(tables: &Tables, descriptor: &MessageDescriptor) -> Vec<Row> {
    let oneofs: Vec<_> = descriptor
        .oneofs()
        .filter(|oneof| !oneof.is_synthetic())
        .collect();
    let fields = descriptor.fields().map(|field| {
        let oneof = field.containing_oneof();
        let oneof = oneof.and_then(|oneof| oneofs.iter().position(|known| *known == oneof));
        row(tables, Declared::Field(field), oneof)
    });
    let extensions = descriptor
        .extensions()
        .map(|extension| row(tables, Declared::Extension(extension), None));
    let mut rows: Vec<Row> = fields.chain(extensions).collect();
    rows.sort_by_key(|row| row.layout.number);
    rows.truncate(usize::from(u16::MAX));
    rows
}

fn row(tables: &Tables, declared: Declared, oneof: Option<usize>) -> Row {
    let (features, kind, number) = match &declared {
        Declared::Field(field) => (Features::of(field), field.kind(), field.number()),
        Declared::Extension(of) => (Features::of_extension(of), of.kind(), of.number()),
    };
    let (is_list, is_map) = match &declared {
        Declared::Field(field) => (field.is_list(), field.is_map()),
        Declared::Extension(extension) => (extension.is_list(), extension.is_map()),
    };
    let (field_type, inner) = field_type(tables, &kind, features);
    let cardinality = match (is_list, is_map && is_entry(&kind)) {
        (_, true) => Cardinality::Map,
        (false, false) if !is_map => Cardinality::One,
        _ => Cardinality::List,
    };
    let packed = cardinality == Cardinality::List && features.packed && field_type.is_number();
    let wire_type = match packed {
        true => WireType::Len,
        false => field_type.wire_type(),
    };
    let key = number << 3 | wire_type as u32;
    let is_plain = cardinality == Cardinality::One
        && !field_type.is_message()
        && field_type != FieldType::ClosedEnum;
    let (name, json_name) = match &declared {
        Declared::Field(field) => (field.name(), field.json_name()),
        Declared::Extension(of) => (of.name(), of.json_name()),
    };
    let (name, json_name) = (name.into(), Box::<str>::from(json_name));
    Row {
        layout: FieldLayout {
            number,
            key,
            plain_key: if is_plain { key } else { 0 },
            inner,
            oneof: 0,
            field_type,
            cardinality,
            presence: features.presence,
            packed,
        },
        info: FieldInfo {
            name,
            json_key: format!(",{}:", serde_json::Value::from(&*json_name))
                .into_bytes()
                .into(),
            json_name,
            features,
            default: default(&declared, &kind),
            declared,
        },
        oneof,
    }
}

/// Whether a message type has what the compiler gives the entries of a map.
fn is_entry(kind: &Kind) -> bool {
    match kind {
        Kind::Message(of) => of.get_field(1).is_some() && of.get_field(2).is_some(),
        _ => false,
    }
}

fn field_type(tables: &Tables, kind: &Kind, features: Features) -> (FieldType, u32) {
    let plain = match kind {
        Kind::Double => FieldType::Double,
        Kind::Float => FieldType::Float,
        Kind::Int32 => FieldType::Int32,
        Kind::Int64 => FieldType::Int64,
        Kind::Uint32 => FieldType::Uint32,
        Kind::Uint64 => FieldType::Uint64,
        Kind::Sint32 => FieldType::Sint32,
        Kind::Sint64 => FieldType::Sint64,
        Kind::Fixed32 => FieldType::Fixed32,
        Kind::Fixed64 => FieldType::Fixed64,
        Kind::Sfixed32 => FieldType::Sfixed32,
        Kind::Sfixed64 => FieldType::Sfixed64,
        Kind::Bool => FieldType::Bool,
        Kind::String => FieldType::String,
        Kind::Bytes => FieldType::Bytes,
        Kind::Message(of) => {
            let index = tables.index_of(of.full_name());
            let index = index.expect("a field's type is in the pool of its field");
            return match features.delimited {
                true => (FieldType::Group, index),
                false => (FieldType::Message, index),
            };
        }
        Kind::Enum(of) => {
            let index = tables.enum_names.get(of.full_name());
            let index = *index.expect("a field's enum is in the pool of its field");
            return match features.closed_enum {
                true => (FieldType::ClosedEnum, index),
                false => (FieldType::Enum, index),
            };
        }
    };
    (plain, 0)
}

fn default(declared: &Declared, kind: &Kind) -> Default {
    let value = match declared {
        Declared::Field(field) => field.default_value(),
        Declared::Extension(extension) => extension.default_value(),
    };
    match value {
        Reflected::Bool(value) => Default::Bits(value.into()),
        Reflected::I32(value) => Default::Bits(i64::from(value) as u64),
        Reflected::I64(value) => Default::Bits(value as u64),
        Reflected::U32(value) => Default::Bits(value.into()),
        Reflected::U64(value) => Default::Bits(value),
        Reflected::F32(value) => Default::Bits(value.to_bits().into()),
        Reflected::F64(value) => Default::Bits(value.to_bits()),
        Reflected::EnumNumber(value) => Default::Bits(enum_default(declared, kind, value)),
        Reflected::String(value) => Default::Text(value.into()),
        Reflected::Bytes(value) => Default::Bytes(value.to_vec().into()),
        Reflected::Message(_) | Reflected::List(_) | Reflected::Map(_) => Default::Bits(0),
    }
}

/// Without a default of its own, an enum field reads as the first value *declared*, of an open and of
/// a closed enum alike.
fn enum_default(declared: &Declared, kind: &Kind, reflected: i32) -> u64 {
    let proto = match declared {
        Declared::Field(field) => field.field_descriptor_proto(),
        Declared::Extension(extension) => extension.field_descriptor_proto(),
    };
    let number = match kind {
        Kind::Enum(of) if proto.default_value.is_none() => {
            let first = of.enum_descriptor_proto().value.first();
            first.map_or(reflected, |value| value.number())
        }
        _ => reflected,
    };
    i64::from(number) as u64
}
