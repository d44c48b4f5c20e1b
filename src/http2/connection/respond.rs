//! The response of most calls, all of it at once: a head and trailers that say nothing of their own, one
//! message between them.

use super::Connection;
use crate::{
    grpc::{ContentType, PREFIX_BYTES, RawMessage, ResponseHead, Trailers, prefix},
    http2::{
        StreamId,
        frame::{Data, PAYLOAD_BYTES_MAX, write_block},
        hpack::Encoder,
        response,
        stream::State,
    },
    limits,
};

/// The field blocks of such a response. They are the same as long as the peer's table is.
#[derive(Debug)]
pub(super) struct PlainBlocks {
    content_type: ContentType,
    table_changes: u64,
    head: Vec<u8>,
    trailers: Vec<u8>,
}

impl PlainBlocks {
    /// `None`: what they are made of is not in the peer's table yet.
    fn of(content_type: ContentType, encoder: &Encoder) -> Option<Self> {
        let table_changes = encoder.table_changes();
        let mut trial = encoder.clone();
        let (mut head, mut trailers) = (Vec::new(), Vec::new());
        let plain = ResponseHead::grpc(content_type, Default::default());
        response::write_head(&plain, &mut trial, &mut head);
        response::write_trailers(&Trailers::default(), None, &mut trial, &mut trailers);
        (trial.table_changes() == table_changes).then_some(Self {
            content_type,
            table_changes,
            head,
            trailers,
        })
    }

    fn hold(&self, content_type: ContentType, encoder: &Encoder) -> bool {
        self.content_type == content_type && self.table_changes == encoder.table_changes()
    }
}

impl Connection {
    /// Writes a response that says nothing of its own, if it can leave at once. `false`: it was not.
    pub(super) fn respond_plainly(
        &mut self,
        id: StreamId,
        head: &ResponseHead,
        message: &RawMessage,
    ) -> bool {
        let Some(content_type) = head.plain() else {
            return false;
        };
        let length = PREFIX_BYTES + message.bytes.len();
        if !self.may_respond(id, length) || !self.knows_plain(content_type) {
            return false;
        }
        let Some(blocks) = &self.plain else {
            return false;
        };
        self.send_window.send(length);
        let out = self.output.copied();
        write_block(id, &blocks.head, false, out);
        Data::write_head(id, length, false, out);
        out.extend_from_slice(&prefix(message.bytes.len(), message.compressed));
        self.output.push_ref(&message.bytes);
        write_block(id, &blocks.trailers, true, self.output.copied());
        self.calm.sent();
        // Both sides have ended, and nothing of it is unsent.
        self.streams.discard(id);
        true
    }

    /// Whether the client has ended its side, and there is room for all of the response.
    fn may_respond(&self, id: StreamId, length: usize) -> bool {
        let Some(stream) = self.streams.get(id) else {
            return false;
        };
        let window = stream.send_window.available();
        let room = window.min(self.send_window.available());
        stream.state == State::HalfClosedRemote
            && !stream.is_sending()
            && length <= room.min(PAYLOAD_BYTES_MAX)
            && self.output.len() < limits::OUTPUT_BYTES
    }

    fn knows_plain(&mut self, content_type: ContentType) -> bool {
        let known = self.plain.as_ref();
        if known.is_some_and(|blocks| blocks.hold(content_type, &self.encoder)) {
            return true;
        }
        self.plain = PlainBlocks::of(content_type, &self.encoder);
        self.plain.is_some()
    }
}
