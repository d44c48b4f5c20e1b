//! The path of a call, top-down: admitted by its headers, let through by the interceptors, its
//! messages put together, its handler run, its replies sent, its end told.
//!
//! One [`Dispatcher`] a connection, driven by the connection's own task: [`event`] takes what was
//! read, and only when all of it is taken does [`run`] poll a handler. So a call that is opened and
//! given up in one read starts nothing, and the replies to one read leave in one write.
//!
//! [`event`]: Dispatcher::event
//! [`run`]: Dispatcher::run

use std::{sync::Arc, task::Waker, time::Instant};

use super::{
    Peer, Router,
    active_call::{ActiveCall, Gate, Progress},
    admission::{Refusal, admit},
    budget::{Account, Budget},
    call_end,
    deadline::Deadlines,
    handler::Outcome,
    interceptor::Permission,
    outbox::{Outbox, Post},
    page::DuePages,
    running::{self, HANDLER, INTERCEPTOR, Poll},
};
use crate::{
    grpc::{CallHead, Status},
    http2::{Commands, Event, StreamId, StreamMap},
    limits,
    schema::Method,
};

/// The calls of one connection.
pub(crate) struct Dispatcher {
    router: Arc<Router>,
    peer: Peer,
    calls: StreamMap<ActiveCall>,
    pages: DuePages,
    /// Calls that are new, or whose handler can be started: all of the request is there, or requests
    /// are a stream.
    ready: Vec<StreamId>,
    /// Calls with a deadline that came with the events since the last run.
    new_deadlines: Vec<(Instant, StreamId)>,
    deadlines: Deadlines,
    outbox: Arc<Outbox>,
    account: Account,
    /// When the run began, or the clock was looked at last.
    clock: Instant,
    /// Routes of the handlers that have run since.
    ran: Vec<Option<u32>>,
    /// Kept to be filled again.
    posts: Vec<(StreamId, Post)>,
}

impl Dispatcher {
    pub(crate) fn new(router: Arc<Router>, peer: Peer, budget: Arc<Budget>) -> Self {
        Self {
            router,
            peer,
            calls: StreamMap::default(),
            pages: DuePages::default(),
            ready: Vec::new(),
            new_deadlines: Vec::new(),
            deadlines: Deadlines::default(),
            outbox: Arc::default(),
            account: Account::new(budget),
            clock: Instant::now(),
            ran: Vec::new(),
            posts: Vec::new(),
        }
    }

    /// Takes one thing that happened. Call it for everything that was read, then [`run`](Self::run).
    pub(crate) fn event(&mut self, event: Event<'_>, now: Instant, http2: &mut impl Commands) {
        match event {
            Event::CallStarted { stream, head, end } => self.start(stream, head, end, now, http2),
            Event::Data { stream, bytes, end } => self.receive(stream, bytes, end, http2),
            Event::Writable { stream, sent } => {
                if let Some(call) = self.calls.get(stream) {
                    call.sent(sent);
                }
            }
            Event::Reset { stream } => {
                if let Some(call) = self.remove(stream) {
                    call.vanish("the client reset the call", self.router.interceptors());
                }
                self.pages.reset(stream);
            }
        }
    }

    /// Runs what became ready: new handlers, then what waiting handlers have posted.
    pub(crate) fn run(&mut self, now: Instant, http2: &mut impl Commands) {
        let mut done = 0;
        self.clock = now;
        loop {
            while let Some(stream) = self.ready.get(done).copied() {
                done += 1;
                self.proceed(stream, http2);
            }
            if !self.ran.is_empty() {
                self.look_at_clock();
            }
            // What is delivered may let further calls proceed.
            self.deliver(http2);
            if done == self.ready.len() {
                break;
            }
        }
        self.ready.clear();
        for (deadline, stream) in self.new_deadlines.drain(..) {
            if self.calls.contains(stream) || http2.is_sending(stream) {
                self.deadlines.add(deadline, stream);
            }
        }
        let calls = &self.calls;
        self.deadlines.compact(calls.len(), |stream| {
            calls.contains(stream) || http2.is_sending(stream)
        });
    }

    /// Gives back what was counted for requests that have ended and replies that have left; to be
    /// called when nothing more can be done at once.
    pub(crate) fn settle(&mut self, http2: &impl Commands) {
        self.account.settle(http2.unsent_bytes());
    }

    /// When [`expire`](Self::expire) is to be called; ask again after each run.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Ends the calls whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant, http2: &mut impl Commands) {
        while let Some(stream) = self.deadlines.expired(now) {
            // The stream's number is never used again, so an entry left behind finds nothing.
            let status = Status::deadline_exceeded(LATE);
            if self.calls.contains(stream) {
                self.fail(stream, status, http2);
            } else if http2.is_sending(stream) {
                // The handler has ended, but the client does not read.
                http2.abort(stream, status.into());
            }
        }
    }

    /// Ends the calls whose clients owe the rest of a message and do not send it; to be asked every
    /// [`STALL_TIMEOUT`](limits::STALL_TIMEOUT).
    pub(crate) fn sweep(&mut self, http2: &mut impl Commands) {
        let calls = self.calls.iter_mut();
        let stalled: Vec<_> = calls
            .filter_map(|(stream, call)| call.is_stalled().then_some(stream))
            .collect();
        for stream in stalled {
            let status = Status::deadline_exceeded("the rest of a message did not come in time");
            self.fail(stream, status, http2);
        }
        self.pages.sweep(http2);
    }

    /// Says whom to wake when a handler has posted; `false` if [`run`](Self::run) has work already.
    pub(crate) fn wait(&self, connection: &Waker) -> bool {
        // Without calls there is nobody to post.
        self.calls.is_empty() || self.outbox.wait(connection)
    }

    /// Ends every open call with a status, as a server does that goes away.
    pub(crate) fn fail_all(&mut self, status: &Status, http2: &mut impl Commands) {
        let streams: Vec<_> = self.calls.streams().collect();
        for stream in streams {
            self.fail(stream, status.clone(), http2);
        }
    }

    fn start(
        &mut self,
        stream: StreamId,
        head: Box<CallHead>,
        end: bool,
        now: Instant,
        http2: &mut impl Commands,
    ) {
        let from = (self.peer.clone(), now);
        let admitted = match admit(&head, &self.router, now) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                call_end::tell_refusal(head, &refusal, from, &self.router);
                return self.refuse(stream, *refusal, end, http2);
            }
        };
        let deadline = admitted.deadline;
        let active = ActiveCall::new(stream, &admitted, head, from, &self.router);
        if active.complete || active.gate == Gate::Shut {
            self.ready.push(stream);
        }
        self.calls.insert(stream, active);
        self.new_deadlines
            .extend(deadline.map(|deadline| (deadline, stream)));
        if end {
            self.receive(stream, &[], true, http2);
        }
    }

    fn refuse(&mut self, stream: StreamId, refusal: Refusal, end: bool, http2: &mut impl Commands) {
        match refusal {
            Refusal::Call { head, trailers } => http2.headers_only(stream, &head, trailers),
            Refusal::Page(page) => self.pages.start(stream, page, end, http2),
        }
    }

    fn receive(&mut self, stream: StreamId, bytes: &[u8], end: bool, http2: &mut impl Commands) {
        let Some(call) = self.calls.get_mut(stream) else {
            // The call has ended already, or is none; the window must not shrink for it.
            http2.consumed(stream, bytes.len());
            if end {
                self.pages.end(stream, http2);
            }
            return;
        };
        match call.receive(bytes, end) {
            Ok(Progress::Complete) => {
                call.complete = true;
                self.ready.push(stream);
            }
            Ok(Progress::More) => {}
            Err(status) => return self.fail(stream, status, http2),
        }
        call.release(http2);
        self.charge(stream, http2);
    }

    /// Counts what a call's requests hold by now.
    fn charge(&mut self, stream: StreamId, http2: &mut impl Commands) {
        let Some(call) = self.calls.get_mut(stream) else {
            return;
        };
        let bytes = call.memory_bytes();
        let before = std::mem::replace(&mut call.charged_bytes, bytes);
        let charged = self
            .account
            .charge_request(before, bytes, http2.unsent_bytes());
        if let Err(status) = charged {
            self.fail(stream, status, http2);
        }
    }

    /// Lets a call go on: past the interceptors when it is new, to its handler when it can start.
    fn proceed(&mut self, stream: StreamId, http2: &mut impl Commands) {
        let Some(active) = self.calls.get_mut(stream) else {
            return;
        };
        match active.ask(self.router.interceptors()) {
            Permission::Granted if active.starts() => self.start_handler(stream, http2),
            Permission::Granted => {}
            Permission::Refused(status) => self.fail(stream, status, http2),
            Permission::Asking(asking) => {
                let call = (active.call.clone(), &active.span);
                let outbox = (stream, Arc::clone(&self.outbox));
                let post = |answer: Result<_, _>| Post::Permission(answer.flatten());
                let task = running::spawn(INTERCEPTOR, (asking, None), call, outbox, post);
                active.task = Some(task);
            }
        }
    }

    /// Polls a new handler where it stands; one that has to wait becomes a task of its own.
    fn start_handler(&mut self, stream: StreamId, http2: &mut impl Commands) {
        let Some(active) = self.calls.get_mut(stream) else {
            return;
        };
        let path = active.call.path_bytes();
        let Ok(route) = self.router.route(active.route, path) else {
            return;
        };
        let late = |deadline: Instant| deadline <= Instant::now();
        if active.call.deadline().is_some_and(late) {
            let status = Status::deadline_exceeded(LATE);
            return self.fail(stream, status, http2);
        }
        let span = active.span.clone();
        let started =
            span.in_scope(|| running::start(&route.handler, active, &self.outbox, stream));
        self.ran.push(active.route);
        let outcome = match started {
            Ok(Poll::Ready(outcome)) => Some(outcome),
            Ok(Poll::Pending(running)) => {
                let call = (active.call.clone(), &active.span);
                let outbox = (stream, Arc::clone(&self.outbox));
                let post =
                    |outcome: Result<_, _>| Post::Finished(outcome.unwrap_or_else(Outcome::Status));
                let running = (running, active.room.clone());
                active.task = Some(running::spawn(HANDLER, running, call, outbox, post));
                None
            }
            // A panic ends the call as a status does: behind what was sent before.
            Err(status) => Some(Outcome::Status(status)),
        };
        if let Some(outcome) = outcome {
            if route.handler.may_post() {
                self.deliver(http2);
            }
            self.finish(stream, outcome, http2);
        }
        if self.ran.len() == HANDLERS_PER_LOOK {
            self.look_at_clock();
        }
    }

    /// Tells of handlers that kept their thread, and all other calls of that thread, waiting.
    fn look_at_clock(&mut self) {
        let before = std::mem::replace(&mut self.clock, Instant::now());
        let ran = self.ran.drain(..);
        let blocked = self.clock.saturating_duration_since(before);
        if blocked > limits::BLOCKED_WARNING {
            let path = |route| {
                self.router
                    .method(route)
                    .map_or("the fallback", Method::path)
            };
            running::warn_blocked(&ran.map(path).collect(), blocked);
        }
    }

    /// Does what handlers have posted.
    fn deliver(&mut self, http2: &mut impl Commands) {
        let mut posts = std::mem::take(&mut self.posts);
        self.outbox.take(&mut posts);
        for (stream, post) in posts.drain(..) {
            self.deliver_one(stream, post, http2);
        }
        self.posts = posts;
    }

    fn deliver_one(&mut self, stream: StreamId, post: Post, http2: &mut impl Commands) {
        let Some(call) = self.calls.get_mut(stream) else {
            return;
        };
        let done = match post {
            Post::Permission(answer) => answer.map(|()| {
                call.task = None;
                call.gate = Gate::Open;
                self.ready.push(stream);
            }),
            Post::Headers(metadata) => {
                call.send_headers_ahead(metadata, http2);
                Ok(())
            }
            Post::Replies => match call.send_waiting(&mut self.account, http2) {
                Ok(()) => Ok(()),
                // Those that were sent before arrive.
                Err(status) => return self.finish(stream, Outcome::Status(status), http2),
            },
            Post::Trailers(metadata) => {
                call.trailing.extend(metadata);
                Ok(())
            }
            Post::Taken => match call.advance(&[], false) {
                Ok(_) => {
                    call.release(http2);
                    return self.charge(stream, http2);
                }
                Err(status) => {
                    // What the handler has made of the requests before.
                    let sent = call.send_waiting(&mut self.account, http2);
                    let status = sent.err().unwrap_or(status);
                    return self.finish(stream, Outcome::Status(status), http2);
                }
            },
            Post::Finished(outcome) => return self.finish(stream, outcome, http2),
        };
        if let Err(status) = done {
            self.fail(stream, status, http2);
        }
    }

    /// The handler has ended, and so does the call.
    fn finish(&mut self, stream: StreamId, outcome: Outcome, http2: &mut impl Commands) {
        if let Some(call) = self.calls.get_mut(stream) {
            let charged = call.charged_bytes;
            let ended = call.conclude(outcome, &mut self.account, http2);
            call.end(ended, self.router.interceptors(), http2);
            // A client may send all of its side before it reads the replies.
            http2.consumed(stream, call.held_bytes);
            // Where it is: most calls end here, and need not be moved for it.
            self.calls.discard(stream);
            self.account.release_request(charged);
        }
    }

    /// Ends a call with a status, whatever its handler is doing.
    fn fail(&mut self, stream: StreamId, status: Status, http2: &mut impl Commands) {
        if let Some(mut call) = self.remove(stream) {
            call.fail(status, self.router.interceptors(), http2);
        }
    }

    fn remove(&mut self, stream: StreamId) -> Option<ActiveCall> {
        let call = self.calls.remove(stream)?;
        self.account.release_request(call.charged_bytes);
        Some(call)
    }

    /// Gives back the memory that is not needed while no call is open.
    pub(crate) fn shrink(&mut self) {
        if self.calls.is_empty() {
            self.calls.shrink();
            self.ready.shrink_to_fit();
            self.ran.shrink_to_fit();
            self.new_deadlines.shrink_to_fit();
            self.posts.shrink_to_fit();
            self.outbox.shrink();
        }
    }

    /// Ends all calls, whose clients cannot be told.
    pub(crate) fn give_up(&mut self, why: &'static str) {
        for (_, call) in self.calls.drain() {
            call.vanish(why, self.router.interceptors());
        }
    }

    /// How many calls are open.
    pub(crate) fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call is open, and no other request.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.pages.is_empty()
    }
}

impl Drop for Dispatcher {
    /// The connection is gone, and with it all that its calls were doing.
    fn drop(&mut self) {
        self.give_up("the connection is gone");
    }
}

/// The clock costs as much as a small handler does.
const HANDLERS_PER_LOOK: usize = 8;

const LATE: &str = "the deadline passed";
