//! The replies of a server-streaming or bidirectional call.

mod room;
mod writing;

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use super::{Call, outbox::Post};
use crate::{
    grpc::{Metadata, Status},
    limits,
};
pub(crate) use room::Room;
use writing::Terms;
pub(super) use writing::Writing;
pub(super) use writing::too_long;

/// Where a handler sends its replies, one after another.
///
/// Nothing goes out before the handler sends or asks for it, so that a call that fails at once can
/// still be answered with a bare status (and retried by its client).
///
/// What the handler returns ends the call, behind the replies that were sent before: a task to which
/// this was handed sends nothing any more. Dropping it ends nothing.
pub struct Replies<T> {
    outbound: Outbound,
    encode: Encode<T>,
}

/// Adds a reply to those that wait; how many bytes it has there. Made once for a method, shared by its
/// calls.
pub(super) type Encode<T> = Arc<dyn Fn(T, Writing<'_>) -> Result<usize, Status> + Send + Sync>;

impl<T> Replies<T> {
    pub(super) fn new(outbound: Outbound, encode: Encode<T>) -> Self {
        Self { outbound, encode }
    }

    /// Sends the initial metadata now. Without it, it goes out empty with the first reply; later
    /// calls have no effect.
    pub fn send_headers(&mut self, metadata: Metadata) {
        self.outbound.room.post(Post::Headers(metadata));
    }

    /// Waits until there is room (at most 64 KiB wait to be sent), then sends a reply.
    ///
    /// Replies that are sent without waiting for anything else leave together. A future that is dropped
    /// before it is ready, in a `select!` say, has sent nothing, and its reply is lost.
    ///
    /// # Errors
    /// CANCELLED when the call is gone; INTERNAL if the value does not fit the method's reply type;
    /// RESOURCE_EXHAUSTED if it is too long to be sent. A handler passes them on with `?`.
    pub async fn send(&mut self, reply: T) -> Result<(), Status> {
        let Self { outbound, encode } = self;
        let mut reply = Some(reply);
        poll_fn(|cx| {
            outbound.poll_send(cx, |writing| match reply.take() {
                Some(reply) => encode(reply, writing),
                None => Ok(0),
            })
        })
        .await
    }

    /// Adds metadata that is sent with the status, when the handler has ended.
    pub fn trailers(&mut self, metadata: Metadata) {
        self.outbound.room.post(Post::Trailers(metadata));
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
    terms: Terms,
    room: Arc<Room>,
    turn: Turn,
}

impl Outbound {
    pub(super) fn new(call: Call, room: Arc<Room>, send_bytes_max: usize) -> Self {
        Self {
            terms: Terms {
                call,
                send_bytes_max,
            },
            room,
            turn: Turn::default(),
        }
    }

    /// Where its replies wait.
    pub(super) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// A handler that never waits for room, or for a call that is gone, would keep its thread.
    #[inline]
    fn poll_send(
        &mut self,
        cx: &Context<'_>,
        write: impl FnOnce(Writing<'_>) -> Result<usize, Status>,
    ) -> Poll<Result<(), Status>> {
        if self.turn.is_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let terms = &self.terms;
        let added = self
            .room
            .poll_add(cx, |output| write(Writing { terms, output }));
        if added.is_pending() {
            self.turn = Turn::default();
        }
        added
    }
}

/// How long a handler has sent without letting others have its thread.
#[derive(Debug, Default)]
struct Turn {
    sends: u32,
    began: Option<Instant>,
}

impl Turn {
    /// Whether others are due. Asks the clock seldom: most handlers fill the room sooner.
    #[inline]
    fn is_over(&mut self) -> bool {
        self.sends = self.sends.wrapping_add(1);
        self.sends.is_multiple_of(limits::SENDS_PER_LOOK) && self.look()
    }

    fn look(&mut self) -> bool {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        let over = now.duration_since(began) > limits::SENDS_TURN;
        if over {
            self.began = None;
        }
        over
    }
}
