//! An element of a received list by its index.

use super::walk::Walk;
use crate::{
    message::{MessageRef, ValueRef, index::Index, received::Run, wire},
    schema::layout::{FieldLayout, WireType},
};

/// The element at an index of a received list.
pub(super) fn element<'a>(
    message: MessageRef<'a>,
    field: &'a FieldLayout,
    run: Run,
    index: usize,
) -> Option<ValueRef<'a>> {
    if index >= run.count as usize {
        return None;
    }
    let bytes = message.view().bytes;
    if let Some(packed) = Walk::new(run).packed_rest(bytes, field)
        && let Some(mut at) = place(message, field, run, packed, index)
    {
        let bits = wire::number(field.field_type, packed, &mut at)?;
        return Some(ValueRef::of_bits(field.field_type, bits));
    }
    let step = step(field);
    let mut walk = Walk::new(run);
    if index >= step {
        let stops = || Index::List(stops(message, field, run, step));
        let Index::List(stops) = message.received().index(run.first, stops)? else {
            return None;
        };
        walk = *stops.get(index / step)?;
    }
    walk.skip(message, field, index % step)?;
    walk.next(message, field)
}

/// Where an element is in a packed list that is the whole list; `None` if it is not.
#[inline]
fn place(
    message: MessageRef<'_>,
    field: &FieldLayout,
    run: Run,
    packed: &[u8],
    index: usize,
) -> Option<usize> {
    let count = run.count as usize;
    let width = match field.field_type.wire_type() {
        WireType::I32 => 4,
        WireType::I64 => 8,
        _ if index < PACKED_STEP => {
            let (at, left) = wire::skip_varints(packed, 0, index);
            return (left == 0 && at < packed.len()).then_some(at);
        }
        _ => {
            let places = || places(packed, count);
            let whole = message.received().index(run.first, || match places() {
                Some(places) => Index::Packed(places),
                None => Index::List(stops(message, field, run, step(field))),
            })?;
            let Index::Packed(places) = whole else {
                return None;
            };
            let stop = *places.get(index / PACKED_STEP)? as usize;
            return Some(wire::skip_varints(packed, stop, index % PACKED_STEP).0);
        }
    };
    (packed.len() == width * count).then_some(width * index)
}

/// Where each [`PACKED_STEP`]th varint is, if there are so many.
fn places(packed: &[u8], count: usize) -> Option<Box<[u32]>> {
    let (mut at, mut places) = (0, Vec::with_capacity(count.div_ceil(PACKED_STEP)));
    for element in (0..count).step_by(PACKED_STEP) {
        places.push(at as u32);
        let left;
        (at, left) = wire::skip_varints(packed, at, PACKED_STEP.min(count - element));
        if left > 0 {
            return None;
        }
    }
    (at == packed.len()).then(|| places.into())
}

/// Where each of the elements is that there are so many from one to the next.
fn stops(message: MessageRef<'_>, field: &FieldLayout, run: Run, step: usize) -> Box<[Walk]> {
    let mut walk = Walk::new(run);
    let mut stops = Vec::with_capacity((run.count as usize).div_ceil(step));
    stops.push(walk);
    for _ in 1..(run.count as usize).div_ceil(step) {
        if walk.skip(message, field, step).is_none() {
            break;
        }
        stops.push(walk);
    }
    stops.into()
}

/// How many elements there are from one stop to the next. Numbers take a byte, and are passed eight at a
/// time; anything else takes at least two.
fn step(field: &FieldLayout) -> usize {
    match field.field_type.is_number() {
        true => 64,
        false => 16,
    }
}

/// The same in a list that is packed as a whole.
const PACKED_STEP: usize = 32;
