//! The requests of a client-streaming or bidirectional call.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
/// One whole message waits here, or some that are short (16 KiB together); the client is held back by
/// flow control until they are taken.
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
    /// Those that were taken together.
    taken: VecDeque<RawMessage>,
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
            taken: VecDeque::new(),
        }
    }

    #[inline]
    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Result<RawMessage, Status>>> {
        match self.taken.pop_front() {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => self.poll_take(cx),
        }
    }

    /// Takes all that wait, and tells the connection if it holds more back, or has counted what has gone.
    fn poll_take(&mut self, cx: &Context<'_>) -> Poll<Option<Result<RawMessage, Status>>> {
        let mut state = self.inbox.lock();
        // Those that were taken before are gone; nothing else may come that would have it told.
        let counted = std::mem::take(&mut state.taken_bytes) > 0;
        if let Some(message) = state.take_all(&mut self.taken) {
            // What a long one holds is counted, so its going is told even if nothing comes after it.
            let long = message.bytes.len() > limits::IN_FLIGHT_UNCOUNTED_BYTES;
            let tell = std::mem::take(&mut state.more) || long || counted;
            drop(state);
            if tell {
                self.outbox.post(self.stream, Post::Taken);
            }
            return Poll::Ready(Some(Ok(message)));
        }
        let tell = std::mem::take(&mut state.more) || counted;
        // An error is told once: a handler that goes on in spite of it sees the end.
        let next = match state.end.replace(Ok(())) {
            None => {
                state.end = None;
                state.handler = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(status)) => Poll::Ready(Some(Err(status))),
        };
        drop(state);
        if tell {
            self.outbox.post(self.stream, Post::Taken);
        }
        next
    }
}

/// Where requests wait for their handler to take them: room for one, or for some that are short.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
}

#[derive(Debug, Default)]
struct InboxState {
    waiting: VecDeque<RawMessage>,
    waiting_bytes: usize,
    /// Whether the handler has not looked for more since it took some.
    at_work: bool,
    /// How long those are together that it had left of them.
    taken_bytes: usize,
    /// Whether the connection holds something back until `waiting` is taken.
    more: bool,
    end: Option<Result<(), Status>>,
    handler: Option<Waker>,
}

impl Inbox {
    /// Whether a message can be put; if not, the connection is told when it can.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().has_room()
    }

    /// Whether the handler has looked for more than it has; if not, the connection is told when it does.
    pub(crate) fn is_drained(&self) -> bool {
        let mut state = self.lock();
        let drained = state.waiting.is_empty() && !state.at_work;
        state.more |= !drained;
        drained
    }

    /// How many bytes wait, or are where they were taken to and are no message yet.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let state = self.lock();
        state.waiting_bytes + state.taken_bytes
    }

    /// Puts the next message; there must be room. Whether there is room for another.
    pub(crate) fn put(&self, message: RawMessage) -> bool {
        self.change(|state| {
            state.waiting_bytes += message.bytes.len();
            state.waiting.push_back(message);
            state.has_room()
        })
    }

    /// After the messages that wait nothing comes but this.
    pub(crate) fn end(&self, end: Result<(), Status>) {
        self.change(|state| state.end = Some(end));
    }

    fn change<T>(&self, change: impl FnOnce(&mut InboxState) -> T) -> T {
        let (changed, handler) = {
            let mut state = self.lock();
            (change(&mut state), state.handler.take())
        };
        if let Some(handler) = handler {
            handler.wake();
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InboxState {
    fn has_room(&mut self) -> bool {
        let full = self.waiting_bytes >= limits::REQUESTS_WAITING_BYTES
            || self.waiting.len() >= limits::REQUESTS_WAITING_MAX;
        self.more |= full;
        !full
    }

    /// Moves those that wait to `taken`, which is empty, but for the first.
    fn take_all(&mut self, taken: &mut VecDeque<RawMessage>) -> Option<RawMessage> {
        self.at_work = !self.waiting.is_empty();
        let message = self.waiting.pop_front()?;
        std::mem::swap(&mut self.waiting, taken);
        self.taken_bytes = std::mem::take(&mut self.waiting_bytes) - message.bytes.len();
        Some(message)
    }
}
