//! Handlers in the one erased form in which they are kept; how closures get there is in `closures.rs`.

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{
    Call, FromMessage, IntoMessage, Replies, Response, Streaming,
    lazy_call::Calling,
    replies::{Encode, Outbound, Writing},
    streaming::{Decode, Inbound},
};
use crate::{
    grpc::{RawMessage, Status},
    schema::{MessageType, MethodKind},
};

/// A handler, whatever it takes and answers with.
pub struct Handler {
    pub(crate) form: Form,
    make: Arc<dyn Fn() -> Form + Send + Sync>,
    /// Whether it is given messages as they travelled, compressed ones too.
    pub(crate) raw: bool,
}

/// How a handler is run, and with what.
pub(crate) enum Form {
    /// One request, one reply, ready at once: no future, no box.
    UnarySync(Box<dyn Fn(Caller<'_>, RawMessage) -> Outcome + Send + Sync>),
    /// One request, one reply.
    Unary(Box<dyn Fn(Caller<'_>, RawMessage) -> Running + Send + Sync>),
    /// One request, many replies.
    ServerStreaming(Box<Streams<RawMessage>>),
    /// Many requests; one reply or many.
    RequestStreaming(Box<Streams<Inbound>>),
}

/// Runs a handler that sends its replies as they come, or takes its requests so.
type Streams<I> = dyn Fn(Caller<'_>, I, Outbound) -> Running + Send + Sync;

/// Where a handler has its call from, if it takes one.
pub(crate) type Caller<'a> = &'a dyn Calling;

/// A handler at work.
pub(crate) type Running = Waiting<Outcome>;

/// What goes on until it has its outcome.
pub(crate) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a handler ends with.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Outcome {
    /// One reply, and OK.
    Reply(Response<RawMessage>),
    /// All replies were sent as they came: OK.
    Done,
    /// The call failed.
    Status(Status),
}

impl From<Result<Response<RawMessage>, Status>> for Outcome {
    fn from(result: Result<Response<RawMessage>, Status>) -> Self {
        result.map_or_else(Self::Status, Self::Reply)
    }
}

impl From<Result<(), Status>> for Outcome {
    fn from(result: Result<(), Status>) -> Self {
        result.map_or_else(Self::Status, |()| Self::Done)
    }
}

pin_project! {
    /// A handler's future, and what makes the outcome of its output. An `async` block that awaits what
    /// it was given has room for it twice.
    struct Ending<F, O> {
        #[pin]
        running: F,
        outcome: O,
    }
}

impl<F: Future, O: Fn(F::Output) -> Outcome> Future for Ending<F, O> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.project();
        this.running.poll(cx).map(|output| (this.outcome)(output))
    }
}

/// Runs a handler's future to its outcome.
pub(super) fn ending<F, O>(running: F, outcome: O) -> Running
where
    F: Future + Send + 'static,
    O: Fn(F::Output) -> Outcome + Send + 'static,
{
    Box::pin(Ending { running, outcome })
}

/// A handler that fails before it has run.
pub(super) fn failed(status: Status) -> Running {
    Box::pin(ready(Outcome::Status(status)))
}

pub(super) fn decode<T: FromMessage<Via>, Via>(input: MessageType) -> Decode<T> {
    Arc::new(move |raw, bytes_max| T::from_raw(&input, raw, bytes_max))
}

pub(super) fn encode<T: IntoMessage<Via>, Via>(output: MessageType) -> Encode<T> {
    Arc::new(move |reply: T, writing: Writing<'_>| reply.write(&output, writing))
}

impl Handler {
    /// A handler in the form that `make` makes, again for each worker: what a form counts references
    /// to, call by call, is its own, or the workers would write the same counters.
    pub(crate) fn new(make: impl Fn() -> Form + Send + Sync + 'static) -> Self {
        Self {
            form: make(),
            make: Arc::new(make),
            raw: false,
        }
    }

    /// The same handler for another worker.
    pub(crate) fn separate(&self) -> Self {
        Self {
            form: (self.make)(),
            make: Arc::clone(&self.make),
            raw: self.raw,
        }
    }

    /// A handler of messages as they travel, for any kind of method or none.
    pub(crate) fn raw<F, Fut>(handler: F) -> Self
    where
        F: Fn(Call, Streaming<RawMessage>, Replies<RawMessage>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let mut raw = Self::new(move || {
            let decode: Decode<RawMessage> = Arc::new(|raw, _| Ok(raw));
            let encode: Encode<RawMessage> = Arc::new(|raw, writing: Writing<'_>| writing.raw(raw));
            let handler = Arc::clone(&handler);
            Form::RequestStreaming(Box::new(move |call, inbound, outbound| {
                let requests = Streaming::new(inbound, Arc::clone(&decode));
                let replies = Replies::new(outbound, Arc::clone(&encode));
                let running = handler(call.call(), requests, replies);
                ending(running, Outcome::from)
            }))
        });
        raw.raw = true;
        raw
    }

    /// Whether it can say anything to the connection before it ends.
    pub(crate) fn may_post(&self) -> bool {
        match self.form {
            Form::UnarySync(_) | Form::Unary(_) => false,
            Form::ServerStreaming(_) | Form::RequestStreaming(_) => true,
        }
    }

    /// Whether it is given its requests as a stream, from the first one on.
    pub(crate) fn is_request_streaming(&self) -> bool {
        matches!(self.form, Form::RequestStreaming(_))
    }
}

impl Form {
    fn name(&self) -> &'static str {
        match self {
            Self::UnarySync(_) => "unary_sync",
            Self::Unary(_) => "unary",
            Self::ServerStreaming(_) => MethodKind::ServerStreaming.as_str(),
            Self::RequestStreaming(_) => "request_streaming",
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handler({})", self.form.name())
    }
}
