//! Which handler answers which path.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    Handler, Interceptors, Page, Pages,
    handler::{Form, Outcome, failed},
    printable::cut,
};
use crate::{
    grpc::{CallHead, MessageEncoding, Status},
    http2::Paths,
    limits,
    schema::{Method, MethodKind},
};

/// All that a call needs to know of its server; immutable, and replaced as a whole.
#[derive(Debug)]
pub(crate) struct Router {
    routes: Vec<Route>,
    by_path: Arc<HashMap<Box<str>, u32>>,
    fallback: Option<Route>,
    interceptors: Arc<Interceptors>,
    limits: Limits,
    pages: Arc<Pages>,
}

/// A method and what answers it.
#[derive(Debug)]
pub(crate) struct Route {
    /// `None` for the fallback.
    pub(crate) method: Option<Method>,
    pub(crate) handler: Handler,
}

/// What a call may use.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Longest message received.
    pub(crate) receive_bytes_max: usize,
    /// Most memory that a decoded message may take, if set.
    pub(crate) decode_bytes_max: Option<usize>,
    /// Longest message sent.
    pub(crate) send_bytes_max: usize,
    /// How replies are compressed, best first; empty: not unless a handler asks.
    pub(crate) compression: Vec<MessageEncoding>,
    /// How long a unary call may take whose client allows it longer.
    pub(crate) call_timeout_max: Option<Duration>,
    /// How long a unary call may take whose client does not say.
    pub(crate) call_timeout_default: Option<Duration>,
}

impl Limits {
    /// Most memory that a decoded message may take.
    pub(crate) fn decode_bytes_max(&self) -> usize {
        self.decode_bytes_max.unwrap_or_else(|| {
            self.receive_bytes_max
                .saturating_mul(limits::MESSAGE_DECODE_FACTOR)
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            receive_bytes_max: limits::MESSAGE_RECEIVE_BYTES,
            decode_bytes_max: None,
            send_bytes_max: limits::MESSAGE_SEND_BYTES,
            compression: Vec::new(),
            call_timeout_max: limits::CALL_TIMEOUT_MAX,
            call_timeout_default: limits::CALL_TIMEOUT_DEFAULT,
        }
    }
}

impl Limits {
    /// How long a call may take whose client has said `timeout`, or nothing.
    ///
    /// Only of a unary method: a stream may be meant to be quiet for hours, as Watch of
    /// `grpc.health.v1.Health` is. What a fallback answers may be either, and counts as a stream.
    pub(super) fn timeout(
        &self,
        timeout: Option<Duration>,
        method: Option<&Method>,
    ) -> Option<Duration> {
        if method.map(Method::kind) != Some(MethodKind::Unary) {
            return timeout;
        }
        let timeout = timeout.or(self.call_timeout_default);
        // To have no timeout is to have the longest.
        timeout.into_iter().chain(self.call_timeout_max).min()
    }
}

impl Router {
    pub(crate) fn new(
        routes: Vec<Route>,
        fallback: Option<Handler>,
        interceptors: Interceptors,
        limits: Limits,
        pages: Pages,
    ) -> Self {
        let paths = routes
            .iter()
            .map(|route| route.method.as_ref().map_or("", Method::path));
        let by_path = paths
            .zip(0..)
            .map(|(path, index)| (Box::from(path), index))
            .collect();
        let fallback = fallback.map(|handler| Route {
            method: None,
            handler,
        });
        Self {
            routes,
            by_path: Arc::new(by_path),
            fallback,
            interceptors: Arc::new(interceptors),
            limits,
            pages: Arc::new(pages),
        }
    }

    /// The same for another worker: all that calls count references to is its own, so that no two
    /// workers write one counter.
    pub(crate) fn separate(&self) -> Self {
        Self {
            routes: self.routes.iter().map(Route::separate).collect(),
            by_path: Arc::clone(&self.by_path),
            fallback: self.fallback.as_ref().map(Route::separate),
            interceptors: Arc::new(Interceptors::clone(&self.interceptors)),
            limits: self.limits.clone(),
            pages: Arc::clone(&self.pages),
        }
    }

    /// The index of the route of a path.
    pub(crate) fn lookup(&self, path: &[u8]) -> Option<u32> {
        self.by_path.get(std::str::from_utf8(path).ok()?).copied()
    }

    /// The method of the route at an index that [`lookup`](Self::lookup) gave.
    pub(super) fn method(&self, index: Option<u32>) -> Option<&Method> {
        self.routes.get(index? as usize)?.method.as_ref()
    }

    /// The route at an index that [`lookup`](Self::lookup) gave; else the fallback.
    ///
    /// # Errors
    /// UNIMPLEMENTED, with the half of the path that is not known.
    pub(crate) fn route(&self, index: Option<u32>, path: &[u8]) -> Result<&Route, Status> {
        let known = index.and_then(|index| self.routes.get(index as usize));
        known
            .or(self.fallback.as_ref())
            .ok_or_else(|| self.unimplemented(path))
    }

    /// What answers a request that is not gRPC.
    pub(super) fn page(&self, head: &CallHead) -> Option<Page> {
        self.pages.find(head)
    }

    pub(super) fn interceptors(&self) -> &Arc<Interceptors> {
        &self.interceptors
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn unimplemented(&self, path: &[u8]) -> Status {
        let path = String::from_utf8_lossy(path);
        let Some((service, method)) = path
            .strip_prefix('/')
            .and_then(|rest| rest.rsplit_once('/'))
        else {
            let path = told(&path);
            return Status::unimplemented(format!("malformed path {path:?}: not /service/method"));
        };
        let mut known = self.routes.iter().filter_map(|route| route.method.as_ref());
        let known = known.any(|known| known.service() == service);
        let (service, method) = (told(service), told(method));
        Status::unimplemented(match known {
            true => format!("unknown method {method} for service {service}"),
            false => format!("unknown service {service}"),
        })
    }
}

/// As much of a client's text as it is told back.
fn told(text: &str) -> &str {
    cut(text, limits::TOLD_BACK_BYTES)
}

impl Paths for Router {
    fn lookup(&self, path: &[u8]) -> Option<u32> {
        Self::lookup(self, path)
    }
}

impl Route {
    /// A route whose only answer is a status. Where there may be any number of requests, none is waited
    /// for.
    pub(crate) fn refusing(method: Method, status: Status) -> Self {
        let is_stream = method.kind().is_client_streaming();
        let make = move || {
            let status = status.clone();
            match is_stream {
                true => Form::RequestStreaming(Box::new(move |_, _, _| failed(status.clone()))),
                false => Form::UnarySync(Box::new(move |_, _| Outcome::Status(status.clone()))),
            }
        };
        Self {
            method: Some(method),
            handler: Handler::new(make),
        }
    }

    fn separate(&self) -> Self {
        Self {
            method: self.method.as_ref().map(Method::separate),
            handler: self.handler.separate(),
        }
    }
}
