//! Rust enums that stand for a oneof.

use serde::{Serialize, ser::SerializeStructVariant};

use super::{
    fields::MessageBuilder,
    target::{Output, Put, Target},
};
use crate::{
    message::{body::Slot, serde::SerdeError},
    schema::Field,
};

/// A variant of a Rust enum: the member of a oneof that it stands for.
pub(super) struct VariantBuilder {
    /// The message that the enum is, unless the enum is a field of a struct.
    outer: Option<MessageBuilder>,
    member: Field,
    /// How many messages may still be made, the member's included.
    levels: usize,
}

impl VariantBuilder {
    pub(super) fn new(outer: Option<MessageBuilder>, member: Field, levels: usize) -> Self {
        let levels = outer.as_ref().map_or(levels, |outer| outer.levels);
        Self {
            outer,
            member,
            levels,
        }
    }

    pub(super) fn put<T: Serialize + ?Sized>(self, value: &T) -> Put {
        let tables = self.member.parent_type().tables();
        let target = Target::required(tables, *self.member.layout(), self.levels);
        let put = target.put(value);
        match put.map_err(|error| error.in_field(self.member.name()))? {
            Some(Output::Value(value)) => self.finish(value),
            _ => Ok(None),
        }
    }

    pub(super) fn with_fields(self) -> Result<VariantFields, SerdeError> {
        let tables = self.member.parent_type().tables();
        let target = Target::required(tables, *self.member.layout(), self.levels);
        let fields = target
            .message_builder("a variant with named fields")
            .map_err(|error| error.in_field(self.member.name()))?;
        Ok(VariantFields {
            variant: self,
            fields,
        })
    }

    fn finish(self, value: Slot) -> Put {
        match self.outer {
            Some(mut outer) => {
                outer.set(&self.member, value)?;
                Ok(Some(Output::Value(outer.finish())))
            }
            None => Ok(Some(Output::Member(self.member, value))),
        }
    }
}

/// A variant with named fields: those of the member's message.
pub(super) struct VariantFields {
    variant: VariantBuilder,
    fields: MessageBuilder,
}

impl SerializeStructVariant for VariantFields {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), SerdeError> {
        let put = self.fields.named(name, value);
        put.map_err(|error| error.in_field(self.variant.member.name()))
    }

    fn end(self) -> Put {
        self.variant.finish(self.fields.finish())
    }
}
