//! Methods that are answered from a store.
//!
//! - What is it? [`infer`](mod@infer) asks the types ([`resource`], [`request`], [`reply`]) first and the
//!   method's [`name`] second.
//! - What does it do? One file for each operation ([`create`], [`get`], [`list`], [`update`],
//!   [`delete`]): the shape of types that it takes, and how it answers.
//! - What if two change it at once? [`etag`] tells who has not seen what they replace.
//! - Where is it kept? [`rows`] draws the keys byte by byte; [`stored`] makes sure that what was
//!   written with another schema is not misread.

mod catalog;
mod create;
mod delete;
mod etag;
mod failure;
mod field_bytes;
mod field_mask;
mod get;
mod infer;
mod key;
mod list;
mod mentions;
mod name;
mod op;
mod parent;
mod records;
mod reply;
mod request;
mod resource;
mod rows;
mod stored;
mod told;
mod update;
mod written_as;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

pub(super) use infer::infer;
pub use op::Op;
pub(super) use stored::check_what_is_stored;

use self::{
    create::Create, delete::Delete, get::Get, list::List, request::Told, resource::Resource,
    rows::Rows, update::Update,
};
use crate::{
    grpc::{RawMessage, Status},
    message::Message,
    rpc::{SyncHandler, UnaryHandler},
    schema::Method,
    server::ServerBuilder,
    store::Store,
};

/// What a method does with which resource.
#[derive(Clone, Debug)]
pub(super) struct StoreBinding {
    operation: Arc<Operation>,
    resource: Resource,
    told: Told,
}

/// An operation, with the meaning of the fields of its method's types.
#[derive(Debug)]
enum Operation {
    Create(Create),
    Get(Get),
    List(List),
    Update(Update),
    Delete(Delete),
}

impl StoreBinding {
    pub(super) fn op(&self) -> Op {
        self.operation.op()
    }

    pub(super) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Registers a method's handler: for each worker one whose types have handles of their own.
    pub(super) fn register(
        &self,
        builder: ServerBuilder,
        method: &Method,
        store: &Arc<dyn Store>,
    ) -> ServerBuilder {
        let reply_bytes_max = builder.limits().send_bytes_max;
        let (op, told) = (self.op(), self.told);
        let (resource, store) = (self.resource.clone(), Arc::clone(store));
        let (path, method) = (method.path(), method.clone());
        builder.unary_for_each_worker(path, move || {
            let (method, resource) = (method.separate(), resource.separate());
            let operation = Operation::fit(op, &method, &resource, told)?;
            let rows = Rows::new(Arc::clone(&store), resource, reply_bytes_max);
            if store.answers_at_once() {
                let answer = move |request: Message| at_once(operation.answer(&rows, request));
                return answer.into_sync_handler(&method);
            }
            let handler = Arc::new((operation, rows));
            let answer = move |request: Message| {
                let handler = Arc::clone(&handler);
                async move {
                    let (operation, rows) = &*handler;
                    operation.answer(rows, request).await
                }
            };
            answer.into_handler(&method)
        })
    }
}

/// The outcome of what has nothing to wait for, without a box to wait in.
fn at_once<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(Status::internal(
            "the store does not answer at once, although it says so",
        )),
    }
}

impl Operation {
    /// Reads the shape of a method's types as that of an operation; else says what does not fit.
    fn fit(op: Op, method: &Method, resource: &Resource, told: Told) -> Result<Self, String> {
        match op {
            Op::Create => Create::fit(method, resource, told).map(Self::Create),
            Op::Get => Get::fit(method, resource, told).map(Self::Get),
            Op::List => List::fit(method, resource, told).map(Self::List),
            Op::Update => Update::fit(method, resource, told).map(Self::Update),
            Op::Delete => Delete::fit(method, resource, told).map(Self::Delete),
        }
    }

    fn op(&self) -> Op {
        match self {
            Self::Create(_) => Op::Create,
            Self::Get(_) => Op::Get,
            Self::List(_) => Op::List,
            Self::Update(_) => Op::Update,
            Self::Delete(_) => Op::Delete,
        }
    }

    fn reason(&self, method: &Method, resource: &Resource) -> String {
        match self {
            Self::Create(create) => create.reason(method, resource),
            Self::Get(get) => get.reason(method, resource),
            Self::List(list) => list.reason(method, resource),
            Self::Update(update) => update.reason(method, resource),
            Self::Delete(delete) => delete.reason(method, resource),
        }
    }

    async fn answer(&self, rows: &Rows, request: Message) -> Result<RawMessage, Status> {
        match self {
            Self::Create(create) => create.answer(rows, request).await,
            Self::Get(get) => get.answer(rows, request).await,
            Self::List(list) => list.answer(rows, request).await,
            Self::Update(update) => update.answer(rows, request).await,
            Self::Delete(delete) => delete.answer(rows, request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_does_not_answer_at_once_although_it_says_so_fails_the_call() {
        let waits = at_once(std::future::pending::<Result<(), Status>>());
        assert_eq!(waits.unwrap_err().code(), crate::grpc::Code::Internal);
    }
}
