//! Lists and maps.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::{
    Context, ElementSeed, OneSeed,
    scalar::{self, Scalar},
};
use crate::{
    message::{MapKey, MapKeyRef, body::Slot, fit::type_name, path::Segment},
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
        let seed = || OneSeed {
            field: &element,
            context,
        };
        if field.field_type.is_number() {
            let seed = || NumberSeed(seed());
            return Ok(Some(Slot::Numbers(elements(&mut seq, seed, context)?)));
        }
        let seed = || ElementSeed(seed());
        Ok(Some(Slot::Values(elements(&mut seq, seed, context)?)))
    }
}

/// All elements but those that are read over.
fn elements<'de, T, A: SeqAccess<'de>, S: DeserializeSeed<'de, Value = Option<T>>>(
    seq: &mut A,
    seed: impl Fn() -> S,
    context: Context<'_>,
) -> Result<Vec<T>, A::Error> {
    let mut items = Vec::new();
    for index in 0.. {
        match seq.next_element_seed(seed()) {
            Ok(Some(item)) => items.extend(item),
            Ok(None) => break,
            Err(error) => {
                context.path.borrow_mut().push(Segment::Index(index));
                return Err(error);
            }
        }
    }
    Ok(items)
}

/// An element of a list of numbers.
struct NumberSeed<'a>(OneSeed<'a>);

impl NumberSeed<'_> {
    #[inline]
    fn bits<E: Error>(self, value: Scalar<'_>) -> Result<Option<u64>, E> {
        let OneSeed { field, context } = self.0;
        scalar::bits(context, field, value).map_err(|fault| fault.into_error(value, &self))
    }
}

impl<'de> DeserializeSeed<'de> for NumberSeed<'_> {
    type Value = Option<u64>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u64>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for NumberSeed<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    /// Null, which only the enum of nulls has.
    fn visit_unit<E: Error>(self) -> Result<Option<u64>, E> {
        match self.0.is_null_enum() {
            true => Ok(Some(0)),
            false => Err(E::invalid_type(Unexpected::Unit, &self)),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<u64>, E> {
        self.bits(Scalar::Bool(value))
    }

    #[inline]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<u64>, E> {
        self.bits(Scalar::Signed(value))
    }

    #[inline]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<u64>, E> {
        self.bits(Scalar::Unsigned(value))
    }

    #[inline]
    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<u64>, E> {
        self.bits(Scalar::Float(value))
    }

    #[inline]
    fn visit_str<E: Error>(self, value: &str) -> Result<Option<u64>, E> {
        self.bits(Scalar::Text(value))
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
            let seed = OneSeed {
                field: value_field,
                context: match value_field.field_type.is_message() {
                    true => self.context.below()?,
                    false => self.context,
                },
            };
            // A value that is left out, an enum's name that is not known, leaves out the entry.
            let value = map.next_value_seed(ElementSeed(seed)).inspect_err(|_| {
                let path = &mut *self.context.path.borrow_mut();
                path.push(Segment::key(MapKeyRef::from(&key)));
            })?;
            if let Some(value) = value {
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
