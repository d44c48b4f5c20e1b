//! Writing: a walk over a message into any serializer.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _, SerializeSeq as _},
};

use super::{JsonOptions, TooDeep};
use crate::{
    message::{
        ListRef, MapKeyRef, MapRef, Message, MessageRef, ValueRef, serde::text_of_well_known,
    },
    schema::{
        MessageType,
        layout::{Cardinality, FieldLayout, JsonForm, Tables},
    },
};

/// What is written of a message, and how.
#[derive(Clone, Copy)]
pub(super) struct Context<'o> {
    pub(super) options: &'o JsonOptions,
    /// How many messages may still lie inside each other.
    pub(super) levels: usize,
}

/// A message, as what its type is in JSON.
pub(super) struct Shown<'a, 'o> {
    pub(super) message: MessageRef<'a>,
    pub(super) context: Context<'o>,
}

impl Context<'_> {
    fn below<E: serde::ser::Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => Err(E::custom(TooDeep)),
        }
    }
}

impl Serialize for Shown<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        match message.layout.json_form {
            JsonForm::Object | JsonForm::Empty => {
                let mut map = serializer.serialize_map(None)?;
                self.fields::<S>(&mut map)?;
                map.end()
            }
            JsonForm::Any => self.any(serializer),
            JsonForm::Text => match text_of_well_known(message).map_err(S::Error::custom)? {
                Some(text) => serializer.serialize_str(&text),
                None => serializer.serialize_unit(),
            },
            JsonForm::Wrapper | JsonForm::Struct | JsonForm::ListValue => {
                match message.layout.by_number(1) {
                    Some((slot, field)) => {
                        let value = message.value(slot);
                        self.element(value, field).serialize(serializer)
                    }
                    None => serializer.serialize_unit(),
                }
            }
            JsonForm::Value => self.anything(serializer),
        }
    }
}

impl<'a> Shown<'a, '_> {
    fn fields<S: Serializer>(&self, map: &mut S::SerializeMap) -> Result<(), S::Error> {
        let Self { message, context } = *self;
        let layout = message.layout;
        for (slot, field) in layout.slots() {
            let is_set = message.is_set(slot);
            let shown = is_set || (context.options.defaults && has_default_to_show(field));
            let info = layout.info(slot);
            if !shown || (!is_set && info.is_extension()) {
                continue;
            }
            let name = match context.options.proto_names && !info.is_extension() {
                true => &info.name,
                false => &info.json_name,
            };
            let name: &str = name;
            // What needs no context is written without one.
            match message.value(slot) {
                ValueRef::Str(value) => map.serialize_entry(name, value)?,
                ValueRef::I32(value) => map.serialize_entry(name, &value)?,
                ValueRef::U32(value) => map.serialize_entry(name, &value)?,
                ValueRef::Bool(value) => map.serialize_entry(name, &value)?,
                value => map.serialize_entry(name, &self.element(value, field))?,
            }
        }
        Ok(())
    }

    /// The message inside, with its type; as `value` if it has a JSON of its own.
    fn any<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { message, context } = *self;
        let url = message.str(1).map_err(S::Error::custom)?;
        let encoded = message.bytes(2).map_err(S::Error::custom)?;
        if url.is_empty() && encoded.is_empty() {
            return serializer.serialize_map(Some(0))?.end();
        }
        let payload = self.payload(url, encoded).map_err(S::Error::custom)?;
        let inner = Shown {
            message: payload.as_ref(),
            context: context.below()?,
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("@type", url)?;
        match inner.message.layout.json_form {
            JsonForm::Object => inner.fields::<S>(&mut map)?,
            _ => map.serialize_entry("value", &inner)?,
        }
        map.end()
    }

    fn payload(&self, url: &str, encoded: &[u8]) -> Result<Message, String> {
        let name = url.rsplit_once('/').map(|(_, name)| name);
        let name = name.ok_or_else(|| format!("the type URL `{url}` of an Any has no `/`"))?;
        let tables = self.message.shared_tables();
        let index = tables.index_of(name);
        let index = index.ok_or_else(|| format!("the schema has no `{name}` that an Any holds"))?;
        Message::decode(&MessageType::with(tables, index), encoded.to_vec())
            .map_err(|error| format!("what an Any holds: {error}"))
    }

    /// A google.protobuf.Value: whichever member of its oneof is set.
    fn anything<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        let Some(slot) = message.set_slots().next() else {
            return serializer.serialize_unit();
        };
        let field = message.layout.field(slot);
        match message.value(slot) {
            ValueRef::F64(number) if !number.is_finite() => Err(S::Error::custom(format!(
                "a google.protobuf.Value holds {number}, which is no number of JSON"
            ))),
            value => self.element(value, field).serialize(serializer),
        }
    }

    fn element(&self, value: ValueRef<'a>, field: &'a FieldLayout) -> Element<'a, '_> {
        Element {
            value,
            field,
            tables: self.message.tables(),
            context: self.context,
        }
    }
}

/// Fields without presence have a default to show, and so have lists and maps.
fn has_default_to_show(field: &FieldLayout) -> bool {
    field.cardinality != Cardinality::One || !field.presence
}

/// A value of a field, or an element of it.
struct Element<'a, 'o> {
    value: ValueRef<'a>,
    field: &'a FieldLayout,
    /// Of the message that it is in.
    tables: &'a Tables,
    context: Context<'o>,
}

impl Serialize for Element<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context = self.context;
        match self.value {
            ValueRef::Bool(value) => serializer.serialize_bool(value),
            ValueRef::I32(value) => serializer.serialize_i32(value),
            ValueRef::U32(value) => serializer.serialize_u32(value),
            // Numbers of JSON are doubles to many readers.
            ValueRef::I64(value) => serializer.serialize_str(itoa::Buffer::new().format(value)),
            ValueRef::U64(value) => serializer.serialize_str(itoa::Buffer::new().format(value)),
            ValueRef::F32(value) if value.is_finite() => serializer.serialize_f32(value),
            ValueRef::F32(value) => serializer.serialize_str(not_finite(value.into())),
            ValueRef::F64(value) if value.is_finite() => serializer.serialize_f64(value),
            ValueRef::F64(value) => serializer.serialize_str(not_finite(value)),
            ValueRef::Str(value) => serializer.serialize_str(value),
            ValueRef::Bytes(value) => serializer.serialize_str(&STANDARD.encode(value)),
            ValueRef::Enum(number) => self.enum_value(number, serializer),
            ValueRef::Message(message) => Shown {
                message,
                context: context.below()?,
            }
            .serialize(serializer),
            ValueRef::List(list) => elements(list, context, serializer),
            ValueRef::Map(map) => entries(map, context, serializer),
        }
    }
}

impl Element<'_, '_> {
    fn enum_value<S: Serializer>(&self, number: i32, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.tables.enum_layout(self.field.inner);
        match values.name(number) {
            _ if values.is_null => serializer.serialize_unit(),
            Some(name) if !self.context.options.enum_numbers => serializer.serialize_str(name),
            _ => serializer.serialize_i32(number),
        }
    }
}

fn elements<S: Serializer>(
    list: ListRef<'_>,
    context: Context<'_>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let (field, tables) = (list.field(), list.message().tables());
    let mut seq = serializer.serialize_seq(Some(list.len()))?;
    for value in list {
        match value {
            ValueRef::Str(value) => seq.serialize_element(value)?,
            ValueRef::I32(value) => seq.serialize_element(&value)?,
            ValueRef::U32(value) => seq.serialize_element(&value)?,
            ValueRef::F64(value) if value.is_finite() => seq.serialize_element(&value)?,
            ValueRef::I64(value) => {
                seq.serialize_element(itoa::Buffer::new().format(value))?;
            }
            value => seq.serialize_element(&Element {
                value,
                field,
                tables,
                context,
            })?,
        }
    }
    seq.end()
}

/// On the wire an entry is a message around its value.
fn entries<S: Serializer>(
    map: MapRef<'_>,
    context: Context<'_>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let context = match map.is_empty() {
        true => context,
        false => context.below()?,
    };
    let (field, tables) = (map.value_field(), map.message().tables());
    let mut object = serializer.serialize_map(None)?;
    for (key, value) in map {
        let value = Element {
            value,
            field,
            tables,
            context,
        };
        match (key, value.value) {
            (MapKeyRef::Str(key), ValueRef::Str(value)) => object.serialize_entry(key, value)?,
            (MapKeyRef::Str(key), _) => object.serialize_entry(key, &value)?,
            (key, _) => object.serialize_entry(&Key(key), &value)?,
        }
    }
    object.end()
}

/// Keys of objects are strings.
struct Key<'a>(MapKeyRef<'a>);

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn not_finite(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}
