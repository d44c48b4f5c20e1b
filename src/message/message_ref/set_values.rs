//! All fields of a message that are set.

use std::{collections::BTreeMap, collections::btree_map, ops::Range};

use super::MessageRef;
use crate::message::{ValueRef, body::Slot, scan};

/// The fields that are set with their values, by slot, extensions included.
pub(in crate::message) struct SetValues<'a> {
    message: MessageRef<'a>,
    slots: Slots,
}

enum Slots {
    /// Each field is asked for.
    All(Range<u16>),
    /// Those of the fields that are there, and where in the message.
    Found(btree_map::IntoIter<u16, Range<usize>>),
}

impl<'a> MessageRef<'a> {
    /// The fields that are set, extensions included.
    ///
    /// A message that was not laid out is looked through for each field that it is asked for. If its
    /// type has many, it is looked through once instead, and then what was found, a part of the message
    /// for each field.
    pub(in crate::message) fn set_values(self) -> SetValues<'a> {
        let slots = match self.is_asked_for_each() {
            true => Slots::All(0..self.layout.len() as u16),
            false => Slots::Found(self.found().into_iter()),
        };
        SetValues {
            message: self,
            slots,
        }
    }

    /// Which of the members of a oneof is set.
    pub(in crate::message) fn set_member(
        self,
        members: impl IntoIterator<Item = u16>,
    ) -> Option<u16> {
        let mut members = members.into_iter().peekable();
        let oneof = self.layout.field(*members.peek()?).oneof;
        if self.is_asked_for_each() || oneof == 0 {
            return members.find(|slot| self.is_set(*slot));
        }
        let mut set = self.set_values().map(|(slot, _)| slot);
        set.find(|slot| self.layout.field(*slot).oneof == oneof)
    }

    /// Whether asking for one field after another takes no longer than looking for all.
    fn is_asked_for_each(self) -> bool {
        self.layout.len() <= FIELDS_ASKED_MAX || !self.entries.is_empty() || self.has_node()
    }

    /// Does something with each of them, until it fails: as iterating does, and without keeping a place.
    #[inline]
    pub(in crate::message) fn try_each_set<E>(
        self,
        mut with: impl FnMut(u16, ValueRef<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.set_values().slots {
            Slots::All(mut slots) => slots.try_for_each(|slot| match self.set_value(slot) {
                Some(value) => with(slot, value),
                None => Ok(()),
            }),
            slots => {
                let message = self;
                let mut values = SetValues { message, slots };
                values.try_for_each(|(slot, value)| with(slot, value))
            }
        }
    }

    fn found(self) -> BTreeMap<u16, Range<usize>> {
        let mut found = scan::found(self.tables(), self.layout, self.records());
        for (slot, value) in &self.slots.values {
            match value {
                Slot::Cleared => found.remove(slot),
                _ => found.insert(*slot, 0..0),
            };
        }
        found
    }

    /// Only a message that owns what it holds has slots; its node is the first.
    fn has_node(self) -> bool {
        !self.slots.is_empty() && self.received.root.exists()
    }

    /// The value of a field that stands in a part of the message.
    fn set_value_in(self, slot: u16, part: Range<usize>) -> Option<ValueRef<'a>> {
        let part = Self {
            start: part.start as u32,
            end: part.end as u32,
            ..self
        };
        part.set_value(slot)
    }
}

impl<'a> Iterator for SetValues<'a> {
    type Item = (u16, ValueRef<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let message = self.message;
        match &mut self.slots {
            Slots::All(slots) => {
                slots.find_map(|slot| message.set_value(slot).map(|value| (slot, value)))
            }
            Slots::Found(found) => found.find_map(|(slot, part)| {
                let value = message.set_value_in(slot, part);
                value.map(|value| (slot, value))
            }),
        }
    }
}

impl DoubleEndedIterator for SetValues<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let message = self.message;
        match &mut self.slots {
            Slots::All(slots) => slots
                .rev()
                .find_map(|slot| message.set_value(slot).map(|value| (slot, value))),
            Slots::Found(found) => found.rev().find_map(|(slot, part)| {
                let value = message.set_value_in(slot, part);
                value.map(|value| (slot, value))
            }),
        }
    }
}

/// With so many fields each is looked for, for that allocates nothing.
const FIELDS_ASKED_MAX: usize = 16;
