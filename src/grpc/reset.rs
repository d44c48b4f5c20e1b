//! What an RST_STREAM means (PROTOCOL-HTTP2.md, "Errors").

use super::Code;

/// The code for the error code (RFC 9113, 7) with which a server has reset a call.
pub(crate) fn code_of_reset(error_code: u32) -> Code {
    match error_code {
        // NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT,
        // STREAM_CLOSED, FRAME_SIZE_ERROR; COMPRESSION_ERROR, CONNECT_ERROR; HTTP_1_1_REQUIRED.
        0x0..=0x6 | 0x9 | 0xa | 0xd => Code::Internal,
        REFUSED_STREAM => Code::Unavailable,
        CANCEL => Code::Cancelled,
        // ENHANCE_YOUR_CALM: "with additional error detail to indicate that the exhausted resource
        // is bandwidth".
        0xb => Code::ResourceExhausted,
        // INADEQUATE_SECURITY.
        0xc => Code::PermissionDenied,
        _ => Code::Unknown,
    }
}

/// The server has not looked at the request (RFC 9113, 8.7).
pub(crate) const REFUSED_STREAM: u32 = 0x7;

/// The call is not wanted any more.
pub(crate) const CANCEL: u32 = 0x8;
