//! A map field, borrowed.

use std::{
    collections::{HashMap, hash_map},
    fmt,
};

use prost_reflect::{MapKey as ReflectedKey, Value as Reflected};

use crate::message::{MapKey, ValueRef, equality::is_same_map, lending::Lender};

/// The entries of a map field, in no particular order.
#[derive(Clone, Copy)]
pub struct MapRef<'a> {
    /// `None` for a field that is not set.
    entries: Option<&'a HashMap<ReflectedKey, Reflected>>,
    lender: &'a Lender,
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
    pub(super) fn new(
        entries: Option<&'a HashMap<ReflectedKey, Reflected>>,
        lender: &'a Lender,
    ) -> Self {
        Self { entries, lender }
    }

    pub(super) fn lender(self) -> &'a Lender {
        self.lender
    }

    /// How many entries there are.
    pub fn len(self) -> usize {
        self.entries.map_or(0, HashMap::len)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of a key; `None` if there is no such entry or the map has keys of another type.
    /// Integers of any type find integer keys of any type.
    pub fn get(self, key: impl Into<MapKey>) -> Option<ValueRef<'a>> {
        let entries = self.entries?;
        let key = like(entries.keys().next()?, key.into())?;
        Some(ValueRef::stored(entries.get(&key)?, self.lender))
    }

    /// All entries, in no particular order.
    pub fn iter(self) -> MapIter<'a> {
        MapIter {
            entries: self.entries.map(HashMap::iter),
            lender: self.lender,
        }
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
        match (self.entries, other.entries) {
            (Some(one), Some(other)) => is_same_map(one, other),
            _ => self.is_empty() && other.is_empty(),
        }
    }
}

impl fmt::Debug for MapRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        f.debug_map().entries(entries).finish()
    }
}

/// Iterates over the entries of a [`MapRef`].
#[derive(Clone)]
pub struct MapIter<'a> {
    entries: Option<hash_map::Iter<'a, ReflectedKey, Reflected>>,
    lender: &'a Lender,
}

impl<'a> Iterator for MapIter<'a> {
    type Item = (MapKeyRef<'a>, ValueRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.entries.as_mut()?.next()?;
        Some((key.into(), ValueRef::stored(value, self.lender)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.entries.as_ref().map_or(0, ExactSizeIterator::len);
        (len, Some(len))
    }
}

impl ExactSizeIterator for MapIter<'_> {}

impl fmt::Debug for MapIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

impl MapKeyRef<'_> {
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
        match self {
            Self::Str(key) => format!("[{key:?}]"),
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

impl<'a> From<&'a ReflectedKey> for MapKeyRef<'a> {
    fn from(key: &'a ReflectedKey) -> Self {
        match key {
            ReflectedKey::Bool(key) => Self::Bool(*key),
            ReflectedKey::I32(key) => Self::I32(*key),
            ReflectedKey::I64(key) => Self::I64(*key),
            ReflectedKey::U32(key) => Self::U32(*key),
            ReflectedKey::U64(key) => Self::U64(*key),
            ReflectedKey::String(key) => Self::Str(key),
        }
    }
}

/// The key in the form of the map's other keys; `None` if it can be none of them.
fn like(sample: &ReflectedKey, key: MapKey) -> Option<ReflectedKey> {
    let number: i128 = match key {
        MapKey::Bool(key) => return Some(ReflectedKey::Bool(key)),
        MapKey::String(key) => return Some(ReflectedKey::String(key)),
        MapKey::I32(key) => key.into(),
        MapKey::I64(key) => key.into(),
        MapKey::U32(key) => key.into(),
        MapKey::U64(key) => key.into(),
    };
    match sample {
        ReflectedKey::I32(_) => number.try_into().ok().map(ReflectedKey::I32),
        ReflectedKey::I64(_) => number.try_into().ok().map(ReflectedKey::I64),
        ReflectedKey::U32(_) => number.try_into().ok().map(ReflectedKey::U32),
        ReflectedKey::U64(_) => number.try_into().ok().map(ReflectedKey::U64),
        ReflectedKey::Bool(_) | ReflectedKey::String(_) => None,
    }
}
