//! Message types and their fields: thin, cheap handles on the tables and descriptors.

use std::{fmt, sync::Arc};

use prost_reflect::{FieldDescriptor, MessageDescriptor, OneofDescriptor};

use super::{
    EnumType, Features,
    layout::{Cardinality, FieldInfo, FieldLayout, Layout, Tables},
};

/// A message type. Cloning is cheap; equal if it is the same type of the same schema.
#[derive(Clone)]
pub struct MessageType {
    handle: Arc<Handle>,
}

/// One allocation for each place that keeps a type, so that threads which clone their own do not
/// write the same counter.
struct Handle {
    tables: Arc<Tables>,
    index: u32,
}

impl MessageType {
    pub(crate) fn new(descriptor: &MessageDescriptor) -> Self {
        let tables = Tables::of(descriptor.parent_pool());
        let index = tables.index_of(descriptor.full_name());
        let index = index.expect("a type is in its own pool");
        Self::with(&tables, index)
    }

    /// The type with an index in these tables.
    pub(crate) fn with(tables: &Arc<Tables>, index: u32) -> Self {
        let handle = Arc::new(Handle {
            tables: Arc::clone(tables),
            index,
        });
        Self { handle }
    }

    /// The same type, with a handle that nobody else counts references to.
    pub(crate) fn separate(&self) -> Self {
        Self::with(&self.handle.tables, self.handle.index)
    }

    #[inline]
    pub(crate) fn tables(&self) -> &Arc<Tables> {
        &self.handle.tables
    }

    #[inline]
    pub(crate) fn index(&self) -> u32 {
        self.handle.index
    }

    #[inline]
    pub(crate) fn layout(&self) -> &Layout {
        self.handle.tables.layout(self.handle.index)
    }

    /// The prost-reflect descriptor.
    pub fn descriptor(&self) -> &MessageDescriptor {
        self.handle.tables.descriptor(self.handle.index)
    }

    /// The name without package and outer types.
    pub fn name(&self) -> &str {
        self.descriptor().name()
    }

    /// `package.Outer.Name`.
    pub fn full_name(&self) -> &str {
        self.descriptor().full_name()
    }

    /// The fields in the order of their numbers.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field> + '_ {
        let slots: Vec<u16> = self
            .layout()
            .slots()
            .map(|(slot, _)| slot)
            .filter(|slot| !self.layout().info(*slot).is_extension())
            .collect();
        slots.into_iter().map(|slot| Field::new(self, slot))
    }

    /// A field by its name in the file.
    pub fn field(&self, name: &str) -> Option<Field> {
        let slot = self.layout().by_name(name)?;
        Some(Field::new(self, slot))
    }

    /// A field by its number.
    pub fn field_by_number(&self, number: u32) -> Option<Field> {
        let (slot, _) = self.layout().by_number(number)?;
        (!self.layout().info(slot).is_extension()).then(|| Field::new(self, slot))
    }

    /// The oneofs, those that `optional` makes in proto3 left out.
    pub fn oneofs(&self) -> impl Iterator<Item = Oneof> + '_ {
        self.descriptor()
            .oneofs()
            .filter(|oneof| !oneof.is_synthetic())
            .map(|oneof| Oneof::new(self, oneof))
    }

    /// Whether this is the entry type that the compiler makes for a `map` field.
    pub fn is_map_entry(&self) -> bool {
        self.descriptor().is_map_entry()
    }
}

impl PartialEq for MessageType {
    fn eq(&self, other: &Self) -> bool {
        self.index() == other.index() && Arc::ptr_eq(self.tables(), other.tables())
    }
}

impl Eq for MessageType {}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageType({})", self.full_name())
    }
}

impl From<MessageDescriptor> for MessageType {
    fn from(descriptor: MessageDescriptor) -> Self {
        Self::new(&descriptor)
    }
}

/// A field of a message type: a handle that is resolved once and used many times.
#[derive(Clone)]
pub struct Field {
    parent: MessageType,
    /// Of the parent's table, at hand for whoever uses the handle.
    layout_id: u64,
    layout: FieldLayout,
    slot: u16,
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
    /// The field in a slot that is no extension's.
    pub(crate) fn new(parent: &MessageType, slot: u16) -> Self {
        let layout = parent.layout();
        Self {
            parent: parent.clone(),
            layout_id: layout.id,
            layout: *layout.field(slot),
            slot,
        }
    }

    /// The id of the parent's table.
    #[inline]
    pub(crate) fn layout_id(&self) -> u64 {
        self.layout_id
    }

    #[inline]
    pub(crate) fn slot(&self) -> u16 {
        self.slot
    }

    #[inline]
    pub(crate) fn parent_type(&self) -> &MessageType {
        &self.parent
    }

    pub(crate) fn info(&self) -> &FieldInfo {
        self.parent.layout().info(self.slot)
    }

    #[inline]
    pub(crate) fn layout(&self) -> &FieldLayout {
        &self.layout
    }

    /// The prost-reflect descriptor.
    pub fn descriptor(&self) -> &FieldDescriptor {
        let descriptor = self.info().descriptor();
        descriptor.expect("a handle is never made of an extension")
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        &self.info().name
    }

    /// `package.Message.name`.
    pub fn full_name(&self) -> &str {
        self.info().full_name()
    }

    /// The name in JSON: lowerCamelCase, or what `json_name` says.
    pub fn json_name(&self) -> &str {
        &self.info().json_name
    }

    /// The field number.
    pub fn number(&self) -> u32 {
        self.layout().number
    }

    /// The message type it is a field of.
    pub fn parent(&self) -> MessageType {
        self.parent.clone()
    }

    /// The type of its values.
    pub fn kind(&self) -> Kind {
        let layout = self.layout();
        match layout.field_type.is_message() {
            true => Kind::Message(MessageType::with(self.parent.tables(), layout.inner)),
            false => self.info().kind().into(),
        }
    }

    /// Whether it is `repeated` and no map.
    pub fn is_list(&self) -> bool {
        self.layout().cardinality == Cardinality::List
    }

    /// Whether it is a `map`.
    pub fn is_map(&self) -> bool {
        self.layout().cardinality == Cardinality::Map
    }

    /// Whether it holds one scalar or enum value: neither list, map nor message.
    pub fn is_scalar(&self) -> bool {
        let layout = self.layout();
        layout.cardinality == Cardinality::One && !layout.field_type.is_message()
    }

    /// The oneof it is a member of (not the one that `optional` makes in proto3).
    pub fn oneof(&self) -> Option<Oneof> {
        self.descriptor()
            .containing_oneof()
            .filter(|oneof| !oneof.is_synthetic())
            .map(|oneof| Oneof::new(&self.parent, oneof))
    }

    /// What syntax decides about it.
    pub fn features(&self) -> Features {
        self.info().features
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot && self.parent == other.parent
    }
}

impl Eq for Field {}

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
            Reflected::Message(descriptor) => Self::Message(MessageType::new(&descriptor)),
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
    parent: MessageType,
    descriptor: OneofDescriptor,
}

impl Oneof {
    fn new(parent: &MessageType, descriptor: OneofDescriptor) -> Self {
        Self {
            parent: parent.clone(),
            descriptor,
        }
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// Its members.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field> + '_ {
        let fields: Vec<Field> = self
            .descriptor
            .fields()
            .filter_map(|field| self.parent.field_by_number(field.number()))
            .collect();
        fields.into_iter()
    }
}

impl fmt::Debug for Oneof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oneof({})", self.descriptor.full_name())
    }
}
