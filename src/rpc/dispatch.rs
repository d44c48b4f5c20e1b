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
    Peer, Route, Router,
    active_call::{ActiveCall, Gate},
    admission::{Refusal, admit},
    blocking::Watch,
    budget::{Account, Budget},
    call_end,
    deadline::Deadlines,
    handler::Outcome,
    interceptor::Permission,
    lazy_call::Origin,
    outbox::{Outbox, Post},
    page::DuePages,
    running::{HANDLER, INTERCEPTOR, Poll},
};
use crate::{
    grpc::{CallHead, Status},
    http2::{Commands, Event, StreamId, StreamMap},
};

/// The calls of one connection.
pub(crate) struct Dispatcher {
    origin: Origin,
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
    watch: Watch,
    /// Kept to be filled again.
    posts: Vec<(StreamId, Post)>,
}

impl Dispatcher {
    pub(crate) fn new(router: Arc<Router>, peer: Peer, budget: Arc<Budget>) -> Self {
        Self {
            origin: Origin { router, peer },
            calls: StreamMap::default(),
            pages: DuePages::default(),
            ready: Vec::new(),
            new_deadlines: Vec::new(),
            deadlines: Deadlines::default(),
            outbox: Arc::default(),
            account: Account::new(budget),
            watch: Watch::new(Instant::now()),
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
                    call.vanish("the client reset the call", &self.origin);
                }
                self.pages.reset(stream);
            }
            Event::CutShort { stream } => match self.remove(stream) {
                Some(mut call) => call.cut_short(&self.origin, http2),
                None => self.pages.end(stream, http2),
            },
        }
    }

    /// Runs what became ready: new handlers, then what waiting handlers have posted.
    pub(crate) fn run(&mut self, now: Instant, http2: &mut impl Commands) {
        let mut done = 0;
        self.watch.begin(now);
        loop {
            while let Some(stream) = self.ready.get(done).copied() {
                done += 1;
                self.proceed(stream, http2);
            }
            self.watch.look(&self.origin.router);
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
    /// [`STALL_TIMEOUT`](crate::limits::STALL_TIMEOUT).
    pub(crate) fn sweep(&mut self, http2: &mut impl Commands) {
        let calls = self.calls.iter_mut();
        let stalled: Vec<_> = calls
            .filter_map(|(stream, call)| call.incoming.is_stalled().then_some(stream))
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
        head: Arc<CallHead>,
        end: bool,
        now: Instant,
        http2: &mut impl Commands,
    ) {
        let admitted = match admit(&head, &self.origin.router, now) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                call_end::tell_refusal(head, &refusal, now, &self.origin);
                return self.refuse(stream, *refusal, end, http2);
            }
        };
        let deadline = admitted.deadline;
        let active = ActiveCall::new(stream, &admitted, head, now, &self.origin);
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
        match call.receive(bytes, end, http2) {
            Ok(complete) => {
                if complete {
                    self.ready.push(stream);
                }
                let unsent = http2.unsent_bytes();
                if let Err(status) = call.incoming.charge(&mut self.account, unsent) {
                    self.fail(stream, status, http2);
                }
            }
            Err(status) => {
                // What handlers have said by now goes before it.
                self.deliver(http2);
                self.end_faulty(stream, status, http2);
            }
        }
    }

    /// Ends a call for what is wrong with its requests, behind what its handler has made of those before.
    fn end_faulty(&mut self, stream: StreamId, status: Status, http2: &mut impl Commands) {
        if let Some(call) = self.calls.get_mut(stream) {
            let sent = call.send_waiting(&mut self.account, http2);
            let status = sent.err().unwrap_or(status);
            self.finish(stream, Outcome::Status(status), http2);
        }
    }

    /// Lets a call go on: past the interceptors when it is new, to its handler when it can start.
    fn proceed(&mut self, stream: StreamId, http2: &mut impl Commands) {
        let Some(active) = self.calls.get_mut(stream) else {
            return;
        };
        match active.ask(&self.origin) {
            Permission::Granted if active.starts() => self.start_handler(stream, http2),
            Permission::Granted => {}
            Permission::Refused(status) => self.fail(stream, status, http2),
            Permission::Asking(asking) => {
                let post = |answer: Result<_, _>| Post::Permission(answer.flatten());
                active.spawn(INTERCEPTOR, asking, &self.outbox, post);
            }
        }
    }

    /// Polls a new handler where it stands; one that has to wait becomes a task of its own.
    fn start_handler(&mut self, stream: StreamId, http2: &mut impl Commands) {
        let Some(active) = self.calls.get_mut(stream) else {
            return;
        };
        let (router, path) = (&self.origin.router, active.call.path());
        let Ok(Route { handler, .. }) = router.route(active.route, path) else {
            return;
        };
        let is_late = |deadline| self.watch.is_past(deadline);
        if active.call.deadline.is_some_and(is_late) {
            return self.fail(stream, Status::deadline_exceeded(LATE), http2);
        }
        let started = active.start(handler, &self.outbox, &self.origin);
        self.watch.ran(active.route, router);
        let outcome = match started {
            Ok(Poll::Ready(outcome)) => outcome,
            Ok(Poll::Pending(running)) => {
                let post =
                    |outcome: Result<_, _>| Post::Finished(outcome.unwrap_or_else(Outcome::Status));
                return active.spawn(HANDLER, running, &self.outbox, post);
            }
            // A panic ends the call as a status does: behind what was sent before.
            Err(status) => Outcome::Status(status),
        };
        if handler.may_post() {
            self.deliver(http2);
        }
        self.finish(stream, outcome, http2);
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
            Post::Taken => match call.incoming.advance(&[], false, http2) {
                Ok(_) => {
                    let unsent = http2.unsent_bytes();
                    call.incoming.charge(&mut self.account, unsent)
                }
                Err(status) => return self.end_faulty(stream, status, http2),
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
            call.finish(outcome, &mut self.account, &self.origin, http2);
            self.account.release_request(call.incoming.charged_bytes);
            // Where it is: most calls end here, and need not be moved for it.
            self.calls.discard(stream);
        }
    }

    /// Ends a call with a status, whatever its handler is doing.
    fn fail(&mut self, stream: StreamId, status: Status, http2: &mut impl Commands) {
        if let Some(mut call) = self.remove(stream) {
            call.fail(status, &self.origin, http2);
        }
    }

    fn remove(&mut self, stream: StreamId) -> Option<ActiveCall> {
        let call = self.calls.remove(stream)?;
        self.account.release_request(call.incoming.charged_bytes);
        Some(call)
    }

    /// Gives back the memory that is not needed while no call is open.
    pub(crate) fn shrink(&mut self) {
        if self.calls.is_empty() {
            self.calls.shrink();
            self.ready.shrink_to_fit();
            self.watch.shrink();
            self.new_deadlines.shrink_to_fit();
            self.posts.shrink_to_fit();
            self.outbox.shrink();
        }
    }

    /// Ends all calls, whose clients cannot be told.
    pub(crate) fn give_up(&mut self, why: &'static str) {
        for (_, call) in self.calls.drain() {
            call.vanish(why, &self.origin);
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

const LATE: &str = "the deadline passed";
