//! What the rest of the room reads of a message, by slot.

use bytes::Bytes;

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
    /// The entry of a field that is set, if the message has a node and nothing was set since. Of any
    /// other, [`held`](Self::held) tells.
    #[inline]
    fn entry(self, slot: u16) -> Option<usize> {
        match self.entries.get(usize::from(slot)) {
            Some(0) | None => None,
            Some(entry) => Some(*entry as usize),
        }
    }

    /// Of a message whose entries are not at hand.
    fn find_entry(self, slot: u16) -> u32 {
        match !self.slots.is_empty() && self.received.root.exists() {
            true => self.view().raw_entry(self.received.root, slot),
            false => scan::entry(self.tables(), self.layout, self.records(), slot),
        }
    }

    fn find_run(self, slot: u16) -> Run {
        match !self.slots.is_empty() && self.received.root.exists() {
            true => {
                let entry = self.view().raw_entry(self.received.root, slot);
                self.view().run(entry)
            }
            false => scan::run(self.tables(), self.layout, self.records(), slot),
        }
    }

    #[inline]
    pub(in crate::message) fn held(self, slot: u16) -> Held<'a> {
        let entry = match self.entries.get(usize::from(slot)) {
            Some(entry) => *entry,
            None => match self.slots.get(slot) {
                Some(Slot::Cleared) => return Held::Unset,
                Some(value) => return Held::Set(value),
                None => self.find_entry(slot),
            },
        };
        match Entry::of(entry) {
            Entry::Unset => Held::Unset,
            entry => Held::Received(entry),
        }
    }

    #[inline]
    pub(in crate::message) fn held_run(self, slot: u16) -> HeldRun<'a> {
        HeldRun::Received(match self.entries.get(usize::from(slot)) {
            Some(entry) => self.view().run(*entry),
            None => match self.slots.get(slot) {
                Some(Slot::Cleared) => Run::default(),
                Some(value) => return HeldRun::Set(value),
                None => self.find_run(slot),
            },
        })
    }

    /// A number in its form in memory; the default if it is not set.
    #[inline(always)]
    pub(in crate::message) fn bits(self, slot: u16, layout: &FieldLayout) -> u64 {
        match self.entry(slot) {
            Some(mut at) => self.number_at(layout, &mut at),
            None => self.other_bits(slot, layout),
        }
    }

    #[inline(always)]
    fn number_at(self, layout: &FieldLayout, at: &mut usize) -> u64 {
        wire::number(layout.field_type, self.view().bytes, at).unwrap_or_default()
    }

    #[inline(never)]
    fn other_bits(self, slot: u16, layout: &FieldLayout) -> u64 {
        match self.held(slot) {
            Held::Received(Entry::Value(mut at)) => self.number_at(layout, &mut at),
            Held::Set(Slot::Bits(bits)) => *bits,
            _ => match self.layout.info(slot).default {
                Default::Bits(bits) => bits,
                _ => 0,
            },
        }
    }

    #[inline]
    pub(in crate::message) fn text(self, slot: u16) -> &'a str {
        match self.entry(slot) {
            Some(at) => self.text_at(at),
            None => self.other_text(slot),
        }
    }

    #[inline]
    fn text_at(self, mut at: usize) -> &'a str {
        let text = wire::delimited(self.view().bytes, &mut at);
        // It was checked, and is not known for that to Rust.
        std::str::from_utf8(text.unwrap_or_default()).unwrap_or_default()
    }

    #[inline(never)]
    fn other_text(self, slot: u16) -> &'a str {
        match self.held(slot) {
            Held::Received(Entry::Value(at)) => self.text_at(at),
            Held::Set(Slot::Text(text)) => text,
            _ => match &self.layout.info(slot).default {
                Default::Text(text) => text,
                _ => "",
            },
        }
    }

    #[inline]
    pub(in crate::message) fn byte_string(self, slot: u16) -> &'a [u8] {
        match self.entry(slot) {
            Some(at) => self.bytes_at(at),
            None => self.other_byte_string(slot),
        }
    }

    #[inline]
    fn bytes_at(self, mut at: usize) -> &'a [u8] {
        wire::delimited(self.view().bytes, &mut at).unwrap_or_default()
    }

    #[inline(never)]
    fn other_byte_string(self, slot: u16) -> &'a [u8] {
        match self.held(slot) {
            Held::Received(Entry::Value(at)) => self.bytes_at(at),
            Held::Set(Slot::Bytes(bytes)) => bytes,
            _ => match &self.layout.info(slot).default {
                Default::Bytes(bytes) => bytes,
                _ => &[],
            },
        }
    }

    #[inline]
    pub(in crate::message) fn sub_message(self, slot: u16, layout: &FieldLayout) -> Option<Self> {
        match self.held(slot) {
            Held::Received(Entry::Node(node)) => Some(self.of_node(layout.inner, node)),
            Held::Received(Entry::Value(at)) => {
                let mut node = Node::NONE;
                Some(self.message_at(layout, at, &mut node).0)
            }
            Held::Set(Slot::Message(body)) => Some(self.in_slot(layout.inner, body)),
            Held::Unset | Held::Received(Entry::Unset) | Held::Set(_) => None,
        }
    }

    /// The message or group that stands behind a key, and where it ends. `node` is its own if it begins
    /// where the message does; then it moves on to the next.
    #[inline]
    pub(in crate::message) fn message_at(
        self,
        layout: &FieldLayout,
        mut at: usize,
        node: &mut Node,
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
        if node.exists() && self.view().range(*node).0 == start {
            let message = self.of_node(layout.inner, *node);
            *node = self.view().next(*node);
            return (message, after);
        }
        (self.inside(layout.inner, start, end), after)
    }

    /// The value of a field of any type.
    pub(in crate::message) fn value(self, slot: u16) -> ValueRef<'a> {
        self.value_of(slot, self.layout.field(slot))
    }

    pub(in crate::message) fn value_of(self, slot: u16, layout: &FieldLayout) -> ValueRef<'a> {
        match (layout.cardinality, layout.field_type) {
            (Cardinality::List, _) => ValueRef::List(ListRef::new(self, slot)),
            (Cardinality::Map, _) => ValueRef::Map(MapRef::new(self, slot)),
            (_, FieldType::String) => ValueRef::Str(self.text(slot)),
            (_, FieldType::Bytes) => ValueRef::Bytes(self.byte_string(slot)),
            (_, FieldType::Message | FieldType::Group) => {
                let message = self.sub_message(slot, layout);
                ValueRef::Message(message.unwrap_or_else(|| self.empty(layout.inner)))
            }
            (_, number) => ValueRef::of_bits(number, self.bits(slot, layout)),
        }
    }

    /// Whether a field is set, as [`has`](Self::has) says.
    pub(in crate::message) fn is_set(self, slot: u16) -> bool {
        self.is_set_of(slot, self.layout.field(slot))
    }

    pub(in crate::message) fn is_set_of(self, slot: u16, layout: &FieldLayout) -> bool {
        match layout.cardinality {
            Cardinality::One => match self.held(slot) {
                Held::Unset => false,
                Held::Set(_) => true,
                Held::Received(_) if layout.presence => true,
                Held::Received(_) => match layout.field_type {
                    FieldType::String | FieldType::Bytes => !self.byte_string(slot).is_empty(),
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

    /// The value of a `bytes` field, shared with the message.
    pub(in crate::message) fn shared_bytes(self, slot: u16) -> Bytes {
        match self.held(slot) {
            Held::Received(Entry::Value(mut at)) => {
                let end = wire::length(self.view().bytes, &mut at).unwrap_or(at);
                self.received().bytes.slice(at..end)
            }
            Held::Set(Slot::Bytes(bytes)) => bytes.clone(),
            _ => Bytes::new(),
        }
    }

    /// The value of a field, if it is set.
    #[inline]
    pub(in crate::message) fn set_value(self, slot: u16) -> Option<ValueRef<'a>> {
        let layout = self.layout.field(slot);
        self.is_set_of(slot, layout)
            .then(|| self.value_of(slot, layout))
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
