//! What getters lend for as long as the message lives: types, fields, enum values, defaults.
//!
//! prost-reflect hands out descriptors by value, so a `&str` of one of their names would have
//! nothing to borrow from. The first getter that needs such a thing puts it into its message's
//! [`Lender`]; most messages never make one.

use std::sync::OnceLock;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, MessageDescriptor, Value as Reflected,
};

use crate::schema::{EnumType, EnumValue, Field, MessageType};

/// An append-only list whose entries stay where they are.
#[derive(Default)]
pub(super) struct Lender {
    first: OnceLock<Box<Link>>,
}

struct Link {
    lent: Lent,
    next: Lender,
}

enum Lent {
    Type(TypeEntry),
    EnumValue(EnumValue),
    /// A default that the file declares (proto2).
    Default {
        field: FieldDescriptor,
        value: Reflected,
    },
}

/// A message type with what its messages lend.
pub(super) struct TypeEntry {
    pub(super) message_type: MessageType,
    /// What an unset field of this type reads as.
    pub(super) empty: DynamicMessage,
    /// In the order of their numbers; made when fields are first iterated.
    fields: OnceLock<Box<[Field]>>,
}

impl TypeEntry {
    fn new(descriptor: &MessageDescriptor) -> Self {
        Self {
            message_type: MessageType::new(descriptor.clone()),
            empty: DynamicMessage::new(descriptor.clone()),
            fields: OnceLock::new(),
        }
    }

    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        let fields = self
            .fields
            .get_or_init(|| self.message_type.fields().collect());
        let index = fields.binary_search_by_key(&number, Field::number).ok()?;
        fields.get(index)
    }
}

impl Lender {
    pub(super) fn type_entry(&self, descriptor: &MessageDescriptor) -> &TypeEntry {
        self.find_or_add(
            |lent| match lent {
                Lent::Type(entry) if entry.message_type.descriptor() == descriptor => Some(entry),
                _ => None,
            },
            || Lent::Type(TypeEntry::new(descriptor)),
        )
    }

    /// The enum's value with this number, if the file names it.
    pub(super) fn enum_value(&self, kind: &EnumDescriptor, number: i32) -> Option<&EnumValue> {
        let value = EnumType::new(kind.clone()).value(number)?;
        Some(self.find_or_add(
            |lent| match lent {
                Lent::EnumValue(known) if *known == value => Some(known),
                _ => None,
            },
            || Lent::EnumValue(value.clone()),
        ))
    }

    pub(super) fn default_of(&self, field: &FieldDescriptor) -> &Reflected {
        self.find_or_add(
            |lent| match lent {
                Lent::Default { field: of, value } if of == field => Some(value),
                _ => None,
            },
            || Lent::Default {
                field: field.clone(),
                value: field.default_value(),
            },
        )
    }

    /// `pick` must accept what `make` makes: that is what ends the walk.
    fn find_or_add<T>(
        &self,
        pick: impl for<'x> Fn(&'x Lent) -> Option<&'x T>,
        make: impl Fn() -> Lent,
    ) -> &T {
        let mut place = self;
        loop {
            let link = place.first.get_or_init(|| {
                Box::new(Link {
                    lent: make(),
                    next: Self::default(),
                })
            });
            if let Some(found) = pick(&link.lent) {
                return found;
            }
            place = &link.next;
        }
    }
}
