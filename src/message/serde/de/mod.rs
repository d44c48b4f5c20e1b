//! From a message to a Rust value.

mod collections;
mod fields;
mod oneof;
mod value;

use serde::{
    Deserializer,
    de::{Error as _, Visitor},
    forward_to_deserialize_any,
};

use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{
        MessageRef,
        serde::{
            SerdeError,
            plan::Probe,
            well_known::{WellKnown, to_json, to_text, too_deep},
        },
    },
};
use fields::{Fields, explain_missing};
use oneof::OneofDeserializer;
use value::ValueDeserializer;

/// Where a value stands, and how it is read.
#[derive(Clone, Copy)]
struct Context<'p> {
    /// How many messages may still be entered.
    levels: usize,
    /// Set when it is only tried whether the type fits: every field reads as set.
    probe: Option<&'p Probe>,
    /// While trying: an enum here need not be its default.
    any_variant: bool,
}

/// Reads a message.
///
/// On the way down, values are returned by `match` and not handed through closures: messages nest a
/// hundred deep, and each closure is one more frame with room for a whole struct.
pub(super) struct MessageDeserializer<'a> {
    message: MessageRef<'a>,
    context: Context<'a>,
}

impl<'a> MessageDeserializer<'a> {
    pub(super) fn new(message: MessageRef<'a>) -> Self {
        let context = Context {
            levels: MESSAGE_NESTING_MAX + 1,
            probe: None,
            any_variant: false,
        };
        Self { message, context }
    }

    pub(super) fn probing(message: MessageRef<'a>, probe: &'a Probe) -> Self {
        let mut probing = Self::new(message);
        probing.context.probe = Some(probe);
        probing
    }

    fn well_known(&self) -> Option<WellKnown> {
        WellKnown::of(self.message.message_type())
    }

    /// One level down. The probe leaves the message again when the guard is dropped.
    fn enter(&self) -> Result<(Context<'a>, Inside<'a>), SerdeError> {
        let mut context = self.context;
        context.levels = context.levels.checked_sub(1).ok_or_else(too_deep)?;
        context.any_variant = false;
        if let Some(probe) = context.probe {
            probe.enter(self.message.message_type());
        }
        Ok((context, Inside(context.probe)))
    }

    /// What a `google.protobuf.Value` holds is known only when it comes, so that nothing about it
    /// is a matter of types.
    fn json<T>(
        self,
        read: impl FnOnce(serde_json::Value) -> Result<T, serde_json::Error>,
    ) -> Result<T, SerdeError> {
        read(to_json(self.message)?).map_err(SerdeError::custom)
    }

    /// The scalar inside a wrapper.
    fn wrapped(self) -> Result<ValueDeserializer<'a>, SerdeError> {
        let field = self.message.message_type().field("value");
        let field = field.ok_or_else(|| SerdeError::structural("the wrapper has no `value`"))?;
        let mut context = self.context;
        context.levels = context.levels.checked_sub(1).ok_or_else(too_deep)?;
        ValueDeserializer::of_field(self.message, &field, context)
    }

    fn fields<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        let (context, _inside) = self.enter()?;
        visitor.visit_map(Fields::all(self.message, context))
    }
}

impl<'de> Deserializer<'de> for MessageDeserializer<'_> {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.well_known() {
            Some(WellKnown::Json) => self.json(|json| json.deserialize_any(visitor)),
            Some(WellKnown::Wrapper) => self.wrapped()?.deserialize_any(visitor),
            Some(_) => self.deserialize_str(visitor),
            None => self.fields(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.well_known() {
            Some(WellKnown::Json) => self.json(|json| json.deserialize_str(visitor)),
            Some(WellKnown::Wrapper) => self.wrapped()?.deserialize_str(visitor),
            Some(_) => match to_text(self.message)? {
                Some(text) => visitor.visit_string(text),
                None => self.fields(visitor),
            },
            None => self.fields(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.well_known() {
            Some(WellKnown::Json) => self.json(|json| json.deserialize_bytes(visitor)),
            Some(WellKnown::Wrapper) => self.wrapped()?.deserialize_bytes(visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.well_known() {
            Some(WellKnown::Json) => self.json(|json| json.deserialize_seq(visitor)),
            Some(WellKnown::Wrapper) => self.wrapped()?.deserialize_seq(visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.well_known() {
            Some(WellKnown::Json) => self.json(|json| json.deserialize_map(visitor)),
            _ => self.fields(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        if self.well_known() == Some(WellKnown::Json) {
            return self.json(|json| json.deserialize_struct(name, fields, visitor));
        }
        let (context, _inside) = self.enter()?;
        let named = Fields::named(self.message, fields, context)?;
        let withheld = named.withheld.clone();
        match visitor.visit_map(named) {
            Ok(value) => Ok(value),
            Err(error) => Err(explain_missing(error, self.message, &withheld)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match self.well_known() {
            Some(WellKnown::Json) => {
                self.json(|json| json.deserialize_enum(name, variants, visitor))
            }
            Some(WellKnown::Wrapper) => self.wrapped()?.deserialize_enum(name, variants, visitor),
            _ => {
                let (context, _inside) = self.enter()?;
                let oneof = OneofDeserializer::of_message(self.message, context)?;
                oneof.deserialize_enum(name, variants, visitor)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        let null = self.well_known() == Some(WellKnown::Json) && to_json(self.message)?.is_null();
        if null && self.context.probe.is_none() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char identifier
    }

    /// See the note on types in [`Message`](crate::Message)'s serde half: what writes itself as
    /// bytes for machines does so in a `bytes` field.
    fn is_human_readable(&self) -> bool {
        self.message.message_type().full_name() != "google.protobuf.BytesValue"
    }
}

/// Inside a message that the probe went into.
struct Inside<'a>(Option<&'a Probe>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if let Some(probe) = self.0 {
            probe.leave();
        }
    }
}
