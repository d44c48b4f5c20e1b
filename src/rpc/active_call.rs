//! A call from its headers to its end: its requests are put together, its replies sent.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::AbortHandle;

use super::{Call, Peer, admission::Admitted, replies::Room, router::Limits, streaming::Inbox};
use crate::{
    grpc::{
        CallHead, Code, ContentType, LengthPrefixed, MessageEncoding, Metadata, PREFIX_BYTES,
        RawMessage, ResponseHead, Status, Trailers, prefix,
    },
    http2::{Commands, StreamId},
};

/// A call that has not ended.
pub(super) struct ActiveCall {
    pub(super) call: Call,
    stream: StreamId,
    content_type: ContentType,
    /// Of the requests.
    encoding: MessageEncoding,
    pub(super) route: Option<u32>,
    /// Whether the handler takes messages as they travelled.
    raw: bool,
    incoming: LengthPrefixed,
    receive_bytes_max: usize,
    send_bytes_max: usize,
    /// Bytes of the stream's receive window that are held.
    pub(super) held_bytes: usize,
    pub(super) requests: Requests,
    pub(super) room: Arc<Room>,
    headers_sent: bool,
    pub(super) trailing: Metadata,
    /// The handler, where it had to wait.
    pub(super) task: Option<AbortHandle>,
}

/// Where a call's requests go.
pub(super) enum Requests {
    /// Exactly one is due; the handler starts when the client has ended its side.
    One(Option<RawMessage>),
    /// The handler takes them as they come.
    Many { inbox: Arc<Inbox>, ended: bool },
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
        peer: Peer,
        limits: &Limits,
    ) -> Self {
        let handler = &admitted.route.handler;
        Self {
            stream,
            content_type: admitted.content_type,
            encoding: admitted.encoding,
            route: head.route,
            raw: handler.raw,
            incoming: LengthPrefixed::new(limits.receive_bytes_max),
            receive_bytes_max: limits.receive_bytes_max,
            send_bytes_max: limits.send_bytes_max,
            held_bytes: 0,
            requests: if handler.is_request_streaming() {
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
                peer,
                admitted.deadline,
                limits,
            ),
        }
    }

    /// Takes part of the body.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.held_bytes += bytes.len();
        self.incoming.push(bytes);
    }

    /// Makes messages of what was received, as far as there is room for them.
    pub(super) fn advance(&mut self, end: bool) -> Result<Progress, Status> {
        let inbox = match &mut self.requests {
            Requests::One(_) => return self.advance_one(end),
            Requests::Many { inbox, ended } => {
                *ended |= end;
                Arc::clone(inbox)
            }
        };
        while inbox.has_room() {
            match self.next_message()? {
                Some(message) => inbox.put(message),
                None => {
                    self.end_requests(&inbox)?;
                    break;
                }
            }
        }
        Ok(Progress::More)
    }

    fn advance_one(&mut self, end: bool) -> Result<Progress, Status> {
        while let Some(message) = self.next_message()? {
            if message.compressed {
                self.call.set_request_compressed();
            }
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

    fn next_message(&mut self) -> Result<Option<RawMessage>, Status> {
        match self.incoming.next()? {
            Some(message) if !self.raw => self
                .encoding
                .decompress(message, self.receive_bytes_max)
                .map(Some),
            message => Ok(message),
        }
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

    /// Sends the headers, unless they have been.
    pub(super) fn send_headers(&mut self, metadata: Metadata, http2: &mut impl Commands) {
        if !self.headers_sent {
            self.headers_sent = true;
            let mut head = ResponseHead::grpc(self.content_type, metadata);
            head.encoding = if self.raw {
                self.encoding
            } else {
                self.call.reply_encoding()
            };
            http2.headers(self.stream, head);
        }
    }

    /// Sends a reply, and before the first one the headers. One that is marked is compressed here,
    /// if its handler has not done so itself.
    pub(super) fn send(
        &mut self,
        message: RawMessage,
        metadata: Metadata,
        http2: &mut impl Commands,
    ) -> Result<(), Status> {
        if message.bytes.len() > self.send_bytes_max {
            return Err(Status::resource_exhausted(format!(
                "the reply has {} bytes; at most {} are sent",
                message.bytes.len(),
                self.send_bytes_max
            )));
        }
        let message = if message.compressed && !self.raw {
            self.compress(message.bytes)?
        } else {
            message
        };
        self.send_headers(metadata, http2);
        self.send_message(message, http2);
        Ok(())
    }

    fn compress(&self, bytes: Bytes) -> Result<RawMessage, Status> {
        let before = bytes.len();
        let message = self.call.reply_encoding().compress(bytes)?;
        // The handler's room is counted in what it sent; less will leave.
        self.room.sent(before.saturating_sub(message.bytes.len()));
        Ok(message)
    }

    /// A message and its prefix; a short one in one piece.
    fn send_message(&self, message: RawMessage, http2: &mut impl Commands) {
        let prefix = prefix(&message);
        if message.bytes.len() <= COPIED_BYTES_MAX {
            let mut whole = Vec::with_capacity(PREFIX_BYTES + message.bytes.len());
            whole.extend_from_slice(&prefix);
            whole.extend_from_slice(&message.bytes);
            http2.data(self.stream, whole.into());
        } else {
            http2.data(self.stream, Bytes::copy_from_slice(&prefix));
            http2.data(self.stream, message.bytes);
        }
    }

    /// Ends the call with OK: never as Trailers-Only, which is for calls that fail at once.
    pub(super) fn end_ok(mut self, http2: &mut impl Commands) {
        self.send_headers(Metadata::default(), http2);
        http2.trailers(
            self.stream,
            Trailers {
                status: None,
                metadata: self.trailing,
            },
        );
    }

    /// Ends the call with the status of its handler, after the replies that were sent before.
    pub(super) fn end(self, status: Status, http2: &mut impl Commands) {
        let stream = self.stream;
        if let Some(trailers) = self.end_headers(status, http2) {
            http2.trailers(stream, trailers);
        }
    }

    /// Ends the call with a status that is not its handler's, without waiting for what is unsent: a
    /// client that does not read must not keep a call beyond its deadline.
    pub(super) fn fail(self, status: Status, http2: &mut impl Commands) {
        let stream = self.stream;
        if let Some(trailers) = self.end_headers(status, http2) {
            http2.abort(stream, trailers);
        }
    }

    /// Ends a call that has sent no headers as Trailers-Only; else gives the trailers that are due.
    fn end_headers(self, status: Status, http2: &mut impl Commands) -> Option<Trailers> {
        let status = match status.code() {
            // "OK" is no failure, and must not look like half of one on the wire.
            Code::Ok => Status::internal("the handler failed with the code OK"),
            _ => status,
        };
        let trailers = Trailers {
            status: Some(status),
            metadata: self.trailing,
        };
        if self.headers_sent {
            return Some(trailers);
        }
        let head = ResponseHead::grpc(self.content_type, Metadata::default());
        http2.headers_only(self.stream, head, Some(trailers));
        None
    }

    /// Stops everything that works for the call.
    pub(super) fn abandon(&self) {
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

/// gRPC's code for a wrong number of messages (statuscodes.md, "cardinality violation").
fn cardinality(what: &str) -> Status {
    Status::unimplemented(format!(
        "the method takes exactly one request; the client sent {what}"
    ))
}

/// Up to here a copy costs less than a frame of its own for the prefix.
const COPIED_BYTES_MAX: usize = 16 * 1024;
