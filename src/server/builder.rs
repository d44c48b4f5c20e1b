//! Which handler answers which method, checked against the schema before the first call.

mod around;
mod connections;
mod routes;

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::Semaphore;

use self::routes::ALL_KINDS;
use super::Server;
#[cfg(feature = "tls")]
use crate::transport::{Tls, TlsConfig};
use crate::{
    Error,
    grpc::{MessageEncoding, RawMessage, Status},
    limits,
    rpc::{
        BidiHandler, Budget, Call, ClientStreamingHandler, Handler, Interceptors, Limits, Replies,
        Route, Router, ServerStreamingHandler, Streaming, SyncHandler, UnaryHandler,
    },
    schema::{MethodKind, Schema},
    service::{self, Health},
    transport::{ConnectionLimits, Service},
};

/// Registers handlers by method path, `/package.Service/Method`.
///
/// A path that no method has, a closure whose types do not fit, a method that is registered twice:
/// each is told by [`build`](Self::build), all at once.
#[derive(Debug)]
#[must_use = "nothing is served before build()"]
pub struct ServerBuilder {
    schemas: Vec<Schema>,
    routes: BTreeMap<String, Route>,
    fallback: Option<Handler>,
    texts: HashMap<Vec<u8>, Bytes>,
    errors: Vec<String>,
    interceptors: Interceptors,
    limits: Limits,
    connection_limits: ConnectionLimits,
    workers: usize,
    blocking: Arc<Semaphore>,
    drain_timeout: Duration,
    reflection: bool,
    health: Option<Health>,
    #[cfg(feature = "tls")]
    tls: Option<TlsConfig>,
}

impl ServerBuilder {
    pub(super) fn new(schema: Schema) -> Self {
        Self {
            schemas: vec![schema],
            routes: BTreeMap::new(),
            fallback: None,
            texts: HashMap::new(),
            errors: Vec::new(),
            interceptors: Interceptors::default(),
            limits: Limits::default(),
            connection_limits: ConnectionLimits::default(),
            workers: 0,
            blocking: Arc::new(Semaphore::new(limits::BLOCKING_CALLS_MAX)),
            drain_timeout: limits::DRAIN_TIMEOUT,
            reflection: true,
            health: Some(Health::default()),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Serves the methods of another schema, too.
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schemas.push(schema);
        self
    }

    /// Answers a unary method with an async closure: `Fn(I)` or `Fn(Call, I)` to
    /// `Future<Output = Result<O, Status>>`.
    ///
    /// `I` and `O` are [`Message`](crate::Message), `DynamicMessage`, any serde type, or
    /// [`RawMessage`]; `O` may be a [`Response`](crate::Response) of one of these.
    pub fn unary<Shape>(self, path: &str, handler: impl UnaryHandler<Shape>) -> Self {
        self.add(path, &[MethodKind::Unary], |method| {
            handler.into_handler(method)
        })
    }

    /// Answers a unary method with a plain closure that neither waits nor blocks: `Fn(I)` or
    /// `Fn(Call, I)` to `Result<O, Status>`. The fastest form.
    pub fn unary_sync<Shape>(self, path: &str, handler: impl SyncHandler<Shape>) -> Self {
        self.add(path, &[MethodKind::Unary], |method| {
            handler.into_sync_handler(method)
        })
    }

    /// Answers a unary method with a plain closure that may block; it runs on a thread for such
    /// work, of which there are at most [`BLOCKING_CALLS_MAX`](limits::BLOCKING_CALLS_MAX).
    pub fn blocking<Shape>(self, path: &str, handler: impl SyncHandler<Shape>) -> Self {
        let threads = Arc::clone(&self.blocking);
        self.add(path, &[MethodKind::Unary], |method| {
            handler.into_blocking_handler(method, threads)
        })
    }

    /// Answers a server-streaming method: `Fn(I, Replies<O>)` or `Fn(Call, I, Replies<O>)` to
    /// `Future<Output = Result<(), Status>>`.
    pub fn server_streaming<Shape>(
        self,
        path: &str,
        handler: impl ServerStreamingHandler<Shape>,
    ) -> Self {
        self.add(path, &[MethodKind::ServerStreaming], |method| {
            handler.into_handler(method)
        })
    }

    /// Answers a client-streaming method: `Fn(Streaming<I>)` or `Fn(Call, Streaming<I>)` to
    /// `Future<Output = Result<O, Status>>`.
    pub fn client_streaming<Shape>(
        self,
        path: &str,
        handler: impl ClientStreamingHandler<Shape>,
    ) -> Self {
        self.add(path, &[MethodKind::ClientStreaming], |method| {
            handler.into_handler(method)
        })
    }

    /// Answers a bidirectional method: `Fn(Streaming<I>, Replies<O>)` or
    /// `Fn(Call, Streaming<I>, Replies<O>)` to `Future<Output = Result<(), Status>>`.
    pub fn bidi<Shape>(self, path: &str, handler: impl BidiHandler<Shape>) -> Self {
        self.add(path, &[MethodKind::Bidi], |method| {
            handler.into_handler(method)
        })
    }

    /// Answers a method of any kind with its messages as they travel, as a proxy or a recorder does:
    /// undecoded, and those that are marked as compressed in the call's
    /// [encoding](Call::request_encoding), requests and replies.
    pub fn raw<F, Running>(self, path: &str, handler: F) -> Self
    where
        F: Fn(Call, Streaming<RawMessage>, Replies<RawMessage>) -> Running + Send + Sync + 'static,
        Running: Future<Output = Result<(), Status>> + Send + 'static,
    {
        self.add(path, ALL_KINDS, |_| Ok(Handler::raw(handler)))
    }

    /// Answers every call that nothing else answers, whether the schema has its method or not, in the
    /// way of [`raw`](Self::raw).
    pub fn fallback<F, Running>(mut self, handler: F) -> Self
    where
        F: Fn(Call, Streaming<RawMessage>, Replies<RawMessage>) -> Running + Send + Sync + 'static,
        Running: Future<Output = Result<(), Status>> + Send + 'static,
    {
        self.fallback = Some(Handler::raw(handler));
        self
    }

    /// Answers HTTP requests for a path that are no gRPC calls, whatever their method, with 200 and a
    /// text: for browsers, and for checks that do not speak gRPC. Goes before the pages that every
    /// server has, `/` and `/healthz`. A request with gRPC's content-type is a call on any path.
    pub fn text(mut self, path: impl Into<String>, text: impl Into<Bytes>) -> Self {
        self.texts.insert(path.into().into_bytes(), text.into());
        self
    }

    /// Answers a method with UNIMPLEMENTED and a message that says why.
    pub fn unimplemented(mut self, path: &str, why: impl Into<String>) -> Self {
        let status = Status::unimplemented(why.into());
        if let Some(method) = self.method(path, ALL_KINDS) {
            self.insert(Route::refusing(method, status));
        }
        self
    }

    /// Longest message received, in bytes; 4 MiB unless set.
    pub fn receive_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.receive_bytes_max = bytes;
        self
    }

    /// Most memory that a request may take as prost-reflect's `DynamicMessage`, for handlers that take
    /// one, in bytes; [24](limits::MESSAGE_DECODE_FACTOR) times the longest message received unless
    /// set. What would take more is refused with RESOURCE_EXHAUSTED before it is made one. A
    /// [`Message`](crate::Message) takes at most three times its bytes, whatever it holds.
    pub fn decode_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.decode_bytes_max = Some(bytes);
        self
    }

    /// Longest message sent, in bytes; 4 MiB unless set.
    pub fn send_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.send_bytes_max = bytes;
        self
    }

    /// Compresses replies with the first of these encodings that the client reads. Without this,
    /// only calls whose handler [asks](Call::compress_replies) are compressed.
    pub fn compress_replies(
        mut self,
        encodings: impl IntoIterator<Item = MessageEncoding>,
    ) -> Self {
        self.limits.compression = encodings.into_iter().collect();
        self
    }

    /// Leaves out `grpc.reflection.v1.ServerReflection` and its v1alpha form.
    pub fn without_reflection(mut self) -> Self {
        self.reflection = false;
        self
    }

    /// Leaves out `grpc.health.v1.Health`.
    pub fn without_health(mut self) -> Self {
        self.health = None;
        self
    }

    /// Checks it all and makes the server.
    ///
    /// # Errors
    /// Everything that does not fit, in one error.
    pub fn build(mut self) -> Result<Server, Error> {
        let health = self.health.take();
        if let Some(health) = &health {
            self = service::health::add(self, health);
        }
        if self.reflection {
            self = service::reflection::add(self);
        }
        self.errors.extend(self.connection_limits.check().err());
        if !self.errors.is_empty() {
            return Err(Error::configuration(self.errors.join("\n")));
        }
        if self.fallback.is_none() {
            self.refuse_the_rest();
        }
        let health = health.unwrap_or_default();
        let pages = service::pages::pages(service::pages::Facts {
            schemas: &self.schemas,
            health: health.clone(),
            reflection: self.reflection,
            #[cfg(feature = "tls")]
            tls: self.tls.is_some(),
            #[cfg(not(feature = "tls"))]
            tls: false,
            texts: self.texts,
        });
        let routes = self.routes.into_values().collect();
        let router = Arc::new(Router::new(
            routes,
            self.fallback,
            self.interceptors,
            self.limits,
            pages,
        ));
        Ok(Server {
            service: Service {
                router,
                budget: Budget::new(self.connection_limits.in_flight_bytes),
                connection_limits: Arc::new(self.connection_limits),
                hints: Arc::default(),
                load: None,
                #[cfg(feature = "tls")]
                tls: self.tls.map(Tls::new).transpose()?,
            },
            workers: self.workers,
            health,
            drain_timeout: self.drain_timeout,
        })
    }

    /// Answers a unary method with what `make` makes, again for each worker, so that workers need not
    /// share what a handler counts references to.
    pub(crate) fn unary_for_each_worker(
        self,
        path: &str,
        make: impl Fn() -> Result<Handler, String> + Send + Sync + 'static,
    ) -> Self {
        self.add(path, &[MethodKind::Unary], |_| {
            make()?;
            Ok(Handler::new(move || {
                make().expect("what has fitted once fits again").form
            }))
        })
    }

    /// The schemas that are served, built-in services included.
    pub(crate) fn schemas(&self) -> &[Schema] {
        &self.schemas
    }

    /// What calls may use, as far as it is set by now.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether something answers a path already.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.routes.contains_key(path)
    }
}
