//! The requests of a call: bytes become messages, as far as there is room for them.

use std::sync::Arc;

use super::{budget::Account, call_end::Traffic, streaming::Inbox};
use crate::{
    grpc::{LengthPrefixed, MessageEncoding, RawMessage, Status},
    http2::{Commands, StreamId},
    limits,
};

/// What a call's client sends.
pub(super) struct Incoming {
    stream: StreamId,
    messages: LengthPrefixed,
    receive_bytes_max: usize,
    /// What compressed messages are decompressed by; `None`: the handler takes them as they travel.
    decompression: Option<MessageEncoding>,
    pub(super) requests: Requests,
    /// Bytes of the stream's receive window that are held.
    held_bytes: usize,
    /// What the connection's account counts for this call; see [`memory_bytes`](Self::memory_bytes).
    pub(super) charged_bytes: usize,
    /// What had come when [`is_stalled`](Self::is_stalled) was asked last.
    seen_bytes: u64,
    stalls: bool,
    pub(super) received: Traffic,
}

/// Where a call's requests go.
pub(super) enum Requests {
    /// Exactly one is due; the handler starts when the client has ended its side.
    One(OneRequest),
    /// The handler takes them as they come.
    Many {
        inbox: Arc<Inbox>,
        ended: bool,
        /// What is wrong with the message behind those that wait.
        fault: Option<Status>,
    },
}

/// The request of a call that has one.
#[derive(Default)]
pub(super) struct OneRequest {
    /// Until the handler has it.
    message: Option<RawMessage>,
    /// What it holds, also when the handler has it.
    bytes: usize,
    /// Whether it came compressed.
    compressed: bool,
    /// Whether the client has ended its side.
    ended: bool,
}

/// What became of the requests after bytes were added.
pub(super) enum Progress {
    More,
    /// The one request of the call is there, and the client has ended its side.
    Complete {
        compressed: bool,
    },
}

impl OneRequest {
    /// Gives it to the handler.
    pub(super) fn take(&mut self) -> RawMessage {
        self.message.take().unwrap_or_default()
    }
}

impl Requests {
    pub(super) fn of(many: bool) -> Self {
        match many {
            false => Self::One(OneRequest::default()),
            true => Self::Many {
                inbox: Arc::default(),
                ended: false,
                fault: None,
            },
        }
    }
}

impl Incoming {
    pub(super) fn new(
        stream: StreamId,
        requests: Requests,
        receive_bytes_max: usize,
        decompression: Option<MessageEncoding>,
    ) -> Self {
        Self {
            stream,
            messages: LengthPrefixed::new(receive_bytes_max),
            receive_bytes_max,
            decompression,
            requests,
            held_bytes: 0,
            charged_bytes: 0,
            seen_bytes: 0,
            stalls: false,
            received: Traffic::default(),
        }
    }

    /// Takes part of the body, and makes messages of it as far as there is room for them.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        end: bool,
        http2: &mut impl Commands,
    ) -> Result<Progress, Status> {
        self.held_bytes += bytes.len();
        self.received.add_bytes(bytes.len());
        self.advance(bytes, end, http2)
    }

    /// Makes messages of what was received before and of `bytes`.
    pub(super) fn advance(
        &mut self,
        mut bytes: &[u8],
        end: bool,
        http2: &mut impl Commands,
    ) -> Result<Progress, Status> {
        let inbox = match &mut self.requests {
            Requests::One(_) => return self.advance_one(bytes, end, http2),
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
        if let (Err(status), Requests::Many { fault, .. }) = (advanced, &mut self.requests) {
            *fault = Some(status);
            // What comes behind it is nobody's.
            self.messages = LengthPrefixed::new(self.receive_bytes_max);
            return Self::fail_drained(&inbox, fault);
        }
        self.messages.keep(bytes);
        // While a whole message waits for the handler, what came after it stays charged to the client.
        if self.messages.is_empty() || inbox.has_room() {
            self.release(http2);
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

    fn advance_one(
        &mut self,
        mut bytes: &[u8],
        end: bool,
        http2: &mut impl Commands,
    ) -> Result<Progress, Status> {
        while let Some(message) = self.next_message(&mut bytes)? {
            let Requests::One(request) = &mut self.requests else {
                break;
            };
            request.compressed = message.compressed;
            request.bytes = message.bytes.len();
            if request.message.replace(message).is_some() {
                return Err(cardinality("more than one request"));
            }
            if bytes.is_empty() {
                break;
            }
        }
        if !end {
            self.release(http2);
            return Ok(Progress::More);
        }
        self.messages.end()?;
        match &mut self.requests {
            Requests::One(request) if request.message.is_none() => Err(cardinality("no request")),
            Requests::One(request) => {
                request.ended = true;
                // Nothing comes any more for which there would have to be room.
                self.held_bytes = 0;
                Ok(Progress::Complete {
                    compressed: request.compressed,
                })
            }
            Requests::Many { .. } => Ok(Progress::More),
        }
    }

    fn end_requests(&self, inbox: &Inbox) -> Result<(), Status> {
        if let Requests::Many { ended: true, .. } = self.requests {
            self.messages.end()?;
            inbox.end(Ok(()));
        }
        Ok(())
    }

    fn next_message(&mut self, bytes: &mut &[u8]) -> Result<Option<RawMessage>, Status> {
        let Some(message) = self.messages.next(bytes)? else {
            return Ok(None);
        };
        self.received.messages += 1;
        match self.decompression {
            Some(encoding) if message.compressed => encoding
                .decompress(message, self.receive_bytes_max)
                .map(Some),
            _ => Ok(Some(message)),
        }
    }

    /// Gives the stream's window back: a message is being put together, or the call has ended.
    pub(super) fn release(&mut self, http2: &mut impl Commands) {
        if self.held_bytes > 0 {
            http2.consumed(self.stream, std::mem::take(&mut self.held_bytes));
        }
    }

    /// What the requests hold: parts of messages, and those whose handler has not come to an end.
    fn memory_bytes(&self) -> usize {
        let whole = match &self.requests {
            Requests::One(request) => request.bytes,
            Requests::Many { inbox, .. } => inbox.waiting_bytes(),
        };
        self.messages.len() + whole
    }

    /// Counts what the requests hold by now.
    pub(super) fn charge(&mut self, account: &mut Account, unsent: usize) -> Result<(), Status> {
        let bytes = self.memory_bytes();
        let before = std::mem::replace(&mut self.charged_bytes, bytes);
        account.charge_request(before, bytes, unsent)
    }

    /// Whether the client owes the rest of a message, or the end of its side, and has sent next to
    /// nothing of it since this was asked last.
    pub(super) fn is_stalled(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen_bytes, self.received.bytes);
        let received = self.received.bytes - before;
        let owes = match &self.requests {
            Requests::One(request) => !request.ended,
            // While a message waits for the handler, the client may not be able to send.
            Requests::Many {
                inbox, fault: None, ..
            } => self.messages.is_in_message() && inbox.has_room(),
            Requests::Many { .. } => false,
        };
        let stalled = owes && received < limits::STALL_PROGRESS_BYTES;
        std::mem::replace(&mut self.stalls, stalled) && stalled
    }

    /// The call is gone: who takes its requests is told.
    pub(super) fn close(&self) {
        if let Requests::Many { inbox, .. } = &self.requests {
            inbox.end(Err(Status::cancelled("the call is gone")));
        }
    }
}

/// gRPC's code for a wrong number of messages (statuscodes.md, "cardinality violation").
fn cardinality(what: &str) -> Status {
    Status::unimplemented(format!(
        "the method takes exactly one request; the client sent {what}"
    ))
}
