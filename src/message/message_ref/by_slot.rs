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
        self.bits_of(self.held(slot), slot, layout)
    }

    #[inline]
    fn bits_of(self, held: Held<'a>, slot: u16, layout: &FieldLayout) -> u64 {
        let bits = match held {
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
        self.text_of(self.held(slot), slot)
    }

    #[inline]
    fn text_of(self, held: Held<'a>, slot: u16) -> &'a str {
        match held {
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
        self.bytes_of(self.held(slot), slot)
    }

    #[inline]
    fn bytes_of(self, held: Held<'a>, slot: u16) -> &'a [u8] {
        match held {
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
        self.message_of(self.held(slot), self.layout.field(slot))
    }

    #[inline]
    fn message_of(self, held: Held<'a>, layout: &FieldLayout) -> Option<Self> {
        match held {
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
        match layout.cardinality {
            Cardinality::List => ValueRef::List(ListRef::new(self, slot)),
            Cardinality::Map => ValueRef::Map(MapRef::new(self, slot)),
            Cardinality::One => self.value_of(self.held(slot), slot, layout),
        }
    }

    /// The value of a field that holds one.
    fn value_of(self, held: Held<'a>, slot: u16, layout: &FieldLayout) -> ValueRef<'a> {
        match layout.field_type {
            FieldType::String => ValueRef::Str(self.text_of(held, slot)),
            FieldType::Bytes => ValueRef::Bytes(self.bytes_of(held, slot)),
            FieldType::Message | FieldType::Group => {
                let message = self.message_of(held, layout);
                ValueRef::Message(message.unwrap_or_else(|| self.empty(layout.inner)))
            }
            number => ValueRef::of_bits(number, self.bits_of(held, slot, layout)),
        }
    }

    /// Whether a field is set, as [`has`](Self::has) says.
    pub(in crate::message) fn is_set(self, slot: u16) -> bool {
        let layout = self.layout.field(slot);
        match layout.cardinality {
            Cardinality::One => self.is_held(self.held(slot), slot, layout),
            Cardinality::List | Cardinality::Map => match self.held_run(slot) {
                HeldRun::Received(run) => run.count > 0,
                HeldRun::Set(value) => !value.is_default(),
            },
        }
    }

    #[inline]
    fn is_held(self, held: Held<'a>, slot: u16, layout: &FieldLayout) -> bool {
        match held {
            Held::Unset => false,
            Held::Set(_) => true,
            Held::Received(_) if layout.presence => true,
            Held::Received(_) => match layout.field_type {
                FieldType::String | FieldType::Bytes => !self.bytes_of(held, slot).is_empty(),
                FieldType::Message | FieldType::Group => true,
                _ => self.bits_of(held, slot, layout) != 0,
            },
        }
    }

    /// The value of a field, if it is set.
    pub(in crate::message) fn set_value(self, slot: u16) -> Option<ValueRef<'a>> {
        let layout = self.layout.field(slot);
        if layout.cardinality != Cardinality::One {
            return self.is_set(slot).then(|| self.value(slot));
        }
        let held = self.held(slot);
        self.is_held(held, slot, layout)
            .then(|| self.value_of(held, slot, layout))
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
