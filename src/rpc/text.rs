//! Requests that are no calls, answered with a text.

use std::collections::HashMap;

use bytes::Bytes;

use crate::{
    grpc::ResponseHead,
    http2::{Commands, StreamId},
};

/// The texts that a connection owes: each is sent when its request has ended, so that what is wrong
/// with the rest of the request is still told instead.
#[derive(Debug, Default)]
pub(super) struct DueTexts {
    due: HashMap<StreamId, Bytes>,
}

impl DueTexts {
    /// A request came that a text answers.
    pub(super) fn start(
        &mut self,
        stream: StreamId,
        text: Bytes,
        end: bool,
        http2: &mut impl Commands,
    ) {
        self.due.insert(stream, text);
        self.receive(stream, end, http2);
    }

    /// More of a request came, perhaps its end; what it says does not matter.
    pub(super) fn receive(&mut self, stream: StreamId, end: bool, http2: &mut impl Commands) {
        if end && let Some(text) = self.due.remove(&stream) {
            http2.whole(stream, ResponseHead::text(), text);
        }
    }

    /// The request was given up.
    pub(super) fn reset(&mut self, stream: StreamId) {
        self.due.remove(&stream);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}
