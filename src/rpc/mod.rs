//! From a call's headers to its handler and back: routing, deadlines, the call itself.
//!
//! [`dispatch`] is the page to read first.

mod access_log;
mod active_call;
mod admission;
mod blocking;
mod budget;
mod call;
mod call_end;
mod call_span;
mod closures;
mod conversion;
mod deadline;
mod dispatch;
mod handler;
mod incoming;
mod interceptor;
mod lazy_call;
mod outbox;
mod page;
mod peer;
mod printable;
mod replies;
mod response;
mod router;
mod running;
mod streaming;

pub use access_log::AccessLog;
pub(crate) use budget::Budget;
pub use call::Call;
pub use call_end::CallEnd;
pub use closures::{
    BidiHandler, ClientStreamingHandler, ServerStreamingHandler, SyncHandler, UnaryHandler,
};
pub use conversion::{FromMessage, IntoMessage, IntoReply};
pub(crate) use dispatch::Dispatcher;
pub use handler::Handler;
pub use interceptor::Before;
pub(crate) use interceptor::Interceptors;
pub(crate) use page::{Page, Pages};
pub use peer::{Peer, TlsIdentity};
pub use replies::Replies;
pub use response::Response;
pub(crate) use router::{Limits, Route, Router};
pub use streaming::Streaming;
