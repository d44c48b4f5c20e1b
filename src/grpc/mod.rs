//! gRPC's own layer: bytes in, bytes out; no socket, no clock.
//!
//! One file for each noun of "gRPC over HTTP/2" (grpc/grpc, doc/PROTOCOL-HTTP2.md):
//! Length-Prefixed-Message, Message-Encoding, Custom-Metadata, Timeout, Status, Content-Type.

mod binary_header;
mod call_head;
mod code;
mod content_type;
#[cfg(feature = "client")]
mod http_status;
mod length_prefixed;
mod message_encoding;
mod metadata;
mod percent;
mod raw_metadata;
#[cfg(feature = "client")]
mod received_status;
#[cfg(feature = "client")]
mod reset;
mod response_head;
mod status;
mod timeout;

pub(crate) use call_head::{CallHead, HttpMethod, TimeoutSlot};
pub use code::Code;
pub(crate) use content_type::ContentType;
pub use length_prefixed::RawMessage;
pub(crate) use length_prefixed::{LengthPrefixed, PREFIX_BYTES, prefix};
pub(crate) use message_encoding::AcceptedEncodings;
pub use message_encoding::MessageEncoding;
pub use metadata::{Metadata, MetadataError};
#[cfg(any(test, fuzzing))]
pub(crate) use percent::encode as percent_encode;
pub(crate) use raw_metadata::RawMetadata;
pub(crate) use response_head::{ResponseHead, Trailers};
pub use status::Status;
pub(crate) use timeout::parse_timeout;

#[cfg(feature = "client")]
pub(crate) use {
    binary_header::malformed_bin,
    http_status::code_of_http_status,
    received_status::{field, received_status},
    reset::{CANCEL, REFUSED_STREAM, code_of_reset},
    timeout::format_timeout,
};
