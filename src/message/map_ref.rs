//! A map field, borrowed.

mod walk;

use std::{collections::btree_map, fmt, vec};

pub(super) use walk::Walk;

use super::{
    MapKey, MessageRef, ValueRef,
    body::Slot,
    equality::is_same_map,
    index::{Index, KEYS_MIN},
    map_keys::last_of_keys,
    message_ref::HeldRun,
    received::Run,
};
use crate::schema::layout::{FieldLayout, FieldType};

/// The entries of a map field, in no particular order.
#[derive(Clone, Copy)]
pub struct MapRef<'a> {
    message: MessageRef<'a>,
    slot: u16,
}

/// A map field with what reading its entries needs.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    message: MessageRef<'a>,
    field: &'a FieldLayout,
    key: &'a FieldLayout,
    value: &'a FieldLayout,
}

/// The key of a map's entry, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the Rust type of its name")]
pub enum MapKeyRef<'a> {
    Bool(bool),
    I32(i32),
    I64(i64),
    U32(u32),
    U64(u64),
    Str(&'a str),
}

impl<'a> MapRef<'a> {
    pub(super) fn new(message: MessageRef<'a>, slot: u16) -> Self {
        Self { message, slot }
    }

    /// The message that it is a field of.
    pub(super) fn message(self) -> MessageRef<'a> {
        self.message
    }

    #[inline]
    fn entries(self) -> Entries<'a> {
        let field = self.message.layout.field(self.slot);
        let entry = self.message.tables().layout(field.inner);
        let [key, value] = &*entry.fields else {
            unreachable!("an entry type has a key and a value, which the pool checks");
        };
        Entries {
            message: self.message,
            field,
            key,
            value,
        }
    }

    #[inline]
    fn run(self) -> HeldRun<'a> {
        self.message.held_run(self.slot)
    }

    pub(super) fn key_field(self) -> &'a FieldLayout {
        self.entries().key
    }

    pub(super) fn value_field(self) -> &'a FieldLayout {
        self.entries().value
    }

    /// How many entries there are.
    pub fn len(self) -> usize {
        self.iter().len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        match self.run() {
            HeldRun::Received(run) => run.count == 0,
            HeldRun::Set(Slot::Map(entries)) => entries.is_empty(),
            HeldRun::Set(_) => true,
        }
    }

    /// The value of a key; `None` if there is no such entry or the map has keys of another type.
    /// Integers of any type find integer keys of any type.
    ///
    /// The first time, the keys of a long received map are noted for it. To see all entries, iterate.
    pub fn get(self, key: impl Into<MapKey>) -> Option<ValueRef<'a>> {
        let key = like(self.key_field().field_type, key.into())?;
        match self.run() {
            HeldRun::Received(run) => self.find(run, MapKeyRef::from(&key)),
            HeldRun::Set(Slot::Map(entries)) => {
                let value = entries.get(&key)?;
                Some(ValueRef::of_slot(self.message, self.value_field(), value))
            }
            HeldRun::Set(_) => None,
        }
    }

    fn find(self, run: Run, wanted: MapKeyRef<'_>) -> Option<ValueRef<'a>> {
        let entries = self.entries();
        let mut walk = Walk::new(&entries, run);
        if run.count >= KEYS_MIN {
            let make = || Index::Map(entries.index(run));
            let Index::Map(index) = self.message.received().index(run.first, make)? else {
                return None;
            };
            let entry = index.keys.get(&entries, wanted)?;
            let node = entries.node_behind(&index.nodes, entry);
            let found = walk.at_node(node).read_at(&entries, entry);
            return found.map(|(_, value)| value);
        }
        let mut found = None;
        while let Some((key, value)) = walk.next(&entries) {
            // Of entries with the same key the last one counts.
            if key == wanted {
                found = Some(value);
            }
        }
        found
    }

    /// All entries, in no particular order.
    #[inline]
    pub fn iter(self) -> MapIter<'a> {
        let entries = self.entries();
        let (left, source) = match self.run() {
            HeldRun::Received(run) => {
                let walk = Walk::new(&entries, run);
                let kept = match run.may_repeat {
                    true => last_of_keys(&entries, walk.clone()),
                    false => None,
                };
                let left = kept.as_ref().map_or(run.count as usize, Vec::len);
                let kept = kept.map(Vec::into_iter);
                (left, Source::Received { walk, kept })
            }
            HeldRun::Set(Slot::Map(set)) => (set.len(), Source::Set(set.iter())),
            HeldRun::Set(_) => (0, Source::Set(btree_map::Iter::default())),
        };
        MapIter {
            entries,
            left,
            source,
        }
    }

    /// All entries in the order of their keys.
    pub(super) fn sorted(self) -> Vec<(MapKeyRef<'a>, ValueRef<'a>)> {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }
}

impl<'a> IntoIterator for MapRef<'a> {
    type Item = (MapKeyRef<'a>, ValueRef<'a>);
    type IntoIter = MapIter<'a>;

    fn into_iter(self) -> MapIter<'a> {
        self.iter()
    }
}

impl PartialEq for MapRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        is_same_map(*self, *other)
    }
}

impl fmt::Debug for MapRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.sorted()).finish()
    }
}

/// Iterates over the entries of a [`MapRef`].
#[derive(Clone)]
pub struct MapIter<'a> {
    entries: Entries<'a>,
    left: usize,
    source: Source<'a>,
}

#[derive(Clone)]
enum Source<'a> {
    Received {
        walk: Walk,
        /// Where the entries are that count, if the keys of others come again behind them.
        kept: Option<vec::IntoIter<u32>>,
    },
    Set(btree_map::Iter<'a, MapKey, Slot>),
}

impl<'a> Iterator for MapIter<'a> {
    type Item = (MapKeyRef<'a>, ValueRef<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = match &mut self.source {
            Source::Received { walk, kept: None } => walk.next(&self.entries)?,
            Source::Received {
                walk,
                kept: Some(kept),
            } => walk.read_at(&self.entries, kept.next()?)?,
            Source::Set(set) => {
                let (key, value) = set.next()?;
                let value = ValueRef::of_slot(self.entries.message, self.entries.value, value);
                (key.into(), value)
            }
        };
        self.left = self.left.saturating_sub(1);
        Some(entry)
    }

    /// As iterating does, and faster: where the entries are is asked once.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, f: F) -> B {
        let entries = self.entries;
        match self.source {
            Source::Received { walk, kept: None } => walk.fold(&entries, init, f),
            Source::Received {
                mut walk,
                kept: Some(kept),
            } => kept
                .filter_map(|entry| walk.read_at(&entries, entry))
                .fold(init, f),
            Source::Set(set) => set
                .map(|(key, value)| {
                    let value = ValueRef::of_slot(entries.message, entries.value, value);
                    (key.into(), value)
                })
                .fold(init, f),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for MapIter<'_> {}

impl fmt::Debug for MapIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

/// The number of the key in an entry.
const KEY_NUMBER: u32 = 1;

/// The number of the value in an entry.
const VALUE_NUMBER: u32 = 2;

impl MapKeyRef<'_> {
    /// A key from its form in memory.
    pub(super) fn of_bits(field_type: FieldType, bits: u64) -> Self {
        match ValueRef::of_bits(field_type, bits) {
            ValueRef::Bool(key) => Self::Bool(key),
            ValueRef::I32(key) => Self::I32(key),
            ValueRef::I64(key) => Self::I64(key),
            ValueRef::U32(key) => Self::U32(key),
            _ => Self::U64(bits),
        }
    }

    /// The key of an entry without one.
    pub(super) fn default_of(field_type: FieldType) -> Self {
        match field_type {
            FieldType::String => Self::Str(""),
            number => Self::of_bits(number, 0),
        }
    }

    /// An owned copy.
    pub fn to_owned(self) -> MapKey {
        match self {
            Self::Bool(key) => MapKey::Bool(key),
            Self::I32(key) => MapKey::I32(key),
            Self::I64(key) => MapKey::I64(key),
            Self::U32(key) => MapKey::U32(key),
            Self::U64(key) => MapKey::U64(key),
            Self::Str(key) => MapKey::String(key.to_owned()),
        }
    }

    /// As it stands in the path of an error: `["key"]`, `[5]`.
    pub(super) fn in_path(self) -> String {
        const SHOWN_CHARS_MAX: usize = 64;
        match self {
            Self::Str(key) => match key.char_indices().nth(SHOWN_CHARS_MAX) {
                Some((end, _)) => format!("[{:?}…]", &key[..end]),
                None => format!("[{key:?}]"),
            },
            key => format!("[{key}]"),
        }
    }
}

impl fmt::Display for MapKeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(key) => key.fmt(f),
            Self::I32(key) => key.fmt(f),
            Self::I64(key) => key.fmt(f),
            Self::U32(key) => key.fmt(f),
            Self::U64(key) => key.fmt(f),
            Self::Str(key) => key.fmt(f),
        }
    }
}

impl MapKey {
    /// A key that is no string, from its form in memory.
    pub(super) fn of_bits(field_type: FieldType, bits: u64) -> Self {
        MapKeyRef::of_bits(field_type, bits).to_owned()
    }
}

impl<'a> From<&'a MapKey> for MapKeyRef<'a> {
    fn from(key: &'a MapKey) -> Self {
        match key {
            MapKey::Bool(key) => Self::Bool(*key),
            MapKey::I32(key) => Self::I32(*key),
            MapKey::I64(key) => Self::I64(*key),
            MapKey::U32(key) => Self::U32(*key),
            MapKey::U64(key) => Self::U64(*key),
            MapKey::String(key) => Self::Str(key),
        }
    }
}

/// The key in the form of a map's keys; `None` if it can be none of them.
pub(super) fn like(field_type: FieldType, key: MapKey) -> Option<MapKey> {
    let number: i128 = match key {
        MapKey::Bool(_) => return (field_type == FieldType::Bool).then_some(key),
        MapKey::String(_) => return (field_type == FieldType::String).then_some(key),
        MapKey::I32(key) => key.into(),
        MapKey::I64(key) => key.into(),
        MapKey::U32(key) => key.into(),
        MapKey::U64(key) => key.into(),
    };
    match ValueRef::of_bits(field_type, 0) {
        _ if field_type == FieldType::String => None,
        ValueRef::I32(_) => number.try_into().ok().map(MapKey::I32),
        ValueRef::I64(_) => number.try_into().ok().map(MapKey::I64),
        ValueRef::U32(_) => number.try_into().ok().map(MapKey::U32),
        ValueRef::U64(_) => number.try_into().ok().map(MapKey::U64),
        _ => None,
    }
}
