//! What is sent: commands to frames, as far as windows let them.

use bytes::Bytes;

use super::{Connection, Notice};
use crate::{
    grpc::{PREFIX_BYTES, RawMessage, ResponseHead, Trailers, prefix},
    http2::{
        Commands, Error, ErrorCode, StreamId,
        frame::{Data, PAYLOAD_BYTES_MAX, RstStream, WindowUpdate, write_block},
        output::Output,
        response,
        stream::{End, Stream},
    },
    limits,
};

impl Commands for Connection {
    fn headers(&mut self, stream: StreamId, head: &ResponseHead) {
        if self.streams.contains(stream) {
            self.write_headers(stream, false, |this, block| {
                response::write_head(head, &mut this.encoder, block);
            });
        }
    }

    fn message(&mut self, id: StreamId, message: RawMessage) -> usize {
        let Some(stream) = self.streams.get_mut(id) else {
            return 0;
        };
        let bytes = message.bytes;
        let prefix = prefix(bytes.len(), message.compressed);
        let length = PREFIX_BYTES + bytes.len();
        let room = stream
            .send_window
            .available()
            .min(self.send_window.available())
            .min(PAYLOAD_BYTES_MAX);
        if stream.is_sending() || length > room || self.output.len() >= limits::OUTPUT_BYTES {
            self.queue(id, |unsent| {
                unsent.copied().extend_from_slice(&prefix);
                unsent.push(bytes);
            });
            return 0;
        }
        stream.send_window.send(length);
        self.send_window.send(length);
        let out = self.output.copied();
        Data::write_head(id, length, false, out);
        out.extend_from_slice(&prefix);
        self.output.push(bytes);
        self.calm.sent();
        length
    }

    fn messages(&mut self, id: StreamId, messages: &mut Output) -> usize {
        let Some(stream) = self.streams.get_mut(id) else {
            messages.drain(|_, _| {});
            return 0;
        };
        let before = messages.len();
        while !stream.is_sending() && self.output.len() < limits::OUTPUT_BYTES {
            let room = stream.send_window.available();
            let room = room.min(self.send_window.available());
            let length = messages.len().min(room).min(PAYLOAD_BYTES_MAX);
            if length == 0 {
                break;
            }
            stream.send_window.send(length);
            self.send_window.send(length);
            Data::write_head(id, length, false, self.output.copied());
            messages.move_to(&mut self.output, length);
            self.calm.sent();
        }
        let left = messages.len();
        if left > 0 {
            stream.cut |= left < before;
            self.queue(id, |unsent| messages.move_to(unsent, left));
        }
        before - left
    }

    fn trailers(&mut self, id: StreamId, trailers: Trailers) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if !stream.unsent.is_empty() {
            stream.end = Some(Box::new(End::Trailers(trailers)));
        } else {
            self.write_trailers(id, &trailers);
        }
    }

    fn respond(
        &mut self,
        id: StreamId,
        head: &ResponseHead,
        message: RawMessage,
        trailers: Trailers,
    ) {
        if !trailers.are_plain() || !self.respond_plainly(id, head, &message) {
            self.headers(id, head);
            self.message(id, message);
            self.trailers(id, trailers);
        }
    }

    fn abort(&mut self, id: StreamId, trailers: Trailers) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if stream.cut {
            return self.reset_stream(id, ErrorCode::Cancel);
        }
        self.unsent_bytes -= stream.unsent.len();
        stream.unsent = Output::default();
        self.trailers(id, trailers);
    }

    fn is_sending(&self, stream: StreamId) -> bool {
        self.streams.get(stream).is_some_and(Stream::is_sending)
    }

    fn headers_only(&mut self, stream: StreamId, head: &ResponseHead, trailers: Option<Trailers>) {
        if !self.streams.contains(stream) {
            return;
        }
        self.write_headers(stream, true, |this, block| {
            response::write_head(head, &mut this.encoder, block);
            if let Some(trailers) = trailers {
                let list_bytes_max = this.peer.header_list_bytes_max;
                response::write_trailers(&trailers, list_bytes_max, &mut this.encoder, block);
            }
        });
        self.end(stream);
    }

    fn plain_text(&mut self, id: StreamId, http_status: u16, text: Bytes) {
        if !self.streams.contains(id) {
            return;
        }
        let empty = text.is_empty();
        self.write_headers(id, empty, |this, block| {
            response::write_text_head(http_status, &mut this.encoder, block);
        });
        if empty {
            return self.end(id);
        }
        self.queue(id, |unsent| unsent.push(text));
        if let Some(stream) = self.streams.get_mut(id) {
            stream.end = Some(Box::new(End::Data));
        }
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent_bytes + self.output.len()
    }

    fn consumed(&mut self, id: StreamId, bytes: usize) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.state.is_receiving()
            && let Some(increment) = stream.receive_window.take(bytes)
        {
            WindowUpdate { increment }.write(id, self.output.copied());
        }
    }
}

impl Connection {
    /// Moves what is queued into the output, as far as the windows and the output have room, one frame
    /// of each stream in turn. Whether anything was moved.
    pub(crate) fn fill(&mut self) -> bool {
        let mut moved = false;
        while self.output.len() < limits::OUTPUT_BYTES {
            if self.send_window.available() == 0 {
                break;
            }
            let Some(id) = self.sendable.pop_front() else {
                break;
            };
            moved |= self.send_some(id);
        }
        moved
    }

    /// Sends one frame of a stream, and its end after the last.
    fn send_some(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(id) else {
            return false;
        };
        stream.queued = false;
        let window = stream.send_window.available();
        let room = window
            .min(self.send_window.available())
            .min(PAYLOAD_BYTES_MAX)
            .min(stream.unsent.len());
        if room == 0 {
            return false;
        }
        let last = room == stream.unsent.len();
        let end = last && matches!(stream.end.as_deref(), Some(End::Data));
        Data::write_head(id, room, end, self.output.copied());
        stream.unsent.move_to(&mut self.output, room);
        stream.moved_bytes += room;
        stream.cut = !last;
        stream.send_window.send(room);
        self.send_window.send(room);
        self.unsent_bytes -= room;
        self.calm.sent();
        if last {
            self.send_end(id);
        } else if window > room {
            stream.queued = true;
            self.sendable.push_back(id);
        }
        self.notices.push_back(Notice::Writable(id, room));
        true
    }

    /// All data of a stream has left.
    fn send_end(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        stream.unsent = Output::default();
        match stream.end.take().map(|end| *end) {
            Some(End::Trailers(trailers)) => self.write_trailers(id, &trailers),
            Some(End::Data) => self.end(id),
            None => {}
        }
    }

    /// Has `add` add to what a stream is to send when it can.
    fn queue(&mut self, id: StreamId, add: impl FnOnce(&mut Output)) {
        if let Some(stream) = self.streams.get_mut(id) {
            let before = stream.unsent.len();
            if before == 0 {
                stream.due_bytes = 0;
            }
            add(&mut stream.unsent);
            self.unsent_bytes += stream.unsent.len() - before;
            self.enqueue(id);
        }
    }

    /// Puts a stream where those wait that can send.
    fn enqueue(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id)
            && !stream.queued
            && !stream.unsent.is_empty()
            && stream.send_window.available() > 0
        {
            stream.queued = true;
            self.sendable.push_back(id);
        }
    }

    /// The peer lets more be sent.
    pub(super) fn window_update(
        &mut self,
        id: StreamId,
        update: WindowUpdate,
    ) -> Result<(), Error> {
        let by = i64::from(update.increment);
        if id == StreamId::CONNECTION {
            let overflow = |code| Error::Connection(code, "the connection's window overflows");
            self.send_window.grow(by).map_err(overflow)?;
        } else if let Some(stream) = self.streams.get_mut(id) {
            let grown = stream.send_window.grow(by);
            grown.map_err(|code| Error::Stream(id, code))?;
            self.enqueue(id);
        } else if self.is_idle_stream(id) {
            return Err(Error::protocol("WINDOW_UPDATE on an idle stream"));
        }
        // What may be sent is: so a client that gives back a byte at a time is told from a flood.
        self.fill();
        Ok(())
    }

    pub(super) fn change_send_windows(&mut self, by: i64) -> Result<(), Error> {
        let overflow = |code| Error::Connection(code, "a stream's window overflows");
        let mut opened = Vec::new();
        for (id, stream) in self.streams.iter_mut() {
            stream.send_window.grow(by).map_err(overflow)?;
            if !stream.unsent.is_empty() {
                opened.push(id);
            }
        }
        for id in opened {
            self.enqueue(id);
        }
        Ok(())
    }

    /// Writes a header block.
    fn write_headers(
        &mut self,
        stream: StreamId,
        end: bool,
        write: impl FnOnce(&mut Self, &mut Vec<u8>),
    ) {
        let mut block = std::mem::take(&mut self.block);
        write(self, &mut block);
        write_block(stream, &block, end, self.output.copied());
        block.clear();
        self.block = block;
        self.calm.sent();
    }

    fn write_trailers(&mut self, stream: StreamId, trailers: &Trailers) {
        self.write_headers(stream, true, |this, block| {
            this.encoder.begin(block);
            let list_bytes_max = this.peer.header_list_bytes_max;
            response::write_trailers(trailers, list_bytes_max, &mut this.encoder, block);
        });
        self.end(stream);
    }

    /// END_STREAM was sent. "A server MAY request that the client abort transmission of a request
    /// without error by sending a RST_STREAM with an error code of NO_ERROR after sending a complete
    /// response" (RFC 9113, 8.1).
    fn end(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        stream.state.end_local();
        if stream.state.is_receiving() {
            self.reset_stream(id, ErrorCode::NoError);
        } else {
            self.remove(id);
        }
    }

    /// Sends RST_STREAM, and forgets the stream but for what may still come for it.
    pub(super) fn reset_stream(&mut self, id: StreamId, code: ErrorCode) {
        self.remove(id);
        RstStream { code }.write(id, self.output.copied());
        self.reset.push_back(id);
        if self.reset.len() > limits::RESET_STREAMS_KEPT {
            self.forgotten = self.forgotten.max(self.reset.pop_front().unwrap_or(id));
        }
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.streams.remove(id)?;
        self.unsent_bytes -= stream.unsent.len();
        Some(stream)
    }
}
