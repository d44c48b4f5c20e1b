//! A call from its headers to its end: let through, started, its replies sent.

use std::{sync::Arc, time::Instant};

use tokio::task::AbortHandle;

use super::{
    Call, CallEnd, Response,
    admission::Admitted,
    budget::Account,
    call_end::Traffic,
    call_span::CallSpan,
    handler::{Handler, Outcome, Waiting},
    incoming::{Incoming, Progress, Requests},
    interceptor::Permission,
    lazy_call::{LazyCall, Origin},
    outbox::{Outbox, Post},
    replies::{Outbound, Room, too_long},
    running::{self, Poll},
};
use crate::{
    grpc::{
        CallHead, Code, ContentType, Metadata, PREFIX_BYTES, RawMessage, ResponseHead, Status,
        Trailers,
    },
    http2::{Commands, StreamId},
};

/// A call that has not ended.
pub(super) struct ActiveCall {
    pub(super) call: LazyCall,
    span: CallSpan,
    started: Instant,
    stream: StreamId,
    content_type: ContentType,
    pub(super) route: Option<u32>,
    send_bytes_max: usize,
    pub(super) incoming: Incoming,
    /// Whether all is there that the handler needs to start, which it has not yet.
    pub(super) complete: bool,
    pub(super) gate: Gate,
    sent: Traffic,
    /// Of a handler that sends its replies one by one.
    room: Option<Arc<Room>>,
    headers_sent: bool,
    pub(super) trailing: Metadata,
    /// The handler, or an interceptor before it, where it had to wait.
    pub(super) task: Option<AbortHandle>,
}

/// How far a call is on its way past the interceptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// None has been asked.
    Shut,
    /// One of them waits.
    Asking,
    /// The handler may start.
    Open,
}

impl ActiveCall {
    pub(super) fn new(
        stream: StreamId,
        admitted: &Admitted<'_>,
        head: Arc<CallHead>,
        started: Instant,
        origin: &Origin,
    ) -> Self {
        let router = &origin.router;
        let limits = router.limits();
        let handler = &admitted.route.handler;
        let route = head.route;
        let call = LazyCall::new(admitted, head, origin);
        let decompression = (!handler.raw).then_some(admitted.encoding);
        let many = handler.is_request_streaming();
        let requests = Requests::of(many);
        let bytes_max = limits.receive_bytes_max;
        Self {
            span: CallSpan::new(|| call.get(origin)),
            call,
            started,
            stream,
            content_type: admitted.content_type,
            route,
            send_bytes_max: limits.send_bytes_max,
            incoming: Incoming::new(stream, requests, bytes_max, decompression),
            complete: many,
            gate: match router.interceptors().grant_all() {
                true => Gate::Open,
                false => Gate::Shut,
            },
            sent: Traffic::default(),
            room: None,
            headers_sent: false,
            trailing: Metadata::default(),
            task: None,
        }
    }

    /// Takes part of the body; whether the handler can be started by that.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        end: bool,
        http2: &mut impl Commands,
    ) -> Result<bool, Status> {
        match self.incoming.receive(bytes, end, http2)? {
            Progress::More => Ok(false),
            Progress::Complete { compressed } => {
                if compressed {
                    self.call.set_request_compressed();
                }
                self.complete = true;
                Ok(true)
            }
        }
    }

    /// Asks the interceptors, if they have not been.
    pub(super) fn ask(&mut self, origin: &Origin) -> Permission {
        if self.gate != Gate::Shut {
            return Permission::Granted;
        }
        let interceptors = origin.router.interceptors();
        let call = self.call.get(origin);
        let permission = self.span.in_scope(|| interceptors.before(call));
        self.gate = match &permission {
            Permission::Granted => Gate::Open,
            Permission::Asking(_) | Permission::Refused(_) => Gate::Asking,
        };
        permission
    }

    /// Whether the handler is to be started now; true once.
    pub(super) fn starts(&mut self) -> bool {
        self.gate == Gate::Open && std::mem::take(&mut self.complete)
    }

    /// Starts the handler with what it takes, and polls it once.
    pub(super) fn start(
        &mut self,
        handler: &Handler,
        outbox: &Arc<Outbox>,
        origin: &Origin,
    ) -> Result<Poll<Outcome>, Status> {
        let (call, stream, send_bytes_max) = (&self.call, self.stream, self.send_bytes_max);
        let (room, requests) = (&mut self.room, &mut self.incoming.requests);
        let outbound = || {
            let room = room.get_or_insert_with(|| Room::new(Arc::clone(outbox), stream));
            Outbound::new(call.get(origin).clone(), Arc::clone(room), send_bytes_max)
        };
        let outbox = (stream, outbox);
        let span = &self.span;
        span.in_scope(|| running::start(handler, &(call, origin), requests, outbox, outbound))
    }

    /// Lets the handler, or an interceptor before it, go on as a task.
    pub(super) fn spawn<T: 'static>(
        &mut self,
        who: &'static str,
        running: Waiting<T>,
        outbox: &Arc<Outbox>,
        post: fn(Result<T, Status>) -> Post,
    ) {
        let call = (Arc::clone(self.call.head()), &self.span);
        let outbox = (self.stream, Arc::clone(outbox));
        let running = (running, self.room.clone());
        self.task = Some(running::spawn(who, running, call, outbox, post));
    }

    /// That much of its replies has left.
    pub(super) fn sent(&self, bytes: usize) {
        if let Some(room) = &self.room
            && bytes > 0
        {
            room.sent(bytes);
        }
    }

    /// Sends the headers of a call whose replies are still to come, unless they have been.
    pub(super) fn send_headers_ahead(&mut self, metadata: Metadata, http2: &mut impl Commands) {
        if let Some(call) = self.call.made() {
            call.headers_are_sent();
        }
        self.send_headers(metadata, http2);
    }

    /// Sends the headers, unless they have been.
    fn send_headers(&mut self, metadata: Metadata, http2: &mut impl Commands) {
        if !self.headers_sent {
            self.headers_sent = true;
            http2.headers(self.stream, &self.head(metadata));
        }
    }

    /// The headers, with the metadata that was added by the way.
    fn head(&self, mut metadata: Metadata) -> ResponseHead {
        let call = self.call.made();
        if let Some(added) = call.and_then(Call::take_metadata) {
            metadata.extend(added);
        }
        let mut head = ResponseHead::grpc(self.content_type, metadata);
        head.encoding = call.map(Call::reply_encoding).unwrap_or_default();
        head
    }

    /// What the call ends with, with the metadata that was added by the way.
    fn trailers(&mut self, status: Option<Status>) -> Trailers {
        let mut metadata = std::mem::take(&mut self.trailing);
        if let Some(added) = self.call.made().and_then(Call::take_trailers) {
            metadata.extend(added);
        }
        Trailers { status, metadata }
    }

    /// Sends the replies that wait in the call's room, and before the first one the headers.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED if there is no memory for all of them: the call is to end behind those that
    /// there is memory for.
    pub(super) fn send_waiting(
        &mut self,
        account: &mut Account,
        http2: &mut impl Commands,
    ) -> Result<(), Status> {
        let Some(mut waiting) = self.room.as_deref().map(Room::take) else {
            return Ok(());
        };
        let (unsent, more) = (http2.unsent_bytes(), waiting.output.len());
        let charged = account.charge_replies(unsent + more);
        if charged.is_err() {
            waiting.truncate(account.charge_some_replies(unsent, more));
        }
        if waiting.messages > 0 {
            self.send_headers_ahead(Metadata::default(), http2);
        }
        let replies = &mut waiting.output;
        self.sent.messages += waiting.messages;
        self.sent.add_bytes(replies.len());
        self.sent(http2.messages(self.stream, replies));
        replies.return_buffer();
        charged
    }

    /// Ends the call as its handler does.
    pub(super) fn finish(
        &mut self,
        outcome: Outcome,
        account: &mut Account,
        origin: &Origin,
        http2: &mut impl Commands,
    ) {
        match outcome {
            Outcome::Reply(reply) => self.answer(reply, account, origin, http2),
            Outcome::Done => self.end(None, origin, http2),
            Outcome::Status(status) => self.end(Some(failure(status)), origin, http2),
        }
        // A client may send all of its side before it reads the replies.
        self.incoming.release(http2);
    }

    /// Ends the call with its one reply.
    fn answer(
        &mut self,
        reply: Response<RawMessage>,
        account: &mut Account,
        origin: &Origin,
        http2: &mut impl Commands,
    ) {
        let (message, metadata, trailing) = reply.into_parts();
        self.trailing.extend(trailing);
        let message = match self.ready_to_send(message, account, origin, http2) {
            Ok(message) => message,
            Err(status) => return self.end(Some(failure(status)), origin, http2),
        };
        self.sent.messages += 1;
        self.sent.add_bytes(PREFIX_BYTES + message.bytes.len());
        let head = self.head(metadata);
        self.close(None, origin);
        let trailers = self.trailers(None);
        http2.respond(self.stream, &head, message, trailers);
    }

    /// The reply as it travels, if it may: what is marked is compressed.
    fn ready_to_send(
        &self,
        mut message: RawMessage,
        account: &mut Account,
        origin: &Origin,
        http2: &impl Commands,
    ) -> Result<RawMessage, Status> {
        let asked = self.call.made().is_some_and(Call::compresses_replies);
        message.compressed |= asked;
        let bytes = message.bytes.len();
        if bytes > self.send_bytes_max {
            return Err(too_long(bytes, self.send_bytes_max));
        }
        if message.compressed {
            message = self.call.get(origin).compress(message)?;
        }
        account.charge_replies(http2.unsent_bytes() + message.bytes.len())?;
        Ok(message)
    }

    /// Ends the call after the replies that were sent before; `None` is OK.
    fn end(&mut self, status: Option<Status>, origin: &Origin, http2: &mut impl Commands) {
        self.close(status.as_ref(), origin);
        if status.is_none() {
            // OK never goes as Trailers-Only, which is for calls that fail at once.
            self.send_headers(Metadata::default(), http2);
        }
        let stream = self.stream;
        if let Some(trailers) = self.end_headers(status, http2) {
            http2.trailers(stream, trailers);
        }
    }

    /// Ends the call with a status that is not its handler's, without waiting for what is unsent: a
    /// client that does not read must not keep a call beyond its deadline.
    pub(super) fn fail(&mut self, status: Status, origin: &Origin, http2: &mut impl Commands) {
        let status = failure(status);
        self.close(Some(&status), origin);
        self.tell(status, http2);
    }

    /// Ends a call whose client sends no more and has not ended its request. Seen from here it has
    /// cancelled; but what lies between may have closed the connection, so a client that still reads is
    /// told what it would take from the loss of one.
    pub(super) fn cut_short(&mut self, origin: &Origin, http2: &mut impl Commands) {
        let why = "the client's side of the connection was closed before the request had ended";
        self.close(Some(&Status::cancelled(why)), origin);
        self.tell(Status::unavailable(why), http2);
    }

    fn tell(&mut self, status: Status, http2: &mut impl Commands) {
        let stream = self.stream;
        if let Some(trailers) = self.end_headers(Some(status), http2) {
            http2.abort(stream, trailers);
        }
    }

    /// Ends a call whose client has gone and can be told nothing.
    pub(super) fn vanish(self, why: &'static str, origin: &Origin) {
        self.close(Some(&Status::cancelled(why)), origin);
    }

    /// Ends a call without initial metadata that has sent no headers as Trailers-Only; else gives the
    /// trailers that are due. The two kinds of metadata are never sent in one list, where a client
    /// could not tell them apart.
    fn end_headers(
        &mut self,
        status: Option<Status>,
        http2: &mut impl Commands,
    ) -> Option<Trailers> {
        let trailers = self.trailers(status);
        if self.call.made().is_some_and(Call::has_metadata) {
            self.send_headers(Metadata::default(), http2);
        }
        if self.headers_sent {
            return Some(trailers);
        }
        let head = ResponseHead::grpc(self.content_type, Metadata::default());
        http2.headers_only(self.stream, &head, Some(trailers));
        None
    }

    /// Stops everything that works for the call, and tells the interceptors of its end.
    fn close(&self, status: Option<&Status>, origin: &Origin) {
        let interceptors = origin.router.interceptors();
        let told = interceptors.listen_for(status) || !self.span.is_disabled();
        let call = told.then(|| self.call.get(origin));
        if let Some(call) = self.call.made() {
            call.cancel();
        }
        if let Some(room) = &self.room {
            room.close();
        }
        self.incoming.close();
        if let Some(task) = &self.task {
            task.abort();
        }
        if let Some(call) = call {
            let traffic = [self.incoming.received, self.sent];
            CallEnd::new(call, status, self.started, traffic).tell(&self.span, interceptors);
        }
    }
}

/// "OK" is no failure, and must not look like half of one on the wire.
fn failure(status: Status) -> Status {
    match status.code() {
        Code::Ok => Status::internal("the call failed with the code OK"),
        _ => status,
    }
}
