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
use tokio::task::AbortHandle;

use super::{
    Call, Peer, Router,
    admission::{Refusal, admit},
    deadline::Deadlines,
    handler::{Form, Outcome},
    outbox::{Outbox, Post},
    replies::{Outbound, Room},
    response::Response,
    running::{self, Poll},
    streaming::{Inbound, Inbox},
};
use crate::{
    grpc::{
        CallHead, ContentType, LengthPrefixed, MessageEncoding, Metadata, PREFIX_BYTES, RawMessage,
        ResponseHead, Status, Trailers, prefix,
    },
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

/// A call from its headers to its end.
struct ActiveCall {
    call: Call,
    content_type: ContentType,
    encoding: MessageEncoding,
    route: Option<u32>,
    incoming: LengthPrefixed,
    /// Bytes of the stream's receive window that are held.
    held_bytes: usize,
    requests: Requests,
    room: Arc<Room>,
    headers_sent: bool,
    trailing: Metadata,
    task: Option<AbortHandle>,
}

/// Where a call's requests go.
enum Requests {
    /// Exactly one is due; the handler starts when the client has ended its side.
    One(Option<RawMessage>),
    /// The handler takes them as they come.
    Many { inbox: Arc<Inbox>, ended: bool },
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
            if self.calls.contains_key(&stream) {
                self.deadlines.add(deadline, stream);
            }
        }
        let calls = &self.calls;
        self.deadlines
            .compact(calls.len(), |stream| calls.contains_key(&stream));
    }

    /// When [`expire`](Self::expire) is to be called; ask again after each run.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Ends the calls whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant, http2: &mut impl Commands) {
        while let Some(stream) = self.deadlines.expired(now) {
            // The stream's number is never used again, so an entry left behind finds nothing.
            self.fail(
                stream,
                Status::deadline_exceeded("the deadline passed"),
                http2,
            );
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
        let admitted = match admit(&head, &self.router, now) {
            Ok(admitted) => admitted,
            Err(Refusal { head, trailers }) => return http2.headers_only(stream, head, trailers),
        };
        let request_streaming = admitted.route.handler.is_request_streaming();
        let deadline = admitted.deadline;
        let active = ActiveCall {
            content_type: admitted.content_type,
            encoding: admitted.encoding,
            route: head.route,
            incoming: LengthPrefixed::new(self.router.limits().receive_bytes_max),
            held_bytes: 0,
            requests: if request_streaming {
                Requests::Many {
                    inbox: Arc::default(),
                    ended: false,
                }
            } else {
                Requests::One(None)
            },
            room: Arc::default(),
            headers_sent: false,
            trailing: Metadata::default(),
            task: None,
            call: Call::new(
                admitted.route.method.clone(),
                head,
                self.peer.clone(),
                deadline,
            ),
        };
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
        call.held_bytes += bytes.len();
        call.incoming.push(bytes);
        match call.advance(end) {
            Ok(Progress::Complete) => self.ready.push(stream),
            Ok(Progress::More) => {}
            Err(status) => return self.fail(stream, status, http2),
        }
        call.release(stream, http2);
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
        let outbound = || Outbound::new(Arc::clone(&active.room), Arc::clone(&self.outbox), stream);
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
                let inbound = Inbound::new(Arc::clone(inbox), Arc::clone(&self.outbox), stream);
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
        let limits = *self.router.limits();
        let Some(call) = self.calls.get_mut(&stream) else {
            return;
        };
        match post {
            Post::Headers(metadata) => call.send_headers(stream, metadata, http2),
            Post::Message(message) if message.bytes.len() > limits.send_bytes_max => {
                self.fail(stream, too_long(&message, limits.send_bytes_max), http2);
            }
            Post::Message(message) => {
                call.send_headers(stream, Metadata::default(), http2);
                send_message(stream, message, http2);
            }
            Post::Trailers(metadata) => call.trailing.extend(metadata),
            Post::Taken => match call.advance(false) {
                Ok(_) => call.release(stream, http2),
                Err(status) => self.fail(stream, status, http2),
            },
            Post::Finished(outcome) => self.finish(stream, outcome, http2),
        }
    }

    /// The handler has ended, and so does the call.
    fn finish(&mut self, stream: StreamId, outcome: Outcome, http2: &mut impl Commands) {
        let send_bytes_max = self.router.limits().send_bytes_max;
        match outcome {
            Outcome::Status(status) => self.fail(stream, status, http2),
            Outcome::Reply(reply) if reply.message().bytes.len() > send_bytes_max => {
                self.fail(stream, too_long(reply.message(), send_bytes_max), http2);
            }
            Outcome::Reply(reply) => self.succeed(stream, Some(reply), http2),
            Outcome::Done => self.succeed(stream, None, http2),
        }
    }

    fn succeed(
        &mut self,
        stream: StreamId,
        reply: Option<Response<RawMessage>>,
        http2: &mut impl Commands,
    ) {
        let Some(mut call) = self.calls.remove(&stream) else {
            return;
        };
        match reply.map(Response::into_parts) {
            Some((message, metadata, trailers)) => {
                call.send_headers(stream, metadata, http2);
                send_message(stream, message, http2);
                call.trailing.extend(trailers);
            }
            // OK is never Trailers-Only: that is for calls which fail at once.
            None => call.send_headers(stream, Metadata::default(), http2),
        }
        http2.trailers(
            stream,
            Trailers {
                status: None,
                metadata: call.trailing,
            },
        );
    }

    /// Ends a call with a status, whatever it was doing.
    fn fail(&mut self, stream: StreamId, status: Status, http2: &mut impl Commands) {
        let Some(mut call) = self.calls.remove(&stream) else {
            return;
        };
        call.abandon();
        let metadata = std::mem::take(&mut call.trailing);
        let trailers = Trailers {
            status: Some(status),
            metadata,
        };
        if call.headers_sent {
            http2.trailers(stream, trailers);
        } else {
            let head = ResponseHead::grpc(call.content_type, Metadata::default());
            http2.headers_only(stream, head, Some(trailers));
        }
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

/// What became of the requests after bytes were added.
enum Progress {
    More,
    /// The one request of the call is there, and the client has ended its side.
    Complete,
}

impl ActiveCall {
    /// Makes messages of what was received, as far as there is room for them.
    fn advance(&mut self, end: bool) -> Result<Progress, Status> {
        match &mut self.requests {
            Requests::One(request) => {
                while let Some(message) = self.incoming.next()? {
                    let message = self.encoding.decompress(message)?;
                    if request.replace(message).is_some() {
                        return Err(cardinality("more than one request"));
                    }
                }
                if !end {
                    return Ok(Progress::More);
                }
                self.incoming.end()?;
                if request.is_none() {
                    return Err(cardinality("no request"));
                }
                Ok(Progress::Complete)
            }
            Requests::Many { inbox, ended } => {
                *ended |= end;
                while inbox.has_room() {
                    match self.incoming.next()? {
                        Some(message) => inbox.put(self.encoding.decompress(message)?),
                        None if *ended => {
                            self.incoming.end()?;
                            inbox.end(Ok(()));
                            break;
                        }
                        None => break,
                    }
                }
                Ok(Progress::More)
            }
        }
    }

    /// Gives the stream's window back while a message is being put together; while a whole one
    /// waits for the handler, what came after it stays charged to the client.
    fn release(&mut self, stream: StreamId, http2: &mut impl Commands) {
        let waits = match &self.requests {
            Requests::One(_) => false,
            Requests::Many { inbox, .. } => !inbox.has_room(),
        };
        if !waits || self.incoming.is_empty() {
            http2.consumed(stream, std::mem::take(&mut self.held_bytes));
        }
    }

    fn send_headers(&mut self, stream: StreamId, metadata: Metadata, http2: &mut impl Commands) {
        if !self.headers_sent {
            self.headers_sent = true;
            http2.headers(stream, ResponseHead::grpc(self.content_type, metadata));
        }
    }

    /// Stops everything that works for the call.
    fn abandon(&self) {
        self.call.cancel();
        self.room.close();
        if let Requests::Many { inbox, .. } = &self.requests {
            inbox.end(Err(Status::cancelled("the call is gone")));
        }
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// A message and its prefix; a short one in one piece.
fn send_message(stream: StreamId, message: RawMessage, http2: &mut impl Commands) {
    let prefix = prefix(&message);
    if message.bytes.len() <= COPIED_BYTES_MAX {
        let mut whole = Vec::with_capacity(PREFIX_BYTES + message.bytes.len());
        whole.extend_from_slice(&prefix);
        whole.extend_from_slice(&message.bytes);
        http2.data(stream, whole.into());
    } else {
        http2.data(stream, Bytes::copy_from_slice(&prefix));
        http2.data(stream, message.bytes);
    }
}

/// gRPC's code for a wrong number of messages (statuscodes.md, "cardinality violation").
fn cardinality(what: &str) -> Status {
    Status::unimplemented(format!(
        "the method takes exactly one request; the client sent {what}"
    ))
}

fn too_long(message: &RawMessage, bytes_max: usize) -> Status {
    Status::resource_exhausted(format!(
        "the reply has {} bytes; at most {bytes_max} are sent",
        message.bytes.len()
    ))
}

/// Up to here a copy costs less than a frame of its own for the prefix.
const COPIED_BYTES_MAX: usize = 16 * 1024;
