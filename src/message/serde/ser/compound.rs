//! Rust values of several parts: structs, maps, sequences, variants.

use std::collections::HashMap;

use bytes::Bytes;
use prost_reflect::{
    DynamicMessage, Kind, MapKey as ReflectedKey, MessageDescriptor, Value as Reflected,
};
use serde::{
    Serialize,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct,
    },
};

use super::{Output, Place, Put, Target, place};
use crate::{
    Schema,
    message::{
        fit::map_entry,
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
    levels: usize,
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

    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), SerdeError> {
        match member(&self.message_type, name)? {
            Some(Member::Field(field)) => self.field(&field, value),
            Some(Member::Oneof(oneof)) => {
                let output = self.target(Place::Oneof(&oneof)).put(value);
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
        let output = self.target(place(descriptor, &kind)).put(value);
        match output.map_err(|error| error.in_field(field.name()))? {
            Some(Output::Value(value)) => self.set(field, value),
            _ => Ok(()),
        }
    }

    fn set(&mut self, field: &Field, value: Reflected) -> Result<(), SerdeError> {
        if self.set.contains(&field.number()) {
            return Err(SerdeError::structural("it is set twice").in_field(field.name()));
        }
        self.set.push(field.number());
        self.message
            .try_set_field(field.descriptor(), value)
            .map_err(|error| SerdeError::structural(error.to_string()).in_field(field.name()))
    }

    fn finish(self) -> Reflected {
        Reflected::Message(self.message)
    }

    fn target<'a>(&self, place: Place<'a>) -> Target<'a> {
        Target {
            place,
            levels: self.levels,
            optional: true,
        }
    }

    fn no_such_field(&self, name: &str) -> SerdeError {
        let fields: Vec<_> = self.message_type.fields().collect();
        let nearest = Schema::nearest(name, fields.iter().map(Field::name));
        SerdeError::no_such_field(name, nearest)
    }
}

/// A struct or a Rust map: the fields of a message, or the entries of a map.
pub(super) enum FieldsOrEntries<'a> {
    Fields {
        builder: MessageBuilder,
        /// The name that came last, while its value is still to come.
        name: Option<String>,
    },
    Entries(Entries<'a>),
}

pub(super) struct Entries<'a> {
    target: Target<'a>,
    entry: MessageDescriptor,
    entries: HashMap<ReflectedKey, Reflected>,
    key: Option<ReflectedKey>,
}

impl<'a> FieldsOrEntries<'a> {
    pub(super) fn new(target: Target<'a>, given: &str) -> Result<Self, SerdeError> {
        if let Place::Map(field) = target.place
            && let Some(entry) = map_entry(field)
        {
            // On the wire an entry is a message.
            let levels = target.levels.checked_sub(1).ok_or_else(too_deep)?;
            return Ok(Self::Entries(Entries {
                target: Target { levels, ..target },
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

impl Entries<'_> {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerdeError> {
        let kind = self.entry.map_entry_key_field().kind();
        let put = element_target(self.target, &kind).put(key);
        let key = match put? {
            Some(Output::Value(value)) => value.into_map_key(),
            _ => None,
        };
        self.key = Some(key.ok_or_else(|| SerdeError::structural("a map key of no key type"))?);
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        let Some(key) = self.key.take() else {
            return Err(SerdeError::of_value("a value came before its key"));
        };
        let kind = self.entry.map_entry_value_field().kind();
        let put = element_target(self.target, &kind).put(value);
        if let Some(Output::Value(value)) =
            put.map_err(|error| error.within(Segment::key((&key).into())))?
        {
            self.entries.insert(key, value);
        }
        Ok(())
    }
}

impl SerializeMap for FieldsOrEntries<'_> {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerdeError> {
        match self {
            Self::Fields { name, .. } => {
                *name = match one(&Kind::String).put(key)? {
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

impl SerializeStruct for FieldsOrEntries<'_> {
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

/// A sequence: the elements of a list, or bytes one by one.
pub(super) enum Elements<'a> {
    List {
        target: Target<'a>,
        kind: Kind,
        items: Vec<Reflected>,
    },
    Bytes {
        target: Target<'a>,
        bytes: Vec<u8>,
    },
}

impl<'a> Elements<'a> {
    pub(super) fn new(target: Target<'a>, len: Option<usize>) -> Result<Self, SerdeError> {
        // What a length says is not allocated before the elements come.
        let room = len.unwrap_or(0).min(1024);
        match target.place {
            Place::List(field) => Ok(Self::List {
                target,
                kind: field.kind(),
                items: Vec::with_capacity(room),
            }),
            Place::One(Kind::Bytes) => Ok(Self::Bytes {
                target,
                bytes: Vec::with_capacity(room),
            }),
            Place::One(Kind::Message(kind)) if kind.full_name() == "google.protobuf.BytesValue" => {
                Ok(Self::Bytes {
                    target,
                    bytes: Vec::with_capacity(room),
                })
            }
            _ => Err(target.misfit("a sequence").into()),
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        match self {
            Self::List {
                target,
                kind,
                items,
            } => {
                let index = Segment::Index(items.len());
                let put = element_target(*target, kind).put(value);
                if let Some(Output::Value(item)) = put.map_err(|error| error.within(index))? {
                    items.push(item);
                }
                Ok(())
            }
            Self::Bytes { bytes, .. } => {
                let index = Segment::Index(bytes.len());
                bytes.push(byte(value).map_err(|error| error.within(index))?);
                Ok(())
            }
        }
    }

    fn finish(self) -> Put {
        match self {
            Self::List { items, .. } => Ok(Some(Output::Value(Reflected::List(items)))),
            Self::Bytes { target, bytes } => target.scalar(Bytes::from(bytes), "bytes"),
        }
    }
}

impl SerializeSeq for Elements<'_> {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        self.element(value)
    }

    fn end(self) -> Put {
        self.finish()
    }
}

impl SerializeTuple for Elements<'_> {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        self.element(value)
    }

    fn end(self) -> Put {
        self.finish()
    }
}

impl SerializeTupleStruct for Elements<'_> {
    type Ok = Option<Output>;
    type Error = SerdeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        self.element(value)
    }

    fn end(self) -> Put {
        self.finish()
    }
}

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
        let kind = self.member.descriptor().kind();
        let target = Target {
            levels: self.levels,
            ..one(&kind)
        };
        let put = target.put(value);
        match put.map_err(|error| error.in_field(self.member.name()))? {
            Some(Output::Value(value)) => self.finish(value),
            _ => Ok(None),
        }
    }

    pub(super) fn with_fields(self) -> Result<VariantFields, SerdeError> {
        let kind = self.member.descriptor().kind();
        let target = Target {
            levels: self.levels,
            ..one(&kind)
        };
        let fields = target
            .message_builder("a variant with named fields")
            .map_err(|error| error.in_field(self.member.name()))?;
        Ok(VariantFields {
            variant: self,
            fields,
        })
    }

    fn finish(self, value: Reflected) -> Put {
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

/// An element of what `target` is.
fn element_target<'a>(target: Target<'_>, kind: &'a Kind) -> Target<'a> {
    Target {
        levels: target.levels,
        ..one(kind)
    }
}

fn one(kind: &Kind) -> Target<'_> {
    Target {
        place: Place::One(kind),
        levels: 0,
        optional: false,
    }
}

fn byte<T: Serialize + ?Sized>(value: &T) -> Result<u8, SerdeError> {
    match one(&Kind::Uint32).put(value)? {
        Some(Output::Value(Reflected::U32(byte))) => {
            u8::try_from(byte).map_err(|_| SerdeError::of_value(format!("{byte} is not a byte")))
        }
        _ => Err(SerdeError::structural("expected a byte")),
    }
}
