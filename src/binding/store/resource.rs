//! Resources: message types that have a key.

use super::{
    etag,
    key::Key,
    name::{normalized, words},
};
use crate::schema::{Field, Kind, MessageType};

/// A message type that is stored, and the field that holds its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::binding) struct Resource {
    message_type: MessageType,
    key: Field,
    etag: Option<Field>,
    /// What the list of them is called in names like `shelves/7/books/1`: `books`.
    collection: Option<String>,
}

impl Resource {
    pub(super) fn new(message_type: MessageType, key: Field, collection: Option<String>) -> Self {
        Self {
            etag: etag::field_of(&message_type, &key),
            message_type,
            key,
            collection,
        }
    }

    /// The same, with handles that nobody else counts references to.
    pub(super) fn separate(&self) -> Self {
        let message_type = self.message_type.separate();
        let key = message_type.field_by_number(self.key.number());
        let key = key.expect("the key is a field of the resource");
        Self::new(message_type, key, self.collection.clone())
    }

    pub(in crate::binding) fn message_type(&self) -> &MessageType {
        &self.message_type
    }

    pub(in crate::binding) fn key(&self) -> &Field {
        &self.key
    }

    /// The field that holds the etag, if it has one ([`etag`]).
    pub(super) fn etag(&self) -> Option<&Field> {
        self.etag.as_ref()
    }

    pub(super) fn collection(&self) -> Option<&str> {
        self.collection.as_deref()
    }

    /// Whether the key is a resource name (google.aip.dev/122): a string field `name`.
    pub(super) fn has_resource_name(&self) -> bool {
        self.key.name() == "name" && self.key.kind() == Kind::String
    }

    /// Whether a field, of a request or a reply, stands for this resource's key.
    pub(super) fn has_its_key_in(&self, field: &Field) -> bool {
        if !Key::can_be_in(field) || field.kind() != self.key.kind() {
            return false;
        }
        match counterpart(&self.message_type, field) {
            Some(named) => named == self.key,
            None => is_key_like(&self.message_type, field),
        }
    }

    /// Whether a message type of which nothing else is known may be stored.
    pub(super) fn may_be(message_type: &MessageType) -> bool {
        !is_well_known(message_type)
            && !is_envelope(message_type.name())
            && !is_key(message_type)
            && message_type.fields().any(|field| Key::can_be_in(&field))
    }
}

/// What a method says about the key of a resource it speaks of.
#[derive(Clone, Debug)]
pub(super) enum Vote {
    /// It looks resources up by this field.
    Field(Field),
    /// It looks them up by a value of this type, whatever the field.
    Kind(Kind),
}

impl Vote {
    /// What it says about a resource's key that a request has these fields that may be keys.
    pub(super) fn of_request(message_type: &MessageType, keys: &[&Field]) -> Option<Self> {
        if let [only] = keys {
            return Self::of(message_type, only);
        }
        // Of several fields, the one that is a usual key of the resource is most likely its key.
        let usual = usual_keys(message_type);
        let votes = keys.iter().filter_map(|key| counterpart(message_type, key));
        let mut votes = votes.filter(|named| usual.contains(named));
        match (votes.next(), votes.next()) {
            (Some(only), None) => Some(Self::Field(only)),
            _ => None,
        }
    }

    /// What it says that a reply has this field alone: less, since any result may stand there.
    pub(super) fn of_reply(message_type: &MessageType, reply_field: &Field) -> Option<Self> {
        let vote = Self::of(message_type, reply_field)?;
        match &vote {
            Self::Field(field) if !usual_keys(message_type).contains(field) => None,
            _ => Some(vote),
        }
    }

    fn of(message_type: &MessageType, field: &Field) -> Option<Self> {
        match counterpart(message_type, field) {
            Some(named) => Some(Self::Field(named)),
            None => is_key_like(message_type, field).then(|| Self::Kind(field.kind())),
        }
    }
}

/// Which field holds the key: the one that is looked up by, else the first with a usual name.
///
/// `None` if there is no such field, or several and no reason to prefer one.
pub(super) fn choose_key(message_type: &MessageType, votes: &[Vote]) -> Option<Field> {
    let usual = usual_keys(message_type);
    let mut named: Vec<&Field> = Vec::new();
    let mut kinds: Vec<Kind> = Vec::new();
    for vote in votes {
        match vote {
            Vote::Field(field) if !named.contains(&field) => named.push(field),
            Vote::Field(_) => {}
            Vote::Kind(kind) => kinds.push(kind.clone()),
        }
    }
    // Looked up by its id and by its e-mail address: the id is the key.
    if let Some(both) = usual.iter().find(|field| named.contains(field)) {
        return Some(both.clone());
    }
    let fitting = usual.iter().find(|field| kinds.contains(&field.kind()));
    if let Some(fitting) = fitting {
        return Some(fitting.clone());
    }
    let has_id = usual.first().filter(|field| is_id(message_type, field));
    match (named.as_slice(), has_id) {
        // Looked up by its e-mail address only, although it has an id: one lookup among others.
        (_, Some(id)) => Some(id.clone()),
        ([only], None) => Some((*only).clone()),
        ([], None) => usual.first().cloned(),
        _ => None,
    }
}

/// The fields that usually hold a key, the likeliest first: `id`, `<resource>_id`, `name`, `key`,
/// `uid`.
fn usual_keys(message_type: &MessageType) -> Vec<Field> {
    let own_id = format!("{}id", normalized(message_type.name()));
    let usual = ["id", &own_id, "name", "key", "uid"];
    usual
        .iter()
        .filter_map(|usual| {
            message_type
                .fields()
                .find(|field| normalized(field.name()) == *usual && Key::can_be_in(field))
        })
        .collect()
}

fn is_id(message_type: &MessageType, field: &Field) -> bool {
    let name = normalized(field.name());
    name == "id" || name == format!("{}id", normalized(message_type.name()))
}

/// The field of a resource that a request's or reply's field stands for by its name: `id` for `id`,
/// `user_id` and `userId`, and `name` for `user`, where the resource has no `id`.
fn counterpart(message_type: &MessageType, field: &Field) -> Option<Field> {
    let resource = normalized(message_type.name());
    let wanted = normalized(field.name());
    let short = wanted.strip_prefix(&resource).unwrap_or_default();
    let long = format!("{resource}{wanted}");
    let has_id = message_type.fields().any(|own| is_id(message_type, &own));
    let named = if wanted == resource && !has_id {
        "name"
    } else {
        ""
    };
    [wanted.as_str(), short, &long, named]
        .iter()
        .find_map(|wanted| {
            message_type.fields().find(|own| {
                normalized(own.name()) == *wanted
                    && Key::can_be_in(own)
                    && own.kind() == field.kind()
            })
        })
}

/// Whether a field can only be meant as the key, although the resource has none of that name:
/// `UserId.Value`, `GetUserRequest.user_uuid`.
fn is_key_like(message_type: &MessageType, field: &Field) -> bool {
    let resource = normalized(message_type.name());
    let holder = normalized(field.parent().name());
    let name = normalized(field.name());
    let name = name.strip_prefix(&resource).unwrap_or(&name);
    let is_key_type = holder
        .strip_prefix(&resource)
        .is_some_and(|rest| KEY_TYPES.contains(&rest));
    is_key_type || KEY_FIELDS.contains(&name)
}

/// Types that come with protobuf and Google's APIs are parts of resources, not resources.
fn is_well_known(message_type: &MessageType) -> bool {
    [
        "google.protobuf.",
        "google.api.",
        "google.rpc.",
        "google.type.",
    ]
    .iter()
    .any(|package| message_type.full_name().starts_with(package))
}

/// Whether a type is named like a request or a reply.
fn is_envelope(name: &str) -> bool {
    ends_in(name, ENVELOPES)
}

/// Whether a type is named like a key, and holds no more than one.
fn is_key(message_type: &MessageType) -> bool {
    message_type.fields().len() == 1 && ends_in(message_type.name(), KEY_TYPES)
}

fn ends_in(name: &str, last_words: &[&str]) -> bool {
    let words = words(name);
    words
        .last()
        .is_some_and(|last| last_words.contains(&last.as_str()))
}

/// `UserId`, `UserKey`: types that are a key.
const KEY_TYPES: &[&str] = &["id", "identifier", "key", "ref", "reference"];

/// Fields of requests and replies that hold a key, where the resource has none of that name.
/// `google.protobuf.StringValue` has its `value`, too.
const KEY_FIELDS: &[&str] = &["id", "key", "uid", "uuid", "value"];

const ENVELOPES: &[&str] = &[
    "ack", "args", "filter", "list", "page", "params", "query", "rep", "reply", "req", "request",
    "resp", "response", "result", "results", "rsp",
];
