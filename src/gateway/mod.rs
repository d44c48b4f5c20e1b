//! The other ways to a call than an HTTP/2 connection of our own: `http::Request`s of any server,
//! and HTTP/1.1.

mod exchange;
mod http1;
mod http_types;
mod service;

use http_types::{call_head, plain_text, response_of, write_trailers};
pub(crate) use http1::serve_http1;
pub use service::{GrpcBody, GrpcFuture, GrpcService};
