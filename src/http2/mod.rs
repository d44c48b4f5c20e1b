//! HTTP/2 (RFC 9113), made for gRPC: bytes in, events up; commands down, bytes out. Neither sockets
//! nor clocks.
//!
//! ```text
//!   input ──▶ frame/ ──▶ hpack/ ──▶ request ──▶ Event          Commands ──▶ response ──▶ output
//!                          Connection: streams, windows, settings, and who asks too much
//! ```
//!
//! All frames of a read are parsed where they lie. [`Connection::next`] gives one [`Event`] after
//! another, which borrows from the input; when there are no more, what is left of the input is the
//! start of a frame, to be given again with what follows it.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod calm;
mod connection;
mod error;
mod flow_control;
mod frame;
pub(crate) mod hpack;
mod output;
mod remembered;
mod request;
mod response;
mod settings;
mod stream;
mod stream_map;

pub(crate) use connection::{Config, Connection};
pub(crate) use error::Error;
pub(crate) use output::{Output, SHARED_BYTES_MIN};
pub(crate) use stream_map::StreamMap;

use std::sync::Arc;

use bytes::Bytes;

use crate::grpc::{CallHead, RawMessage, ResponseHead, Trailers};

/// A stream of one connection (RFC 9113, 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamId(pub(crate) u32);

impl StreamId {
    /// Frames about the connection are on stream 0.
    pub(crate) const CONNECTION: Self = Self(0);
    pub(crate) const MAX: Self = Self((1 << 31) - 1);

    /// The reserved bit is ignored (4.1).
    fn from_wire(bytes: [u8; 4]) -> Self {
        Self(u32::from_be_bytes(bytes) & Self::MAX.0)
    }

    /// "Streams initiated by a client MUST use odd-numbered stream identifiers" (5.1.1).
    fn is_clients(self) -> bool {
        self.0 % 2 == 1
    }
}

/// Why a stream or a connection is ended (RFC 9113, 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    NoError,
    ProtocolError,
    FlowControlError,
    StreamClosed,
    FrameSizeError,
    RefusedStream,
    Cancel,
    CompressionError,
    EnhanceYourCalm,
    /// One that is never sent.
    Other(u32),
}

impl ErrorCode {
    fn from_wire(bytes: [u8; 4]) -> Self {
        let number = u32::from_be_bytes(bytes);
        let known = KNOWN.iter().find(|(_, known)| *known == number);
        known.map_or(Self::Other(number), |(code, _)| *code)
    }

    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Other(number) => number,
            code => KNOWN
                .iter()
                .find(|(known, _)| *known == code)
                .map_or(0x2, |(_, number)| *number),
        }
    }
}

const KNOWN: [(ErrorCode, u32); 9] = [
    (ErrorCode::NoError, 0x0),
    (ErrorCode::ProtocolError, 0x1),
    (ErrorCode::FlowControlError, 0x3),
    (ErrorCode::StreamClosed, 0x5),
    (ErrorCode::FrameSizeError, 0x6),
    (ErrorCode::RefusedStream, 0x7),
    (ErrorCode::Cancel, 0x8),
    (ErrorCode::CompressionError, 0x9),
    (ErrorCode::EnhanceYourCalm, 0xb),
];

/// What happened on a connection, in the order in which it was read.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A request's HEADERS. `end`: nothing follows.
    CallStarted {
        stream: StreamId,
        head: Arc<CallHead>,
        end: bool,
    },
    /// Part of a request's body; `end`: the last one. What is kept of it stays charged to the
    /// stream's window until [`Commands::consumed`].
    Data {
        stream: StreamId,
        bytes: &'a [u8],
        end: bool,
    },
    /// The peer gave the stream up, or the connection is gone.
    Reset { stream: StreamId },
    /// The peer sends no more, and the request has not ended; what answers it may still be read.
    CutShort { stream: StreamId },
    /// That many bytes of [`Commands::message`] and [`Commands::messages`] have left, later than at
    /// once.
    Writable { stream: StreamId, sent: usize },
}

/// What a connection can be told to do. A stream that is gone takes everything in silence: its
/// [`Event::Reset`] is on the way.
pub(crate) trait Commands {
    /// Sends the response's HEADERS.
    fn headers(&mut self, stream: StreamId, head: &ResponseHead);

    /// Sends or queues a Length-Prefixed-Message. How many bytes of it have left at once; for the
    /// others [`Event::Writable`] will tell.
    fn message(&mut self, stream: StreamId, message: RawMessage) -> usize;

    /// The same for any number of them, prefixes and all, which are taken out of `messages`.
    fn messages(&mut self, stream: StreamId, messages: &mut Output) -> usize;

    /// Ends the response, after all its data. If the request has not ended, the stream is then reset
    /// with NO_ERROR (RFC 9113, 8.1), so that the client stops sending.
    fn trailers(&mut self, stream: StreamId, trailers: Trailers);

    /// Sends all of a response: its head, its one message, and what ends it.
    fn respond(
        &mut self,
        stream: StreamId,
        head: &ResponseHead,
        message: RawMessage,
        trailers: Trailers,
    ) {
        self.headers(stream, head);
        self.message(stream, message);
        self.trailers(stream, trailers);
    }

    /// Ends the response at once: data that has not left is dropped. Where a message may be cut by
    /// that, the stream is then reset with CANCEL instead of being ended with the trailers.
    fn abort(&mut self, stream: StreamId, trailers: Trailers);

    /// Whether data or trailers of a response are still to be sent.
    fn is_sending(&self, stream: StreamId) -> bool;

    /// Sends HEADERS that also end the response: Trailers-Only, or plain HTTP without trailers.
    fn headers_only(&mut self, stream: StreamId, head: &ResponseHead, trailers: Option<Trailers>);

    /// Answers a request that is not gRPC.
    fn plain_text(&mut self, stream: StreamId, http_status: u16, text: Bytes);

    /// How much of all responses' data waits to be sent.
    fn unsent_bytes(&self) -> usize;

    /// Gives `bytes` of the stream's receive window back to the peer.
    fn consumed(&mut self, stream: StreamId, bytes: usize);
}

/// Knows which paths are served, so that they are looked up while the headers are read, and for a
/// path that is in the table of HPACK once.
pub(crate) trait Paths {
    /// A number by which what answers the path is found again, below 2^24 - 1.
    fn lookup(&self, path: &[u8]) -> Option<u32>;
}
