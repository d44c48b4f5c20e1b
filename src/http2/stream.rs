//! A stream and its states.

use super::{
    flow_control::{ReceiveWindow, SendWindow},
    output::Output,
};
use crate::{grpc::Trailers, limits};

/// RFC 9113, 5.1, without what push has to do with:
///
/// ```text
///                   idle
///                     │ HEADERS
///                     ▼
///        END_STREAM ┌────┐ END_STREAM
///         received  │open│  sent
///       ┌───────────┴─┬──┴────────────┐
///       ▼             │               ▼
///  half-closed        │          half-closed
///   (remote)          │            (local)
///       │ END_STREAM  │ RST_STREAM    │ END_STREAM
///       │ sent        ▼               │ received
///       └─────────▶ closed ◀──────────┘
/// ```
///
/// Streams that are idle or closed are not kept; see `Connection::is_idle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    HalfClosedLocal,
    HalfClosedRemote,
    Closed,
}

impl State {
    /// Whether the peer may still send.
    pub(super) fn is_receiving(self) -> bool {
        matches!(self, Self::Open | Self::HalfClosedLocal)
    }

    /// END_STREAM was received.
    pub(super) fn end_remote(&mut self) {
        *self = match self {
            Self::Open | Self::HalfClosedRemote => Self::HalfClosedRemote,
            Self::HalfClosedLocal | Self::Closed => Self::Closed,
        };
    }

    /// END_STREAM was sent.
    pub(super) fn end_local(&mut self) {
        *self = match self {
            Self::Open | Self::HalfClosedLocal => Self::HalfClosedLocal,
            Self::HalfClosedRemote | Self::Closed => Self::Closed,
        };
    }
}

/// A stream that is open at one end at least.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) state: State,
    pub(super) receive_window: ReceiveWindow,
    pub(super) send_window: SendWindow,
    /// What is left of the `content-length`, if there was one.
    pub(super) content_length: Option<u64>,
    pub(super) unsent: Output,
    /// Whether the start of it has left already: a message may be cut where it begins.
    pub(super) cut: bool,
    /// What must have left of it by the next sweep; 0: it was added to nothing since the last.
    pub(super) due_bytes: usize,
    /// How much of it has left since the last sweep.
    pub(super) moved_bytes: usize,
    /// What ends the stream, once all data has left.
    pub(super) end: Option<Box<End>>,
    /// Whether it is in the connection's queue of those that have something to send.
    pub(super) queued: bool,
}

/// How a response ends.
#[derive(Debug)]
pub(super) enum End {
    Trailers(Trailers),
    /// The last DATA has END_STREAM: what is not gRPC.
    Data,
}

impl Stream {
    /// The peer has sent so much of its body. `false`: it is more than it said (RFC 9113, 8.1.1).
    pub(super) fn receive_content(&mut self, bytes: usize) -> bool {
        let Some(left) = &mut self.content_length else {
            return true;
        };
        match left.checked_sub(bytes as u64) {
            Some(rest) => *left = rest,
            None => return false,
        }
        true
    }

    /// Whether its body is as long as it said, now that it has ended.
    pub(super) fn content_is_whole(&self) -> bool {
        self.content_length.is_none_or(|left| left == 0)
    }

    /// Whether there was something to send at the last look already, and next to nothing of it has left
    /// since.
    pub(super) fn is_stalled(&mut self) -> bool {
        let stalled = self.moved_bytes < self.due_bytes;
        self.moved_bytes = 0;
        self.due_bytes = self.unsent.len().div_ceil(limits::STALL_PROGRESS_SHARE);
        stalled && self.due_bytes > 0
    }

    /// Whether it cannot be answered when the peer sends no more: its request is not whole, and its
    /// response has no end yet.
    pub(super) fn is_cut_short(&self) -> bool {
        self.state.is_receiving() && self.end.is_none()
    }

    pub(super) fn is_sending(&self) -> bool {
        !self.unsent.is_empty() || self.end.is_some()
    }
}
