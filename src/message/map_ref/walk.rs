//! A walk over the entries of a map in the bytes of its message.

use super::{Entries, KEY_NUMBER, VALUE_NUMBER};
use crate::{
    message::{
        MapKeyRef, ValueRef,
        received::{Node, Run},
        wire,
    },
    schema::layout::FieldType,
};

/// A walk over the entries in the bytes, replaced ones included.
#[derive(Clone)]
pub(in crate::message) struct Walk {
    /// The next entry, or what stands before it.
    at: usize,
    /// The last entry's key in the message.
    pub(in crate::message) entry_at: usize,
    /// Where the message ends.
    end: usize,
    left: usize,
    /// The next value's that has a node.
    node: Node,
}

impl Walk {
    pub(super) fn new(map: &Entries<'_>, run: Run) -> Self {
        let (_, end) = map.message.range();
        Self {
            at: run.first as usize,
            entry_at: 0,
            end,
            left: run.count as usize,
            node: run.node,
        }
    }

    #[inline]
    pub(in crate::message) fn next<'a>(
        &mut self,
        map: &Entries<'a>,
    ) -> Option<(MapKeyRef<'a>, ValueRef<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let bytes = map.message.view().bytes.get(..self.end)?;
        loop {
            self.entry_at = self.at;
            let key = wire::key(bytes, &mut self.at)?;
            if key != map.field.key {
                wire::skip(bytes, &mut self.at, key, usize::MAX).ok()?;
                continue;
            }
            let end = wire::length(bytes, &mut self.at)?;
            let entry = self.read(map, &bytes[..end]);
            self.at = end;
            if entry.is_some() {
                return entry;
            }
        }
    }

    /// The entry whose key in the message is at a place.
    pub(in crate::message) fn read_at<'a>(
        &mut self,
        map: &Entries<'a>,
        at: u32,
    ) -> Option<(MapKeyRef<'a>, ValueRef<'a>)> {
        self.at = at as usize;
        self.left = 1;
        self.next(map)
    }

    /// Reads the entry at the end of these bytes; `None` if it is an unknown field.
    #[inline]
    fn read<'a>(
        &mut self,
        map: &Entries<'a>,
        bytes: &'a [u8],
    ) -> Option<(MapKeyRef<'a>, ValueRef<'a>)> {
        let (mut key, mut value) = (None, None);
        while self.at < bytes.len() {
            let part = wire::key(bytes, &mut self.at)?;
            match part >> 3 {
                KEY_NUMBER => key = Some(read_key(map.key.field_type, bytes, &mut self.at)?),
                VALUE_NUMBER => value = Some(self.read_value(map, bytes)?),
                _ => wire::skip(bytes, &mut self.at, part, usize::MAX).ok()?,
            }
        }
        let key = key.unwrap_or_else(|| MapKeyRef::default_of(map.key.field_type));
        let value = value.unwrap_or_else(|| ValueRef::default_of(map.message, map.value));
        match (value, map.value.field_type) {
            (ValueRef::Enum(number), FieldType::ClosedEnum) => {
                let values = map.message.tables().enum_layout(map.value.inner);
                values.name(number).map(|_| (key, value))
            }
            _ => Some((key, value)),
        }
    }

    #[inline]
    fn read_value<'a>(&mut self, map: &Entries<'a>, bytes: &'a [u8]) -> Option<ValueRef<'a>> {
        let at = &mut self.at;
        Some(match map.value.field_type {
            FieldType::Message | FieldType::Group => {
                self.node = map.message.view().skip_to(self.node, *at);
                let (value, after) = map.message.message_at(map.value, *at, self.node);
                *at = after;
                ValueRef::Message(value)
            }
            FieldType::String => {
                let text = wire::delimited(bytes, at)?;
                ValueRef::Str(std::str::from_utf8(text).unwrap_or_default())
            }
            FieldType::Bytes => ValueRef::Bytes(wire::delimited(bytes, at)?),
            number => ValueRef::of_bits(number, wire::number(number, bytes, at)?),
        })
    }
}

fn read_key<'a>(field_type: FieldType, bytes: &'a [u8], at: &mut usize) -> Option<MapKeyRef<'a>> {
    if field_type == FieldType::String {
        let text = wire::delimited(bytes, at)?;
        return Some(MapKeyRef::Str(
            std::str::from_utf8(text).unwrap_or_default(),
        ));
    }
    Some(MapKeyRef::of_bits(
        field_type,
        wire::number(field_type, bytes, at)?,
    ))
}
