//! What passes between HTTP/2 and the rooms above it.
//!
//! Up go [`Event`]s, down go the [`Commands`]; neither knows who makes or reads the bytes.

use bytes::Bytes;

use crate::grpc::{CallHead, ResponseHead, Trailers};

/// A stream of one connection (RFC 9113, 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamId(pub(crate) u32);

/// Why a connection is ended (RFC 9113, 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ErrorCode {
    NoError = 0x0,
    EnhanceYourCalm = 0xb,
}

/// What happened on a connection, in the order in which it was read.
#[derive(Debug)]
pub(crate) enum Event {
    /// A request's HEADERS. `end`: nothing follows.
    CallStarted {
        stream: StreamId,
        head: Box<CallHead>,
        end: bool,
    },
    /// Part of a request's body; `end`: the last one. What is kept of it stays charged to the
    /// stream's window until [`Commands::consumed`].
    Data {
        stream: StreamId,
        bytes: Bytes,
        end: bool,
    },
    /// The peer gave the stream up, or the connection is gone.
    Reset { stream: StreamId },
    /// That many bytes of [`Commands::data`] have left.
    Writable { stream: StreamId, sent: usize },
}

/// What a connection can be told to do. A stream that is gone takes everything in silence: its
/// [`Event::Reset`] is on the way.
pub(crate) trait Commands {
    /// Sends the response's HEADERS.
    fn headers(&mut self, stream: StreamId, head: ResponseHead);

    /// Sends or queues part of the body; [`Event::Writable`] tells when it has left.
    fn data(&mut self, stream: StreamId, bytes: Bytes);

    /// Ends the response, after all its data. If the request has not ended, the stream is then reset
    /// with NO_ERROR (RFC 9113, 8.1), so that the client stops sending.
    fn trailers(&mut self, stream: StreamId, trailers: Trailers);

    /// Ends the response at once: data that has not left is dropped, and because a message may be
    /// cut by that, the stream is then reset with CANCEL instead of being ended with the trailers.
    fn abort(&mut self, stream: StreamId, trailers: Trailers);

    /// Whether data or trailers of a response are still to be sent.
    fn is_sending(&self, stream: StreamId) -> bool;

    /// Sends HEADERS that also end the response: Trailers-Only, or plain HTTP without trailers.
    fn headers_only(&mut self, stream: StreamId, head: ResponseHead, trailers: Option<Trailers>);

    /// Answers a request that is not gRPC.
    fn plain_text(&mut self, stream: StreamId, http_status: u16, text: Bytes);

    /// How much of all responses' data waits to be sent.
    fn unsent_bytes(&self) -> usize;

    /// Gives `bytes` of the stream's receive window back to the peer.
    fn consumed(&mut self, stream: StreamId, bytes: usize);
}
