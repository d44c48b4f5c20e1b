//! What the fields of a request stand for.

use super::{
    key::{Key, internal},
    name::normalized,
    resource::Resource,
};
use crate::{
    grpc::Status,
    message::{Message, MessageRef},
    schema::{Field, Kind, MessageType},
};

/// How far a method is taken at its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Its types must leave nothing open.
    ByShape,
    /// A person said what it does: its types only have to allow it.
    ByHand,
}

/// The fields of a request type that are not accounted for yet.
#[derive(Debug)]
pub(super) struct RequestFields {
    message_type: MessageType,
    left: Vec<Field>,
}

/// Where a request carries a resource.
#[derive(Clone, Debug)]
pub(super) enum Carrier {
    /// It is the resource.
    Whole,
    /// In a field.
    In(Field),
}

/// Fields that a request may have but the store binding does not understand: a call that sets one
/// is refused, since it would not get what it asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct NotUnderstood(Vec<Field>);

impl RequestFields {
    pub(super) fn of(message_type: &MessageType) -> Self {
        Self {
            message_type: message_type.clone(),
            left: message_type.fields().collect(),
        }
    }

    /// Takes the resource: the whole request, or its only field of that type.
    pub(super) fn take_resource(&mut self, resource: &Resource) -> Result<Carrier, String> {
        if self.message_type == *resource.message_type() {
            self.left.clear();
            return Ok(Carrier::Whole);
        }
        let of_type = |field: &Field| is_message(field, resource.message_type());
        match self.left.iter().filter(|field| of_type(field)).count() {
            1 => {}
            0 => return Err(format!("{} holds no {}", self.name(), named(resource))),
            _ => {
                return Err(format!(
                    "{} holds more than one {}",
                    self.name(),
                    named(resource)
                ));
            }
        }
        self.take(of_type)
            .map(Carrier::In)
            .ok_or_else(|| format!("{} holds no {}", self.name(), named(resource)))
    }

    /// Takes the key: the only field that may hold one.
    pub(super) fn take_key(&mut self, resource: &Resource, told: Told) -> Result<Field, String> {
        let (key, held) = (resource.key().name(), named(resource));
        let mut keys: Vec<&Field> = self.keys().collect();
        if told == Told::ByHand {
            keys.retain(|field| resource.has_its_key_in(field));
        }
        match keys.as_slice() {
            [only] if resource.has_its_key_in(only) => {
                let only = (*only).clone();
                self.left.retain(|field| *field != only);
                Ok(only)
            }
            [] => Err(format!("{} holds no key of {held}", self.name())),
            [only] => Err(format!(
                "`{}` of {} is not the key of {held}, which is `{key}` ({})",
                only.name(),
                self.name(),
                resource.key().kind()
            )),
            several => {
                let names: Vec<_> = several.iter().map(|field| field.name()).collect();
                Err(format!(
                    "{} has {} fields that may be a key: {}",
                    self.name(),
                    several.len(),
                    names.join(", ")
                ))
            }
        }
    }

    /// The only field that may hold a key, of whatever resource.
    pub(super) fn sole_key(&self) -> Option<Field> {
        let mut keys = self.keys();
        match (keys.next(), keys.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    }

    /// All fields that may hold a key.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Field> {
        self.left.iter().filter(|field| may_be_key(field))
    }

    /// Takes the only field mask, if there is one.
    pub(super) fn take_mask(&mut self) -> Option<Field> {
        let is_mask = |field: &Field| match field.kind() {
            Kind::Message(of) => is_one(field) && of.full_name() == "google.protobuf.FieldMask",
            _ => false,
        };
        match self.left.iter().filter(|field| is_mask(field)).count() {
            1 => self.take(is_mask),
            _ => None,
        }
    }

    /// Takes a field of a name, however it is written, if it holds one value of a type that fits.
    pub(super) fn take_named(&mut self, name: &str, fits: fn(&Kind) -> bool) -> Option<Field> {
        let name = normalized(name);
        self.take(|field| normalized(field.name()) == name && is_one(field) && fits(&field.kind()))
    }

    /// Takes the first field for which this holds.
    pub(super) fn take(&mut self, is_wanted: impl Fn(&Field) -> bool) -> Option<Field> {
        let at = self.left.iter().position(is_wanted)?;
        Some(self.left.remove(at))
    }

    /// What is left may only be what callers can do without, unless a person said what it does.
    pub(super) fn finish(self, told: Told) -> Result<NotUnderstood, String> {
        let open = self.left.iter().find(|field| !is_dispensable(field));
        match (told, open) {
            (Told::ByShape, Some(open)) => Err(format!(
                "nothing tells what `{}` of {} is for",
                open.name(),
                self.name()
            )),
            _ => Ok(NotUnderstood(self.left)),
        }
    }

    fn name(&self) -> String {
        format!("`{}`", self.message_type.name())
    }
}

impl Carrier {
    /// The resource in a request.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if its field is not set.
    pub(super) fn unpack<'a>(&self, request: &'a Message) -> Result<MessageRef<'a>, Status> {
        let Self::In(field) = self else {
            return Ok(request.as_ref());
        };
        match request.message(field).map_err(internal)? {
            Some(carried) => Ok(carried),
            None => Err(Status::invalid_argument(format!(
                "`{}` of {} is not set",
                field.name(),
                request.message_type().full_name()
            ))),
        }
    }

    /// As it is told in a reason: `User`, or `CreateUserRequest.user`.
    pub(super) fn told(&self, resource: &Resource) -> String {
        match self {
            Self::Whole => format!("`{}`", resource.message_type().name()),
            Self::In(field) => format!("`{}.{}`", field.parent().name(), field.name()),
        }
    }
}

impl NotUnderstood {
    /// # Errors
    /// UNIMPLEMENTED if one of the fields is set.
    pub(super) fn refuse_if_set(&self, request: &Message) -> Result<(), Status> {
        for field in &self.0 {
            if request.has(field).map_err(internal)? {
                return Err(Status::unimplemented(format!(
                    "`{}` of {} is not understood by the store binding; leave it unset",
                    field.name(),
                    request.message_type().full_name()
                )));
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One value, no list or map, and no member of a oneof, which leaves open which one is set.
pub(super) fn is_one(field: &Field) -> bool {
    !field.is_list() && !field.is_map() && field.oneof().is_none()
}

/// Whether a field holds one message of a type, with its length before it.
pub(super) fn is_message(field: &Field, message_type: &MessageType) -> bool {
    is_one(field)
        && !field.features().delimited
        && field.kind() == Kind::Message(message_type.clone())
}

fn may_be_key(field: &Field) -> bool {
    is_one(field) && Key::can_be_in(field) && !is_dispensable(field)
}

fn is_dispensable(field: &Field) -> bool {
    DISPENSABLE.contains(&normalized(field.name()).as_str())
}

fn named(resource: &Resource) -> String {
    format!("`{}`", resource.message_type().name())
}

/// Fields that mean nothing while they are unset, as [`normalized`] has them: the standard fields of
/// google.aip.dev/131 to 165, and other ways to ask for a part of a list.
const DISPENSABLE: &[&str] = &[
    "allowmissing",
    "cursor",
    "etag",
    "filter",
    "force",
    "limit",
    "offset",
    "orderby",
    "page",
    "pagenumber",
    "pagesize",
    "pagetoken",
    "perpage",
    "readmask",
    "requestid",
    "showdeleted",
    "skip",
    "sortby",
    "validateonly",
    "view",
];
