//! What a message holds: what was received, and over it what was set since.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{MapKey, pool::Arena, received::Received};
use crate::limits::MESSAGE_POOL_BUFFER_BYTES_MAX;

/// The contents of a message that owns them. `Default` is an empty one.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) received: Received,
    pub(super) slots: Slots,
}

/// What was set, by slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    pub(super) values: Vec<(u16, Slot)>,
    /// How many messages lie inside each other in what was set, at most: it stays when a value goes.
    pub(super) height: usize,
}

/// What was set in place of what was received.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// Nothing: the field is unset.
    Cleared,
    /// A number in its form in memory (see [`FieldType`](crate::schema::layout::FieldType)).
    Bits(u64),
    Text(String),
    Bytes(Bytes),
    Message(Box<Body>),
    /// A list of numbers.
    Numbers(Vec<u64>),
    /// A list of anything else.
    Values(Vec<Self>),
    Map(BTreeMap<MapKey, Self>),
}

impl Body {
    /// Forgets all, and keeps the room for what comes next.
    #[inline]
    pub(super) fn clear(&mut self) {
        if !self.received.is_default() {
            self.received.take_bytes();
        }
        self.slots.clear();
    }

    /// Copies what is shared with a buffer that is larger.
    pub(super) fn detach(&mut self) {
        self.received.bytes = Bytes::copy_from_slice(&self.received.bytes);
        let tight: Arena = self.received.arena.tight();
        self.received.arena = tight;
        for (_, value) in &mut self.slots.values {
            value.detach();
        }
    }
}

impl Body {
    /// How many messages lie inside each other in it, at most.
    pub(super) fn height(&self) -> usize {
        self.received.height.max(self.slots.height)
    }
}

impl Slots {
    pub(super) const EMPTY: Self = Self {
        values: Vec::new(),
        height: 0,
    };

    /// Forgets all, and keeps the room unless it is large.
    #[inline]
    fn clear(&mut self) {
        self.height = 0;
        // Nothing is ever set of most that are received.
        if self.values.capacity() == 0 {
            return;
        }
        let bytes = self.values.capacity() * size_of::<(u16, Slot)>();
        match bytes > MESSAGE_POOL_BUFFER_BYTES_MAX {
            true => self.values = Vec::new(),
            false => self.values.clear(),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    #[inline]
    pub(super) fn get(&self, slot: u16) -> Option<&Slot> {
        let index = self
            .values
            .binary_search_by_key(&slot, |(of, _)| *of)
            .ok()?;
        self.values.get(index).map(|(_, value)| value)
    }

    pub(super) fn set(&mut self, slot: u16, value: Slot) {
        self.height = self.height.max(value.height());
        // Fields are mostly set in their order.
        match self.values.last() {
            Some((last, _)) if *last >= slot => {
                match self.values.binary_search_by_key(&slot, |(of, _)| *of) {
                    Ok(index) => self.values[index].1 = value,
                    Err(index) => self.values.insert(index, (slot, value)),
                }
            }
            _ => self.values.push((slot, value)),
        }
    }

    pub(super) fn remove(&mut self, slot: u16) {
        if let Ok(index) = self.values.binary_search_by_key(&slot, |(of, _)| *of) {
            self.values.remove(index);
        }
    }

    /// The value of a slot, which is made if there is none.
    pub(super) fn get_or_insert(&mut self, slot: u16, make: impl FnOnce() -> Slot) -> &mut Slot {
        let index = match self.values.binary_search_by_key(&slot, |(of, _)| *of) {
            Ok(index) => index,
            Err(index) => {
                let value = make();
                self.height = self.height.max(value.height());
                self.values.insert(index, (slot, value));
                index
            }
        };
        &mut self.values[index].1
    }
}

impl Slot {
    fn detach(&mut self) {
        match self {
            Self::Bytes(shared) => *shared = Bytes::copy_from_slice(shared),
            Self::Message(body) => body.detach(),
            Self::Values(items) => items.iter_mut().for_each(Self::detach),
            Self::Map(entries) => entries.values_mut().for_each(Self::detach),
            Self::Cleared | Self::Bits(_) | Self::Text(_) | Self::Numbers(_) => {}
        }
    }

    /// How many messages lie inside each other in it. An entry of a map counts as none: its value does.
    pub(super) fn height(&self) -> usize {
        match self {
            Self::Message(body) => body.height() + 1,
            // All elements are of one type.
            Self::Values(items) if matches!(items.first(), Some(Self::Message(_))) => {
                items.iter().map(Self::height).max().unwrap_or(0)
            }
            Self::Map(entries) if matches!(entries.values().next(), Some(Self::Message(_))) => {
                entries.values().map(Self::height).max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Whether a field without presence that holds it is one that is not set. Not of floats: -0 is no
    /// default.
    pub(super) fn is_default(&self) -> bool {
        match self {
            Self::Bits(bits) => *bits == 0,
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Numbers(items) => items.is_empty(),
            Self::Values(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Cleared => true,
            Self::Message(_) => false,
        }
    }
}
