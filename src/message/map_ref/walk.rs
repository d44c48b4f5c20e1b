//! A walk over the entries of a map in the bytes of its message.

use super::{Entries, KEY_NUMBER, VALUE_NUMBER};
use crate::{
    message::{
        MapKeyRef, ValueRef,
        index::MapIndex,
        map_keys::Keys,
        received::{Node, Run},
        scan::Records,
        utf8, wire,
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
        match map.are_texts() {
            true => self.next_text(map).or_else(|| self.next_any(map)),
            false => self.next_any(map),
        }
    }

    /// Folds the entries that are left.
    #[inline]
    pub(super) fn fold<'a, B>(
        mut self,
        map: &Entries<'a>,
        init: B,
        mut f: impl FnMut(B, (MapKeyRef<'a>, ValueRef<'a>)) -> B,
    ) -> B {
        let (are_texts, mut all) = (map.are_texts(), init);
        for _ in 0..self.left {
            let text = if are_texts { self.next_text(map) } else { None };
            let Some(entry) = text.or_else(|| self.next_any(map)) else {
                break;
            };
            all = f(all, entry);
        }
        all
    }

    /// The next entry of two short strings, if it is the next field, as encoders write it: the key and
    /// then the value.
    #[inline(always)]
    fn next_text<'a>(&mut self, map: &Entries<'a>) -> Option<(MapKeyRef<'a>, ValueRef<'a>)> {
        let rest = map.message.view().bytes.get(self.at..)?;
        let (entry, _) = wire::short(rest, map.field.key)?;
        let (key, rest) = wire::short(entry, map.key.key)?;
        let (value, rest) = wire::short(rest, map.value.key)?;
        if !rest.is_empty() {
            return None;
        }
        self.entry_at = self.at;
        self.at += 2 + entry.len();
        Some((
            MapKeyRef::Str(utf8::text(key)),
            ValueRef::Str(utf8::text(value)),
        ))
    }

    #[inline(never)]
    fn next_any<'a>(&mut self, map: &Entries<'a>) -> Option<(MapKeyRef<'a>, ValueRef<'a>)> {
        let bytes = map.message.view().bytes.get(..self.end)?;
        let mut at = self.at;
        loop {
            self.entry_at = at;
            let key = wire::key(bytes, &mut at)?;
            if key != map.field.key {
                at = wire::skipped(bytes, at, key)?;
                continue;
            }
            let end = wire::length(bytes, &mut at)?;
            let entry = self.read(map, &bytes[..end], at);
            at = end;
            if entry.is_some() {
                self.at = at;
                return entry;
            }
        }
    }

    /// The entry whose key in the message is at a place. A value's node is not before that which the
    /// walk has come to.
    pub(in crate::message) fn read_at<'a>(
        &mut self,
        map: &Entries<'a>,
        at: u32,
    ) -> Option<(MapKeyRef<'a>, ValueRef<'a>)> {
        self.at = at as usize;
        self.left = 1;
        self.next(map)
    }

    pub(super) fn at_node(self, node: Node) -> Self {
        Self { node, ..self }
    }

    /// Reads the entry at the end of these bytes; `None` if it is an unknown field.
    #[inline]
    fn read<'a>(
        &mut self,
        map: &Entries<'a>,
        bytes: &'a [u8],
        start: usize,
    ) -> Option<(MapKeyRef<'a>, ValueRef<'a>)> {
        // As encoders write it: the key and then the value, both with keys of one byte.
        let mut at = start;
        if bytes.get(at).copied().map(u32::from) == Some(map.key.key)
            && map.value.field_type != FieldType::ClosedEnum
        {
            at += 1;
            let key = read_key(map.key.field_type, bytes, &mut at)?;
            if bytes.get(at).copied().map(u32::from) == Some(map.value.key) {
                at += 1;
                let value = self.read_value(map, bytes, &mut at)?;
                if at == bytes.len() {
                    return Some((key, value));
                }
            }
        }
        self.read_any(map, bytes, start)
    }

    /// Reads an entry whose parts stand in any order, any number of times, or not at all.
    #[cold]
    fn read_any<'a>(
        &mut self,
        map: &Entries<'a>,
        bytes: &'a [u8],
        mut at: usize,
    ) -> Option<(MapKeyRef<'a>, ValueRef<'a>)> {
        let (mut key, mut value) = (None, None);
        while at < bytes.len() {
            let part = wire::key(bytes, &mut at)?;
            match part >> 3 {
                KEY_NUMBER => key = Some(read_key(map.key.field_type, bytes, &mut at)?),
                VALUE_NUMBER => value = Some(self.read_value(map, bytes, &mut at)?),
                _ => at = wire::skipped(bytes, at, part)?,
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
    fn read_value<'a>(
        &mut self,
        map: &Entries<'a>,
        bytes: &'a [u8],
        at: &mut usize,
    ) -> Option<ValueRef<'a>> {
        Some(match map.value.field_type {
            FieldType::String => {
                let text = wire::delimited(bytes, at)?;
                ValueRef::Str(utf8::text(text))
            }
            FieldType::Bytes => ValueRef::Bytes(wire::delimited(bytes, at)?),
            FieldType::Message | FieldType::Group => {
                let node = map.message.view().skip_to(self.node, *at);
                self.node = node;
                let (value, after) = map.message.message_at(map.value, *at, &mut self.node);
                *at = after;
                ValueRef::Message(value)
            }
            number => ValueRef::of_bits(number, wire::number(number, bytes, at)?),
        })
    }
}

impl<'a> Entries<'a> {
    /// Whether keys and values are strings.
    #[inline]
    fn are_texts(&self) -> bool {
        self.key.field_type == FieldType::String && self.value.field_type == FieldType::String
    }

    /// The key of the entry whose key in the message is at a place.
    pub(in crate::message) fn key_at(&self, entry: u32) -> Option<MapKeyRef<'a>> {
        let bytes = self.message.view().bytes;
        let mut at = entry as usize;
        wire::key(bytes, &mut at)?;
        let end = wire::length(bytes, &mut at)?;
        let mut found = None;
        for part in Records::new(bytes, at, end).filter(|part| part.key >> 3 == KEY_NUMBER) {
            let mut at = part.value_at;
            found = Some(read_key(self.key.field_type, bytes, &mut at)?);
        }
        found.or_else(|| Some(MapKeyRef::default_of(self.key.field_type)))
    }

    /// The first of these nodes, which stand in their order, behind a place.
    pub(in crate::message) fn node_behind(&self, nodes: &[Node], place: u32) -> Node {
        let view = self.message.view();
        let index = nodes.partition_point(|node| view.range(*node).0 < place as usize);
        nodes.get(index).copied().unwrap_or_default()
    }

    /// The nodes of the values, from one on.
    fn nodes(&self, mut node: Node) -> Box<[Node]> {
        let mut nodes = Vec::new();
        while node.exists() {
            nodes.push(node);
            node = self.message.view().next(node);
        }
        nodes.into()
    }

    pub(super) fn index(&self, run: Run) -> MapIndex {
        MapIndex {
            keys: Keys::of(self, Walk::new(self, run)).0,
            nodes: self.nodes(run.node),
        }
    }
}

#[inline]
fn read_key<'a>(field_type: FieldType, bytes: &'a [u8], at: &mut usize) -> Option<MapKeyRef<'a>> {
    if field_type == FieldType::String {
        let text = wire::delimited(bytes, at)?;
        return Some(MapKeyRef::Str(utf8::text(text)));
    }
    Some(MapKeyRef::of_bits(
        field_type,
        wire::number(field_type, bytes, at)?,
    ))
}
