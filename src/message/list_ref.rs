//! A repeated field, borrowed.

use std::fmt;

use super::{
    MessageRef, ValueRef,
    body::Slot,
    equality::is_same_list,
    index::{STEP, Stop},
    message_ref::HeldRun,
    received::Node,
    scan::{self, is_len},
    wire,
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
    fn fold<B, F: FnMut(B, ValueRef<'a>) -> B>(mut self, init: B, mut f: F) -> B {
        let mut all = init;
        if let Source::Received(walk) = &self.source
            && self.field.field_type.is_message()
        {
            let mut walk = walk.clone();
            for _ in 0..self.left {
                let Some(message) = walk.next_message(self.message, self.field) else {
                    break;
                };
                all = f(all, ValueRef::Message(message));
            }
            return all;
        }
        while self.left > 0 {
            if let Some(packed) = self.packed_rest() {
                let (folded, count) = fold_packed(self.field.field_type, packed, all, &mut f);
                all = folded;
                self.left = self.left.saturating_sub(count);
                continue;
            }
            let Some(value) = self.next() else { break };
            all = f(all, value);
        }
        all
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
        let field_type = self.field.field_type;
        if let Some(packed) = self.clone().packed_rest()
            && let width @ (4 | 8) = packed.len() / self.left
            && field_type.wire_type() != WireType::Varint
            && packed.len() == width * self.left
        {
            let mut at = width * index;
            let bits = wire::number(field_type, packed, &mut at)?;
            return Some(ValueRef::of_bits(field_type, bits));
        }
        let received = self.message.received();
        let Source::Received(walk) = &mut self.source else {
            return None;
        };
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

    /// What is left of the packed list that the walk is in or comes to, all of whose elements count.
    fn packed_rest(&mut self) -> Option<&'a [u8]> {
        let field_type = self.field.field_type;
        let Source::Received(walk) = &mut self.source else {
            return None;
        };
        if !field_type.is_number() || field_type == FieldType::ClosedEnum {
            return None;
        }
        let bytes = self.message.view().bytes;
        if walk.at >= walk.packed_end {
            let mut at = walk.at;
            let key = wire::key(bytes, &mut at)?;
            if key != self.field.number << 3 | WireType::Len as u32 {
                return None;
            }
            walk.packed_end = wire::length(bytes, &mut at)?;
            walk.at = at;
        }
        let packed = bytes.get(walk.at..walk.packed_end)?;
        walk.at = walk.packed_end;
        Some(packed)
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
                    return Some(ValueRef::Str(std::str::from_utf8(text).unwrap_or_default()));
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

/// Folds the elements of a packed list; says how many there are.
fn fold_packed<'a, B>(
    field_type: FieldType,
    packed: &[u8],
    init: B,
    f: &mut impl FnMut(B, ValueRef<'a>) -> B,
) -> (B, usize) {
    use ValueRef::{Bool, Enum, F32, F64, I32, I64, U32, U64};
    match field_type {
        FieldType::Double => fixed(packed, init, |all, le| f(all, F64(f64::from_le_bytes(le)))),
        FieldType::Fixed64 => fixed(packed, init, |all, le| f(all, U64(u64::from_le_bytes(le)))),
        FieldType::Sfixed64 => fixed(packed, init, |all, le| f(all, I64(i64::from_le_bytes(le)))),
        FieldType::Float => fixed(packed, init, |all, le| f(all, F32(f32::from_le_bytes(le)))),
        FieldType::Fixed32 => fixed(packed, init, |all, le| f(all, U32(u32::from_le_bytes(le)))),
        FieldType::Sfixed32 => fixed(packed, init, |all, le| f(all, I32(i32::from_le_bytes(le)))),
        FieldType::Int32 => varints(packed, init, |all, raw| f(all, I32(raw as i32))),
        FieldType::Uint32 => varints(packed, init, |all, raw| f(all, U32(raw as u32))),
        FieldType::Int64 => varints(packed, init, |all, raw| f(all, I64(raw as i64))),
        FieldType::Uint64 => varints(packed, init, |all, raw| f(all, U64(raw))),
        FieldType::Bool => varints(packed, init, |all, raw| f(all, Bool(raw != 0))),
        FieldType::Enum | FieldType::ClosedEnum => {
            varints(packed, init, |all, raw| f(all, Enum(raw as i32)))
        }
        FieldType::Sint32 => varints(packed, init, |all, raw| {
            f(all, I32(wire::from_varint(FieldType::Sint32, raw) as i32))
        }),
        FieldType::Sint64 => varints(packed, init, |all, raw| {
            f(all, I64(wire::from_varint(FieldType::Sint64, raw) as i64))
        }),
        // No list of them is packed.
        FieldType::String | FieldType::Bytes | FieldType::Message | FieldType::Group => (init, 0),
    }
}

#[inline]
fn fixed<B, const N: usize>(
    packed: &[u8],
    init: B,
    mut f: impl FnMut(B, [u8; N]) -> B,
) -> (B, usize) {
    let (elements, _) = packed.as_chunks::<N>();
    let all = elements.iter().fold(init, |all, element| f(all, *element));
    (all, elements.len())
}

#[inline]
fn varints<B>(packed: &[u8], init: B, mut f: impl FnMut(B, u64) -> B) -> (B, usize) {
    let (mut at, mut count, mut all) = (0, 0, init);
    while let Some(raw) = wire::varint(packed, &mut at) {
        all = f(all, raw);
        count += 1;
    }
    (all, count)
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
