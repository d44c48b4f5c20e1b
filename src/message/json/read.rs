//! Reading: JSON, value by value, into the contents of a message.

mod any;
mod scalar;

use std::{fmt, sync::Arc};

use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::{JsonOptions, TooDeep};
use crate::{
    Schema,
    message::{
        MapKey, Message, Value,
        body::{Body, Slot},
        fit::type_name,
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

/// A message of the type with an index.
pub(super) struct MessageSeed<'a> {
    pub(super) index: u32,
    pub(super) context: Context<'a>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = Message;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Message, D::Error> {
        let whole = FieldLayout::of_value(FieldType::Message, self.index);
        let seed = OneSeed {
            field: &whole,
            context: self.context,
        };
        match seed.deserialize(deserializer)? {
            Some(Slot::Message(body)) => {
                let message_type = MessageType::with(self.context.tables, self.index);
                Ok(Message::of_body(&message_type, *body))
            }
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

struct ListVisitor<'a> {
    field: &'a FieldLayout,
    context: Context<'a>,
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

struct MapVisitor<'a> {
    entry: &'a Layout,
    context: Context<'a>,
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
        let mut entries = std::collections::BTreeMap::new();
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
struct OneSeed<'a> {
    field: &'a FieldLayout,
    context: Context<'a>,
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
            None => match scalar::read(self.context, self.field, value) {
                Some(read) => read.map_err(E::custom),
                None => Err(E::invalid_type(value.unexpected(), &self)),
            },
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
                let Some(read) = scalar::read(context, field, value) else {
                    return Err(E::invalid_type(value.unexpected(), &self));
                };
                let mut body = Body::default();
                if let Some(value) = read.map_err(E::custom)? {
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
        let name = type_name(self.context.tables, self.field);
        match self.field.field_type {
            FieldType::Message | FieldType::Group => write!(f, "a `{name}`"),
            FieldType::Enum | FieldType::ClosedEnum => write!(f, "a value of enum `{name}`"),
            _ => f.write_str(&name),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Slot>, E> {
        match (self.form(), self.field.field_type) {
            (Some(JsonForm::Value), _) => {
                let of = MessageType::with(self.context.tables, self.field.inner);
                let mut message = Message::new(&of);
                message
                    .set("null_value", Value::Enum(0))
                    .map_err(E::custom)?;
                Ok(Some(Slot::Message(Box::new(message.into_body()))))
            }
            (_, FieldType::Enum | FieldType::ClosedEnum)
                if self.context.tables.enum_layout(self.field.inner).is_null =>
            {
                Ok(Some(Slot::Bits(0)))
            }
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

/// The fields of a message, by either of their names.
fn read_fields<'de, A: MapAccess<'de>>(
    layout: &Layout,
    context: Context<'_>,
    mut map: A,
) -> Result<Body, A::Error> {
    let mut body = Body::default();
    let mut seen: Vec<u16> = Vec::new();
    while let Some(slot) = map.next_key_seed(NameSeed { layout, context })? {
        let Some(slot) = slot else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        let name = || &layout.info(slot).json_name;
        if seen.contains(&slot) {
            return Err(A::Error::custom(format!(
                "field `{}` is there twice",
                name()
            )));
        }
        seen.push(slot);
        let is_message = layout.field(slot).field_type.is_message();
        let seed = FieldSeed {
            layout,
            slot,
            context: match is_message && layout.field(slot).cardinality != Cardinality::Map {
                true => context.below()?,
                false => context,
            },
        };
        let Some(value) = map.next_value_seed(seed)? else {
            continue;
        };
        if let Some(other) = other_member(layout, &body, slot) {
            let other = &layout.info(other).json_name;
            let name = name();
            return Err(A::Error::custom(format!(
                "fields `{other}` and `{name}` are of one oneof, and both are there"
            )));
        }
        body.put(layout, slot, value);
    }
    Ok(body)
}

/// Another member of a field's oneof that is set.
fn other_member(layout: &Layout, body: &Body, slot: u16) -> Option<u16> {
    let oneof = usize::from(layout.field(slot).oneof).checked_sub(1)?;
    let members = layout.oneofs[oneof].iter().copied();
    let mut set = members.filter(|member| body.slots.get(*member).is_some());
    set.find(|member| *member != slot)
}

/// The slot of a field's name; `None` if there is none, and that is read over.
struct NameSeed<'a> {
    layout: &'a Layout,
    context: Context<'a>,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<u16>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u16>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<u16>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the name of a field of `{}`",
            self.layout.descriptor.full_name()
        )
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<u16>, E> {
        let slot = self.layout.by_json_name(name);
        if slot.is_some() || self.context.options.ignore_unknown {
            return Ok(slot);
        }
        let names = self.layout.infos.iter().map(|info| &*info.json_name);
        let hint = Schema::nearest(name, names);
        let hint = hint.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let of = self.layout.descriptor.full_name();
        Err(E::custom(format!("`{of}` has no field `{name}`{hint}")))
    }
}
