//! A call from its headers to its end: its requests are put together, its replies sent.

use std::{sync::Arc, time::Instant};

use tokio::task::AbortHandle;

use super::{
    Call, CallEnd, Peer, Router,
    admission::Admitted,
    budget::Account,
    call_end::Traffic,
    call_span::CallSpan,
    handler::Outcome,
    interceptor::{Interceptors, Permission},
    replies::{Room, too_long},
    streaming::Inbox,
};
use crate::{
    grpc::{
        CallHead, Code, ContentType, LengthPrefixed, Metadata, PREFIX_BYTES, RawMessage,
        ResponseHead, Status, Trailers,
    },
    http2::{Commands, StreamId},
    limits,
};

/// A call that has not ended.
pub(super) struct ActiveCall {
    pub(super) call: Call,
    pub(super) span: CallSpan,
    started: Instant,
    stream: StreamId,
    content_type: ContentType,
    pub(super) route: Option<u32>,
    incoming: LengthPrefixed,
    receive_bytes_max: usize,
    pub(super) send_bytes_max: usize,
    /// Bytes of the stream's receive window that are held.
    pub(super) held_bytes: usize,
    /// Of the request that the handler of a unary call has.
    request_bytes: usize,
    /// What the connection's account counts for this call; see [`memory_bytes`](Self::memory_bytes).
    pub(super) charged_bytes: usize,
    /// What had come when [`is_stalled`](Self::is_stalled) was asked last.
    seen_bytes: u64,
    stalls: bool,
    pub(super) requests: Requests,
    /// Whether all is there that the handler needs to start, which it has not yet.
    pub(super) complete: bool,
    /// Whether the client has not ended its side of a call of one request.
    owes_end: bool,
    pub(super) gate: Gate,
    received: Traffic,
    sent: Traffic,
    /// Of a handler that sends its replies one by one.
    pub(super) room: Option<Arc<Room>>,
    headers_sent: bool,
    pub(super) trailing: Metadata,
    /// The handler, or an interceptor before it, where it had to wait.
    pub(super) task: Option<AbortHandle>,
}

/// Where a call's requests go.
pub(super) enum Requests {
    /// Exactly one is due; the handler starts when the client has ended its side.
    One(Option<RawMessage>),
    /// The handler takes them as they come.
    Many {
        inbox: Arc<Inbox>,
        ended: bool,
        /// What is wrong with the message behind those that wait.
        fault: Option<Status>,
    },
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

/// What became of the requests after bytes were added.
pub(super) enum Progress {
    More,
    /// The one request of the call is there, and the client has ended its side.
    Complete,
}

impl ActiveCall {
    pub(super) fn new(
        stream: StreamId,
        admitted: &Admitted<'_>,
        head: Box<CallHead>,
        (peer, started): (Peer, Instant),
        router: &Router,
    ) -> Self {
        let limits = router.limits();
        let handler = &admitted.route.handler;
        let method = admitted.route.method.clone();
        let deadline = admitted.deadline;
        let route = head.route;
        let messages = (admitted.encoding, handler.raw);
        let call = Call::new(method, head, peer, deadline, limits, messages);
        Self {
            span: CallSpan::new(&call),
            call,
            started,
            stream,
            content_type: admitted.content_type,
            route,
            incoming: LengthPrefixed::new(limits.receive_bytes_max),
            receive_bytes_max: limits.receive_bytes_max,
            send_bytes_max: limits.send_bytes_max,
            held_bytes: 0,
            request_bytes: 0,
            charged_bytes: 0,
            seen_bytes: 0,
            stalls: false,
            requests: if handler.is_request_streaming() {
                Requests::Many {
                    inbox: Arc::default(),
                    ended: false,
                    fault: None,
                }
            } else {
                Requests::One(None)
            },
            owes_end: true,
            complete: handler.is_request_streaming(),
            gate: match router.interceptors().grant_all() {
                true => Gate::Open,
                false => Gate::Shut,
            },
            received: Traffic::default(),
            sent: Traffic::default(),
            room: None,
            headers_sent: false,
            trailing: Metadata::default(),
            task: None,
        }
    }

    /// Asks the interceptors, if they have not been.
    pub(super) fn ask(&mut self, interceptors: &Arc<Interceptors>) -> Permission {
        if self.gate != Gate::Shut {
            return Permission::Granted;
        }
        let permission = self.span.in_scope(|| interceptors.before(&self.call));
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

    /// Takes part of the body, and makes messages of it as far as there is room for them.
    pub(super) fn receive(&mut self, bytes: &[u8], end: bool) -> Result<Progress, Status> {
        self.held_bytes += bytes.len();
        self.received.add_bytes(bytes.len());
        self.advance(bytes, end)
    }

    /// That much of its replies has left.
    pub(super) fn sent(&self, bytes: usize) {
        if let Some(room) = &self.room
            && bytes > 0
        {
            room.sent(bytes);
        }
    }

    /// What its requests hold: parts of messages, and those whose handler has not come to an end.
    pub(super) fn memory_bytes(&self) -> usize {
        let whole = match &self.requests {
            Requests::One(_) => self.request_bytes,
            Requests::Many { inbox, .. } => inbox.waiting_bytes(),
        };
        self.incoming.len() + whole
    }

    /// Whether the client owes the rest of a message, or the end of its side, and has sent next to nothing of it since this
    /// was asked last.
    pub(super) fn is_stalled(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen_bytes, self.received.bytes);
        let received = self.received.bytes - before;
        let owes = match &self.requests {
            Requests::One(_) => self.owes_end,
            // While a message waits for the handler, the client may not be able to send.
            Requests::Many { inbox, .. } => self.incoming.is_in_message() && inbox.has_room(),
        };
        let stalled = owes && received < limits::STALL_PROGRESS_BYTES;
        std::mem::replace(&mut self.stalls, stalled) && stalled
    }

    /// Makes messages of what was received before and of `bytes`.
    pub(super) fn advance(&mut self, mut bytes: &[u8], end: bool) -> Result<Progress, Status> {
        let inbox = match &mut self.requests {
            Requests::One(_) => return self.advance_one(bytes, end),
            Requests::Many {
                inbox,
                ended,
                fault,
            } => {
                *ended |= end;
                if fault.is_some() {
                    return Self::fail_drained(inbox, fault);
                }
                Arc::clone(inbox)
            }
        };
        let advanced = self.advance_many(&inbox, &mut bytes);
        self.incoming.keep(bytes);
        if let (Err(status), Requests::Many { fault, .. }) = (advanced, &mut self.requests) {
            *fault = Some(status);
            return Self::fail_drained(&inbox, fault);
        }
        Ok(Progress::More)
    }

    fn advance_many(&mut self, inbox: &Inbox, bytes: &mut &[u8]) -> Result<(), Status> {
        let mut room = inbox.has_room();
        while room {
            let Some(message) = self.next_message(bytes)? else {
                return self.end_requests(inbox);
            };
            room = inbox.put(message);
        }
        Ok(())
    }

    /// The handler gets the messages before the one that is wrong.
    fn fail_drained(inbox: &Inbox, fault: &mut Option<Status>) -> Result<Progress, Status> {
        match inbox.is_drained() {
            true => fault.take().map_or(Ok(Progress::More), Err),
            false => Ok(Progress::More),
        }
    }

    fn advance_one(&mut self, mut bytes: &[u8], end: bool) -> Result<Progress, Status> {
        while let Some(message) = self.next_message(&mut bytes)? {
            if message.compressed {
                self.call.set_request_compressed();
            }
            self.request_bytes = message.bytes.len();
            if let Requests::One(request) = &mut self.requests
                && request.replace(message).is_some()
            {
                return Err(cardinality("more than one request"));
            }
        }
        if !end {
            return Ok(Progress::More);
        }
        self.incoming.end()?;
        self.owes_end = false;
        match &self.requests {
            Requests::One(None) => Err(cardinality("no request")),
            Requests::One(Some(_)) | Requests::Many { .. } => Ok(Progress::Complete),
        }
    }

    fn end_requests(&self, inbox: &Inbox) -> Result<(), Status> {
        if let Requests::Many { ended: true, .. } = self.requests {
            self.incoming.end()?;
            inbox.end(Ok(()));
        }
        Ok(())
    }

    fn next_message(&mut self, bytes: &mut &[u8]) -> Result<Option<RawMessage>, Status> {
        let Some(message) = self.incoming.next(bytes)? else {
            return Ok(None);
        };
        self.received.messages += 1;
        if self.call.is_raw() {
            return Ok(Some(message));
        }
        self.call
            .request_encoding()
            .decompress(message, self.receive_bytes_max)
            .map(Some)
    }

    /// Gives the stream's window back while a message is being put together; while a whole one
    /// waits for the handler, what came after it stays charged to the client.
    pub(super) fn release(&mut self, http2: &mut impl Commands) {
        let waits = match &self.requests {
            Requests::One(_) => false,
            Requests::Many { inbox, .. } => !inbox.has_room(),
        };
        if !waits || self.incoming.is_empty() {
            http2.consumed(self.stream, std::mem::take(&mut self.held_bytes));
        }
    }

    /// Sends the headers of a call whose replies are still to come, unless they have been.
    pub(super) fn send_headers_ahead(&mut self, metadata: Metadata, http2: &mut impl Commands) {
        self.call.headers_are_sent();
        self.send_headers(metadata, http2);
    }

    /// Sends the headers, unless they have been.
    fn send_headers(&mut self, mut metadata: Metadata, http2: &mut impl Commands) {
        if !self.headers_sent {
            self.headers_sent = true;
            if let Some(added) = self.call.take_metadata() {
                metadata.extend(added);
            }
            let mut head = ResponseHead::grpc(self.content_type, metadata);
            head.encoding = self.call.reply_encoding();
            http2.headers(self.stream, &head);
        }
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

    /// Sends the one reply of a handler, and the headers. What is marked is compressed.
    fn send(
        &mut self,
        mut message: RawMessage,
        metadata: Metadata,
        account: &mut Account,
        http2: &mut impl Commands,
    ) -> Result<(), Status> {
        let bytes = message.bytes.len();
        if bytes > self.send_bytes_max {
            return Err(too_long(bytes, self.send_bytes_max));
        }
        if message.compressed {
            message = self.call.compress(message)?;
        }
        account.charge_replies(http2.unsent_bytes() + message.bytes.len())?;
        self.send_headers(metadata, http2);
        self.sent.messages += 1;
        self.sent.add_bytes(PREFIX_BYTES + message.bytes.len());
        http2.message(self.stream, message);
        Ok(())
    }

    /// Does what is left to do for a handler that has ended; what the call ends with.
    pub(super) fn conclude(
        &mut self,
        outcome: Outcome,
        account: &mut Account,
        http2: &mut impl Commands,
    ) -> Result<(), Status> {
        match outcome {
            Outcome::Reply(reply) => {
                let (mut message, metadata, trailers) = reply.into_parts();
                message.compressed |= self.call.compresses_replies();
                self.trailing.extend(trailers);
                self.send(message, metadata, account, http2)
            }
            Outcome::Done => Ok(()),
            Outcome::Status(status) => Err(status),
        }
    }

    /// Ends the call as its handler says, after the replies that were sent before.
    pub(super) fn end(
        &mut self,
        ended: Result<(), Status>,
        interceptors: &Interceptors,
        http2: &mut impl Commands,
    ) {
        let status = ended.err().map(failure);
        self.close(status.as_ref(), interceptors);
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
    pub(super) fn fail(
        &mut self,
        status: Status,
        interceptors: &Interceptors,
        http2: &mut impl Commands,
    ) {
        let status = failure(status);
        self.close(Some(&status), interceptors);
        let stream = self.stream;
        if let Some(trailers) = self.end_headers(Some(status), http2) {
            http2.abort(stream, trailers);
        }
    }

    /// Ends a call whose client has gone and can be told nothing.
    pub(super) fn vanish(self, why: &'static str, interceptors: &Interceptors) {
        self.close(Some(&Status::cancelled(why)), interceptors);
    }

    /// Ends a call without initial metadata that has sent no headers as Trailers-Only; else gives the
    /// trailers that are due. The two kinds of metadata are never sent in one list, where a client
    /// could not tell them apart.
    fn end_headers(
        &mut self,
        status: Option<Status>,
        http2: &mut impl Commands,
    ) -> Option<Trailers> {
        if let Some(added) = self.call.take_trailers() {
            self.trailing.extend(added);
        }
        if self.call.has_metadata() {
            self.send_headers(Metadata::default(), http2);
        }
        let trailers = Trailers {
            status,
            metadata: std::mem::take(&mut self.trailing),
        };
        if self.headers_sent {
            return Some(trailers);
        }
        let head = ResponseHead::grpc(self.content_type, Metadata::default());
        http2.headers_only(self.stream, &head, Some(trailers));
        None
    }

    /// Stops everything that works for the call, and tells the interceptors of its end.
    fn close(&self, status: Option<&Status>, interceptors: &Interceptors) {
        self.call.cancel();
        if let Some(room) = &self.room {
            room.close();
        }
        if let Requests::Many { inbox, .. } = &self.requests {
            inbox.end(Err(Status::cancelled("the call is gone")));
        }
        if let Some(task) = &self.task {
            task.abort();
        }
        let traffic = [self.received, self.sent];
        CallEnd::new(&self.call, status, self.started, traffic).tell(&self.span, interceptors);
    }
}

/// "OK" is no failure, and must not look like half of one on the wire.
fn failure(status: Status) -> Status {
    match status.code() {
        Code::Ok => Status::internal("the call failed with the code OK"),
        _ => status,
    }
}

/// gRPC's code for a wrong number of messages (statuscodes.md, "cardinality violation").
fn cardinality(what: &str) -> Status {
    Status::unimplemented(format!(
        "the method takes exactly one request; the client sent {what}"
    ))
}
