//! A repeated field, borrowed.

use std::fmt;

use super::{
    MessageRef, ValueRef,
    body::Slot,
    equality::is_same_list,
    message_ref::HeldRun,
    received::Node,
    scan::{self, is_len},
    wire,
};
use crate::schema::layout::{FieldLayout, FieldType};

/// The elements of a repeated field.
#[derive(Clone, Copy)]
pub struct ListRef<'a> {
    message: MessageRef<'a>,
    slot: u16,
    run: HeldRun<'a>,
}

impl<'a> ListRef<'a> {
    #[inline]
    pub(super) fn new(message: MessageRef<'a>, slot: u16) -> Self {
        Self {
            message,
            slot,
            run: message.held_run(slot),
        }
    }

    /// The message that it is a field of.
    pub(super) fn message(self) -> MessageRef<'a> {
        self.message
    }

    pub(super) fn field(self) -> &'a FieldLayout {
        self.message.layout.field(self.slot)
    }

    /// How many elements there are.
    pub fn len(self) -> usize {
        match self.run {
            HeldRun::Received(run) => run.count as usize,
            HeldRun::Set(Slot::Numbers(items)) => items.len(),
            HeldRun::Set(Slot::Values(items)) => items.len(),
            HeldRun::Set(_) => 0,
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element at an index. In a received message the elements before it are walked over, but for
    /// those of fixed width in a packed list: to see all of them, iterate.
    pub fn get(self, index: usize) -> Option<ValueRef<'a>> {
        self.iter().nth(index)
    }

    /// All elements, in order.
    #[inline]
    pub fn iter(self) -> ListIter<'a> {
        let (left, source) = match self.run {
            HeldRun::Received(run) => {
                let walk = Walk {
                    at: run.first as usize,
                    packed_end: 0,
                    node: run.node,
                };
                (run.count as usize, Source::Received(walk))
            }
            HeldRun::Set(Slot::Numbers(items)) => (items.len(), Source::Numbers(items)),
            HeldRun::Set(Slot::Values(items)) => (items.len(), Source::Values(items)),
            HeldRun::Set(_) => (0, Source::Values(&[])),
        };
        ListIter {
            message: self.message,
            field: self.field(),
            left,
            source,
        }
    }
}

impl<'a> IntoIterator for ListRef<'a> {
    type Item = ValueRef<'a>;
    type IntoIter = ListIter<'a>;

    fn into_iter(self) -> ListIter<'a> {
        self.iter()
    }
}

impl PartialEq for ListRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        is_same_list(*self, *other)
    }
}

impl fmt::Debug for ListRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterates over the elements of a [`ListRef`].
#[derive(Clone)]
pub struct ListIter<'a> {
    message: MessageRef<'a>,
    field: &'a FieldLayout,
    left: usize,
    source: Source<'a>,
}

#[derive(Clone)]
enum Source<'a> {
    Received(Walk),
    Numbers(&'a [u64]),
    Values(&'a [Slot]),
}

/// A walk over the elements in the bytes.
#[derive(Clone)]
struct Walk {
    at: usize,
    /// Where the packed list ends that the walk is in.
    packed_end: usize,
    /// The next element's that has a node.
    node: Node,
}

impl<'a> Iterator for ListIter<'a> {
    type Item = ValueRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.source {
            Source::Received(walk) => {
                if walk.at < walk.packed_end && self.field.field_type != FieldType::ClosedEnum {
                    let bytes = self.message.received().bytes();
                    let bits = wire::number(self.field.field_type, bytes, &mut walk.at)?;
                    return Some(ValueRef::of_bits(self.field.field_type, bits));
                }
                walk.next(self.message, self.field)
            }
            Source::Numbers(items) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(ValueRef::of_bits(self.field.field_type, *first))
            }
            Source::Values(items) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(ValueRef::of_slot(self.message, self.field, first))
            }
        }
    }

    fn nth(&mut self, index: usize) -> Option<ValueRef<'a>> {
        let skipped = index.min(self.left);
        match &mut self.source {
            Source::Numbers(items) => *items = items.get(skipped..)?,
            Source::Values(items) => *items = items.get(skipped..)?,
            Source::Received(_) => {
                for _ in 0..skipped {
                    self.next()?;
                }
                return self.next();
            }
        }
        self.left -= skipped;
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ListIter<'_> {}

impl Walk {
    /// The next element, over other fields that stand between, and over values that are unknown.
    fn next<'a>(
        &mut self,
        message: MessageRef<'a>,
        field: &'a FieldLayout,
    ) -> Option<ValueRef<'a>> {
        let bytes = message.received().bytes();
        loop {
            if self.at < self.packed_end {
                let bits = wire::number(field.field_type, bytes, &mut self.at)?;
                match is_named(message, field, bits) {
                    true => return Some(ValueRef::of_bits(field.field_type, bits)),
                    false => continue,
                }
            }
            let key = wire::key(bytes, &mut self.at)?;
            if key >> 3 != field.number {
                wire::skip(bytes, &mut self.at, key, usize::MAX).ok()?;
                continue;
            }
            match field.field_type {
                FieldType::String => {
                    let text = wire::delimited(bytes, &mut self.at)?;
                    return Some(ValueRef::Str(std::str::from_utf8(text).unwrap_or_default()));
                }
                FieldType::Bytes => {
                    return Some(ValueRef::Bytes(wire::delimited(bytes, &mut self.at)?));
                }
                FieldType::Message | FieldType::Group => {
                    let (element, after) = message.message_at(field, self.at, self.node);
                    if element.has_node() {
                        self.node = message.received().next(self.node);
                    }
                    self.at = after;
                    return Some(ValueRef::Message(element));
                }
                _ if is_len(key) => self.packed_end = wire::length(bytes, &mut self.at)?,
                number => {
                    let bits = wire::number(number, bytes, &mut self.at)?;
                    if is_named(message, field, bits) {
                        return Some(ValueRef::of_bits(number, bits));
                    }
                }
            }
        }
    }
}

fn is_named(message: MessageRef<'_>, field: &FieldLayout, bits: u64) -> bool {
    let values = scan::closed_enum(message.tables(), field);
    values.is_none_or(|values| values.name(bits as i32).is_some())
}

impl fmt::Debug for ListIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
