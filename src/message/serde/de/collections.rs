//! Lists and maps of a message, as serde's sequences and maps.

use std::{
    iter::{Chain, Enumerate},
    option,
};

use prost_reflect::Kind;
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use crate::{
    message::{
        ListIter, ListRef, MapIter, MapKeyRef, MapRef, ValueRef,
        path::Segment,
        serde::{
            SerdeError,
            de::{Context, value::ValueDeserializer},
        },
    },
    schema::MessageType,
};

/// The elements of a list; while trying, one default element (the list is empty then).
pub(super) struct Elements<'a> {
    values: Enumerate<Chain<ListIter<'a>, option::IntoIter<ValueRef<'a>>>>,
    kind: Kind,
    context: Context<'a>,
}

impl<'a> Elements<'a> {
    pub(super) fn new(list: ListRef<'a>, kind: Kind, context: Context<'a>) -> Self {
        let tried = context
            .tries(&kind)
            .then(|| ValueRef::default_of(list.message(), list.field()));
        Self {
            values: list.iter().chain(tried).enumerate(),
            kind,
            context,
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = SerdeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, SerdeError> {
        let Some((index, value)) = self.values.next() else {
            return Ok(None);
        };
        let element = ValueDeserializer::new(value, self.kind.clone(), self.context);
        match seed.deserialize(element) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.within(Segment::Index(index))),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.size_hint().0)
    }
}

type Entry<'a> = (MapKeyRef<'a>, ValueRef<'a>);

/// The entries of a map; while trying, one default entry (the map is empty then).
pub(super) struct Entries<'a> {
    entries: Chain<MapIter<'a>, option::IntoIter<Entry<'a>>>,
    /// The entry whose key was handed out last.
    current: Option<Entry<'a>>,
    value_kind: Kind,
    context: Context<'a>,
}

impl<'a> Entries<'a> {
    /// `kind` is the map's entry type.
    pub(super) fn new(
        map: MapRef<'a>,
        kind: &Kind,
        context: Context<'a>,
    ) -> Result<Self, SerdeError> {
        let Kind::Message(entry) = kind else {
            return Err(SerdeError::structural("a map without an entry type"));
        };
        let value_kind = entry.map_entry_value_field().kind();
        let tried = context.tries(&value_kind).then(|| {
            let value = ValueRef::default_of(map.message(), map.value_field());
            (default_key(&entry.map_entry_key_field().kind()), value)
        });
        Ok(Self {
            entries: map.iter().chain(tried),
            current: None,
            value_kind,
            context,
        })
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = SerdeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, SerdeError> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        seed.deserialize(KeyDeserializer { key })
            .map(Some)
            .map_err(|error| error.within(Segment::key(key)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, SerdeError> {
        let Some((key, value)) = self.current.take() else {
            return Err(SerdeError::of_value("a value was asked for before its key"));
        };
        let value = ValueDeserializer::new(value, self.value_kind.clone(), self.context);
        match seed.deserialize(value) {
            Ok(value) => Ok(value),
            Err(error) => Err(error.within(Segment::key(key))),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.size_hint().0)
    }
}

impl Context<'_> {
    /// Whether one default element of this kind is to be tried.
    fn tries(&self, kind: &Kind) -> bool {
        match (self.probe, kind) {
            (None, _) => false,
            (Some(probe), Kind::Message(inner)) => probe.goes_into(&MessageType::new(inner)),
            (Some(_), _) => true,
        }
    }
}

struct KeyDeserializer<'a> {
    key: MapKeyRef<'a>,
}

impl<'de> Deserializer<'de> for KeyDeserializer<'_> {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.key {
            MapKeyRef::Bool(key) => visitor.visit_bool(key),
            MapKeyRef::I32(key) => visitor.visit_i32(key),
            MapKeyRef::I64(key) => visitor.visit_i64(key),
            MapKeyRef::U32(key) => visitor.visit_u32(key),
            MapKeyRef::U64(key) => visitor.visit_u64(key),
            MapKeyRef::Str(key) => visitor.visit_str(key),
        }
    }

    /// A key that is wanted as a string is one, as in JSON.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.key {
            MapKeyRef::Str(key) => visitor.visit_str(key),
            key => visitor.visit_string(key.to_string()),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    /// Which strings come is no matter of types.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match self.key {
            MapKeyRef::Str(key) => visitor
                .visit_enum(serde::de::value::StrDeserializer::new(key))
                .map_err(SerdeError::not_structural),
            key => {
                let given = key.to_string();
                Err(SerdeError::invalid_type(
                    Unexpected::Other(&given),
                    &visitor,
                ))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn default_key(kind: &Kind) -> MapKeyRef<'static> {
    match kind {
        Kind::Bool => MapKeyRef::Bool(false),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => MapKeyRef::I32(0),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => MapKeyRef::I64(0),
        Kind::Uint32 | Kind::Fixed32 => MapKeyRef::U32(0),
        Kind::Uint64 | Kind::Fixed64 => MapKeyRef::U64(0),
        _ => MapKeyRef::Str(""),
    }
}
