//! What the rest of the room reads of a message, by slot.
//!
//! Getters of numbers, strings and bytes are inlined where they are called. A reference is not passed to
//! what is not inlined in them: it would have to be in memory for that, and be copied for each getter.

use bytes::Bytes;

use super::{
    Held, HeldRun, MessageRef,
    apart::{Apart, bytes_at, default_bits, default_bytes, default_text, number_at, text_at},
};
use crate::{
    message::{
        ListRef, MapRef, ValueRef,
        body::Slot,
        received::{Entry, Node},
        scan, wire,
    },
    schema::layout::{Cardinality, FieldLayout, FieldType},
};

impl<'a> MessageRef<'a> {
    /// For what its entries do not tell.
    #[inline(always)]
    fn apart(self) -> Apart<'a> {
        Apart {
            context: self.context,
            layout: self.layout,
            received: self.received,
            slots: self.slots,
            start: self.start,
            end: self.end,
        }
    }

    #[inline]
    pub(in crate::message) fn held(self, slot: u16) -> Held<'a> {
        match self.entries.get(usize::from(slot)) {
            Some(entry) => Held::of_entry(*entry),
            None => self.apart().held(slot),
        }
    }

    #[inline]
    pub(in crate::message) fn held_run(self, slot: u16) -> HeldRun<'a> {
        match self.entries.get(usize::from(slot)) {
            Some(entry) => HeldRun::Received(self.view().run(*entry)),
            None => self.apart().held_run(slot),
        }
    }

    /// A number in its form in memory; the default if it is not set.
    #[inline(always)]
    pub(in crate::message) fn bits(self, slot: u16, layout: &FieldLayout) -> u64 {
        match self.entries.get(usize::from(slot)) {
            Some(0) => default_bits(self.layout, slot),
            Some(at) => number_at(self.received, layout.field_type, *at as usize),
            None => self.apart().bits(slot, layout.field_type),
        }
    }

    #[inline(always)]
    pub(in crate::message) fn text(self, slot: u16) -> &'a str {
        match self.entries.get(usize::from(slot)) {
            Some(0) => default_text(self.layout, slot),
            Some(at) => text_at(self.received, *at as usize),
            None => self.apart().text(slot),
        }
    }

    #[inline(always)]
    pub(in crate::message) fn byte_string(self, slot: u16) -> &'a [u8] {
        match self.entries.get(usize::from(slot)) {
            Some(0) => default_bytes(self.layout, slot),
            Some(at) => bytes_at(self.received, *at as usize),
            None => self.apart().byte_string(slot),
        }
    }

    #[inline]
    pub(in crate::message) fn sub_message(self, slot: u16, field: &FieldLayout) -> Option<Self> {
        let held = match self.entries.get(usize::from(slot)) {
            Some(0) => return None,
            Some(entry) => match Entry::of(*entry) {
                Entry::Node(node) => return Some(self.of_node(field.inner, node)),
                value => Held::Received(value),
            },
            None => self.apart().held(slot),
        };
        match held {
            Held::Received(Entry::Node(node)) => Some(self.of_node(field.inner, node)),
            Held::Received(Entry::Value(at)) => {
                let mut node = Node::NONE;
                Some(self.message_at(field, at, &mut node).0)
            }
            Held::Set(Slot::Message(body)) => Some(self.in_slot(field.inner, body)),
            Held::Unset | Held::Received(Entry::Unset) | Held::Set(_) => None,
        }
    }

    /// The message or group that stands behind a key, and where it ends. `node` is its own if it begins
    /// where the message does; then it moves on to the next.
    #[inline(always)]
    pub(in crate::message) fn message_at(
        self,
        field: &FieldLayout,
        mut at: usize,
        node: &mut Node,
    ) -> (Self, usize) {
        let bytes = self.view().bytes;
        let (start, end, after) = match field.field_type {
            FieldType::Group => group_at(bytes, field, at),
            _ => {
                let end = wire::length(bytes, &mut at).unwrap_or(at);
                (at, end, end)
            }
        };
        if node.exists() && self.view().range(*node).0 == start {
            let own = std::mem::replace(node, self.view().next(*node));
            return (self.of_node(field.inner, own), after);
        }
        (self.inside(field.inner, start, end), after)
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

    /// The value of a field, if it is set. What has no presence is set if it is not the default, and is
    /// read once for both.
    #[inline(always)]
    pub(super) fn set_value(self, slot: u16) -> Option<ValueRef<'a>> {
        let layout = self.layout.field(slot);
        if self.entries.get(usize::from(slot)) == Some(&0) {
            return None;
        }
        let is_asked = layout.presence || layout.field_type.is_message();
        match layout.cardinality {
            Cardinality::List => {
                let list = ListRef::new(self, slot);
                (!list.is_empty()).then_some(ValueRef::List(list))
            }
            Cardinality::Map => self
                .is_set_of(slot, layout)
                .then(|| ValueRef::Map(MapRef::new(self, slot))),
            Cardinality::One if is_asked && !self.is_set_of(slot, layout) => None,
            Cardinality::One => match layout.field_type {
                FieldType::String => {
                    let text = self.text(slot);
                    (is_asked || !text.is_empty()).then_some(ValueRef::Str(text))
                }
                FieldType::Bytes => {
                    let bytes = self.byte_string(slot);
                    (is_asked || !bytes.is_empty()).then_some(ValueRef::Bytes(bytes))
                }
                FieldType::Message | FieldType::Group => {
                    self.sub_message(slot, layout).map(ValueRef::Message)
                }
                number => {
                    let bits = self.bits(slot, layout);
                    (is_asked || bits != 0).then(|| ValueRef::of_bits(number, bits))
                }
            },
        }
    }

    /// The fields that the schema does not know, one behind the other, as they were received. Numbers of a
    /// packed list that their closed enum does not name are among them, each with a key of its own.
    pub(in crate::message) fn unknown(self) -> Vec<u8> {
        let (tables, bytes) = (self.tables(), self.view().bytes);
        let mut unknown = Vec::new();
        for record in self.records() {
            let known = self.layout.by_number(record.key >> 3);
            let is_known = known.is_some_and(|(slot, field)| match field.cardinality {
                // What was received for a field goes when it is set.
                _ if self.slots.get(slot).is_some() => true,
                Cardinality::Map => scan::is_known_entry(tables, field, bytes, record),
                _ if scan::is_len(record.key) => {
                    scan::push_unnamed(tables, field, bytes, record, &mut unknown);
                    true
                }
                _ => scan::is_named(tables, field, bytes, record.value_at),
            });
            if !is_known {
                unknown.extend_from_slice(&bytes[record.key_at..record.end]);
            }
        }
        unknown
    }
}

/// Where a group begins and ends, and what follows it.
#[cold]
fn group_at(bytes: &[u8], field: &FieldLayout, start: usize) -> (usize, usize, usize) {
    let mut at = start;
    let end = wire::skip_group(bytes, &mut at, field.value_key(), usize::MAX).unwrap_or(at);
    (start, end, at)
}
