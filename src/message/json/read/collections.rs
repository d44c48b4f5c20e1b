//! Lists and maps.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Context, ElementSeed, OneSeed, scalar};
use crate::{
    message::{MapKey, body::Slot, fit::type_name},
    schema::layout::{FieldLayout, Layout},
};

pub(super) struct ListVisitor<'a> {
    pub(super) field: &'a FieldLayout,
    pub(super) context: Context<'a>,
}

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = Option<Slot>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a list of {}",
            type_name(self.context.tables, self.field)
        )
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Slot>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Slot>, A::Error> {
        let Self { field, context } = self;
        let element = field.element();
        let seed = || {
            ElementSeed(OneSeed {
                field: &element,
                context,
            })
        };
        if field.field_type.is_number() {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element_seed(seed())? {
                items.extend(item.map(|item| item.bits()));
            }
            return Ok(Some(Slot::Numbers(items)));
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(seed())? {
            items.extend(item);
        }
        Ok(Some(Slot::Values(items)))
    }
}

pub(super) struct MapVisitor<'a> {
    pub(super) entry: &'a Layout,
    pub(super) context: Context<'a>,
}

impl<'de> Visitor<'de> for MapVisitor<'_> {
    type Value = Option<Slot>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value) = (self.entry.field(0), self.entry.field(1));
        let name = |field| type_name(self.context.tables, field);
        write!(f, "an object of {} by {}", name(value), name(key))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Slot>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Slot>, A::Error> {
        let (key_field, value_field) = (self.entry.field(0), self.entry.field(1));
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key_seed(KeySeed(key_field))? {
            // On the wire an entry is a message around its value.
            let context = self.context.below()?;
            let seed = OneSeed {
                field: value_field,
                context: match value_field.field_type.is_message() {
                    true => context.below()?,
                    false => context,
                },
            };
            // A value that is left out, an enum's name that is not known, leaves out the entry.
            if let Some(value) = map.next_value_seed(ElementSeed(seed))? {
                entries.insert(key, value);
            }
        }
        Ok(Some(Slot::Map(entries)))
    }
}

/// The key of an entry, which is a string whatever its type.
struct KeySeed<'a>(&'a FieldLayout);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = MapKey;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MapKey, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = MapKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key of a map")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<MapKey, E> {
        scalar::key(self.0.field_type, key).map_err(E::custom)
    }
}
