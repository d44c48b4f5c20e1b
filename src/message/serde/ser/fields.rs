//! Rust structs and maps.

use std::{collections::BTreeMap, sync::Arc};

use serde::{
    Serialize,
    ser::{SerializeMap, SerializeStruct},
};

use super::target::{Output, Place, Put, Target};
use crate::{
    Schema,
    message::{
        MapKey, Message,
        body::Slot,
        fit::fit_key,
        path::Segment,
        serde::{
            SerdeError,
            names::{Member, member},
            well_known::too_deep,
        },
    },
    schema::{
        Field, MessageType,
        layout::{FieldLayout, FieldType, Layout, Tables},
    },
};

/// Puts a message together from named parts.
pub(super) struct MessageBuilder {
    message: Message,
    /// How many messages may still be made inside this one.
    pub(super) levels: usize,
    /// Numbers of the fields that were set, for two names can mean the same field.
    set: Vec<u32>,
}

impl MessageBuilder {
    pub(super) fn new(message_type: &MessageType, levels: usize) -> Result<Self, SerdeError> {
        Ok(Self {
            message: Message::new(message_type),
            levels: levels.checked_sub(1).ok_or_else(too_deep)?,
            set: Vec::new(),
        })
    }

    pub(super) fn named<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), SerdeError> {
        match member(self.message.message_type(), name)? {
            Some(Member::Field(field)) => self.field(&field, value),
            Some(Member::Oneof(oneof)) => {
                let target = Target {
                    tables: &self.tables(),
                    place: Place::Oneof(&oneof),
                    levels: self.levels,
                    optional: true,
                };
                let output = target.put(value);
                match output.map_err(|error| error.in_oneof(oneof.name()))? {
                    Some(Output::Member(field, value)) => self.set(&field, value),
                    _ => Ok(()),
                }
            }
            None => Err(self.no_such_field(name)),
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, field: &Field, value: &T) -> Result<(), SerdeError> {
        let output = Target::field(field, self.levels).put(value);
        match output.map_err(|error| error.in_field(field.name()))? {
            Some(Output::Value(value)) => self.set(field, value),
            _ => Ok(()),
        }
    }

    pub(super) fn set(&mut self, field: &Field, value: Slot) -> Result<(), SerdeError> {
        if self.set.contains(&field.number()) {
            return Err(SerdeError::structural("it is set twice").in_field(field.name()));
        }
        self.set.push(field.number());
        self.message.put(field.slot(), value);
        Ok(())
    }

    fn tables(&self) -> Arc<Tables> {
        Arc::clone(self.message.message_type().tables())
    }

    pub(super) fn finish(self) -> Slot {
        Slot::Message(Box::new(self.message.into_body()))
    }

    fn no_such_field(&self, name: &str) -> SerdeError {
        let fields: Vec<_> = self.message.message_type().fields().collect();
        let nearest = Schema::nearest(name, fields.iter().map(Field::name));
        SerdeError::no_such_field(name, nearest)
    }
}

/// A struct or a Rust map: the fields of a message, or the entries of a map.
pub(super) enum FieldsOrEntries {
    Fields {
        builder: Box<MessageBuilder>,
        /// The name that came last, while its value is still to come.
        name: Option<String>,
    },
    Entries(Entries),
}

pub(super) struct Entries {
    /// How many messages may still be made.
    levels: usize,
    /// The type of the entries.
    entry: MessageType,
    entries: BTreeMap<MapKey, Slot>,
    key: Option<MapKey>,
}

impl FieldsOrEntries {
    pub(super) fn new(target: Target<'_>, given: &str) -> Result<Self, SerdeError> {
        if let Place::Map(field) = target.place {
            return Ok(Self::Entries(Entries {
                levels: target.levels,
                entry: MessageType::with(target.tables, field.layout().inner),
                entries: BTreeMap::new(),
                key: None,
            }));
        }
        let builder = Box::new(target.message_builder(given)?);
        Ok(Self::Fields {
            builder,
            name: None,
        })
    }

    fn finish(self) -> Put {
        let value = match self {
            Self::Fields { builder, .. } => builder.finish(),
            Self::Entries(entries) => Slot::Map(entries.entries),
        };
        Ok(Some(Output::Value(value)))
    }
}

impl Entries {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerdeError> {
        let (tables, layout) = (self.entry.tables(), self.entry.layout());
        let field = *layout.field(0);
        let key = match Target::required(tables, field, self.levels).put(key) {
            Ok(Some(Output::Value(Slot::Text(key)))) => Some(MapKey::String(key)),
            Ok(Some(Output::Value(Slot::Bits(bits)))) => {
                Some(MapKey::of_bits(field.field_type, bits))
            }
            Ok(_) => None,
            Err(error) => Some(key_from_text(tables, layout, key).ok_or(error)?),
        };
        self.key = Some(key.ok_or_else(|| SerdeError::structural("a map key of no key type"))?);
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        let Some(key) = self.key.take() else {
            return Err(SerdeError::of_value("a value came before its key"));
        };
        let field = *self.entry.layout().field(1);
        let put = Target::required(self.entry.tables(), field, self.levels).put(value);
        if let Some(Output::Value(value)) =
            put.map_err(|error| error.within(Segment::key((&key).into())))?
        {
            self.entries.insert(key, value);
        }
        Ok(())
    }
}

impl SerializeMap for FieldsOrEntries {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerdeError> {
        match self {
            Self::Fields { builder, name } => {
                *name = text_of(&builder.tables(), key)?;
                Ok(())
            }
            Self::Entries(entries) => entries.key(key),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        match self {
            Self::Fields { builder, name } => match name.take() {
                Some(name) => builder.named(&name, value),
                None => Err(SerdeError::of_value("a value came before its key")),
            },
            Self::Entries(entries) => entries.value(value),
        }
    }

    fn end(self) -> Put {
        self.finish()
    }
}

impl SerializeStruct for FieldsOrEntries {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), SerdeError> {
        match self {
            Self::Fields { builder, .. } => builder.named(name, value),
            Self::Entries(entries) => {
                entries.key(name)?;
                entries.value(value)
            }
        }
    }

    fn end(self) -> Put {
        self.finish()
    }
}

/// A key that is no string, from its text: all keys of JSON are text.
fn key_from_text<T: Serialize + ?Sized>(
    tables: &Arc<Tables>,
    entry: &Layout,
    key: &T,
) -> Option<MapKey> {
    let text = text_of(tables, key).ok()??;
    let key = match entry.field(0).field_type {
        FieldType::Bool => MapKey::Bool(text.parse().ok()?),
        FieldType::Uint64 | FieldType::Fixed64 => MapKey::U64(text.parse().ok()?),
        _ => MapKey::I64(text.parse().ok()?),
    };
    fit_key(tables, entry, key).ok()
}

/// A value that is a string.
fn text_of<T: Serialize + ?Sized>(
    tables: &Arc<Tables>,
    value: &T,
) -> Result<Option<String>, SerdeError> {
    let text = FieldLayout::of_value(FieldType::String, 0);
    match Target::required(tables, text, 0).put(value)? {
        Some(Output::Value(Slot::Text(text))) => Ok(Some(text)),
        _ => Ok(None),
    }
}
