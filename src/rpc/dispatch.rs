//! The path of a call, top-down: admitted by its headers, its messages put together, its handler
//! run, its replies sent, its end told.
//!
//! One [`Dispatcher`] a connection, driven by the connection's own task: [`event`] takes what was
//! read, and only when all of it is taken does [`run`] poll a handler. So a call that is opened and
//! given up in one read starts nothing, and the replies to one read leave in one write.
//!
//! [`event`]: Dispatcher::event
//! [`run`]: Dispatcher::run

use std::{collections::HashMap, sync::Arc, task::Waker, time::Instant};

use bytes::Bytes;

use super::{
    Peer, Router,
    active_call::{ActiveCall, Progress, Requests},
    admission::admit,
    deadline::Deadlines,
    handler::{Form, Outcome},
    outbox::{Outbox, Post},
    replies::Outbound,
    running::{self, Poll},
    streaming::Inbound,
};
use crate::{
    grpc::{CallHead, Metadata, Status},
    http2::{Commands, Event, StreamId},
};

/// The calls of one connection.
pub(crate) struct Dispatcher {
    router: Arc<Router>,
    peer: Peer,
    calls: HashMap<StreamId, ActiveCall>,
    /// Calls whose handler can be started: all of the request is there, or requests are a stream.
    ready: Vec<StreamId>,
    /// Calls with a deadline that came with the events since the last run.
    new_deadlines: Vec<(Instant, StreamId)>,
    deadlines: Deadlines,
    outbox: Arc<Outbox>,
    /// Kept to be filled again.
    posts: Vec<(StreamId, Post)>,
}

impl Dispatcher {
    pub(crate) fn new(router: Arc<Router>, peer: Peer) -> Self {
        Self {
            router,
            peer,
            calls: HashMap::new(),
            ready: Vec::new(),
            new_deadlines: Vec::new(),
            deadlines: Deadlines::default(),
            outbox: Arc::default(),
            posts: Vec::new(),
        }
    }

    /// Takes one thing that happened. Call it for everything that was read, then [`run`](Self::run).
    pub(crate) fn event(&mut self, event: Event, now: Instant, http2: &mut impl Commands) {
        match event {
            Event::CallStarted { stream, head, end } => self.start(stream, head, end, now, http2),
            Event::Data { stream, bytes, end } => self.receive(stream, bytes, end, http2),
            Event::Writable { stream, sent } => {
                if let Some(call) = self.calls.get(&stream) {
                    call.room.sent(sent);
                }
            }
            Event::Reset { stream } => {
                if let Some(call) = self.calls.remove(&stream) {
                    call.abandon();
                }
            }
        }
    }

    /// Runs what became ready: new handlers, then what waiting handlers have posted.
    pub(crate) fn run(&mut self, http2: &mut impl Commands) {
        let mut ready = std::mem::take(&mut self.ready);
        for stream in ready.drain(..) {
            self.start_handler(stream, http2);
        }
        self.ready = ready;
        self.deliver(http2);
        for (deadline, stream) in self.new_deadlines.drain(..) {
            if self.calls.contains_key(&stream) || http2.is_sending(stream) {
                self.deadlines.add(deadline, stream);
            }
        }
        let calls = &self.calls;
        self.deadlines.compact(calls.len(), |stream| {
            calls.contains_key(&stream) || http2.is_sending(stream)
        });
    }

    /// When [`expire`](Self::expire) is to be called; ask again after each run.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Ends the calls whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant, http2: &mut impl Commands) {
        while let Some(stream) = self.deadlines.expired(now) {
            // The stream's number is never used again, so an entry left behind finds nothing.
            let status = Status::deadline_exceeded("the deadline passed");
            if self.calls.contains_key(&stream) {
                self.fail(stream, status, http2);
            } else if http2.is_sending(stream) {
                // The handler has ended, but the client does not read.
                http2.abort(stream, status.into());
            }
        }
    }

    /// Says whom to wake when a handler has posted; `false` if [`run`](Self::run) has work already.
    pub(crate) fn wait(&self, connection: &Waker) -> bool {
        self.outbox.wait(connection)
    }

    /// Ends every open call with a status, as a server does that goes away.
    pub(crate) fn fail_all(&mut self, status: &Status, http2: &mut impl Commands) {
        let streams: Vec<_> = self.calls.keys().copied().collect();
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
        let router = Arc::clone(&self.router);
        let admitted = match admit(&head, &router, now) {
            Ok(admitted) => admitted,
            Err(refusal) => return http2.headers_only(stream, refusal.head, refusal.trailers),
        };
        let request_streaming = admitted.route.handler.is_request_streaming();
        let deadline = admitted.deadline;
        let active = ActiveCall::new(stream, &admitted, head, self.peer.clone(), router.limits());
        self.calls.insert(stream, active);
        self.new_deadlines
            .extend(deadline.map(|deadline| (deadline, stream)));
        if request_streaming {
            self.ready.push(stream);
        }
        if end {
            self.receive(stream, Bytes::new(), true, http2);
        }
    }

    fn receive(&mut self, stream: StreamId, bytes: Bytes, end: bool, http2: &mut impl Commands) {
        let Some(call) = self.calls.get_mut(&stream) else {
            // The call has ended already; the connection's window must not shrink for it.
            return http2.consumed(stream, bytes.len());
        };
        call.push(bytes);
        match call.advance(end) {
            Ok(Progress::Complete) => self.ready.push(stream),
            Ok(Progress::More) => {}
            Err(status) => return self.fail(stream, status, http2),
        }
        call.release(http2);
    }

    /// Polls a new handler where it stands; one that has to wait becomes a task of its own.
    fn start_handler(&mut self, stream: StreamId, http2: &mut impl Commands) {
        let Some(active) = self.calls.get_mut(&stream) else {
            return;
        };
        let call = active.call.clone();
        let router = Arc::clone(&self.router);
        let Ok(route) = router.route(active.route, call.path().as_bytes()) else {
            return;
        };
        let outbound = || {
            let (room, outbox) = (Arc::clone(&active.room), Arc::clone(&self.outbox));
            Outbound::new(active.call.clone(), room, outbox, stream)
        };
        let before = Instant::now();
        let started = match (&route.handler.form, &mut active.requests) {
            (Form::UnarySync(handler), Requests::One(request)) => {
                let request = request.take().unwrap_or_default();
                running::catch(|| handler(call, request)).map(Poll::Ready)
            }
            (Form::Unary(handler), Requests::One(request)) => {
                let request = request.take().unwrap_or_default();
                running::catch(|| handler(call, request)).and_then(running::poll_once)
            }
            (Form::ServerStreaming(handler), Requests::One(request)) => {
                let request = request.take().unwrap_or_default();
                running::catch(|| handler(call, request, outbound())).and_then(running::poll_once)
            }
            (Form::RequestStreaming(handler), Requests::Many { inbox, .. }) => {
                let outbox = Arc::clone(&self.outbox);
                let inbound =
                    Inbound::new(Arc::clone(inbox), outbox, stream, call.decode_bytes_max());
                running::catch(|| handler(call, inbound, outbound())).and_then(running::poll_once)
            }
            // `start` chose the requests by the handler's form.
            _ => Ok(Poll::Ready(Outcome::Status(Status::internal(
                "the route has changed",
            )))),
        };
        running::warn_if_blocked(&active.call, before);
        match started {
            Ok(Poll::Ready(outcome)) => {
                self.deliver(http2);
                self.finish(stream, outcome, http2);
            }
            Ok(Poll::Pending(running)) => {
                let (call, outbox) = (active.call.clone(), Arc::clone(&self.outbox));
                active.task = Some(running::spawn(running, call, stream, outbox));
            }
            Err(status) => self.fail(stream, status, http2),
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
        let Some(call) = self.calls.get_mut(&stream) else {
            return;
        };
        let done = match post {
            Post::Headers(metadata) => {
                call.send_headers(metadata, http2);
                Ok(())
            }
            Post::Message(message) => call.send(message, Metadata::default(), http2),
            Post::Trailers(metadata) => {
                call.trailing.extend(metadata);
                Ok(())
            }
            Post::Taken => call.advance(false).map(|_| call.release(http2)),
            Post::Finished(outcome) => return self.finish(stream, outcome, http2),
        };
        if let Err(status) = done {
            self.fail(stream, status, http2);
        }
    }

    /// The handler has ended, and so does the call.
    fn finish(&mut self, stream: StreamId, outcome: Outcome, http2: &mut impl Commands) {
        let Some(mut call) = self.calls.remove(&stream) else {
            return;
        };
        // Whoever the handler has left at work for the call learns that it is over.
        call.abandon();
        match outcome {
            Outcome::Reply(reply) => {
                let (mut message, metadata, trailers) = reply.into_parts();
                message.compressed |= call.call.compresses_replies();
                call.trailing.extend(trailers);
                match call.send(message, metadata, http2) {
                    Ok(()) => call.end_ok(http2),
                    Err(status) => call.end(status, http2),
                }
            }
            Outcome::Done => call.end_ok(http2),
            Outcome::Status(status) => call.end(status, http2),
        }
    }

    /// Ends a call with a status, whatever its handler is doing.
    fn fail(&mut self, stream: StreamId, status: Status, http2: &mut impl Commands) {
        if let Some(call) = self.calls.remove(&stream) {
            call.abandon();
            call.fail(status, http2);
        }
    }

    /// Whether no call is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }
}

impl Drop for Dispatcher {
    /// The connection is gone, and with it all that its calls were doing.
    fn drop(&mut self) {
        for call in self.calls.values() {
            call.abandon();
        }
    }
}
