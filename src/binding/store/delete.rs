//! delete: a key in; nothing, the key, or what was deleted out.

use bytes::Bytes;

use super::{
    Rows,
    reply::Reply,
    request::{NotUnderstood, RequestFields, Told},
    resource::Resource,
    told::Shapes,
};
use crate::{
    grpc::{RawMessage, Status},
    message::Message,
    schema::{Field, Method},
};

/// A method that deletes the resource that has a key.
#[derive(Debug)]
pub(super) struct Delete {
    key: Field,
    reply: Reply,
    not_understood: NotUnderstood,
}

impl Delete {
    /// Reads the shape of a method's types.
    pub(super) fn fit(method: &Method, resource: &Resource, told: Told) -> Result<Self, String> {
        let reply = Reply::of(method.output(), resource, told)?;
        let mut request = RequestFields::of(method.input());
        // A whole resource says which one as well as its key alone does.
        let (key, not_understood) = if method.input() == resource.message_type() {
            (resource.key().clone(), NotUnderstood::default())
        } else {
            (request.take_key(resource, told)?, request.finish(told)?)
        };
        Ok(Self {
            key,
            reply,
            not_understood,
        })
    }

    pub(super) fn reason(&self, method: &Method, resource: &Resource) -> String {
        Shapes(method).is_key(&self.key, resource)
    }

    pub(super) async fn answer(&self, rows: &Rows, request: Message) -> Result<RawMessage, Status> {
        self.not_understood.refuse_if_set(&request)?;
        let key = rows.key_in(&request, &self.key)?;
        let deleted = match self.reply.has_row() {
            true => rows.delete(&key).await?.value,
            false => {
                rows.delete_unread(&key).await?;
                Bytes::new()
            }
        };
        self.reply.make(&key, || Ok(deleted))
    }
}
