//! Where a call's replies wait for its connection.
//!
//! A handler that sends many in one go has them lent to its thread while it is polled: only the first
//! and the last of them take a lock. That is for threads where the connection cannot run meanwhile; it
//! would wait for what is lent.
//!
//! A reply is written by code that may be the user's, while nothing here is locked or borrowed.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::{
    grpc::Status,
    http2::{Output, StreamId},
    limits,
    rpc::outbox::{Outbox, Post},
};

/// A call's replies that wait for the connection to take them, and how much it has not sent of those
/// that it took.
#[derive(Debug)]
pub(crate) struct Room {
    outbox: Arc<Outbox>,
    stream: StreamId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    /// Those that wait, and those that the connection has taken.
    unsent_bytes: usize,
    /// Whether the connection knows that some wait.
    told: bool,
    /// Whether those that wait are with the thread that polls the handler.
    lent: bool,
    closed: bool,
    handler: Option<Waker>,
}

/// Length-Prefixed-Messages, one behind the other.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Waiting {
    pub(in crate::rpc) output: Output,
    pub(in crate::rpc) messages: u64,
}

impl Room {
    pub(in crate::rpc) fn new(outbox: Arc<Outbox>, stream: StreamId) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            stream,
            state: Mutex::default(),
        })
    }

    pub(super) fn post(&self, post: Post) {
        self.outbox.post(self.stream, post);
    }

    /// Polls the call's handler, on a thread that cannot run the connection before it has been polled.
    /// From its second reply on those that it sends are lent to this thread, and given back when it has
    /// been polled or there is no more room. The connection is told of the first one, and again at the
    /// end if it has come for that.
    pub(in crate::rpc) fn lend<T>(&self, poll: impl FnOnce() -> T) -> T {
        let desk = Desk {
            room: self.address(),
            has_sent: false,
            lent: None,
        };
        // A handler may poll another one: that of a server which it calls in its own process.
        let outer = DESK.replace(Some(desk));
        let polled = poll();
        let desk = DESK.replace(outer);
        if let Some(lent) = desk.and_then(|desk| desk.lent) {
            self.give_back(*lent);
        }
        polled
    }

    /// All replies that wait.
    pub(in crate::rpc) fn take(&self) -> Waiting {
        let mut state = self.lock();
        state.told = false;
        std::mem::take(&mut state.waiting)
    }

    /// That many bytes have left.
    pub(in crate::rpc) fn sent(&self, bytes: usize) {
        self.change(|state| state.unsent_bytes = state.unsent_bytes.saturating_sub(bytes));
    }

    /// The call is gone.
    pub(in crate::rpc) fn close(&self) {
        let mut unsent = Waiting::default();
        self.change(|state| {
            state.closed = true;
            unsent = std::mem::take(&mut state.waiting);
        });
    }

    /// Has `write` add a reply, once there is room; it tells how many bytes.
    #[inline]
    pub(super) fn poll_add(
        &self,
        cx: &Context<'_>,
        write: impl FnOnce(&mut Output) -> Result<usize, Status>,
    ) -> Poll<Result<(), Status>> {
        let mut seat = Seat::take();
        match seat.lent(self) {
            Some(lent) => Poll::Ready(lent.add(write)),
            None => self.poll_add_unlent(cx, write),
        }
    }

    fn poll_add_unlent(
        &self,
        cx: &Context<'_>,
        write: impl FnOnce(&mut Output) -> Result<usize, Status>,
    ) -> Poll<Result<(), Status>> {
        let mut state = self.lock();
        if state.closed {
            return Poll::Ready(Err(gone()));
        }
        // What another thread has to give back goes before this.
        if state.lent || state.unsent_bytes >= limits::REPLIES_UNSENT_BYTES {
            state.handler = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        let mut reply = Waiting::default();
        let bytes = reply.add(write)?;
        let mut state = self.lock();
        if state.closed {
            return Poll::Ready(Err(gone()));
        }
        state.unsent_bytes += bytes;
        state.waiting.append(reply);
        let tell = state.is_to_tell();
        drop(state);
        if tell {
            self.post(Post::Replies);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes those that wait to the thread that adds to them, if there is room for more.
    fn take_to_desk(&self) -> Option<Box<Lent>> {
        let mut state = self.lock();
        let room = limits::REPLIES_UNSENT_BYTES.saturating_sub(state.unsent_bytes);
        if state.closed || state.lent || room == 0 {
            return None;
        }
        state.lent = true;
        Some(Box::new(Lent {
            waiting: std::mem::take(&mut state.waiting),
            room,
            added_bytes: 0,
        }))
    }

    fn give_back(&self, lent: Lent) {
        let mut tell = false;
        let mut gone = None;
        self.change(|state| {
            state.lent = false;
            if state.closed {
                gone = Some(lent);
                return;
            }
            state.unsent_bytes += lent.added_bytes;
            state.waiting = lent.waiting;
            tell = state.is_to_tell();
        });
        if tell {
            self.post(Post::Replies);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let handler = {
            let mut state = self.lock();
            change(&mut state);
            state.handler.take()
        };
        if let Some(handler) = handler {
            handler.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By which it is known while it is borrowed.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl State {
    /// Whether the connection is to be told that some wait; once, until it has taken them.
    fn is_to_tell(&mut self) -> bool {
        self.waiting.messages > 0 && !std::mem::replace(&mut self.told, true)
    }
}

impl Waiting {
    /// Drops what goes beyond `bytes_max`, in whole messages.
    pub(in crate::rpc) fn truncate(&mut self, bytes_max: usize) {
        let (bytes, messages) = self.output.whole_messages(bytes_max);
        let mut kept = Output::default();
        self.output.move_to(&mut kept, bytes);
        *self = Self {
            output: kept,
            messages,
        };
    }

    fn append(&mut self, mut more: Self) {
        if self.messages == 0 {
            *self = more;
            return;
        }
        let bytes = more.output.len();
        more.output.move_to(&mut self.output, bytes);
        more.output.return_buffer();
        self.messages += more.messages;
    }

    #[inline]
    fn add(
        &mut self,
        write: impl FnOnce(&mut Output) -> Result<usize, Status>,
    ) -> Result<usize, Status> {
        if self.messages == 0 {
            self.output.borrow_buffer();
        }
        let bytes = write(&mut self.output)?;
        self.messages += 1;
        Ok(bytes)
    }
}

/// What a thread has of the room of the handler that it polls.
struct Desk {
    room: usize,
    /// Whether the handler has sent a reply since it is polled.
    has_sent: bool,
    /// In a box: it is moved for each reply.
    lent: Option<Box<Lent>>,
}

struct Lent {
    waiting: Waiting,
    /// How many bytes there was room for.
    room: usize,
    added_bytes: usize,
}

impl Desk {
    /// Where the next reply can be added without a lock.
    #[inline]
    fn lent(&mut self, room: &Room) -> Option<&mut Lent> {
        if self.lent.as_ref().is_none_or(|lent| lent.is_full()) {
            self.begin(room);
        }
        self.lent.as_deref_mut()
    }

    /// Has more lent, if there is more.
    fn begin(&mut self, room: &Room) {
        if let Some(full) = self.lent.take() {
            room.give_back(*full);
        } else if std::mem::replace(&mut self.has_sent, true) {
            self.lent = room.take_to_desk();
        }
    }
}

impl Lent {
    fn is_full(&self) -> bool {
        self.added_bytes >= self.room
    }

    #[inline]
    fn add(
        &mut self,
        write: impl FnOnce(&mut Output) -> Result<usize, Status>,
    ) -> Result<(), Status> {
        self.added_bytes += self.waiting.add(write)?;
        Ok(())
    }
}

/// The thread's desk while a reply is written: out of its place, to which it comes back.
struct Seat {
    desk: Option<Desk>,
}

impl Seat {
    #[inline]
    fn take() -> Self {
        Self {
            desk: DESK.try_with(Cell::take).ok().flatten(),
        }
    }

    /// Where the next reply of this room can be added, if its handler is polled now.
    #[inline]
    fn lent(&mut self, room: &Room) -> Option<&mut Lent> {
        let desk = self.desk.as_mut();
        desk.filter(|desk| desk.room == room.address())?.lent(room)
    }
}

impl Drop for Seat {
    #[inline]
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            // The thread may be at its end, where nothing is polled any more.
            DESK.try_with(|place| place.set(Some(desk))).ok();
        }
    }
}

fn gone() -> Status {
    Status::cancelled("the call is gone")
}

thread_local! {
    /// Of the handler that is polled now.
    static DESK: Cell<Option<Desk>> = const { Cell::new(None) };
}
