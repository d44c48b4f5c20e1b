//! Rust structs and maps.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, Kind, MapKey as ReflectedKey, MessageDescriptor, Value as Reflected,
};
use serde::{
    Serialize,
    ser::{SerializeMap, SerializeStruct},
};

use super::target::{Output, Place, Put, Target};
use crate::{
    Schema,
    message::{
        Value,
        fit::{fit_one, map_entry},
        serde::{
            SerdeError,
            error::Segment,
            names::{Member, member},
            well_known::too_deep,
        },
    },
    schema::{Field, MessageType},
};
/// Puts a message together from named parts.
pub(super) struct MessageBuilder {
    message: DynamicMessage,
    message_type: MessageType,
    /// How many messages may still be made inside this one.
    pub(super) levels: usize,
    /// Numbers of the fields that were set, for two names can mean the same field.
    set: Vec<u32>,
}

impl MessageBuilder {
    pub(super) fn new(message_type: &MessageType, levels: usize) -> Result<Self, SerdeError> {
        Ok(Self {
            message: DynamicMessage::new(message_type.descriptor().clone()),
            message_type: message_type.clone(),
            levels: levels.checked_sub(1).ok_or_else(too_deep)?,
            set: Vec::new(),
        })
    }

    pub(super) fn named<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), SerdeError> {
        match member(&self.message_type, name)? {
            Some(Member::Field(field)) => self.field(&field, value),
            Some(Member::Oneof(oneof)) => {
                let target = Target {
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
        let descriptor = field.descriptor();
        let kind = descriptor.kind();
        let output = Target::field(descriptor, &kind, self.levels).put(value);
        match output.map_err(|error| error.in_field(field.name()))? {
            Some(Output::Value(value)) => self.set(field, value),
            _ => Ok(()),
        }
    }

    pub(super) fn set(&mut self, field: &Field, value: Reflected) -> Result<(), SerdeError> {
        if self.set.contains(&field.number()) {
            return Err(SerdeError::structural("it is set twice").in_field(field.name()));
        }
        self.set.push(field.number());
        self.message
            .try_set_field(field.descriptor(), value)
            .map_err(|error| SerdeError::structural(error.to_string()).in_field(field.name()))
    }

    pub(super) fn finish(self) -> Reflected {
        Reflected::Message(self.message)
    }

    fn no_such_field(&self, name: &str) -> SerdeError {
        let fields: Vec<_> = self.message_type.fields().collect();
        let nearest = Schema::nearest(name, fields.iter().map(Field::name));
        SerdeError::no_such_field(name, nearest)
    }
}

/// A struct or a Rust map: the fields of a message, or the entries of a map.
pub(super) enum FieldsOrEntries {
    Fields {
        builder: MessageBuilder,
        /// The name that came last, while its value is still to come.
        name: Option<String>,
    },
    Entries(Entries),
}

pub(super) struct Entries {
    /// How many messages may still be made, an entry included.
    levels: usize,
    entry: MessageDescriptor,
    entries: HashMap<ReflectedKey, Reflected>,
    key: Option<ReflectedKey>,
}

impl FieldsOrEntries {
    pub(super) fn new(target: Target<'_>, given: &str) -> Result<Self, SerdeError> {
        if let Place::Map(field) = target.place
            && let Some(entry) = map_entry(field)
        {
            return Ok(Self::Entries(Entries {
                levels: target.levels,
                entry,
                entries: HashMap::new(),
                key: None,
            }));
        }
        let builder = target.message_builder(given)?;
        Ok(Self::Fields {
            builder,
            name: None,
        })
    }

    fn finish(self) -> Put {
        let value = match self {
            Self::Fields { builder, .. } => builder.finish(),
            Self::Entries(entries) => Reflected::Map(entries.entries),
        };
        Ok(Some(Output::Value(value)))
    }
}

impl Entries {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerdeError> {
        let kind = self.entry.map_entry_key_field().kind();
        let key = match Target::required(&kind, self.levels).put(key) {
            Ok(Some(Output::Value(value))) => value.into_map_key(),
            Ok(_) => None,
            Err(error) => Some(key_from_text(&kind, key).ok_or(error)?),
        };
        self.key = Some(key.ok_or_else(|| SerdeError::structural("a map key of no key type"))?);
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        let Some(key) = self.key.take() else {
            return Err(SerdeError::of_value("a value came before its key"));
        };
        let kind = self.entry.map_entry_value_field().kind();
        // On the wire an entry is a message.
        let levels = self.levels.checked_sub(1).ok_or_else(too_deep)?;
        let put = Target::required(&kind, levels).put(value);
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
            Self::Fields { name, .. } => {
                *name = match Target::required(&Kind::String, 0).put(key)? {
                    Some(Output::Value(Reflected::String(key))) => Some(key),
                    _ => None,
                };
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
fn key_from_text<T: Serialize + ?Sized>(kind: &Kind, key: &T) -> Option<ReflectedKey> {
    let Ok(Some(Output::Value(Reflected::String(text)))) =
        Target::required(&Kind::String, 0).put(key)
    else {
        return None;
    };
    let value = match kind {
        Kind::Bool => Value::Bool(text.parse().ok()?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(text.parse().ok()?),
        _ => Value::I64(text.parse().ok()?),
    };
    fit_one(kind, value).ok()?.into_map_key()
}
