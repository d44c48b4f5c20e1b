//! From a call's headers to its handler and back: routing, deadlines, the call itself.
//!
//! [`dispatch`] is the page to read first.

mod active_call;
mod admission;
mod call;
mod conversion;
mod deadline;
mod dispatch;
mod handler;
mod outbox;
mod peer;
mod replies;
mod response;
mod router;
mod running;
mod streaming;
mod text;

pub use call::Call;
pub use conversion::{FromMessage, IntoMessage, IntoReply};
pub(crate) use dispatch::Dispatcher;
pub use handler::{
    BidiHandler, ClientStreamingHandler, Handler, ServerStreamingHandler, SyncHandler, UnaryHandler,
};
pub use peer::{Peer, TlsIdentity};
pub use replies::Replies;
pub use response::Response;
pub(crate) use router::{Limits, Route, Router};
pub use streaming::Streaming;
