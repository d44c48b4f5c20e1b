//! The replies of a server-streaming or bidirectional call.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{
    Call,
    outbox::{Outbox, Post},
};
use crate::{
    grpc::{Metadata, PREFIX_BYTES, RawMessage, Status},
    http2::StreamId,
    limits,
};

/// Where a handler sends its replies, one after another.
///
/// Nothing goes out before the handler sends or asks for it, so that a call that fails at once can
/// still be answered with a bare status (and retried by its client).
pub struct Replies<T> {
    outbound: Outbound,
    encode: Encode<T>,
}

/// How a reply is written; made once for a method, shared by its calls.
pub(super) type Encode<T> = Arc<dyn Fn(T) -> Result<RawMessage, Status> + Send + Sync>;

impl<T> Replies<T> {
    pub(super) fn new(outbound: Outbound, encode: Encode<T>) -> Self {
        Self { outbound, encode }
    }

    /// Sends the initial metadata now. Without it, it goes out empty with the first reply; later
    /// calls have no effect.
    pub fn send_headers(&mut self, metadata: Metadata) {
        self.outbound.post(Post::Headers(metadata));
    }

    /// Waits until there is room (at most 64 KiB wait to be sent), then sends a reply.
    ///
    /// # Errors
    /// CANCELLED when the call is gone; INTERNAL if the value does not fit the method's reply type.
    /// A handler passes both on with `?`.
    pub async fn send(&mut self, reply: T) -> Result<(), Status> {
        let mut raw = (self.encode)(reply)?;
        // The connection compresses what is marked so; a raw handler's mark says it did so itself.
        raw.compressed |= self.outbound.call.compresses_replies();
        std::future::poll_fn(|cx| self.outbound.room.poll_room(cx)).await?;
        self.outbound.send(raw);
        Ok(())
    }

    /// Adds metadata that is sent with the status, when the handler has ended.
    pub fn trailers(&mut self, metadata: Metadata) {
        self.outbound.post(Post::Trailers(metadata));
    }
}

impl<T> fmt::Debug for Replies<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outbound.fmt(f)
    }
}

/// The handler's end of the reply stream.
#[derive(Debug)]
pub(crate) struct Outbound {
    call: Call,
    room: Arc<Room>,
    outbox: Arc<Outbox>,
    stream: StreamId,
}

impl Outbound {
    pub(super) fn new(call: Call, room: Arc<Room>, outbox: Arc<Outbox>, stream: StreamId) -> Self {
        Self {
            call,
            room,
            outbox,
            stream,
        }
    }

    fn send(&self, message: RawMessage) {
        self.room.fill(PREFIX_BYTES + message.bytes.len());
        self.post(Post::Message(message));
    }

    fn post(&self, post: Post) {
        self.outbox.post(self.stream, post);
    }
}

/// How much of a call's replies waits to be sent.
#[derive(Debug, Default)]
pub(crate) struct Room {
    state: Mutex<RoomState>,
}

#[derive(Debug, Default)]
struct RoomState {
    unsent_bytes: usize,
    closed: bool,
    handler: Option<Waker>,
}

impl Room {
    /// That many bytes have left.
    pub(crate) fn sent(&self, bytes: usize) {
        self.change(|state| state.unsent_bytes = state.unsent_bytes.saturating_sub(bytes));
    }

    /// The call is gone.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    fn fill(&self, bytes: usize) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .unsent_bytes += bytes;
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), Status>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Poll::Ready(Err(Status::cancelled("the call is gone")));
        }
        if state.unsent_bytes < limits::REPLIES_UNSENT_BYTES {
            return Poll::Ready(Ok(()));
        }
        state.handler = Some(cx.waker().clone());
        Poll::Pending
    }

    fn change(&self, change: impl FnOnce(&mut RoomState)) {
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
