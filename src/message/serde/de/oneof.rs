//! A oneof, as a Rust enum with a variant for each member.

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, VariantAccess, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use crate::{
    message::{
        MessageRef,
        serde::{
            SerdeError,
            de::{
                Context,
                fields::{Fields, in_field},
                value::ValueDeserializer,
            },
            names::{only_oneof, variant_of_member},
            plan::Probe,
        },
    },
    schema::{Field, Oneof},
};

/// Reads the member of a oneof that is set.
pub(super) struct OneofDeserializer<'a> {
    message: MessageRef<'a>,
    oneof: Oneof,
    context: Context<'a>,
}

impl<'a> OneofDeserializer<'a> {
    pub(super) fn new(message: MessageRef<'a>, oneof: Oneof, context: Context<'a>) -> Self {
        Self {
            message,
            oneof,
            context,
        }
    }

    /// For a message that is an enum itself: all its fields are members of one oneof.
    pub(super) fn of_message(
        message: MessageRef<'a>,
        context: Context<'a>,
    ) -> Result<Self, SerdeError> {
        match only_oneof(message.message_type()) {
            Some(oneof) => Ok(Self::new(message, oneof, context)),
            None => Err(SerdeError::structural(format!(
                "invalid type: message `{}`, expected an enum \
                 (a message can be one if all its fields are members of one oneof)",
                message.message_type().full_name()
            ))),
        }
    }

    pub(super) fn has_value(&self) -> bool {
        self.context.probe.is_some() || self.set_member().is_some()
    }

    fn set_member(&self) -> Option<Field> {
        let slots = self.oneof.fields().map(|member| member.slot());
        let set = self.message.set_member(slots)?;
        self.oneof.fields().find(|member| member.slot() == set)
    }

    pub(super) fn is_put_off(&self, probe: &Probe) -> bool {
        self.oneof.fields().any(|field| probe.is_put_off(&field))
    }

    fn member(&self, variants: &'static [&'static str]) -> Result<Field, SerdeError> {
        let member = match self.context.probe {
            None => self.set_member(),
            Some(probe) => {
                let mut members: Vec<_> = self.oneof.fields().collect();
                if members
                    .iter()
                    .any(|m| variant_of_member(variants, m).is_some())
                {
                    members.retain(|member| variant_of_member(variants, member).is_some());
                }
                probe.choose(&members).cloned()
            }
        };
        member.ok_or_else(|| {
            let name = self.oneof.name();
            SerdeError::of_value(format!("no member of oneof `{name}` is set"))
        })
    }
}

impl<'de> Deserializer<'de> for OneofDeserializer<'_> {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        let member = self.member(&[])?;
        visitor.visit_map(Fields::one(self.message, member, self.context))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        let member = self.member(variants)?;
        let result = visitor.visit_enum(MemberAccess {
            message: self.message,
            variant: variant_of_member(variants, &member),
            member: &member,
            context: self.context,
        });
        result.map_err(|error| in_field(error, &member, self.context))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct MemberAccess<'a, 'f> {
    message: MessageRef<'a>,
    /// The name that the enum knows; the member's own where it knows none, for serde to refuse.
    variant: Option<&'static str>,
    member: &'f Field,
    context: Context<'a>,
}

impl<'a, 'de> EnumAccess<'de> for MemberAccess<'a, '_> {
    type Error = SerdeError;
    type Variant = ValueDeserializer<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), SerdeError> {
        let variant = self.variant.unwrap_or_else(|| self.member.name());
        let variant = seed.deserialize(StrDeserializer::<SerdeError>::new(variant))?;
        let value = ValueDeserializer::of_field(self.message, self.member, self.context)?;
        Ok((variant, value))
    }
}

impl<'de> VariantAccess<'de> for ValueDeserializer<'_> {
    type Error = SerdeError;

    fn unit_variant(self) -> Result<(), SerdeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, SerdeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_struct("", fields, visitor)
    }
}
