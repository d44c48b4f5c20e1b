//! From a call's headers to its handler and back: routing, deadlines, the call itself.
//!
//! [`dispatch`] is the page to read first.

mod active_call;
mod admission;
mod budget;
mod call;
mod conversion;
mod deadline;
mod dispatch;
mod handler;
mod outbox;
mod page;
mod peer;
mod replies;
mod response;
mod router;
mod running;
mod streaming;

pub(crate) use budget::Budget;
pub use call::Call;
pub use conversion::{FromMessage, IntoMessage, IntoReply};
pub(crate) use dispatch::Dispatcher;
pub use handler::{
    BidiHandler, ClientStreamingHandler, Handler, ServerStreamingHandler, SyncHandler, UnaryHandler,
};
pub(crate) use page::{Page, Pages};
pub use peer::{Peer, TlsIdentity};
pub use replies::Replies;
pub use response::Response;
pub(crate) use router::{Limits, Route, Router};
pub use streaming::Streaming;
