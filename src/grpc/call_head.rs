//! What opens a call: the request headers, in typed slots.

use std::time::Duration;

use bytes::Bytes;

use super::{AcceptedEncodings, ContentType, RawMetadata, parse_timeout};

/// The Request-Headers of a call (PROTOCOL-HTTP2.md, "Requests"), as they were received.
///
/// Nothing here is judged yet: `rpc::admission` does that, in the order gRPC prescribes.
#[derive(Debug, Default)]
pub(crate) struct CallHead {
    /// `:method`.
    pub(crate) method: HttpMethod,
    /// `:path`.
    pub(crate) path: Bytes,
    /// Where the router keeps what answers `path`; looked up while the headers are read.
    pub(crate) route: Option<u32>,
    /// `:authority`, or `host` where that is absent (gRFC A41).
    pub(crate) authority: Option<Bytes>,
    /// How many `host` headers there are; more than one leaves open who is meant.
    pub(crate) hosts: usize,
    /// `content-type`; `None` if it is not gRPC's, or absent.
    pub(crate) content_type: Option<ContentType>,
    /// `grpc-timeout`.
    pub(crate) timeout: TimeoutSlot,
    /// `grpc-encoding`: the Message-Encoding of the requests.
    pub(crate) encoding: Option<Bytes>,
    /// `grpc-accept-encoding`: what the client can read.
    pub(crate) accept_encoding: AcceptedEncodings,
    /// `user-agent`.
    pub(crate) user_agent: Option<Bytes>,
    /// Custom-Metadata, as received.
    pub(crate) metadata: RawMetadata,
}

/// The methods between which a difference is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HttpMethod {
    /// The only one gRPC allows.
    Post,
    Get,
    Head,
    #[default]
    Other,
}

/// `grpc-timeout` may come at most once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum TimeoutSlot {
    #[default]
    Absent,
    Once(Duration),
    Malformed(Bytes),
    Repeated,
}

impl CallHead {
    /// Puts one header in its slot. `name` is lower-case, as HTTP/2 demands, and no pseudo-header.
    pub(crate) fn header(&mut self, name: &[u8], value: Bytes) {
        match name {
            b"content-type" => self.content_type = ContentType::parse(&value),
            b"grpc-timeout" => self.add_timeout(&value),
            b"grpc-encoding" => self.encoding = Some(value),
            b"grpc-accept-encoding" => self.accept_encoding.add(AcceptedEncodings::parse(&value)),
            b"user-agent" => self.user_agent = Some(value),
            b"host" => {
                self.hosts += 1;
                self.authority.get_or_insert(value);
            }
            // `te: trailers` is asked for, but its absence harms nobody; the others are reserved.
            b"te" | b"content-length" | b"grpc-message-type" => {}
            _ => self.metadata.push(name, value),
        }
    }

    /// The path as text; empty if it is none.
    pub(crate) fn path_text(&self) -> &str {
        std::str::from_utf8(&self.path).unwrap_or_default()
    }

    /// Whether the request is none that HTTP allows: without a path, or for several hosts.
    pub(crate) fn is_malformed(&self) -> bool {
        self.path.is_empty() || self.hosts > 1
    }

    /// Puts `grpc-timeout` in its slot.
    pub(crate) fn add_timeout(&mut self, value: &[u8]) {
        self.timeout = match (&self.timeout, parse_timeout(value)) {
            (TimeoutSlot::Absent, Some(timeout)) => TimeoutSlot::Once(timeout),
            (TimeoutSlot::Absent, None) => TimeoutSlot::Malformed(Bytes::copy_from_slice(value)),
            _ => TimeoutSlot::Repeated,
        };
    }
}
