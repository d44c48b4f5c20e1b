//! Length-Prefixed-Message → Compressed-Flag Message-Length Message.

#[cfg(feature = "client")]
use bytes::Buf;
use bytes::Bytes;

use super::Status;

/// The bytes before each message: one of flags, four of length, big-endian.
pub(crate) const PREFIX_BYTES: usize = 5;

/// One message that is not decoded.
///
/// A handler that is [raw](crate::ServerBuilder::raw) gets and gives it as it travels. Everywhere else
/// it is decompressed: `compressed` then tells how it travelled, and of a reply how it is to travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMessage {
    /// The message without its prefix.
    pub bytes: Bytes,
    /// The Compressed-Flag: whether it travels in the call's Message-Encoding.
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
#[derive(Debug)]
pub(crate) struct LengthPrefixed {
    message_bytes_max: usize,
    /// Of the message whose prefix has been read, and whether it is compressed.
    message: Option<(usize, bool)>,
    /// What has come and is no message yet: a copy, so that it keeps nothing alive but itself.
    waiting: Vec<u8>,
    /// What has been taken from the start of `waiting`.
    taken: usize,
}

impl LengthPrefixed {
    /// A reader that refuses messages longer than `message_bytes_max`, prefix not counted.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            message: None,
            waiting: Vec::new(),
            taken: 0,
        }
    }

    /// The next whole message of what has come before and of `input`, from which it is taken; or
    /// `None`, and all of `input` waits for more.
    ///
    /// # Errors
    /// INTERNAL for a flag that is neither 0 nor 1; RESOURCE_EXHAUSTED for a length above the limit,
    /// as soon as the prefix is there: what the prefix declares is never waited for nor reserved.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<RawMessage>, Status> {
        // Most messages come in one piece.
        if self.message.is_none()
            && self.waiting.is_empty()
            && let Some((prefix, rest)) = input.split_first_chunk()
        {
            let (length, compressed) = self.read_prefix(*prefix)?;
            if let Some((message, rest)) = rest.split_at_checked(length) {
                *input = rest;
                let bytes = Bytes::copy_from_slice(message);
                return Ok(Some(RawMessage { bytes, compressed }));
            }
        }
        self.next_in_pieces(input)
    }

    fn next_in_pieces(&mut self, input: &mut &[u8]) -> Result<Option<RawMessage>, Status> {
        let (length, compressed) = match self.message {
            Some(message) => message,
            None => {
                let Some(prefix) = self.take_prefix(input) else {
                    return Ok(None);
                };
                *self.message.insert(self.read_prefix(prefix)?)
            }
        };
        let Some(bytes) = self.take_message(length, input) else {
            return Ok(None);
        };
        self.message = None;
        Ok(Some(RawMessage { bytes, compressed }))
    }

    /// The same, from the start of `input`.
    #[cfg(feature = "client")]
    pub(crate) fn next_of(&mut self, input: &mut Bytes) -> Result<Option<RawMessage>, Status> {
        let mut rest: &[u8] = input;
        let next = self.next(&mut rest);
        input.advance(input.len() - rest.len());
        next
    }

    /// Keeps what nobody has asked for yet.
    pub(crate) fn keep(&mut self, input: &[u8]) {
        self.waiting.extend_from_slice(input);
    }

    /// The peer has ended the stream.
    ///
    /// # Errors
    /// INTERNAL if that is in the middle of a prefix or a message.
    pub(crate) fn end(&self) -> Result<(), Status> {
        let waiting = self.len();
        match self.message {
            None if waiting == 0 => Ok(()),
            None => Err(Status::internal(format!(
                "the stream ended after {waiting} of the {PREFIX_BYTES} bytes of a message's prefix"
            ))),
            Some((length, _)) => Err(Status::internal(format!(
                "the stream ended after {waiting} of the {length} bytes of a message"
            ))),
        }
    }

    /// Whether no bytes are held that no message has been made of yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes are held.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() - self.taken
    }

    /// Whether a message has begun whose end has not come.
    pub(crate) fn is_in_message(&self) -> bool {
        !self.is_empty() || self.message.is_some()
    }

    fn take_prefix(&mut self, input: &mut &[u8]) -> Option<[u8; PREFIX_BYTES]> {
        if self.is_empty()
            && let Some((prefix, rest)) = input.split_first_chunk()
        {
            *input = rest;
            return Some(*prefix);
        }
        self.complete(PREFIX_BYTES, input);
        let prefix = *self.waiting.get(self.taken..)?.first_chunk()?;
        self.advance(PREFIX_BYTES);
        Some(prefix)
    }

    fn take_message(&mut self, length: usize, input: &mut &[u8]) -> Option<Bytes> {
        if self.is_empty()
            && let Some((message, rest)) = input.split_at_checked(length)
        {
            *input = rest;
            return Some(Bytes::copy_from_slice(message));
        }
        self.complete(length, input);
        if self.taken == 0 && self.waiting.len() == length {
            return Some(std::mem::take(&mut self.waiting).into());
        }
        let message = self.waiting.get(self.taken..self.taken + length)?;
        let message = Bytes::copy_from_slice(message);
        self.advance(length);
        Some(message)
    }

    /// Takes from `input` what is missing of that many bytes, as far as it is there. The buffer grows
    /// with what has come, and ends up no larger than is needed.
    fn complete(&mut self, bytes: usize, input: &mut &[u8]) {
        let missing = bytes.saturating_sub(self.len());
        let (part, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        let needed = self.waiting.len() + part.len();
        if needed > self.waiting.capacity() {
            let capacity = (2 * needed).min(self.taken + bytes).max(needed);
            self.waiting.reserve_exact(capacity - self.waiting.len());
        }
        self.waiting.extend_from_slice(part);
    }

    fn advance(&mut self, bytes: usize) {
        self.taken += bytes;
        // What is left is moved only where that is less than what was taken.
        if self.taken > self.waiting.len() / 2 {
            self.waiting.drain(..self.taken);
            self.taken = 0;
        }
    }

    fn read_prefix(&self, prefix: [u8; PREFIX_BYTES]) -> Result<(usize, bool), Status> {
        let [flag, length @ ..] = prefix;
        let length = u32::from_be_bytes(length) as usize;
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
        Ok((length, flag == 1))
    }
}

/// The prefix of a message that is `bytes` long.
///
/// A message of 4 GiB or more has no prefix; the send limit is checked before this is reached.
pub(crate) fn prefix(bytes: usize, compressed: bool) -> [u8; PREFIX_BYTES] {
    let length = u32::try_from(bytes).unwrap_or(u32::MAX);
    let [a, b, c, d] = length.to_be_bytes();
    [u8::from(compressed), a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::{LengthPrefixed, RawMessage};
    use crate::grpc::{Code, Status};
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
            let mut rest = *chunk;
            while let Some(message) = reader.next(&mut rest)? {
                messages.push(message);
            }
            assert!(rest.is_empty(), "what is no message yet waits");
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
            prop_assert_eq!(&read(&chunks, 300).unwrap(), &messages);
            let mut reader = LengthPrefixed::new(300);
            for chunk in chunks {
                reader.keep(chunk);
            }
            for message in messages {
                prop_assert_eq!(reader.next(&mut &[][..]).unwrap(), Some(message));
            }
            prop_assert_eq!(reader.next(&mut &[][..]).unwrap(), None);
            prop_assert_eq!(reader.len(), 0);
        }
    }
}
