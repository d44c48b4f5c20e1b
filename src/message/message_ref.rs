//! Reading a message.

mod apart;
mod by_slot;
mod set_values;

use std::{fmt, sync::Arc};

use super::{
    FieldError, FieldKey, ListRef, MapRef, Message, ValueRef,
    body::{Body, Slot, Slots},
    equality::is_same,
    field_key::slot_of,
    lending::Context,
    received::{Entry, Node, Received, Run, View},
    scan::Records,
    text,
};
use crate::schema::{
    Field, MessageType,
    layout::{Cardinality, FieldType, Layout, Tables},
};

/// A message, borrowed: the outermost one or one inside it. Cheap to copy.
///
/// Every getter takes the field's name, number or handle ([`FieldKey`]). A field that is not set
/// reads as its default; [`has`](Self::has) tells the difference where there is one.
///
/// # Errors
/// Each getter fails if the message type has no such field, or if the field is of another type.
/// Integer getters read every integer type whose values always fit: [`i64`](Self::i64) reads
/// `int32`, `uint32` and `int64`, [`i32`](Self::i32) only the signed 32-bit types.
/// [`f64`](Self::f64) reads `float` too.
#[derive(Clone, Copy)]
pub struct MessageRef<'a> {
    context: &'a Context,
    pub(super) layout: &'a Layout,
    received: &'a Received,
    /// What was set since; nothing of a message inside a received one.
    slots: &'a Slots,
    /// The entries of its node, one for each field. There are none if it has no node, or if there is
    /// more to look at: something was set since.
    entries: &'a [u32],
    /// Where the received part begins and ends.
    start: u32,
    end: u32,
}

/// The value of a field that holds one.
#[derive(Clone, Copy)]
pub(super) enum Held<'a> {
    Unset,
    /// Where it is in the bytes, or its node.
    Received(Entry),
    Set(&'a Slot),
}

/// The elements of a field that holds many.
#[derive(Clone, Copy)]
pub(super) enum HeldRun<'a> {
    Received(Run),
    Set(&'a Slot),
}

impl Held<'_> {
    #[inline]
    fn of_entry(entry: u32) -> Self {
        match Entry::of(entry) {
            Entry::Unset => Self::Unset,
            entry => Self::Received(entry),
        }
    }
}

static NOTHING_RECEIVED: Received = Received::empty();
static NOTHING_SET: Slots = Slots::EMPTY;

/// A getter of numbers: the types it reads, and how.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident -> $rust:ty, $wanted:literal, $types:pat, $convert:expr) => {
        $(#[$doc])*
        #[inline(always)]
        pub fn $name(self, field: impl FieldKey) -> Result<$rust, FieldError> {
            let (slot, layout) = slot_of(&field, self.layout)?;
            if layout.cardinality != Cardinality::One || !matches!(layout.field_type, $types) {
                return Err(self.wrong_type(slot, $wanted));
            }
            let convert: fn(FieldType, u64) -> $rust = $convert;
            Ok(convert(layout.field_type, self.bits(slot, layout)))
        }
    };
}

impl<'a> MessageRef<'a> {
    /// The message's type.
    pub fn message_type(self) -> &'a MessageType {
        self.context.message_type(self.layout.index)
    }

    /// The value of a `string` field.
    #[inline(always)]
    pub fn str(self, field: impl FieldKey) -> Result<&'a str, FieldError> {
        let (slot, layout) = slot_of(&field, self.layout)?;
        match (layout.cardinality, layout.field_type) {
            (Cardinality::One, FieldType::String) => Ok(self.text(slot)),
            _ => Err(self.wrong_type(slot, "be read as a string")),
        }
    }

    /// The value of a `bytes` field.
    #[inline(always)]
    pub fn bytes(self, field: impl FieldKey) -> Result<&'a [u8], FieldError> {
        let (slot, layout) = slot_of(&field, self.layout)?;
        match (layout.cardinality, layout.field_type) {
            (Cardinality::One, FieldType::Bytes) => Ok(self.byte_string(slot)),
            _ => Err(self.wrong_type(slot, "be read as bytes")),
        }
    }

    number! {
        /// The value of a `bool` field.
        bool -> bool, "be read as a bool", FieldType::Bool, |_, bits| bits != 0
    }

    number! {
        /// The value of an `int32`, `sint32` or `sfixed32` field.
        i32 -> i32, "be read as an i32",
        FieldType::Int32 | FieldType::Sint32 | FieldType::Sfixed32, |_, bits| bits as i32
    }

    number! {
        /// The value of any integer field but `uint64` and `fixed64`.
        i64 -> i64, "be read as an i64",
        FieldType::Int32 | FieldType::Sint32 | FieldType::Sfixed32 | FieldType::Int64
            | FieldType::Sint64 | FieldType::Sfixed64 | FieldType::Uint32 | FieldType::Fixed32,
        |_, bits| bits as i64
    }

    number! {
        /// The value of a `uint32` or `fixed32` field.
        u32 -> u32, "be read as a u32",
        FieldType::Uint32 | FieldType::Fixed32, |_, bits| bits as u32
    }

    number! {
        /// The value of a `uint64`, `fixed64`, `uint32` or `fixed32` field.
        u64 -> u64, "be read as a u64",
        FieldType::Uint32 | FieldType::Fixed32 | FieldType::Uint64 | FieldType::Fixed64,
        |_, bits| bits
    }

    number! {
        /// The value of a `float` field.
        f32 -> f32, "be read as an f32", FieldType::Float, |_, bits| f32::from_bits(bits as u32)
    }

    number! {
        /// The value of a `double` or `float` field.
        f64 -> f64, "be read as an f64", FieldType::Float | FieldType::Double,
        |field_type, bits| match field_type {
            FieldType::Float => f32::from_bits(bits as u32).into(),
            _ => f64::from_bits(bits),
        }
    }

    number! {
        /// The number of an enum field's value.
        enum_number -> i32, "be read as an enum",
        FieldType::Enum | FieldType::ClosedEnum, |_, bits| bits as i32
    }

    /// The name of an enum field's value; `None` if the file does not name its number.
    #[inline]
    pub fn enum_name(self, field: impl FieldKey) -> Result<Option<&'a str>, FieldError> {
        let (slot, layout) = slot_of(&field, self.layout)?;
        match (layout.cardinality, layout.field_type) {
            (Cardinality::One, FieldType::Enum | FieldType::ClosedEnum) => {
                let values = self.tables().enum_layout(layout.inner);
                Ok(values.name(self.bits(slot, layout) as i32))
            }
            _ => Err(self.wrong_type(slot, "be read as an enum")),
        }
    }

    /// A sub-message; `None` if it is not set.
    #[inline]
    pub fn message(self, field: impl FieldKey) -> Result<Option<Self>, FieldError> {
        let (slot, layout) = slot_of(&field, self.layout)?;
        match layout.cardinality {
            Cardinality::One if layout.field_type.is_message() => {
                Ok(self.sub_message(slot, layout))
            }
            _ => Err(self.wrong_type(slot, "be read as a message")),
        }
    }

    /// The elements of a repeated field.
    #[inline(always)]
    pub fn list(self, field: impl FieldKey) -> Result<ListRef<'a>, FieldError> {
        let (slot, layout) = slot_of(&field, self.layout)?;
        match layout.cardinality {
            Cardinality::List => Ok(ListRef::new(self, slot)),
            _ => Err(self.wrong_type(slot, "be read as a list")),
        }
    }

    /// The entries of a map field.
    #[inline(always)]
    pub fn map(self, field: impl FieldKey) -> Result<MapRef<'a>, FieldError> {
        let (slot, layout) = slot_of(&field, self.layout)?;
        match layout.cardinality {
            Cardinality::Map => Ok(MapRef::new(self, slot)),
            _ => Err(self.wrong_type(slot, "be read as a map")),
        }
    }

    /// The value of a field of any type. A sub-message that is not set reads as an empty one.
    pub fn get(self, field: impl FieldKey) -> Result<ValueRef<'a>, FieldError> {
        let (slot, layout) = slot_of(&field, self.layout)?;
        Ok(self.value_of(slot, layout))
    }

    /// Whether a field is set: for one without presence (a plain scalar of proto3, a list, a map),
    /// whether it differs from its default.
    pub fn has(self, field: impl FieldKey) -> Result<bool, FieldError> {
        let (slot, layout) = slot_of(&field, self.layout)?;
        Ok(self.is_set_of(slot, layout))
    }

    /// Which member of a oneof is set, if any.
    ///
    /// # Errors
    /// If the message type has no such oneof.
    pub fn which_oneof(self, name: &str) -> Result<Option<&'a Field>, FieldError> {
        let mut oneofs = self.layout.descriptor.oneofs();
        let found = oneofs.find(|oneof| !oneof.is_synthetic() && oneof.name() == name);
        let Some(oneof) = found else {
            return Err(FieldError::unknown_oneof(self.layout, name));
        };
        let slots = oneof
            .fields()
            .filter_map(|field| Some(self.layout.by_number(field.number())?.0));
        let set = self.set_member(slots);
        Ok(set.and_then(|slot| self.field_handle(slot)))
    }

    /// The fields that are set, with their values, in the order of their numbers. Extensions are
    /// not among them.
    pub fn fields(self) -> impl Iterator<Item = (&'a Field, ValueRef<'a>)> {
        self.set_values()
            .filter_map(move |(slot, value)| Some((self.field_handle(slot)?, value)))
    }

    /// An owned copy. It shares the bytes, if the message was received; they are read once more.
    pub fn to_owned(self) -> Message {
        Message::of_body(self.message_type(), self.to_body())
    }
}

/// References, and what they are made of.
impl<'a> MessageRef<'a> {
    pub(super) fn new(context: &'a Context, body: &'a Body) -> Self {
        Self::of_body(context, context.message_type.layout(), body)
    }

    pub(super) fn of_body(context: &'a Context, layout: &'a Layout, body: &'a Body) -> Self {
        let received = &body.received;
        let entries = match body.slots.is_empty() {
            true => received.view().entries(received.root, layout.len()),
            false => &[],
        };
        Self {
            context,
            layout,
            received,
            slots: &body.slots,
            entries,
            start: 0,
            end: received.bytes().len() as u32,
        }
    }

    /// A message without a node in what was received.
    #[inline]
    pub(super) fn inside(self, type_index: u32, start: usize, end: usize) -> Self {
        Self {
            layout: self.tables().layout(type_index),
            slots: &NOTHING_SET,
            entries: &[],
            start: start as u32,
            end: end as u32,
            ..self
        }
    }

    /// A message with a node in what was received.
    #[inline]
    pub(super) fn of_node(self, type_index: u32, node: Node) -> Self {
        let layout = self.tables().layout(type_index);
        let (start, end) = self.view().range(node);
        Self {
            layout,
            slots: &NOTHING_SET,
            entries: self.view().entries(node, layout.len()),
            start: start as u32,
            end: end as u32,
            ..self
        }
    }

    /// An empty message.
    pub(super) fn empty(self, type_index: u32) -> Self {
        Self {
            received: &NOTHING_RECEIVED,
            ..self.inside(type_index, 0, 0)
        }
    }

    pub(super) fn in_slot(self, type_index: u32, body: &'a Body) -> Self {
        Self::of_body(self.context, self.tables().layout(type_index), body)
    }

    #[inline]
    pub(super) fn tables(self) -> &'a Tables {
        self.context.tables()
    }

    /// The tables, to be kept.
    pub(super) fn shared_tables(self) -> &'a Arc<Tables> {
        self.context.tables()
    }

    #[inline]
    pub(super) fn received(self) -> &'a Received {
        self.received
    }

    #[inline]
    pub(super) fn view(self) -> View<'a> {
        self.received.view()
    }

    pub(super) fn slots(self) -> &'a Slots {
        self.slots
    }

    pub(super) fn field_handle(self, slot: u16) -> Option<&'a Field> {
        self.context.field(self.layout.index, slot)
    }

    /// Where the received part begins and ends.
    #[inline]
    pub(super) fn range(self) -> (usize, usize) {
        (self.start as usize, self.end as usize)
    }

    /// The fields of the received part.
    pub(super) fn records(self) -> Records<'a> {
        let (start, end) = self.range();
        Records::new(self.view().bytes, start, end)
    }

    #[cold]
    fn wrong_type(self, slot: u16, wanted: &str) -> FieldError {
        FieldError::wrong_type(self.layout.info(slot), wanted)
    }
}

impl PartialEq for MessageRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        is_same(*self, *other)
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::debug(*self, f)
    }
}

impl fmt::Display for MessageRef<'_> {
    /// The text format on one line; `{:#}` on several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::text(*self, f.alternate()))
    }
}
