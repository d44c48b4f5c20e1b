//! create: a resource in; it, its key, or nothing out.

use super::{
    Rows,
    key::Key,
    name::words,
    parent::Parent,
    reply::Reply,
    request::{Carrier, NotUnderstood, RequestFields, Told, is_one},
    resource::Resource,
    told::Shapes,
};
use crate::{
    grpc::{RawMessage, Status},
    limits,
    message::{Message, MessageRef},
    schema::{Field, Kind, Method},
};

/// A method that stores a new resource.
#[derive(Debug)]
pub(super) struct Create {
    carrier: Carrier,
    /// A field of the request, beside the resource, that may hold its key.
    id: Option<Field>,
    name: Option<ResourceName>,
    reply: Reply,
    not_understood: NotUnderstood,
}

/// How the key of a resource is put together that is a resource name (google.aip.dev/133):
/// `{parent}/{collection}/{id}`.
#[derive(Debug)]
struct ResourceName {
    parent: Option<Parent>,
    collection: String,
}

impl Create {
    /// Reads the shape of a method's types.
    pub(super) fn fit(method: &Method, resource: &Resource, told: Told) -> Result<Self, String> {
        let mut request = RequestFields::of(method.input());
        let carrier = request.take_resource(resource)?;
        let id = request.take(|field| is_id(field, resource));
        let parent = request.take_named("parent", |kind| *kind == Kind::String);
        let name = ResourceName::of(resource, parent, id.is_some())?;
        Ok(Self {
            carrier,
            id,
            name,
            reply: Reply::of(method.output(), resource, told)?,
            not_understood: request.finish(told)?,
        })
    }

    pub(super) fn reason(&self, method: &Method, resource: &Resource) -> String {
        let shapes = Shapes(method);
        let mut why = match &self.reply {
            Reply::Key(key) => shapes.is_key(key, resource),
            _ => shapes.because(&format!("{} is stored", self.carrier.told(resource))),
        };
        if let Some(name) = &self.name {
            let id = self.id.as_ref().map_or("id", Field::name);
            let parent = name.parent.as_ref().map(Parent::told);
            let prefix = parent.unwrap_or_else(|| format!("{}/", name.collection));
            why += &format!(", its name is `{prefix}{{{id}}}`");
        }
        why
    }

    pub(super) async fn answer(&self, rows: &Rows, request: Message) -> Result<RawMessage, Status> {
        self.not_understood.refuse_if_set(&request)?;
        let prefix = self.name.as_ref().map(|name| name.prefix(&request));
        let prefix = prefix.transpose()?.unwrap_or_default();
        let id = self.id.as_ref().map(|id| Key::read(request.as_ref(), id));
        let id = id.transpose()?.flatten();
        let row = self.carrier.unpack(&request)?;
        let Some(key) = given_key(rows.resource(), row, id, &prefix)? else {
            return self.store_counted(rows, row, &prefix).await;
        };
        let stored = self.store(rows, row, &key).await?;
        stored.ok_or_else(|| {
            let what = rows.named(&key);
            Status::already_exists(format!("{what} exists already"))
        })
    }

    /// Stores under a key; `None` if it is taken.
    async fn store(
        &self,
        rows: &Rows,
        row: MessageRef<'_>,
        key: &Key<'_>,
    ) -> Result<Option<RawMessage>, Status> {
        let stamped = rows.stamped(row, key)?;
        let row = stamped.as_ref().map_or(row, Message::as_ref);
        match rows.insert(key, row).await? {
            true => self.reply.make(key, || rows.encode(row, key)).map(Some),
            false => Ok(None),
        }
    }

    /// Stores under the next number that nobody has taken as a key of their own.
    async fn store_counted(
        &self,
        rows: &Rows,
        row: MessageRef<'_>,
        prefix: &str,
    ) -> Result<RawMessage, Status> {
        for _ in 0..limits::CREATE_ATTEMPTS_MAX {
            let mut digits = itoa::Buffer::new();
            let key = rows.next_key(prefix, &mut digits).await?;
            if let Some(reply) = self.store(rows, row, &key).await? {
                return Ok(reply);
            }
        }
        Err(Status::aborted(format!(
            "the next {} numbers are all taken as keys of {}; try again, and those behind them are \
             tried",
            limits::CREATE_ATTEMPTS_MAX,
            rows.resource().message_type().full_name()
        )))
    }
}

impl ResourceName {
    /// Names are put together where the request has a part of one.
    fn of(
        resource: &Resource,
        parent: Option<Field>,
        has_id: bool,
    ) -> Result<Option<Self>, String> {
        if parent.is_none() && !(has_id && resource.has_resource_name()) {
            return Ok(None);
        }
        let of = resource.message_type().name();
        if !resource.has_resource_name() {
            let key = resource.key().name();
            return Err(format!(
                "the request has a `parent`, but the key of `{of}` is `{key}`, not a `name`"
            ));
        }
        match resource.collection() {
            Some(collection) => Ok(Some(Self {
                parent: parent.map(|field| Parent::new(field, collection)),
                collection: collection.to_owned(),
            })),
            None => Err(format!(
                "no method lists `{of}`, so nothing tells the collection in its names"
            )),
        }
    }

    /// What comes before the id: `shelves/7/books/`.
    fn prefix(&self, request: &Message) -> Result<String, Status> {
        match &self.parent {
            Some(parent) => parent.prefix(request),
            None => Ok(format!("{}/", self.collection)),
        }
    }
}

/// The key that the caller gave: in the resource, beside it, or alike in both.
fn given_key<'a>(
    resource: &Resource,
    row: MessageRef<'a>,
    id: Option<Key<'a>>,
    prefix: &str,
) -> Result<Option<Key<'a>>, Status> {
    let name = resource.key().name();
    let own = Key::read(row, resource.key())?;
    let beside = id.map(|id| in_collection(name, id, prefix)).transpose()?;
    match (own, beside) {
        (Some(own), Some(beside)) if own != beside => Err(Status::invalid_argument(format!(
            "`{name}` is {own}, but the request gives it as {beside}"
        ))),
        (Some(Key::Text(own)), None) if !is_in_collection(&own, prefix) => {
            Err(Status::invalid_argument(format!(
                "`{name}` is {own:?}; it must be {prefix:?} and an id"
            )))
        }
        (own, beside) => Ok(beside.or(own)),
    }
}

fn in_collection<'a>(name: &str, id: Key<'a>, prefix: &str) -> Result<Key<'a>, Status> {
    match id {
        Key::Text(id) if !prefix.is_empty() && id.contains('/') => Err(Status::invalid_argument(
            format!("the id is {id:?}; it must have no slash"),
        )),
        Key::Text(id) if !prefix.is_empty() => Key::text(name, format!("{prefix}{id}")),
        id => Ok(id),
    }
}

fn is_in_collection(name: &str, prefix: &str) -> bool {
    let id = name.strip_prefix(prefix);
    prefix.is_empty() || id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

/// Whether a field beside the resource holds the key it is to have: `user_id`, or the key's name. But
/// a `name` beside a resource with a name is that of its parent.
fn is_id(field: &Field, resource: &Resource) -> bool {
    let name = words(field.name()).concat();
    let of = words(resource.message_type().name());
    let own_id = format!("{}id", of.concat());
    // `bucket_id` for a `LogBucket`, where names are put together (google.aip.dev/133).
    let is_part = resource.has_resource_name()
        && (1..of.len()).any(|from| name == format!("{}id", of[from..].concat()));
    let is_key = name != "name" && name == words(resource.key().name()).concat();
    is_one(field) && field.kind() == resource.key().kind() && (name == own_id || is_part || is_key)
}
