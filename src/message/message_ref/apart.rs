//! A message whose entries are not at hand: it has no node, or something was set since.

use super::{Held, HeldRun};
use crate::{
    message::{
        body::{Slot, Slots},
        lending::Context,
        received::{Entry, Received, Run},
        scan::{self, Records},
        utf8, wire,
    },
    schema::layout::{Default, FieldType, Layout},
};

/// What a [`MessageRef`](super::MessageRef) is without entries. Its parts stand in another order there,
/// so that a getter is not compiled to load two of them at once: that waits for both to be stored.
pub(super) struct Apart<'a> {
    pub(super) layout: &'a Layout,
    pub(super) slots: &'a Slots,
    pub(super) context: &'a Context,
    pub(super) received: &'a Received,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl<'a> Apart<'a> {
    #[inline(never)]
    pub(super) fn held(self, slot: u16) -> Held<'a> {
        match self.slots.get(slot) {
            Some(Slot::Cleared) => Held::Unset,
            Some(value) => Held::Set(value),
            None => Held::of_entry(self.entry(slot)),
        }
    }

    #[inline(never)]
    pub(super) fn held_run(self, slot: u16) -> HeldRun<'a> {
        match self.slots.get(slot) {
            Some(Slot::Cleared) => HeldRun::Received(Run::default()),
            Some(value) => HeldRun::Set(value),
            None => HeldRun::Received(self.run(slot)),
        }
    }

    #[inline(never)]
    pub(super) fn bits(self, slot: u16, field_type: FieldType) -> u64 {
        let (received, layout) = (self.received, self.layout);
        match self.held(slot) {
            Held::Received(Entry::Value(at)) => number_at(received, field_type, at),
            Held::Set(Slot::Bits(bits)) => *bits,
            _ => default_bits(layout, slot),
        }
    }

    #[inline(never)]
    pub(super) fn text(self, slot: u16) -> &'a str {
        let (received, layout) = (self.received, self.layout);
        match self.held(slot) {
            Held::Received(Entry::Value(at)) => text_at(received, at),
            Held::Set(Slot::Text(text)) => text,
            _ => default_text(layout, slot),
        }
    }

    #[inline(never)]
    pub(super) fn byte_string(self, slot: u16) -> &'a [u8] {
        let (received, layout) = (self.received, self.layout);
        match self.held(slot) {
            Held::Received(Entry::Value(at)) => bytes_at(received, at),
            Held::Set(Slot::Bytes(bytes)) => bytes,
            _ => default_bytes(layout, slot),
        }
    }

    /// Only a message that owns what it holds has slots; its node is the first.
    fn has_node(&self) -> bool {
        !self.slots.is_empty() && self.received.root.exists()
    }

    fn entry(&self, slot: u16) -> u32 {
        match self.has_node() {
            true => self.received.view().raw_entry(self.received.root, slot),
            false => scan::entry(self.context.tables(), self.layout, self.records(), slot),
        }
    }

    fn run(&self, slot: u16) -> Run {
        let view = self.received.view();
        match self.has_node() {
            true => view.run(view.raw_entry(self.received.root, slot)),
            false => scan::run(self.context.tables(), self.layout, self.records(), slot),
        }
    }

    fn records(&self) -> Records<'a> {
        let bytes = self.received.bytes();
        Records::new(bytes, self.start as usize, self.end as usize)
    }
}

#[inline(always)]
pub(super) fn number_at(received: &Received, field_type: FieldType, mut at: usize) -> u64 {
    wire::number(field_type, received.bytes(), &mut at).unwrap_or_default()
}

#[inline(always)]
pub(super) fn text_at(received: &Received, at: usize) -> &str {
    utf8::text(bytes_at(received, at))
}

#[inline(always)]
pub(super) fn bytes_at(received: &Received, at: usize) -> &[u8] {
    wire::delimited_at(received.bytes(), at)
}

pub(super) fn default_bits(layout: &Layout, slot: u16) -> u64 {
    match layout.info(slot).default {
        Default::Bits(bits) => bits,
        _ => 0,
    }
}

pub(super) fn default_text(layout: &Layout, slot: u16) -> &str {
    match &layout.info(slot).default {
        Default::Text(text) => text,
        _ => "",
    }
}

pub(super) fn default_bytes(layout: &Layout, slot: u16) -> &[u8] {
    match &layout.info(slot).default {
        Default::Bytes(bytes) => bytes,
        _ => &[],
    }
}
