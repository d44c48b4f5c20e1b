//! update: a resource in, in the place of the one with its key.

use super::{
    Rows,
    field_mask::FieldMask,
    key::Key,
    reply::Reply,
    request::{Carrier, NotUnderstood, RequestFields, Told},
    resource::Resource,
    told::Shapes,
};
use crate::{
    grpc::{RawMessage, Status},
    limits,
    message::{Message, MessageRef},
    schema::{Field, Method},
};

/// A method that puts a resource, or some of its fields, in the place of the one with its key.
#[derive(Debug)]
pub(super) struct Update {
    carrier: Carrier,
    /// A field of the request, beside the resource, that may hold its key.
    key: Option<Field>,
    mask: Option<Field>,
    reply: Reply,
    not_understood: NotUnderstood,
}

impl Update {
    /// Reads the shape of a method's types.
    pub(super) fn fit(method: &Method, resource: &Resource, told: Told) -> Result<Self, String> {
        let mut request = RequestFields::of(method.input());
        let carrier = request.take_resource(resource)?;
        let mask = request.take_mask();
        let key = request.take_key(resource, Told::ByHand).ok();
        Ok(Self {
            carrier,
            key,
            mask,
            reply: Reply::of(method.output(), resource, told)?,
            not_understood: request.finish(told)?,
        })
    }

    /// Whether a request can say which fields it means.
    pub(super) fn has_mask(&self) -> bool {
        self.mask.is_some()
    }

    pub(super) fn reason(&self, method: &Method, resource: &Resource) -> String {
        let (carried, key) = (self.carrier.told(resource), resource.key().name());
        let mut what = match &self.mask {
            None => format!("{carried} takes the place of the one with its `{key}`"),
            Some(mask) => {
                let mask = mask.name();
                format!(
                    "the fields in `{mask}` of {carried} replace those of the one with its `{key}`"
                )
            }
        };
        if let Some(etag) = resource.etag() {
            what += &format!(" and `{}`", etag.name());
        }
        Shapes(method).because(&what)
    }

    pub(super) async fn answer(&self, rows: &Rows, request: Message) -> Result<RawMessage, Status> {
        self.not_understood.refuse_if_set(&request)?;
        let mask = self
            .mask
            .as_ref()
            .map(|mask| FieldMask::read(&request, mask, rows.resource().message_type()));
        let mask = mask.transpose()?.flatten();
        let beside = self
            .key
            .as_ref()
            .map(|key| Key::read(request.as_ref(), key));
        let beside = beside.transpose()?.flatten();
        let new = self.carrier.unpack(&request)?;
        let key = which(rows.resource(), new, beside)?;
        if mask.is_none() && rows.etag_of(new)?.is_empty() {
            let stamped = rows.stamped(new, &key)?;
            let new = stamped.as_ref().map_or(new, Message::as_ref);
            rows.replace(&key, new).await?;
            return self.reply.make(&key, || rows.encode(new, &key));
        }
        let merged = merge(rows, &key, &new.to_owned(), mask.as_ref()).await?;
        self.reply.make(&key, || rows.encode(merged.as_ref(), &key))
    }
}

/// Reads, replaces all or the fields of the mask, and commits if nobody else was faster; else again.
async fn merge(
    rows: &Rows,
    key: &Key<'_>,
    new: &Message,
    mask: Option<&FieldMask>,
) -> Result<Message, Status> {
    let etag = rows.etag_of(new.as_ref())?;
    for _ in 0..limits::UPDATE_ATTEMPTS_MAX {
        let old = rows.get(key).await?;
        let mut merged = rows.decode(key, &old)?;
        rows.check_etag(key, etag, &merged)?;
        match mask {
            Some(mask) => mask.apply(new, &mut merged)?,
            None => merged = new.clone(),
        }
        let merged = rows.stamped(merged.as_ref(), key)?.unwrap_or(merged);
        let row = merged.as_ref();
        if rows.replace_if(key, row, old.revision).await? {
            return Ok(merged);
        }
    }
    Err(rows.contended(key))
}

/// The key of the resource that is meant: in the new one, beside it, or alike in both.
fn which<'a>(
    resource: &Resource,
    new: MessageRef<'a>,
    beside: Option<Key<'a>>,
) -> Result<Key<'a>, Status> {
    let name = resource.key().name();
    match (Key::read(new, resource.key())?, beside) {
        (Some(own), Some(beside)) if own != beside => Err(Status::invalid_argument(format!(
            "`{name}` is {own}, but the request is for {beside}"
        ))),
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) => Err(Status::invalid_argument(format!(
            "`{name}` of {} is not set",
            resource.message_type().full_name()
        ))),
    }
}
