//! PUSH_PROMISE (RFC 9113, 6.6): refused, whoever sends it.

use crate::http2::Error;

/// "A client cannot push. Thus, servers MUST treat the receipt of a PUSH_PROMISE frame as a
/// connection error of type PROTOCOL_ERROR" (8.4). And a client of gRPC switches push off.
pub(crate) fn refuse() -> Error {
    Error::protocol("PUSH_PROMISE")
}
