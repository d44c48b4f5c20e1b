//! The replies of a server-streaming or bidirectional call.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use super::{
    Call,
    conversion::{Unwritten, too_long},
    outbox::{Outbox, Post},
};
use crate::{
    grpc::{Metadata, RawMessage, Status},
    http2::{Output, StreamId},
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

/// What a reply is written from; made once for a method, shared by its calls.
pub(super) type Encode<T> = Arc<dyn Fn(T) -> Result<Unwritten, Status> + Send + Sync>;

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
    /// CANCELLED when the call is gone; INTERNAL if the value does not fit the method's reply type;
    /// RESOURCE_EXHAUSTED if it is too long to be sent. A handler passes them on with `?`.
    pub async fn send(&mut self, reply: T) -> Result<(), Status> {
        let mut reply = (self.encode)(reply)?;
        if self.outbound.is_to_compress(&reply) {
            reply = self.outbound.compress(reply)?;
        }
        let outbound = &mut self.outbound;
        std::future::poll_fn(|cx| outbound.poll_send(cx, &reply)).await
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
    send_bytes_max: usize,
    turn: Turn,
}

/// How long a handler has sent without letting others have its thread.
#[derive(Debug, Default)]
struct Turn {
    sends: u32,
    began: Option<Instant>,
}

impl Turn {
    /// Whether others are due. Asks the clock seldom: most handlers fill the room sooner.
    fn is_over(&mut self) -> bool {
        self.sends = self.sends.wrapping_add(1);
        if !self.sends.is_multiple_of(limits::SENDS_PER_LOOK) {
            return false;
        }
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        let over = now.duration_since(began) > limits::SENDS_TURN;
        if over {
            self.began = None;
        }
        over
    }
}

impl Outbound {
    pub(super) fn new(
        call: Call,
        room: Arc<Room>,
        outbox: Arc<Outbox>,
        stream: StreamId,
        send_bytes_max: usize,
    ) -> Self {
        Self {
            call,
            room,
            outbox,
            stream,
            send_bytes_max,
            turn: Turn::default(),
        }
    }

    /// Whether the handler has marked it so, or the call asks for it.
    fn is_to_compress(&self, reply: &Unwritten) -> bool {
        let marked = matches!(reply, Unwritten::Raw(raw) if raw.compressed);
        marked || self.call.compresses_replies()
    }

    #[cold]
    fn compress(&self, reply: Unwritten) -> Result<Unwritten, Status> {
        let raw = RawMessage {
            compressed: true,
            ..reply.encode()
        };
        if raw.bytes.len() > self.send_bytes_max {
            return Err(too_long(raw.bytes.len(), self.send_bytes_max));
        }
        self.call.compress(raw).map(Unwritten::Raw)
    }

    /// Adds a reply to those that wait for the connection, once there is room. It is told of the first
    /// alone: the others are there when it comes for that one.
    ///
    /// A handler that never waits for room, or for a call that is gone, would keep its thread.
    fn poll_send(&mut self, cx: &Context<'_>, reply: &Unwritten) -> Poll<Result<(), Status>> {
        if self.turn.is_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let first = ready!(self.room.poll_add(cx, reply, self.send_bytes_max))?;
        if first {
            self.post(Post::Replies);
        }
        Poll::Ready(Ok(()))
    }

    fn post(&self, post: Post) {
        self.outbox.post(self.stream, post);
    }
}

/// A call's replies that wait for the connection to take them, and how much it has not sent of those
/// that it took.
#[derive(Debug, Default)]
pub(crate) struct Room {
    state: Mutex<RoomState>,
}

#[derive(Debug, Default)]
struct RoomState {
    waiting: Waiting,
    /// Those that wait, and those that the connection has taken.
    unsent_bytes: usize,
    closed: bool,
    handler: Option<Waker>,
}

/// Length-Prefixed-Messages, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) output: Output,
    pub(super) messages: u64,
}

impl Room {
    /// All replies that wait.
    pub(super) fn take(&self) -> Waiting {
        std::mem::take(&mut self.lock().waiting)
    }

    /// That many bytes have left.
    pub(crate) fn sent(&self, bytes: usize) {
        self.change(|state| state.unsent_bytes = state.unsent_bytes.saturating_sub(bytes));
    }

    /// The call is gone.
    pub(crate) fn close(&self) {
        let mut unsent = Waiting::default();
        self.change(|state| {
            state.closed = true;
            unsent = std::mem::take(&mut state.waiting);
        });
    }

    /// Adds a reply, once there is room; whether it is the first that waits.
    fn poll_add(
        &self,
        cx: &Context<'_>,
        reply: &Unwritten,
        bytes_max: usize,
    ) -> Poll<Result<bool, Status>> {
        let mut state = self.lock();
        if state.closed {
            return Poll::Ready(Err(Status::cancelled("the call is gone")));
        }
        if state.unsent_bytes >= limits::REPLIES_UNSENT_BYTES {
            state.handler = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let waiting = &mut state.waiting;
        let first = waiting.messages == 0;
        if first {
            waiting.output.borrow_buffer();
        }
        let bytes = reply.write(&mut waiting.output, bytes_max)?;
        waiting.messages += 1;
        state.unsent_bytes += bytes;
        Poll::Ready(Ok(first))
    }

    fn change(&self, change: impl FnOnce(&mut RoomState)) {
        let handler = {
            let mut state = self.lock();
            change(&mut state);
            state.handler.take()
        };
        if let Some(handler) = handler {
            handler.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, RoomState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
