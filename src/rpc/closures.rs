//! The closures that users register as handlers, and how each becomes the one erased form.

use std::{future::Future, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    Call, FromMessage, Handler, IntoMessage, IntoReply, Replies, Streaming,
    handler::{Form, Outcome, decode, encode, ending, failed},
};
use crate::{
    grpc::{RawMessage, Status},
    schema::Method,
};

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
                            .map(|request| handler($({ let call: $call = _call.call(); call },)? request));
                        match running {
                            Ok(reply) => ending(reply, move |reply| {
                                reply.and_then(|r| r.into_reply(&output)).into()
                            }),
                            Err(status) => failed(status),
                        }
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
                            .and_then(|request| handler($({ let call: $call = _call.call(); call },)? request))
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
                        let (sync, threads) = (Arc::clone(&sync), Arc::clone(&threads));
                        Box::pin(run_blocking(sync, threads, call.call(), raw))
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
            Form::UnarySync(run) => span.in_scope(|| run(&call, raw)),
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
                            .map(|request| handler($({ let call: $call = _call.call(); call },)? request, replies));
                        match running {
                            Ok(replies) => ending(replies, Outcome::from),
                            Err(status) => failed(status),
                        }
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
                        let running = handler($({ let call: $call = _call.call(); call },)? requests);
                        ending(running, move |reply| {
                            reply.and_then(|r| r.into_reply(&output)).into()
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
                        let running = handler($({ let call: $call = _call.call(); call },)? requests, replies);
                        ending(running, Outcome::from)
                    }))
                }))
            }
        }
    };
}
with_and_without_call!(bidi);
