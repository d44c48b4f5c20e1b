//! Owned values: what setters take.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use bytes::Bytes;

use crate::message::{Message, MessageRef};

/// A value to put into a field.
///
/// Setters take `impl Into<Value>`, so that it seldom has to be named: integers, floats, `bool`,
/// strings, `Vec<u8>` and [`Bytes`], [`Message`], `Vec<T>` for a repeated field, `HashMap` and
/// `BTreeMap` for a map. [`Message::set`] says what fits which field.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the Rust type of its name")]
pub enum Value {
    Bool(bool),
    I32(i32),
    I64(i64),
    U32(u32),
    U64(u64),
    F32(f32),
    F64(f64),
    /// A string, or the name of an enum value.
    String(String),
    Bytes(Bytes),
    /// The number of an enum value.
    Enum(i32),
    Message(Message),
    /// The elements of a repeated field.
    List(Vec<Self>),
    /// The entries of a map.
    Map(BTreeMap<MapKey, Self>),
}

/// The key of a map's entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the Rust type of its name")]
pub enum MapKey {
    Bool(bool),
    I32(i32),
    I64(i64),
    U32(u32),
    U64(u64),
    String(String),
}

macro_rules! from {
    ($into:ident: $($from:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$from> for $into {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

from!(Value:
    bool => Bool,
    i8 => I32,
    i16 => I32,
    i32 => I32,
    i64 => I64,
    u16 => U32,
    u32 => U32,
    u64 => U64,
    f32 => F32,
    f64 => F64,
    &str => String,
    &String => String,
    Cow<'_, str> => String,
    String => String,
    Vec<u8> => Bytes,
    Bytes => Bytes,
    Message => Message,
);

from!(MapKey:
    bool => Bool,
    i8 => I32,
    i16 => I32,
    i32 => I32,
    i64 => I64,
    u8 => U32,
    u16 => U32,
    u32 => U32,
    u64 => U64,
    &str => String,
    &String => String,
    String => String,
);

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(value))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::from(value.as_slice())
    }
}

impl From<MessageRef<'_>> for Value {
    fn from(value: MessageRef<'_>) -> Self {
        Self::Message(value.to_owned())
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<MapKey>, V: Into<Self>> From<HashMap<K, V>> for Value {
    fn from(entries: HashMap<K, V>) -> Self {
        Self::Map(into_entries(entries))
    }
}

impl<K: Into<MapKey>, V: Into<Self>> From<BTreeMap<K, V>> for Value {
    fn from(entries: BTreeMap<K, V>) -> Self {
        Self::Map(into_entries(entries))
    }
}

impl From<MapKey> for Value {
    fn from(key: MapKey) -> Self {
        match key {
            MapKey::Bool(key) => Self::Bool(key),
            MapKey::I32(key) => Self::I32(key),
            MapKey::I64(key) => Self::I64(key),
            MapKey::U32(key) => Self::U32(key),
            MapKey::U64(key) => Self::U64(key),
            MapKey::String(key) => Self::String(key),
        }
    }
}

fn into_entries<K: Into<MapKey>, V: Into<Value>>(
    entries: impl IntoIterator<Item = (K, V)>,
) -> BTreeMap<MapKey, Value> {
    entries
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}
