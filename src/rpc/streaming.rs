//! The requests of a client-streaming or bidirectional call.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use futures_core::Stream;

use super::outbox::{Outbox, Post};
use crate::{
    grpc::{RawMessage, Status},
    http2::StreamId,
    limits,
};

/// The messages that the client sends, one after another.
///
/// At most one whole message waits here; the client is held back by flow control until it is taken.
pub struct Streaming<T> {
    inbound: Inbound,
    decode: Decode<T>,
    was_compressed: bool,
}

/// How a request is read, and within how many bytes of memory; made once for a method, shared by its
/// calls.
pub(super) type Decode<T> = Arc<dyn Fn(RawMessage, usize) -> Result<T, Status> + Send + Sync>;

impl<T> Streaming<T> {
    pub(super) fn new(inbound: Inbound, decode: Decode<T>) -> Self {
        Self {
            inbound,
            decode,
            was_compressed: false,
        }
    }

    /// Waits for the next message; `None` when the client has sent its last.
    ///
    /// # Errors
    /// What is wrong with the stream or the message; a handler passes it on with `?`.
    pub async fn message(&mut self) -> Result<Option<T>, Status> {
        std::future::poll_fn(|cx| self.poll_message(cx))
            .await
            .transpose()
    }

    /// Whether the last message came compressed.
    pub fn was_compressed(&self) -> bool {
        self.was_compressed
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Status>>> {
        let next = ready!(self.inbound.poll_next(cx));
        Poll::Ready(next.map(|raw| {
            let raw = raw?;
            self.was_compressed = raw.compressed;
            (self.decode)(raw, self.inbound.decode_bytes_max)
        }))
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inbound.fmt(f)
    }
}

/// The handler's end of the request stream.
#[derive(Debug)]
pub(crate) struct Inbound {
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    stream: StreamId,
    /// What one message may take in memory.
    decode_bytes_max: usize,
}

impl Inbound {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        outbox: Arc<Outbox>,
        stream: StreamId,
        decode_bytes_max: usize,
    ) -> Self {
        Self {
            inbox,
            outbox,
            stream,
            decode_bytes_max,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<RawMessage, Status>>> {
        let mut state = self
            .inbox
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = state.waiting.take() {
            // What a long one holds is counted, so its going is told even if nothing comes after it.
            let more = std::mem::take(&mut state.more);
            let tell = more || message.bytes.len() > limits::IN_FLIGHT_UNCOUNTED_BYTES;
            drop(state);
            if tell {
                self.outbox.post(self.stream, Post::Taken);
            }
            return Poll::Ready(Some(Ok(message)));
        }
        // An error is told once: a handler that goes on in spite of it sees the end.
        match state.end.replace(Ok(())) {
            None => {
                state.end = None;
                state.handler = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(status)) => Poll::Ready(Some(Err(status))),
        }
    }
}

/// Where a request waits for its handler to take it: room for one.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
}

#[derive(Debug, Default)]
struct InboxState {
    waiting: Option<RawMessage>,
    /// Whether the connection holds something back until `waiting` is taken.
    more: bool,
    end: Option<Result<(), Status>>,
    handler: Option<Waker>,
}

impl Inbox {
    /// Whether a message can be put; if not, the connection is told when it can.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.more = state.waiting.is_some();
        state.waiting.is_none()
    }

    /// How many bytes wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .waiting
            .as_ref()
            .map_or(0, |message| message.bytes.len())
    }

    /// Puts the next message; there must be room.
    pub(crate) fn put(&self, message: RawMessage) {
        self.change(|state| state.waiting = Some(message));
    }

    /// After the message that waits, if any, nothing comes but this.
    pub(crate) fn end(&self, end: Result<(), Status>) {
        self.change(|state| state.end = Some(end));
    }

    fn change(&self, change: impl FnOnce(&mut InboxState)) {
        let handler = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut state);
            state.handler.take()
        };
        if let Some(handler) = handler {
            handler.wake();
        }
    }
}
