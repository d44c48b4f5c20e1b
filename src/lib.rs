//! Point it at a `.proto` and get a gRPC server: no protoc, no build script, no generated code.

pub mod error;
pub mod limits;
pub mod message;
pub mod schema;
pub mod store;

pub use error::Error;
pub use message::Message;
pub use schema::Schema;
