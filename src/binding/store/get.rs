//! get: a key in, the resource out.

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

/// A method that answers with the resource that has a key.
#[derive(Debug)]
pub(super) struct Get {
    key: Field,
    reply: Reply,
    not_understood: NotUnderstood,
}

impl Get {
    /// Reads the shape of a method's types.
    pub(super) fn fit(method: &Method, resource: &Resource, told: Told) -> Result<Self, String> {
        let reply = Reply::with_row(method.output(), resource, told)?;
        let mut request = RequestFields::of(method.input());
        Ok(Self {
            key: request.take_key(resource, told)?,
            reply,
            not_understood: request.finish(told)?,
        })
    }

    pub(super) fn reason(&self, method: &Method, resource: &Resource) -> String {
        Shapes(method).is_key(&self.key, resource)
    }

    pub(super) async fn answer(&self, rows: &Rows, request: Message) -> Result<RawMessage, Status> {
        self.not_understood.refuse_if_set(&request)?;
        let key = rows.key_in(&request, &self.key)?;
        let row = rows.get(&key).await?;
        self.reply.make(&key, || Ok(row.value))
    }
}
