//! Where a value goes, and what it becomes there.

use std::sync::Arc;

use serde::{Serialize, ser::Error as _};

use super::{fields::MessageBuilder, oneof::VariantBuilder};
use crate::{
    message::{
        Message, Value,
        body::{Body, Slot},
        fit::{Misfit, declared, fit_one, type_name},
        serde::{
            SerdeError, names,
            well_known::{WellKnown, from_json, from_text, too_deep},
        },
    },
    schema::{
        Field, MessageType, Oneof,
        layout::{Cardinality, EnumLayout, FieldLayout, FieldType, Tables},
    },
};

/// Where a value is to go.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) tables: &'a Arc<Tables>,
    pub(super) place: Place<'a>,
    /// How many messages may still be made inside each other.
    pub(super) levels: usize,
    /// Whether nothing may go there too: a field can stay unset, an element of a list cannot.
    pub(super) optional: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// A singular field, or an element of a list or a map.
    One(FieldLayout),
    List(&'a Field),
    Map(&'a Field),
    /// Whichever member the value is a variant for.
    Oneof(&'a Oneof),
}

/// What a value became.
pub(super) enum Output {
    Value(Slot),
    /// The value of one member of a oneof.
    Member(Field, Slot),
}

pub(super) type Put = Result<Option<Output>, SerdeError>;

impl Output {
    pub(super) fn message(message: Message) -> Self {
        Self::body(message.into_body())
    }

    pub(super) fn body(body: Body) -> Self {
        Self::Value(Slot::Message(Box::new(body)))
    }
}

impl<'a> Target<'a> {
    /// A place that must get a value.
    pub(super) fn required(tables: &'a Arc<Tables>, value: FieldLayout, levels: usize) -> Self {
        Self {
            tables,
            place: Place::One(value),
            levels,
            optional: false,
        }
    }

    /// A field of a message.
    pub(super) fn field(field: &'a Field, levels: usize) -> Self {
        let place = match field.layout().cardinality {
            Cardinality::Map => Place::Map(field),
            Cardinality::List => Place::List(field),
            Cardinality::One => Place::One(*field.layout()),
        };
        Self {
            tables: field.parent_type().tables(),
            place,
            levels,
            optional: true,
        }
    }

    /// Serializes into here; `None` leaves it unset.
    pub(super) fn put<T: Serialize + ?Sized>(self, value: &T) -> Put {
        let Some(message_type) = self.json_type() else {
            return value.serialize(self);
        };
        let json = serde_json::to_value(value).map_err(SerdeError::custom)?;
        if json.is_null() {
            // `None`, which leaves the field unset, and a unit, which is JSON's null, look alike.
            return value.serialize(self);
        }
        let message = from_json(&message_type, json, self.levels)?;
        Ok(Some(Output::message(message)))
    }

    /// The type that is to go here, if it is one that holds JSON.
    pub(super) fn json_type(self) -> Option<MessageType> {
        let message_type = self.message_type()?;
        (WellKnown::of(&message_type) == Some(WellKnown::Json)).then_some(message_type)
    }

    pub(super) fn message_type(self) -> Option<MessageType> {
        match self.place {
            Place::One(value) if value.field_type.is_message() => {
                Some(MessageType::with(self.tables, value.inner))
            }
            _ => None,
        }
    }

    pub(super) fn enum_type(self) -> Option<&'a EnumLayout> {
        match self.place {
            Place::One(value)
                if matches!(value.field_type, FieldType::Enum | FieldType::ClosedEnum) =>
            {
                Some(self.tables.enum_layout(value.inner))
            }
            _ => None,
        }
    }

    pub(super) fn scalar(self, value: impl Into<Value>, given: &str) -> Put {
        let value = value.into();
        let Place::One(place) = self.place else {
            return Err(self.misfit(given).into());
        };
        let Some(message_type) = self.message_type() else {
            return Ok(Some(Output::Value(fit_one(self.tables, &place, value)?)));
        };
        let message = match (WellKnown::of(&message_type), value) {
            (Some(WellKnown::Wrapper), value) => self.wrapper(&message_type, value)?,
            (Some(_), Value::String(text)) => from_text(&message_type, &text)?,
            _ => None,
        };
        let message = message.ok_or_else(|| self.misfit(given))?;
        self.levels.checked_sub(1).ok_or_else(too_deep)?;
        Ok(Some(Output::message(message)))
    }

    fn wrapper(
        self,
        message_type: &MessageType,
        value: Value,
    ) -> Result<Option<Message>, SerdeError> {
        let Some(field) = message_type.field("value") else {
            return Ok(None);
        };
        fit_one(self.tables, field.layout(), value.clone())?;
        let mut message = Message::new(message_type);
        let set = message.set(&field, value);
        set.map_err(|error| SerdeError::structural(error.to_string()))?;
        Ok(Some(message))
    }

    pub(super) fn integer(self, value: i128) -> Put {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.scalar(value, "an integer"),
            (_, Ok(value)) => self.scalar(value, "an integer"),
            _ => Err(SerdeError::from(Misfit::OutOfRange {
                value: value.to_string(),
                expected: self.expected(),
            })),
        }
    }

    /// Nothing: the field stays unset.
    pub(super) fn nothing(self, given: &str) -> Put {
        if self.optional {
            Ok(None)
        } else {
            Err(self.misfit(given).into())
        }
    }

    pub(super) fn empty_message(self) -> Put {
        self.levels.checked_sub(1).ok_or_else(too_deep)?;
        Ok(Some(Output::Value(Slot::Message(Box::default()))))
    }

    pub(super) fn message_builder(self, given: &str) -> Result<MessageBuilder, SerdeError> {
        let message_type = self.message_type().ok_or_else(|| self.misfit(given))?;
        MessageBuilder::new(&message_type, self.levels)
    }

    /// The member that a variant stands for. A message whose fields are all of one oneof can be an
    /// enum itself.
    pub(super) fn variant_builder(self, variant: &str) -> Result<VariantBuilder, SerdeError> {
        let given = || format!("variant `{variant}` of an enum");
        let (outer, oneof) = match (self.place, self.message_type()) {
            (Place::Oneof(oneof), _) => (None, oneof.clone()),
            (_, Some(message_type)) => match names::only_oneof(&message_type) {
                Some(oneof) => (
                    Some(MessageBuilder::new(&message_type, self.levels)?),
                    oneof,
                ),
                None => return Err(self.misfit(&given()).into()),
            },
            _ => return Err(self.misfit(&given()).into()),
        };
        match names::oneof_member(&oneof, variant)? {
            Some(member) => Ok(VariantBuilder::new(outer, member, self.levels)),
            None => Err(SerdeError::structural(format!(
                "oneof `{}` has no member for variant `{variant}`",
                oneof.name()
            ))),
        }
    }

    pub(super) fn misfit(self, given: &str) -> Misfit {
        Misfit::wrong_type(self.expected(), given)
    }

    fn expected(self) -> String {
        match self.place {
            Place::One(value) => {
                let name = type_name(self.tables, &value);
                match value.field_type {
                    FieldType::Message | FieldType::Group => format!("message `{name}`"),
                    FieldType::Enum | FieldType::ClosedEnum => format!("enum `{name}`"),
                    _ => name,
                }
            }
            Place::List(field) | Place::Map(field) => declared(field.info()),
            Place::Oneof(oneof) => format!("an enum for oneof `{}`", oneof.name()),
        }
    }
}
