//! Handlers: the closures that users register, and the one erased form in which they are kept.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    Call, FromMessage, IntoMessage, IntoReply, Replies, Response, Streaming,
    replies::{Encode, Outbound, Writing},
    streaming::{Decode, Inbound},
};
use crate::{
    grpc::{RawMessage, Status},
    schema::{MessageType, Method, MethodKind},
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
    UnarySync(Box<dyn Fn(Call, RawMessage) -> Outcome + Send + Sync>),
    /// One request, one reply.
    Unary(Box<dyn Fn(Call, RawMessage) -> Running + Send + Sync>),
    /// One request, many replies.
    ServerStreaming(Box<dyn Fn(Call, RawMessage, Outbound) -> Running + Send + Sync>),
    /// Many requests; one reply or many.
    RequestStreaming(Box<dyn Fn(Call, Inbound, Outbound) -> Running + Send + Sync>),
}

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

/// An async closure that answers one request with one reply: `Fn(I)` or `Fn(Call, I)` to
/// `Future<Output = Result<O, Status>>`.
///
/// `I` is what [`FromMessage`] takes, `O` what [`IntoReply`] takes. `Shape` is for inference alone.
pub trait UnaryHandler<Shape>: Send + Sync + 'static {
    /// Erases the types; fails if they do not fit the method.
    #[doc(hidden)]
    fn into_handler(self, method: &Method) -> Result<Handler, String>;
}

/// A closure that answers one request with one reply at once: `Fn(I)` or `Fn(Call, I)` to
/// `Result<O, Status>`.
pub trait SyncHandler<Shape>: Send + Sync + 'static {
    /// Erases the types; fails if they do not fit the method.
    #[doc(hidden)]
    fn into_sync_handler(self, method: &Method) -> Result<Handler, String>;

    /// The same, run on a thread where it may block; at most as many at once as `threads` permits.
    #[doc(hidden)]
    fn into_blocking_handler(
        self,
        method: &Method,
        threads: Arc<Semaphore>,
    ) -> Result<Handler, String>;
}

/// An async closure that answers one request with many replies: `Fn(I, Replies<O>)` or
/// `Fn(Call, I, Replies<O>)` to `Future<Output = Result<(), Status>>`.
pub trait ServerStreamingHandler<Shape>: Send + Sync + 'static {
    /// Erases the types; fails if they do not fit the method.
    #[doc(hidden)]
    fn into_handler(self, method: &Method) -> Result<Handler, String>;
}

/// An async closure that answers many requests with one reply: `Fn(Streaming<I>)` or
/// `Fn(Call, Streaming<I>)` to `Future<Output = Result<O, Status>>`.
pub trait ClientStreamingHandler<Shape>: Send + Sync + 'static {
    /// Erases the types; fails if they do not fit the method.
    #[doc(hidden)]
    fn into_handler(self, method: &Method) -> Result<Handler, String>;
}

/// An async closure for both streams: `Fn(Streaming<I>, Replies<O>)` or
/// `Fn(Call, Streaming<I>, Replies<O>)` to `Future<Output = Result<(), Status>>`.
pub trait BidiHandler<Shape>: Send + Sync + 'static {
    /// Erases the types; fails if they do not fit the method.
    #[doc(hidden)]
    fn into_handler(self, method: &Method) -> Result<Handler, String>;
}

/// Writes the impls of one closure trait, without and with a [`Call`] before the other arguments.
macro_rules! with_and_without_call {
    ($write:ident) => {
        $write!(WithoutCall,);
        $write!(WithCall, Call);
    };
}

/// The closure takes no [`Call`].
#[derive(Debug)]
pub enum WithoutCall {}
/// The closure takes a [`Call`] first.
#[derive(Debug)]
pub enum WithCall {}

macro_rules! unary {
    ($shape:ident, $($call:ty)?) => {
        impl<F, I, O, Fut, ViaI, ViaO> UnaryHandler<($shape, I, O, ViaI, ViaO)> for F
        where
            F: Fn($($call,)? I) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<O, Status>> + Send + 'static,
            I: FromMessage<ViaI>,
            O: IntoReply<ViaO>,
        {
            fn into_handler(self, method: &Method) -> Result<Handler, String> {
                I::check(method.input())?;
                let (method, handler) = (method.clone(), Arc::new(self));
                Ok(Handler::new(move || {
                    let (input, output) = method.separate_types();
                    let handler = Arc::clone(&handler);
                    Form::Unary(Box::new(move |_call, raw| {
                        let output = output.clone();
                        let running = I::from_raw(&input, raw, _call.decode_bytes_max())
                            .map(|request| handler($(<$call>::from(_call),)? request));
                        Box::pin(async move {
                            match running {
                                Ok(reply) => reply.await.and_then(|r| r.into_reply(&output)).into(),
                                Err(status) => Outcome::Status(status),
                            }
                        })
                    }))
                }))
            }
        }
    };
}
with_and_without_call!(unary);

macro_rules! unary_sync {
    ($shape:ident, $($call:ty)?) => {
        impl<F, I, O, ViaI, ViaO> SyncHandler<($shape, I, O, ViaI, ViaO)> for F
        where
            F: Fn($($call,)? I) -> Result<O, Status> + Send + Sync + 'static,
            I: FromMessage<ViaI>,
            O: IntoReply<ViaO>,
        {
            fn into_sync_handler(self, method: &Method) -> Result<Handler, String> {
                I::check(method.input())?;
                let (method, handler) = (method.clone(), Arc::new(self));
                Ok(Handler::new(move || {
                    let (input, output) = method.separate_types();
                    let handler = Arc::clone(&handler);
                    Form::UnarySync(Box::new(move |_call, raw| {
                        I::from_raw(&input, raw, _call.decode_bytes_max())
                            .and_then(|request| handler($(<$call>::from(_call),)? request))
                            .and_then(|reply| reply.into_reply(&output))
                            .into()
                    }))
                }))
            }

            fn into_blocking_handler(
                self,
                method: &Method,
                threads: Arc<Semaphore>,
            ) -> Result<Handler, String> {
                let sync = self.into_sync_handler(method)?;
                Ok(Handler::new(move || {
                    let (sync, threads) = (Arc::new(sync.separate()), Arc::clone(&threads));
                    Form::Unary(Box::new(move |call, raw| {
                        Box::pin(run_blocking(Arc::clone(&sync), Arc::clone(&threads), call, raw))
                    }))
                }))
            }
        }
    };
}
with_and_without_call!(unary_sync);

/// Waits for a thread, then runs `sync` there. The permit stays with the work, not with the call:
/// a call that is given up does not make its thread free.
async fn run_blocking(
    sync: Arc<Handler>,
    threads: Arc<Semaphore>,
    call: Call,
    raw: RawMessage,
) -> Outcome {
    let Ok(permit) = threads.acquire_owned().await else {
        return Outcome::Status(Status::unavailable("the server is shutting down"));
    };
    // The call's span does not follow to another thread by itself.
    let span = tracing::Span::current();
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        match &sync.form {
            Form::UnarySync(run) => span.in_scope(|| run(call, raw)),
            _ => Outcome::Status(Status::internal("only a unary handler can block")),
        }
    });
    match work.await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Outcome::Status(Status::unavailable("the server is shutting down")),
    }
}

macro_rules! server_streaming {
    ($shape:ident, $($call:ty)?) => {
        impl<F, I, O, Fut, ViaI, ViaO> ServerStreamingHandler<($shape, I, O, ViaI, ViaO)> for F
        where
            F: Fn($($call,)? I, Replies<O>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<(), Status>> + Send + 'static,
            I: FromMessage<ViaI>,
            O: IntoMessage<ViaO>,
        {
            fn into_handler(self, method: &Method) -> Result<Handler, String> {
                I::check(method.input())?;
                let (method, handler) = (method.clone(), Arc::new(self));
                Ok(Handler::new(move || {
                    let (input, output) = method.separate_types();
                    let (handler, encode) = (Arc::clone(&handler), encode(output));
                    Form::ServerStreaming(Box::new(move |_call, raw, outbound| {
                        let replies = Replies::new(outbound, Arc::clone(&encode));
                        let running = I::from_raw(&input, raw, _call.decode_bytes_max())
                            .map(|request| handler($(<$call>::from(_call),)? request, replies));
                        Box::pin(async move {
                            match running {
                                Ok(replies) => replies.await.into(),
                                Err(status) => Outcome::Status(status),
                            }
                        })
                    }))
                }))
            }
        }
    };
}
with_and_without_call!(server_streaming);

macro_rules! client_streaming {
    ($shape:ident, $($call:ty)?) => {
        impl<F, I, O, Fut, ViaI, ViaO> ClientStreamingHandler<($shape, I, O, ViaI, ViaO)> for F
        where
            F: Fn($($call,)? Streaming<I>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<O, Status>> + Send + 'static,
            I: FromMessage<ViaI>,
            O: IntoReply<ViaO>,
        {
            fn into_handler(self, method: &Method) -> Result<Handler, String> {
                I::check(method.input())?;
                let (method, handler) = (method.clone(), Arc::new(self));
                Ok(Handler::new(move || {
                    let (input, output) = method.separate_types();
                    let (handler, decode) = (Arc::clone(&handler), decode(input));
                    Form::RequestStreaming(Box::new(move |_call, inbound, _| {
                        let requests = Streaming::new(inbound, Arc::clone(&decode));
                        let output = output.clone();
                        let running = handler($(<$call>::from(_call),)? requests);
                        Box::pin(async move {
                            running.await.and_then(|reply| reply.into_reply(&output)).into()
                        })
                    }))
                }))
            }
        }
    };
}
with_and_without_call!(client_streaming);

macro_rules! bidi {
    ($shape:ident, $($call:ty)?) => {
        impl<F, I, O, Fut, ViaI, ViaO> BidiHandler<($shape, I, O, ViaI, ViaO)> for F
        where
            F: Fn($($call,)? Streaming<I>, Replies<O>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<(), Status>> + Send + 'static,
            I: FromMessage<ViaI>,
            O: IntoMessage<ViaO>,
        {
            fn into_handler(self, method: &Method) -> Result<Handler, String> {
                I::check(method.input())?;
                let (method, handler) = (method.clone(), Arc::new(self));
                Ok(Handler::new(move || {
                    let (input, output) = method.separate_types();
                    let (decode, encode) = (decode(input), encode(output));
                    let handler = Arc::clone(&handler);
                    Form::RequestStreaming(Box::new(move |_call, inbound, outbound| {
                        let requests = Streaming::new(inbound, Arc::clone(&decode));
                        let replies = Replies::new(outbound, Arc::clone(&encode));
                        let running = handler($(<$call>::from(_call),)? requests, replies);
                        Box::pin(async move { running.await.into() })
                    }))
                }))
            }
        }
    };
}
with_and_without_call!(bidi);

fn decode<T: FromMessage<Via>, Via>(input: MessageType) -> Decode<T> {
    Arc::new(move |raw, bytes_max| T::from_raw(&input, raw, bytes_max))
}

fn encode<T: IntoMessage<Via>, Via>(output: MessageType) -> Encode<T> {
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
                let running = handler(call, requests, replies);
                Box::pin(async move { running.await.into() })
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
