//! The fields of a message, as serde's map.

use std::{borrow::Cow, vec};

use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess};

use crate::{
    Schema,
    message::{
        MessageRef,
        serde::{
            SerdeError,
            de::{Context, oneof::OneofDeserializer, value::ValueDeserializer},
            names::{Member, member},
        },
    },
    schema::{Field, Kind},
};

/// Hands out the fields that have a value.
pub(super) struct Fields<'a> {
    message: MessageRef<'a>,
    context: Context<'a>,
    entries: vec::IntoIter<Entry<'a>>,
    /// The source of the value whose key was handed out last.
    current: Option<Source<'a>>,
    /// Names that got no value only because the probe stops somewhere.
    pub(super) withheld: Vec<&'static str>,
}

type Entry<'a> = (Cow<'static, str>, Source<'a>);

enum Source<'a> {
    Field(Field),
    Oneof(OneofDeserializer<'a>),
}

impl<'a> Fields<'a> {
    /// Every field that has a value, by its name in the file.
    pub(super) fn all(message: MessageRef<'a>, context: Context<'a>) -> Self {
        let entries = message
            .message_type()
            .fields()
            .filter(|field| has_value(message, field, context))
            .map(|field| (Cow::from(field.name().to_owned()), Source::Field(field)))
            .collect();
        Self::new(message, context, entries, Vec::new())
    }

    /// The fields that a struct asks for, by the struct's names. A struct lists the aliases of its
    /// fields too; a field of the message is handed out once.
    pub(super) fn named(
        message: MessageRef<'a>,
        names: &'static [&'static str],
        context: Context<'a>,
    ) -> Result<Self, SerdeError> {
        let mut entries: Vec<Entry<'a>> = Vec::with_capacity(names.len());
        let mut taken = Vec::with_capacity(names.len());
        let mut withheld = Vec::new();
        for name in names {
            let source = match member(message.message_type(), name)? {
                Some(Member::Field(field)) if taken.contains(&field.number()) => continue,
                Some(Member::Field(field)) => {
                    taken.push(field.number());
                    if !has_value(message, &field, context) {
                        withheld.extend(context.probe.map(|_| *name));
                        continue;
                    }
                    Source::Field(field)
                }
                Some(Member::Oneof(oneof)) => {
                    let oneof = OneofDeserializer::new(message, oneof, context);
                    if !oneof.has_value() {
                        continue;
                    }
                    Source::Oneof(oneof)
                }
                None => continue,
            };
            entries.push((Cow::Borrowed(name), source));
        }
        Ok(Self::new(message, context, entries, withheld))
    }

    /// One field, whatever it holds.
    pub(super) fn one(message: MessageRef<'a>, field: Field, context: Context<'a>) -> Self {
        let entry = (Cow::from(field.name().to_owned()), Source::Field(field));
        Self::new(message, context, vec![entry], Vec::new())
    }

    fn new(
        message: MessageRef<'a>,
        context: Context<'a>,
        mut entries: Vec<Entry<'a>>,
        withheld: Vec<&'static str>,
    ) -> Self {
        if let Some(probe) = context.probe {
            entries.sort_by_key(|(_, source)| match source {
                Source::Field(field) => probe.is_put_off(field),
                Source::Oneof(oneof) => oneof.is_put_off(probe),
            });
        }
        Self {
            message,
            context,
            entries: entries.into_iter(),
            current: None,
            withheld,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = SerdeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, SerdeError> {
        let Some((name, source)) = self.entries.next() else {
            return Ok(None);
        };
        self.current = Some(source);
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, SerdeError> {
        match self.current.take() {
            Some(Source::Field(field)) => {
                let value = ValueDeserializer::of_field(self.message, &field, self.context)?;
                match seed.deserialize(value) {
                    Ok(value) => Ok(value),
                    Err(error) => Err(in_field(error, &field, self.context)),
                }
            }
            Some(Source::Oneof(oneof)) => seed.deserialize(oneof),
            None => Err(SerdeError::of_value("a value was asked for before its key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// An error from inside a field, with the field's name.
pub(super) fn in_field(error: SerdeError, field: &Field, context: Context<'_>) -> SerdeError {
    let error = error.in_field(field.name());
    match context.probe {
        Some(probe) => probe.put_off(field, error),
        None => error,
    }
}

/// A field that serde missed may be one that the message does not even have; and while trying, one
/// that was only held back.
pub(super) fn explain_missing(
    error: SerdeError,
    message: MessageRef<'_>,
    withheld: &[&str],
) -> SerdeError {
    let Some(name) = error.missing_field_here() else {
        return error;
    };
    if withheld.contains(&name) {
        return error.not_structural();
    }
    let message_type = message.message_type();
    match member(message_type, name) {
        Ok(None) => {
            let fields: Vec<_> = message_type.fields().collect();
            let nearest = Schema::nearest(name, fields.iter().map(Field::name));
            SerdeError::no_such_field(name, nearest)
        }
        _ => error,
    }
}

fn has_value(message: MessageRef<'_>, field: &Field, context: Context<'_>) -> bool {
    match (context.probe, field.kind()) {
        (Some(probe), Kind::Message(inner)) if !field.is_list() && !field.is_map() => {
            probe.goes_into(&inner)
        }
        (Some(_), _) => true,
        (None, _) => !field.features().presence || message.has(field).unwrap_or(false),
    }
}
