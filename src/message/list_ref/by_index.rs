//! An element of a received list by its index.

use super::walk::Walk;
use crate::{
    message::{
        MessageRef, ValueRef,
        index::Index,
        received::{Received, Run},
        wire,
    },
    schema::layout::{FieldLayout, FieldType, WireType},
};

/// The element at an index of a received list.
#[inline(always)]
pub(super) fn element<'a>(
    message: MessageRef<'a>,
    field: &'a FieldLayout,
    run: Run,
    index: usize,
) -> Option<ValueRef<'a>> {
    if index >= run.count as usize {
        return None;
    }
    let received = message.received();
    match place(received, field, run, index) {
        Some(mut at) => {
            let bits = wire::number(field.field_type, received.bytes(), &mut at)?;
            Some(ValueRef::of_bits(field.field_type, bits))
        }
        None => walk_to(message, field, run, index),
    }
}

/// Where an element is, if that is known without a walk: in a list that is packed as a whole, one of
/// whose elements behind its front was asked for before.
#[inline(always)]
fn place(received: &Received, field: &FieldLayout, run: Run, index: usize) -> Option<usize> {
    if index < PACKED_STEP {
        return None;
    }
    let Index::Packed(places) = received.known_index(run.first)? else {
        return None;
    };
    match field.field_type.wire_type() {
        WireType::I32 => Some(*places.first()? as usize + 4 * index),
        WireType::I64 => Some(*places.first()? as usize + 8 * index),
        _ => {
            let place = *places.get(index / PACKED_STEP)? as usize;
            Some(wire::skip_varints(received.bytes(), place, index % PACKED_STEP).0)
        }
    }
}

/// Where the packed list begins and ends that a list begins with, if all numbers in it count.
fn packed(bytes: &[u8], field: &FieldLayout, run: Run) -> Option<(usize, usize)> {
    let mut at = run.first as usize;
    let key = wire::key(bytes, &mut at)?;
    if key != field.number << 3 | WireType::Len as u32
        || !field.field_type.is_number()
        || field.field_type == FieldType::ClosedEnum
    {
        return None;
    }
    let end = wire::length(bytes, &mut at)?;
    Some((at, end))
}

/// Walks to an element from the last place before it that is known; from then on there are some.
#[inline(never)]
fn walk_to<'a>(
    message: MessageRef<'a>,
    field: &'a FieldLayout,
    run: Run,
    index: usize,
) -> Option<ValueRef<'a>> {
    let (mut walk, mut ahead) = (Walk::new(run), index);
    let (received, step) = (message.received(), step(field));
    if index >= step {
        let places = || places(received.bytes(), field, run).map(Index::Packed);
        let stops = || Index::List(stops(message, field, run, step));
        match received.index(run.first, || places().unwrap_or_else(stops))? {
            Index::List(stops) => (walk, ahead) = (*stops.get(index / step)?, index % step),
            Index::Packed(_) => {
                let mut at = place(received, field, run, index)?;
                let bits = wire::number(field.field_type, received.bytes(), &mut at)?;
                return Some(ValueRef::of_bits(field.field_type, bits));
            }
            Index::Map(_) => return None,
        }
    }
    walk.skip(message, field, ahead)?;
    walk.next(message, field)
}

/// Where in a list that is packed as a whole its elements are: each [`PACKED_STEP`]th varint, or the
/// first of those that are all of one length.
fn places(bytes: &[u8], field: &FieldLayout, run: Run) -> Option<Box<[u32]>> {
    let (mut at, end) = packed(bytes, field, run)?;
    let count = run.count as usize;
    let width = match field.field_type.wire_type() {
        WireType::I32 => 4,
        WireType::I64 => 8,
        _ => 0,
    };
    if width > 0 {
        return (end - at == width * count).then(|| [at as u32].into());
    }
    let mut places = Vec::with_capacity(count.div_ceil(PACKED_STEP));
    for element in (0..count).step_by(PACKED_STEP) {
        places.push(at as u32);
        let left;
        (at, left) = wire::skip_varints(&bytes[..end], at, PACKED_STEP.min(count - element));
        if left > 0 {
            return None;
        }
    }
    (at == end).then(|| places.into())
}

/// Walks that have come to each of the elements that there are so many from one to the next.
fn stops(message: MessageRef<'_>, field: &FieldLayout, run: Run, step: usize) -> Box<[Walk]> {
    let count = (run.count as usize).div_ceil(step);
    let mut walk = Walk::new(run);
    let mut stops = Vec::with_capacity(count);
    stops.push(walk);
    while stops.len() < count && walk.skip(message, field, step).is_some() {
        stops.push(walk);
    }
    stops.into()
}

/// How many elements there are from one stop to the next. Single numbers take as little as two bytes, of
/// which a packed list has more.
fn step(field: &FieldLayout) -> usize {
    match field.field_type.is_number() {
        true => PACKED_STEP,
        false => 16,
    }
}

/// The same in a list that is packed as a whole.
const PACKED_STEP: usize = 32;
