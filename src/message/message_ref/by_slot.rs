//! What the rest of the room reads of a message, by slot.

use super::{Held, HeldRun, MessageRef};
use crate::{
    message::{
        ListRef, MapRef, ValueRef,
        body::Slot,
        received::{Entry, Node, Run},
        scan, wire,
    },
    schema::layout::{Cardinality, Default, FieldLayout, FieldType},
};

impl<'a> MessageRef<'a> {
    #[inline]
    fn raw_entry(self, slot: u16) -> u32 {
        match self.node.exists() {
            true => self.view().raw_entry(self.node, slot),
            false => scan::entry(self.tables(), self.layout, self.records(), slot),
        }
    }

    #[inline]
    pub(in crate::message) fn held(self, slot: u16) -> Held<'a> {
        if !self.slots.is_empty() {
            match self.slots.get(slot) {
                Some(Slot::Cleared) => return Held::Unset,
                Some(value) => return Held::Set(value),
                None => {}
            }
        }
        match Entry::of(self.raw_entry(slot)) {
            Entry::Unset => Held::Unset,
            entry => Held::Received(entry),
        }
    }

    #[inline]
    pub(in crate::message) fn held_run(self, slot: u16) -> HeldRun<'a> {
        if !self.slots.is_empty() {
            match self.slots.get(slot) {
                Some(Slot::Cleared) => return HeldRun::Received(Run::default()),
                Some(value) => return HeldRun::Set(value),
                None => {}
            }
        }
        HeldRun::Received(match self.node.exists() {
            true => {
                let entry = self.view().raw_entry(self.node, slot);
                self.view().run(entry)
            }
            false => scan::run(self.tables(), self.layout, self.records(), slot),
        })
    }

    /// A number in its form in memory; the default if it is not set.
    #[inline]
    pub(in crate::message) fn bits(self, slot: u16, layout: &FieldLayout) -> u64 {
        let bits = match self.held(slot) {
            Held::Received(Entry::Value(at)) => {
                wire::number(layout.field_type, self.view().bytes, &mut { at })
            }
            Held::Set(Slot::Bits(bits)) => Some(*bits),
            _ => None,
        };
        bits.unwrap_or_else(|| match self.layout.info(slot).default {
            Default::Bits(bits) => bits,
            _ => 0,
        })
    }

    #[inline]
    pub(in crate::message) fn text(self, slot: u16) -> &'a str {
        match self.held(slot) {
            Held::Received(Entry::Value(at)) => {
                let text = wire::delimited(self.view().bytes, &mut { at });
                // It was checked, and is not known for that to Rust.
                std::str::from_utf8(text.unwrap_or_default()).unwrap_or_default()
            }
            Held::Set(Slot::Text(text)) => text,
            _ => match &self.layout.info(slot).default {
                Default::Text(text) => text,
                _ => "",
            },
        }
    }

    #[inline]
    pub(in crate::message) fn byte_string(self, slot: u16) -> &'a [u8] {
        match self.held(slot) {
            Held::Received(Entry::Value(at)) => {
                wire::delimited(self.view().bytes, &mut { at }).unwrap_or_default()
            }
            Held::Set(Slot::Bytes(bytes)) => bytes,
            _ => match &self.layout.info(slot).default {
                Default::Bytes(bytes) => bytes,
                _ => &[],
            },
        }
    }

    #[inline]
    pub(in crate::message) fn sub_message(self, slot: u16) -> Option<Self> {
        let layout = self.layout.field(slot);
        match self.held(slot) {
            Held::Received(Entry::Node(node)) => Some(self.inside(layout.inner, node, 0, 0)),
            Held::Received(Entry::Value(at)) => Some(self.message_at(layout, at, Node::NONE).0),
            Held::Set(Slot::Message(body)) => Some(self.in_slot(layout.inner, body)),
            Held::Unset | Held::Received(Entry::Unset) | Held::Set(_) => None,
        }
    }

    /// The message or group that stands behind a key, and where it ends. `node` is taken for its own
    /// if it begins where the message does.
    pub(in crate::message) fn message_at(
        self,
        layout: &FieldLayout,
        mut at: usize,
        node: Node,
    ) -> (Self, usize) {
        let bytes = self.view().bytes;
        let (start, end, after) = match layout.field_type {
            FieldType::Group => {
                let start = at;
                let key = layout.value_key();
                let end = wire::skip_group(bytes, &mut at, key, usize::MAX).unwrap_or(at);
                (start, end, at)
            }
            _ => {
                let end = wire::length(bytes, &mut at).unwrap_or(at);
                (at, end, end)
            }
        };
        let own = node.exists() && self.view().range(node).0 == start;
        let node = if own { node } else { Node::NONE };
        (self.inside(layout.inner, node, start, end), after)
    }

    /// The value of a field of any type.
    pub(in crate::message) fn value(self, slot: u16) -> ValueRef<'a> {
        let layout = self.layout.field(slot);
        match (layout.cardinality, layout.field_type) {
            (Cardinality::List, _) => ValueRef::List(ListRef::new(self, slot)),
            (Cardinality::Map, _) => ValueRef::Map(MapRef::new(self, slot)),
            (_, FieldType::String) => ValueRef::Str(self.text(slot)),
            (_, FieldType::Bytes) => ValueRef::Bytes(self.byte_string(slot)),
            (_, FieldType::Message | FieldType::Group) => {
                let message = self.sub_message(slot);
                ValueRef::Message(message.unwrap_or_else(|| self.empty(layout.inner)))
            }
            (_, number) => ValueRef::of_bits(number, self.bits(slot, layout)),
        }
    }

    /// Whether a field is set, as [`has`](Self::has) says.
    pub(in crate::message) fn is_set(self, slot: u16) -> bool {
        let layout = self.layout.field(slot);
        match layout.cardinality {
            Cardinality::One => match self.held(slot) {
                Held::Unset => false,
                Held::Set(_) => true,
                Held::Received(_) if layout.presence => true,
                Held::Received(_) => match layout.field_type {
                    FieldType::String => !self.text(slot).is_empty(),
                    FieldType::Bytes => !self.byte_string(slot).is_empty(),
                    FieldType::Message | FieldType::Group => true,
                    _ => self.bits(slot, layout) != 0,
                },
            },
            Cardinality::List | Cardinality::Map => match self.held_run(slot) {
                HeldRun::Received(run) => run.count > 0,
                HeldRun::Set(value) => !value.is_default(),
            },
        }
    }

    /// The slots of all fields that are set, extensions included.
    pub(in crate::message) fn set_slots(self) -> impl DoubleEndedIterator<Item = u16> {
        (0..self.layout.len() as u16).filter(move |slot| self.is_set(*slot))
    }

    /// The fields that the schema does not know, key and value, as they were received.
    pub(in crate::message) fn unknown(self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.view().bytes;
        self.records().filter_map(move |record| {
            let known = self.layout.by_number(record.key >> 3);
            let is_known = known.is_some_and(|(_, field)| match field.cardinality {
                Cardinality::Map => scan::is_known_entry(self.tables(), field, bytes, record),
                _ if scan::is_len(record.key) => true,
                _ => scan::is_named(self.tables(), field, bytes, record.value_at),
            });
            (!is_known).then(|| bytes.get(record.key_at..record.end))?
        })
    }
}
