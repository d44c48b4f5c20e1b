//! A repeated field, borrowed.

mod packed;

use std::fmt;

use packed::fold_packed;

use super::{
    MessageRef, ValueRef,
    body::Slot,
    equality::is_same_list,
    index::{STEP, Stop},
    message_ref::HeldRun,
    received::Node,
    scan::{self, is_len},
    utf8, wire,
};
use crate::schema::layout::{FieldLayout, FieldType, WireType};

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

    /// The element at an index. The first time, it is noted where the elements of a long received list
    /// are. To see all of them, iterate.
    pub fn get(self, index: usize) -> Option<ValueRef<'a>> {
        let mut elements = self.iter();
        if index >= STEP && index < elements.left && matches!(elements.source, Source::Received(_))
        {
            return elements.leap(index);
        }
        elements.nth(index)
    }

    /// All elements, in order.
    #[inline]
    pub fn iter(self) -> ListIter<'a> {
        let (left, source) = match self.message.held_run(self.slot) {
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
                    let bytes = self.message.view().bytes;
                    let bits = wire::number(self.field.field_type, bytes, &mut walk.at)?;
                    return Some(ValueRef::of_bits(self.field.field_type, bits));
                }
                if self.field.field_type.is_message() {
                    let element = walk.next_message(self.message, self.field);
                    return element.map(ValueRef::Message);
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
                        all = f(all, ValueRef::Message(element));
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

impl<'a> ListIter<'a> {
    /// The element at an index of a received list.
    fn leap(mut self, index: usize) -> Option<ValueRef<'a>> {
        let Source::Received(walk) = &mut self.source else {
            return None;
        };
        let field_type = self.field.field_type;
        let packed = walk
            .clone()
            .packed_rest(self.message.view().bytes, self.field);
        if let Some(packed) = packed
            && let width @ (4 | 8) = packed.len() / self.left
            && field_type.wire_type() != WireType::Varint
            && packed.len() == width * self.left
        {
            let mut at = width * index;
            let bits = wire::number(field_type, packed, &mut at)?;
            return Some(ValueRef::of_bits(field_type, bits));
        }
        let received = self.message.received();
        let start = (self.message, self.field, self.left, walk.clone());
        let stop = received
            .indexes
            .stop(walk.at as u32, index, move || stops(start))?;
        *walk = Walk {
            at: stop.at as usize,
            packed_end: stop.packed_end as usize,
            node: stop.node,
        };
        self.left -= index / STEP * STEP;
        self.nth(index % STEP)
    }
}

impl Walk {
    /// The next element, over other fields that stand between, and over values that are unknown.
    fn next<'a>(
        &mut self,
        message: MessageRef<'a>,
        field: &'a FieldLayout,
    ) -> Option<ValueRef<'a>> {
        let bytes = message.view().bytes;
        loop {
            if self.at < self.packed_end {
                let bits = wire::number(field.field_type, bytes, &mut self.at)?;
                match is_named(message, field, bits) {
                    true => return Some(ValueRef::of_bits(field.field_type, bits)),
                    false => continue,
                }
            }
            if field.field_type.is_message() {
                return self.next_message(message, field).map(ValueRef::Message);
            }
            let key = self.next_key(bytes, field)?;
            match field.field_type {
                FieldType::String => {
                    let text = wire::delimited(bytes, &mut self.at)?;
                    return Some(ValueRef::Str(utf8::text(text)));
                }
                FieldType::Bytes => {
                    return Some(ValueRef::Bytes(wire::delimited(bytes, &mut self.at)?));
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

impl Walk {
    /// What is left of the packed list that the walk is in or comes to, all of whose elements count.
    fn packed_rest<'a>(&mut self, bytes: &'a [u8], field: &FieldLayout) -> Option<&'a [u8]> {
        if !field.field_type.is_number() || field.field_type == FieldType::ClosedEnum {
            return None;
        }
        let (mut at, mut end) = (self.at, self.packed_end);
        if at >= end {
            let key = wire::key(bytes, &mut at)?;
            if key != field.number << 3 | WireType::Len as u32 {
                return None;
            }
            end = wire::length(bytes, &mut at)?;
        }
        (self.at, self.packed_end) = (end, end);
        bytes.get(at..end)
    }

    /// The key of the next element, over other fields that stand between.
    #[inline]
    fn next_key(&mut self, bytes: &[u8], field: &FieldLayout) -> Option<u32> {
        let mut at = self.at;
        loop {
            let key = wire::key(bytes, &mut at)?;
            if key >> 3 == field.number {
                self.at = at;
                return Some(key);
            }
            at = wire::skipped(bytes, at, key)?;
        }
    }

    /// The next element of a list of messages.
    #[inline]
    fn next_message<'a>(
        &mut self,
        message: MessageRef<'a>,
        field: &'a FieldLayout,
    ) -> Option<MessageRef<'a>> {
        self.next_key(message.view().bytes, field)?;
        let (element, after) = message.message_at(field, self.at, &mut self.node);
        self.at = after;
        Some(element)
    }
}

/// Where each [`STEP`]th element of a list is.
fn stops(
    (message, field, count, mut walk): (MessageRef<'_>, &FieldLayout, usize, Walk),
) -> Box<[Stop]> {
    let mut stops = Vec::with_capacity(count.div_ceil(STEP));
    for element in 0..count {
        if element % STEP == 0 {
            stops.push(Stop {
                at: walk.at as u32,
                packed_end: walk.packed_end as u32,
                node: walk.node,
            });
        }
        if walk.next(message, field).is_none() {
            break;
        }
    }
    stops.into()
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
