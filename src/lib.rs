//! Point it at a `.proto` and get a gRPC server: no protoc, no build script, no generated code.

#![warn(clippy::print_stdout)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod binding;
#[cfg(feature = "client")]
pub mod client;
pub mod error;
pub mod limits;
pub mod message;
pub mod schema;
pub mod store;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod grpc;
mod http2;
mod rpc;
mod server;
mod service;
mod transport;

pub use error::Error;
pub use gateway::{GrpcBody, GrpcFuture, GrpcService};
pub use grpc::{Code, MessageEncoding, Metadata, MetadataError, RawMessage, Status};
pub use message::Message;
pub use rpc::{
    AccessLog, Before, BidiHandler, Call, CallEnd, ClientStreamingHandler, FromMessage, Handler,
    IntoMessage, IntoReply, Peer, Replies, Response, ServerStreamingHandler, Streaming,
    SyncHandler, TlsIdentity, UnaryHandler,
};
pub use schema::Schema;
pub use server::{BoundServer, Server, ServerBuilder};
pub use service::{Health, ServingStatus};
pub use transport::ConnectionLimits;
#[cfg(feature = "tls")]
pub use transport::{ClientAuth, TlsConfig};
