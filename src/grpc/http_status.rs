//! What an HTTP status means where a server has not said anything in gRPC's own terms (grpc/grpc,
//! doc/http-grpc-status-mapping.md).

use super::Code;

/// The code for the `:status` of a response without `grpc-status`.
pub(crate) fn code_of_http_status(http_status: u16) -> Code {
    match http_status {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}
