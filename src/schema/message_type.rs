//! Message and enum types, their fields and values: thin, cheap handles on the descriptors.

use std::fmt;

use prost_reflect::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, MessageDescriptor, OneofDescriptor,
};

use super::Features;

/// A message type. Cloning is cheap; equal if it is the same type of the same schema.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageType {
    descriptor: MessageDescriptor,
}

impl MessageType {
    pub(crate) fn new(descriptor: MessageDescriptor) -> Self {
        Self { descriptor }
    }

    /// The prost-reflect descriptor.
    pub fn descriptor(&self) -> &MessageDescriptor {
        &self.descriptor
    }

    /// The name without package and outer types.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// `package.Outer.Name`.
    pub fn full_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// The fields in the order of their numbers.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field> + '_ {
        self.descriptor.fields().map(Field::new)
    }

    /// A field by its name in the file.
    pub fn field(&self, name: &str) -> Option<Field> {
        self.descriptor.get_field_by_name(name).map(Field::new)
    }

    /// A field by its number.
    pub fn field_by_number(&self, number: u32) -> Option<Field> {
        self.descriptor.get_field(number).map(Field::new)
    }

    /// The oneofs, those that `optional` makes in proto3 left out.
    pub fn oneofs(&self) -> impl Iterator<Item = Oneof> + '_ {
        self.descriptor
            .oneofs()
            .filter(|oneof| !oneof.is_synthetic())
            .map(Oneof::new)
    }

    /// Whether this is the entry type that the compiler makes for a `map` field.
    pub fn is_map_entry(&self) -> bool {
        self.descriptor.is_map_entry()
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageType({})", self.full_name())
    }
}

impl From<MessageDescriptor> for MessageType {
    fn from(descriptor: MessageDescriptor) -> Self {
        Self::new(descriptor)
    }
}

/// A field of a message type: a handle that is resolved once and used many times.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    descriptor: FieldDescriptor,
}

/// The type of a field's values; of one element where the field is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the protobuf type of its name")]
pub enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Message(MessageType),
    Enum(EnumType),
}

impl Field {
    pub(crate) fn new(descriptor: FieldDescriptor) -> Self {
        Self { descriptor }
    }

    /// The prost-reflect descriptor.
    pub fn descriptor(&self) -> &FieldDescriptor {
        &self.descriptor
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// `package.Message.name`.
    pub fn full_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// The name in JSON: lowerCamelCase, or what `json_name` says.
    pub fn json_name(&self) -> &str {
        self.descriptor.json_name()
    }

    /// The field number.
    pub fn number(&self) -> u32 {
        self.descriptor.number()
    }

    /// The message type it is a field of.
    pub fn parent(&self) -> MessageType {
        MessageType::new(self.descriptor.parent_message().clone())
    }

    /// The type of its values.
    pub fn kind(&self) -> Kind {
        self.descriptor.kind().into()
    }

    /// Whether it is `repeated` and no map.
    pub fn is_list(&self) -> bool {
        self.descriptor.is_list()
    }

    /// Whether it is a `map`.
    pub fn is_map(&self) -> bool {
        self.descriptor.is_map()
    }

    /// Whether it holds one scalar or enum value: neither list, map nor message.
    pub fn is_scalar(&self) -> bool {
        !self.is_list() && !self.is_map() && !matches!(self.kind(), Kind::Message(_))
    }

    /// The oneof it is a member of (not the one that `optional` makes in proto3).
    pub fn oneof(&self) -> Option<Oneof> {
        self.descriptor
            .containing_oneof()
            .filter(|oneof| !oneof.is_synthetic())
            .map(Oneof::new)
    }

    /// What syntax decides about it.
    pub fn features(&self) -> Features {
        Features::of(&self.descriptor)
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.full_name())
    }
}

impl From<prost_reflect::Kind> for Kind {
    fn from(kind: prost_reflect::Kind) -> Self {
        use prost_reflect::Kind as Reflected;
        match kind {
            Reflected::Double => Self::Double,
            Reflected::Float => Self::Float,
            Reflected::Int32 => Self::Int32,
            Reflected::Int64 => Self::Int64,
            Reflected::Uint32 => Self::Uint32,
            Reflected::Uint64 => Self::Uint64,
            Reflected::Sint32 => Self::Sint32,
            Reflected::Sint64 => Self::Sint64,
            Reflected::Fixed32 => Self::Fixed32,
            Reflected::Fixed64 => Self::Fixed64,
            Reflected::Sfixed32 => Self::Sfixed32,
            Reflected::Sfixed64 => Self::Sfixed64,
            Reflected::Bool => Self::Bool,
            Reflected::String => Self::String,
            Reflected::Bytes => Self::Bytes,
            Reflected::Message(descriptor) => Self::Message(MessageType::new(descriptor)),
            Reflected::Enum(descriptor) => Self::Enum(EnumType::new(descriptor)),
        }
    }
}

impl fmt::Display for Kind {
    /// As it is written in a `.proto` file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Message(message) => message.full_name(),
            Self::Enum(enum_type) => enum_type.full_name(),
        })
    }
}

/// A oneof of a message type.
#[derive(Clone, PartialEq, Eq)]
pub struct Oneof {
    descriptor: OneofDescriptor,
}

impl Oneof {
    fn new(descriptor: OneofDescriptor) -> Self {
        Self { descriptor }
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// Its members.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field> + '_ {
        self.descriptor.fields().map(Field::new)
    }
}

impl fmt::Debug for Oneof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oneof({})", self.descriptor.full_name())
    }
}

/// An enum type. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct EnumType {
    descriptor: EnumDescriptor,
}

impl EnumType {
    pub(crate) fn new(descriptor: EnumDescriptor) -> Self {
        Self { descriptor }
    }

    /// The prost-reflect descriptor.
    pub fn descriptor(&self) -> &EnumDescriptor {
        &self.descriptor
    }

    /// `package.Enum`.
    pub fn full_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// Whether it has no other numbers than the file names (proto2).
    pub fn is_closed(&self) -> bool {
        Features::closes(&self.descriptor)
    }

    /// The values in the order of their numbers, aliases included.
    pub fn values(&self) -> impl ExactSizeIterator<Item = EnumValue> + '_ {
        self.descriptor.values().map(EnumValue::new)
    }

    /// The number of a value's name.
    pub fn number(&self, name: &str) -> Option<i32> {
        self.descriptor
            .get_value_by_name(name)
            .map(|value| value.number())
    }

    /// The value of a number; the first one where names share it.
    pub fn value(&self, number: i32) -> Option<EnumValue> {
        self.descriptor.get_value(number).map(EnumValue::new)
    }
}

impl fmt::Debug for EnumType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnumType({})", self.full_name())
    }
}

/// One value of an enum type.
#[derive(Clone, PartialEq, Eq)]
pub struct EnumValue {
    descriptor: EnumValueDescriptor,
}

impl EnumValue {
    fn new(descriptor: EnumValueDescriptor) -> Self {
        Self { descriptor }
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// The number on the wire.
    pub fn number(&self) -> i32 {
        self.descriptor.number()
    }
}

impl fmt::Debug for EnumValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnumValue({} = {})", self.name(), self.number())
    }
}
