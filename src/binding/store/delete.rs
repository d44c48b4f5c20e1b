//! delete: a key in; nothing, the key, or what was deleted out.

use bytes::Bytes;

use super::{
    Rows,
    key::internal,
    reply::Reply,
    request::{NotUnderstood, RequestFields, Told},
    resource::Resource,
    told::Shapes,
};
use crate::{
    grpc::{RawMessage, Status},
    message::Message,
    schema::{Field, Kind, Method},
};

/// A method that deletes the resource that has a key.
#[derive(Debug)]
pub(super) struct Delete {
    key: Field,
    etag: Option<Field>,
    reply: Reply,
    not_understood: NotUnderstood,
}

impl Delete {
    /// Reads the shape of a method's types.
    pub(super) fn fit(method: &Method, resource: &Resource, told: Told) -> Result<Self, String> {
        let reply = Reply::of(method.output(), resource, told)?;
        let mut request = RequestFields::of(method.input());
        // A whole resource says which one as well as its key alone does.
        if method.input() == resource.message_type() {
            return Ok(Self {
                key: resource.key().clone(),
                etag: resource.etag().cloned(),
                reply,
                not_understood: NotUnderstood::default(),
            });
        }
        let key = request.take_key(resource, told)?;
        let mut take_etag = || request.take_named("etag", |kind| *kind == Kind::String);
        Ok(Self {
            key,
            etag: resource.etag().and_then(|_| take_etag()),
            reply,
            not_understood: request.finish(told)?,
        })
    }

    pub(super) fn reason(&self, method: &Method, resource: &Resource) -> String {
        let mut why = Shapes(method).is_key(&self.key, resource);
        if let Some(etag) = &self.etag {
            why += &format!(", and must have its `{}`", etag.name());
        }
        why
    }

    pub(super) async fn answer(&self, rows: &Rows, request: Message) -> Result<RawMessage, Status> {
        self.not_understood.refuse_if_set(&request)?;
        let key = rows.key_in(&request, &self.key)?;
        let etag = self.etag.as_ref().map(|etag| request.str(etag));
        let etag = etag.transpose().map_err(internal)?.unwrap_or_default();
        let deleted = match self.reply.has_row() || !etag.is_empty() {
            true => rows.delete(&key, etag).await?.value,
            false => {
                rows.delete_unread(&key).await?;
                Bytes::new()
            }
        };
        self.reply.make(&key, || Ok(deleted))
    }
}
