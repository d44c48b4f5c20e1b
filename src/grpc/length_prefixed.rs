//! Length-Prefixed-Message → Compressed-Flag Message-Length Message.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Status;

/// The bytes before each message: one of flags, four of length, big-endian.
pub(crate) const PREFIX_BYTES: usize = 5;

/// One message as it travelled: not decoded, and not decompressed.
///
/// A handler that takes or answers with `RawMessage` sees the message's bytes as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMessage {
    /// The message without its prefix.
    pub bytes: Bytes,
    /// The Compressed-Flag: whether `bytes` is in the call's Message-Encoding.
    pub compressed: bool,
}

impl RawMessage {
    /// An uncompressed message.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            compressed: false,
        }
    }
}

/// Puts messages together from DATA, whose boundaries have no meaning.
///
/// Bytes go in with [`push`](Self::push); [`next`](Self::next) is called until it has no more.
#[derive(Debug)]
pub(crate) struct LengthPrefixed {
    message_bytes_max: usize,
    state: State,
    /// The first chunk, which is most often the only one; empty only if there is none.
    front: Bytes,
    chunks: VecDeque<Bytes>,
    /// What follows the chunks: small ones that wait for more, copied. A chunk keeps the whole buffer
    /// alive that it was read into, and a message can come in frames of one byte.
    tail: BytesMut,
    buffered: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Prefix,
    Message { compressed: bool, length: usize },
}

impl LengthPrefixed {
    /// A reader that refuses messages longer than `message_bytes_max`, prefix not counted.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            state: State::Prefix,
            front: Bytes::new(),
            chunks: VecDeque::new(),
            tail: BytesMut::new(),
            buffered: 0,
        }
    }

    /// Takes what a DATA frame carried.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        let waits = self.buffered > 0;
        self.buffered += chunk.len();
        if waits && chunk.len() < CHUNK_BYTES_MIN {
            self.tail.extend_from_slice(&chunk);
        } else if !chunk.is_empty() {
            self.end_tail();
            self.append(chunk);
        }
    }

    fn append(&mut self, chunk: Bytes) {
        match self.front.is_empty() {
            true => self.front = chunk,
            false => self.chunks.push_back(chunk),
        }
    }

    /// The next whole message, or `None` until more is pushed.
    ///
    /// # Errors
    /// INTERNAL for a flag that is neither 0 nor 1; RESOURCE_EXHAUSTED for a length above the limit,
    /// as soon as the prefix is there: what the prefix declares is never waited for nor reserved.
    pub(crate) fn next(&mut self) -> Result<Option<RawMessage>, Status> {
        if let State::Prefix = self.state {
            if self.buffered < PREFIX_BYTES {
                self.keep();
                return Ok(None);
            }
            self.state = self.read_prefix()?;
        }
        match self.state {
            State::Message { compressed, length } if self.buffered >= length => {
                self.state = State::Prefix;
                Ok(Some(RawMessage {
                    bytes: self.take(length),
                    compressed,
                }))
            }
            State::Message { .. } | State::Prefix => {
                self.keep();
                Ok(None)
            }
        }
    }

    /// What is there waits for more: if it is little, without the buffer that it was read into.
    fn keep(&mut self) {
        if self.tail.is_empty() && self.buffered < CHUNK_BYTES_MIN && !self.front.is_empty() {
            self.tail
                .extend_from_slice(&std::mem::take(&mut self.front));
            for chunk in self.chunks.drain(..) {
                self.tail.extend_from_slice(&chunk);
            }
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail).freeze();
            self.append(tail);
        }
    }

    /// The peer has ended the stream.
    ///
    /// # Errors
    /// INTERNAL if that is in the middle of a prefix or a message.
    pub(crate) fn end(&self) -> Result<(), Status> {
        match self.state {
            State::Prefix if self.buffered == 0 => Ok(()),
            State::Prefix => Err(Status::internal(format!(
                "the stream ended after {} of the {PREFIX_BYTES} bytes of a message's prefix",
                self.buffered
            ))),
            State::Message { length, .. } => Err(Status::internal(format!(
                "the stream ended after {} of the {length} bytes of a message",
                self.buffered
            ))),
        }
    }

    /// Whether no bytes are held that no message has been made of yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffered == 0
    }

    /// How many bytes are held.
    pub(crate) fn len(&self) -> usize {
        self.buffered
    }

    /// Whether a message has begun whose end has not come.
    pub(crate) fn is_in_message(&self) -> bool {
        self.buffered > 0 || matches!(self.state, State::Message { .. })
    }

    fn read_prefix(&mut self) -> Result<State, Status> {
        let mut prefix = self.take(PREFIX_BYTES);
        let flag = prefix.get_u8();
        let length = prefix.get_u32() as usize;
        if flag > 1 {
            return Err(Status::internal(format!(
                "the compressed flag of a message is {flag}; it must be 0 or 1"
            )));
        }
        if length > self.message_bytes_max {
            return Err(Status::resource_exhausted(format!(
                "the message has {length} bytes; at most {} are received",
                self.message_bytes_max
            )));
        }
        Ok(State::Message {
            compressed: flag == 1,
            length,
        })
    }

    /// The first `count` buffered bytes; without a copy where one chunk holds them all.
    fn take(&mut self, count: usize) -> Bytes {
        debug_assert!(
            count <= self.buffered,
            "callers check that the bytes are there"
        );
        self.buffered -= count;
        self.end_tail();
        if self.front.len() >= count {
            return self.take_of_front(count);
        }
        let mut whole = BytesMut::with_capacity(count);
        while whole.len() < count && !self.front.is_empty() {
            whole.put(self.take_of_front(count - whole.len()));
        }
        whole.freeze()
    }

    /// Up to so many of the first chunk's bytes.
    fn take_of_front(&mut self, count: usize) -> Bytes {
        if self.front.len() > count {
            return self.front.split_to(count);
        }
        let next = self.chunks.pop_front().unwrap_or_default();
        std::mem::replace(&mut self.front, next)
    }
}

/// The prefix of a message.
///
/// A message of 4 GiB or more has no prefix; the send limit is checked before this is reached.
pub(crate) fn prefix(message: &RawMessage) -> [u8; PREFIX_BYTES] {
    let length = u32::try_from(message.bytes.len()).unwrap_or(u32::MAX);
    let [a, b, c, d] = length.to_be_bytes();
    [u8::from(message.compressed), a, b, c, d]
}

/// A chunk that is shorter is copied when it has to wait. Longer ones are at least a quarter of the
/// buffer that they keep alive, which has room for one frame of the default length.
const CHUNK_BYTES_MIN: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::{LengthPrefixed, RawMessage};
    use crate::grpc::{Code, Status};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn wire(messages: &[RawMessage]) -> Vec<u8> {
        let mut wire = Vec::new();
        for message in messages {
            wire.push(u8::from(message.compressed));
            wire.extend((message.bytes.len() as u32).to_be_bytes());
            wire.extend(&message.bytes);
        }
        wire
    }

    fn read(chunks: &[&[u8]], limit: usize) -> Result<Vec<RawMessage>, Status> {
        let mut reader = LengthPrefixed::new(limit);
        let mut messages = Vec::new();
        for chunk in chunks {
            reader.push(Bytes::copy_from_slice(chunk));
            while let Some(message) = reader.next()? {
                messages.push(message);
            }
        }
        reader.end()?;
        Ok(messages)
    }

    #[test]
    fn a_request_cut_at_every_byte_gives_the_same_messages() {
        let messages = [
            RawMessage::new("one"),
            RawMessage::new(""),
            RawMessage {
                bytes: "three".into(),
                compressed: true,
            },
        ];
        let wire = wire(&messages);
        for cut in 0..=wire.len() {
            let (head, tail) = wire.split_at(cut);
            assert_eq!(read(&[head, tail], 5).unwrap(), messages, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(read(&bytes, 5).unwrap(), messages);
    }

    #[test]
    fn a_stream_that_ends_inside_a_message_is_internal() {
        let wire = wire(&[RawMessage::new("abc")]);
        for cut in 1..wire.len() {
            let error = read(&[&wire[..cut]], 5).unwrap_err();
            assert_eq!(error.code(), Code::Internal, "cut at {cut}");
        }
    }

    #[test]
    fn the_limit_holds_on_the_prefix_alone() {
        assert_eq!(read(&[&[0, 0, 0, 0, 2, 7, 7]], 2).unwrap().len(), 1);
        let error = read(&[&[0, 0, 0, 0, 3]], 2).unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
        let error = read(&[&[0, 0xff, 0xff, 0xff, 0xff]], 4 << 20).unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
    }

    #[test]
    fn a_flag_above_one_is_internal() {
        for flag in 2..=255 {
            let error = read(&[&[flag, 0, 0, 0, 0]], 2).unwrap_err();
            assert_eq!(error.code(), Code::Internal);
        }
    }

    proptest! {
        #[test]
        fn any_messages_in_any_chunks_come_back(
            messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..8),
            cuts in prop::collection::vec(1usize..200, 1..40),
        ) {
            let messages: Vec<_> = messages
                .into_iter()
                .map(|(bytes, compressed)| RawMessage { bytes: bytes.into(), compressed })
                .collect();
            let wire = wire(&messages);
            let mut chunks = Vec::new();
            let mut rest = wire.as_slice();
            for cut in cuts.iter().cycle() {
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
                if rest.is_empty() { break }
            }
            prop_assert_eq!(read(&chunks, 300).unwrap(), messages);
        }
    }
}
