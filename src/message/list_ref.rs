//! A repeated field, borrowed.

mod by_index;
mod packed;
mod walk;

use std::fmt;

use packed::fold_packed;
pub(super) use walk::Walk;

use super::{MessageRef, ValueRef, body::Slot, equality::is_same_list, message_ref::HeldRun};
use crate::schema::layout::{FieldLayout, FieldType};

/// The elements of a repeated field.
#[derive(Clone, Copy)]
pub struct ListRef<'a> {
    message: MessageRef<'a>,
    slot: u16,
}

impl<'a> ListRef<'a> {
    #[inline]
    pub(super) fn new(message: MessageRef<'a>, slot: u16) -> Self {
        Self { message, slot }
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
        match self.message.held_run(self.slot) {
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

    /// The element at an index. The first time that it is none of the first, it is noted where the
    /// elements of a long received list are. To see all of them, iterate.
    #[inline]
    pub fn get(self, index: usize) -> Option<ValueRef<'a>> {
        match self.message.held_run(self.slot) {
            HeldRun::Received(run) => by_index::element(self.message, self.field(), run, index),
            HeldRun::Set(Slot::Numbers(items)) => {
                let bits = items.get(index)?;
                Some(ValueRef::of_bits(self.field().field_type, *bits))
            }
            HeldRun::Set(Slot::Values(items)) => {
                let item = items.get(index)?;
                Some(ValueRef::of_slot(self.message, self.field(), item))
            }
            HeldRun::Set(_) => None,
        }
    }

    /// All elements, in order.
    #[inline]
    pub fn iter(self) -> ListIter<'a> {
        let (left, source) = match self.message.held_run(self.slot) {
            HeldRun::Received(run) => (run.count as usize, Source::Received(Walk::new(run))),
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

impl<'a> Iterator for ListIter<'a> {
    type Item = ValueRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.source {
            Source::Received(walk) => {
                if walk.at < walk.packed_end && self.field.field_type != FieldType::ClosedEnum {
                    let bytes = self.message.view().bytes;
                    let bits = walk.number(bytes, self.field.field_type)?;
                    return Some(ValueRef::of_bits(self.field.field_type, bits));
                }
                if self.field.field_type.is_message() {
                    return walk.next_message(self.message, self.field);
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

    /// As iterating does, and faster: what the elements are is asked once.
    #[inline]
    fn fold<B, F: FnMut(B, ValueRef<'a>) -> B>(self, init: B, mut f: F) -> B {
        let (message, field) = (self.message, self.field);
        match self.source {
            Source::Received(mut walk) => {
                let (mut all, mut left) = (init, self.left);
                while left > 0 {
                    if field.field_type.is_message() {
                        let Some(element) = walk.next_message(message, field) else {
                            break;
                        };
                        all = f(all, element);
                    } else if let Some(packed) = walk.packed_rest(message.view().bytes, field) {
                        let (folded, count) = fold_packed(field.field_type, packed, all, &mut f);
                        all = folded;
                        left = left.saturating_sub(count);
                        continue;
                    } else {
                        let Some(element) = walk.next(message, field) else {
                            break;
                        };
                        all = f(all, element);
                    }
                    left -= 1;
                }
                all
            }
            Source::Numbers(items) => items.iter().fold(init, |all, bits| {
                f(all, ValueRef::of_bits(field.field_type, *bits))
            }),
            Source::Values(items) => items.iter().fold(init, |all, item| {
                f(all, ValueRef::of_slot(message, field, item))
            }),
        }
    }

    fn nth(&mut self, index: usize) -> Option<ValueRef<'a>> {
        let skipped = index.min(self.left);
        match &mut self.source {
            Source::Numbers(items) => *items = items.get(skipped..)?,
            Source::Values(items) => *items = items.get(skipped..)?,
            Source::Received(walk) => walk.skip(self.message, self.field, skipped)?,
        }
        self.left -= skipped;
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ListIter<'_> {}

impl fmt::Debug for ListIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
