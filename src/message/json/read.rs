//! Reading: JSON, value by value, into the contents of a message.

mod any;
mod collections;
mod fields;
mod scalar;

use std::{cell::RefCell, fmt, sync::Arc};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::de::StrRead;

use collections::{ListVisitor, MapVisitor};
use fields::read_fields;

use super::{JsonOptions, TooDeep};
use crate::{
    message::{
        Message, Value,
        body::{Body, Slot},
        fit::type_name,
        path::Path,
        serde::message_of_text,
    },
    schema::{
        MessageType,
        layout::{Cardinality, FieldLayout, FieldType, JsonForm, Layout, Tables},
    },
};

/// What is read, and how.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) tables: &'a Arc<Tables>,
    pub(super) options: &'a JsonOptions,
    /// How many messages may still lie inside each other.
    pub(super) levels: usize,
    /// To what cannot be read.
    pub(super) path: &'a RefCell<Path>,
}

impl<'a> Context<'a> {
    fn below<E: Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => Err(E::custom(TooDeep)),
        }
    }

    fn layout(self, index: u32) -> &'a Layout {
        self.tables.layout(index)
    }
}

/// A reader of JSON. Of messages inside each other the context keeps count, and what is read over is
/// not recursed into.
pub(super) fn deserializer(json: &str) -> serde_json::Deserializer<StrRead<'_>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.disable_recursion_limit();
    deserializer
}

/// A message of the type with an index.
pub(super) struct MessageSeed<'a> {
    pub(super) index: u32,
    pub(super) context: Context<'a>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = Body;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Body, D::Error> {
        let whole = FieldLayout::of_value(FieldType::Message, self.index);
        let seed = OneSeed {
            field: &whole,
            context: self.context,
        };
        match seed.deserialize(deserializer)? {
            Some(Slot::Message(body)) => Ok(*body),
            _ => Err(D::Error::invalid_type(Unexpected::Unit, &"a message")),
        }
    }
}

/// The value of a field: one, a list or a map. `None` if it is null, which leaves the field unset.
struct FieldSeed<'a> {
    layout: &'a Layout,
    slot: u16,
    context: Context<'a>,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = Option<Slot>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Slot>, D::Error> {
        let field = self.layout.field(self.slot);
        let context = self.context;
        match field.cardinality {
            Cardinality::One => OneSeed { field, context }.deserialize(deserializer),
            Cardinality::List => deserializer.deserialize_any(ListVisitor { field, context }),
            Cardinality::Map => deserializer.deserialize_any(MapVisitor {
                entry: context.layout(field.inner),
                context,
            }),
        }
    }
}

/// One value that is not to be null: an element, or the value of an entry.
struct ElementSeed<'a>(OneSeed<'a>);

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = Option<Slot>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Slot>, D::Error> {
        let OneSeed { field, context } = self.0;
        let visitor = OneVisitor {
            field,
            context,
            nullable: false,
        };
        deserializer.deserialize_any(visitor)
    }
}

/// One value. `None` if it is null, or the name of an enum's value that is read over.
#[derive(Clone, Copy)]
struct OneSeed<'a> {
    field: &'a FieldLayout,
    context: Context<'a>,
}

impl OneSeed<'_> {
    fn expecting(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = type_name(self.context.tables, self.field);
        match self.field.field_type {
            FieldType::Message | FieldType::Group => write!(f, "a `{name}`"),
            FieldType::Enum | FieldType::ClosedEnum => write!(f, "a value of enum `{name}`"),
            _ => f.write_str(&name),
        }
    }

    /// Whether it is google.protobuf.NullValue, whose value is null.
    fn is_null_enum(self) -> bool {
        let is_enum = matches!(
            self.field.field_type,
            FieldType::Enum | FieldType::ClosedEnum
        );
        is_enum && self.context.tables.enum_layout(self.field.inner).is_null
    }
}

impl<'de> DeserializeSeed<'de> for OneSeed<'_> {
    type Value = Option<Slot>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Slot>, D::Error> {
        let visitor = OneVisitor {
            field: self.field,
            context: self.context,
            nullable: true,
        };
        deserializer.deserialize_any(visitor)
    }
}

struct OneVisitor<'a> {
    field: &'a FieldLayout,
    context: Context<'a>,
    nullable: bool,
}

impl<'a> OneVisitor<'a> {
    fn seed(&self) -> OneSeed<'a> {
        let Self { field, context, .. } = *self;
        OneSeed { field, context }
    }

    /// The table of the message type that is wanted.
    fn inner(&self) -> Option<&'a Layout> {
        let is_message = self.field.field_type.is_message();
        is_message.then(|| self.context.layout(self.field.inner))
    }

    fn form(&self) -> Option<JsonForm> {
        self.inner().map(|layout| layout.json_form)
    }

    fn scalar<E: Error>(self, value: scalar::Scalar<'_>) -> Result<Option<Slot>, E> {
        match self.inner() {
            None => scalar::read(self.context, self.field, value)
                .map_err(|fault| fault.into_error(value, &self)),
            Some(layout) => self.scalar_message(layout, value),
        }
    }

    /// A message whose JSON is no object.
    fn scalar_message<E: Error>(
        self,
        layout: &Layout,
        value: scalar::Scalar<'_>,
    ) -> Result<Option<Slot>, E> {
        let context = self.context;
        let message_type = || MessageType::with(context.tables, layout.index);
        let body = match (layout.json_form, value) {
            (JsonForm::Text, scalar::Scalar::Text(text)) => {
                let message = message_of_text(&message_type(), text).map_err(E::custom)?;
                message.map(Message::into_body)
            }
            (JsonForm::Wrapper, value) => {
                let field = layout.field(0);
                let read = scalar::read(context, field, value);
                let mut body = Body::default();
                if let Some(value) = read.map_err(|fault| fault.into_error(value, &self))? {
                    body.put(layout, 0, value);
                }
                Some(body)
            }
            (JsonForm::Value, value) => {
                let mut message = Message::new(&message_type());
                let set = match value {
                    scalar::Scalar::Bool(value) => message.set("bool_value", value),
                    scalar::Scalar::Text(text) => message.set("string_value", text),
                    number => message.set("number_value", number.to_f64()),
                };
                set.map_err(E::custom)?;
                Some(message.into_body())
            }
            _ => None,
        };
        match body {
            Some(body) => Ok(Some(Slot::Message(Box::new(body)))),
            None => Err(E::invalid_type(value.unexpected(), &self)),
        }
    }

    /// The member of a google.protobuf.Value that holds an object or a list.
    fn member(self, name: &str) -> Option<(u16, &'a Layout, FieldLayout)> {
        let layout = self.inner()?;
        let slot = layout.by_name(name)?;
        Some((slot, layout, *layout.field(slot)))
    }
}

impl<'de> Visitor<'de> for OneVisitor<'_> {
    type Value = Option<Slot>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seed().expecting(f)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Slot>, E> {
        match self.form() {
            Some(JsonForm::Value) => {
                let of = MessageType::with(self.context.tables, self.field.inner);
                let mut message = Message::new(&of);
                message
                    .set("null_value", Value::Enum(0))
                    .map_err(E::custom)?;
                Ok(Some(Slot::Message(Box::new(message.into_body()))))
            }
            _ if self.seed().is_null_enum() => Ok(Some(Slot::Bits(0))),
            _ if self.nullable => Ok(None),
            _ => Err(E::invalid_type(Unexpected::Unit, &self)),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<Slot>, E> {
        self.scalar(scalar::Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<Slot>, E> {
        self.scalar(scalar::Scalar::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<Slot>, E> {
        self.scalar(scalar::Scalar::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<Slot>, E> {
        self.scalar(scalar::Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Option<Slot>, E> {
        self.scalar(scalar::Scalar::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Option<Slot>, A::Error> {
        let context = self.context;
        let (layout, slot, around) = match self.form() {
            Some(JsonForm::ListValue) => (context.layout(self.field.inner), 0, None),
            Some(JsonForm::Value) => match self.member("list_value") {
                Some((slot, layout, field)) => {
                    (context.layout(field.inner), 0, Some((layout, slot)))
                }
                None => {
                    return Err(A::Error::custom(
                        "a Value of the schema's own, without lists",
                    ));
                }
            },
            _ => return Err(A::Error::invalid_type(Unexpected::Seq, &self)),
        };
        let context = match around {
            Some(_) => context.below()?,
            None => context,
        };
        let field = layout.field(slot);
        let values = ListVisitor {
            field,
            context: context.below()?,
        };
        let list = values.visit_seq(seq)?;
        Ok(Some(nested(layout, slot, list, around)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Slot>, A::Error> {
        let context = self.context;
        let (layout, around) = match (self.form(), self.inner()) {
            (Some(JsonForm::Object | JsonForm::Empty), Some(layout)) => {
                return read_fields(layout, context, map).map(message_slot);
            }
            (Some(JsonForm::Any), Some(layout)) => {
                return any::read(layout, context, map).map(message_slot);
            }
            (Some(JsonForm::Struct), Some(layout)) => (layout, None),
            (Some(JsonForm::Value), _) => match self.member("struct_value") {
                Some((slot, layout, field)) => (context.layout(field.inner), Some((layout, slot))),
                None => {
                    return Err(A::Error::custom(
                        "a Value of the schema's own, without objects",
                    ));
                }
            },
            _ => return Err(A::Error::invalid_type(Unexpected::Map, &self)),
        };
        let context = match around {
            Some(_) => context.below()?,
            None => context,
        };
        let values = MapVisitor {
            entry: context.layout(layout.field(0).inner),
            context,
        };
        let entries = values.visit_map(map)?;
        Ok(Some(nested(layout, 0, entries, around)))
    }
}

/// A message with one field set, in a field of another one if there is one around it.
fn nested(layout: &Layout, slot: u16, value: Option<Slot>, around: Option<(&Layout, u16)>) -> Slot {
    let mut body = Body::default();
    if let Some(value) = value {
        body.put(layout, slot, value);
    }
    let inner = Slot::Message(Box::new(body));
    let Some((layout, slot)) = around else {
        return inner;
    };
    let mut body = Body::default();
    body.put(layout, slot, inner);
    Slot::Message(Box::new(body))
}

fn message_slot(body: Body) -> Option<Slot> {
    Some(Slot::Message(Box::new(body)))
}
