//! Decoding: one pass over the bytes that checks them and lays the fields out.
//!
//! Nothing is copied: what is kept is where the fields are ([`received`](super::received)). What is
//! refused is what prost refuses: bytes that end too early, a varint of more than ten bytes, a key
//! without a number or a wire type, a known field of another wire type than its own, a string that is
//! not UTF-8, an end without a group, and nesting beyond [`MESSAGE_NESTING_MAX`].
//!
//! Two things differ from prost-reflect, in proto2 or in what no encoder writes: a number that a closed
//! enum does not name is kept as an unknown field, as protobuf says; and an entry of a map must have a
//! length like any message.

mod entry;
mod fault;
mod layout;
mod merged;
mod notes;
mod scalar;

use bytes::Bytes;

pub(super) use fault::{Fault, Why};

use super::received::{BYTES_MAX, Received};
use crate::{limits::MESSAGE_NESTING_MAX, schema::MessageType};
use layout::Decoder;

impl Received {
    /// Checks bytes that are to be its own, and lays them out; `arena_bytes_max` is the most that the
    /// layout may take. Messages in pieces are put together first.
    #[inline]
    pub(super) fn lay_out(
        &mut self,
        message_type: &MessageType,
        bytes: &mut Bytes,
        arena_bytes_max: usize,
    ) -> Result<(), Box<Fault>> {
        if self.lay_out_once(message_type, bytes, arena_bytes_max)? {
            let (tables, layout) = (message_type.tables(), message_type.layout());
            *bytes = merged::in_one_piece(tables, layout, bytes).into();
            self.arena.clear();
            // What is still in pieces was replaced by another member of its oneof.
            self.lay_out_once(message_type, bytes, arena_bytes_max)?;
        }
        Ok(())
    }

    /// Bytes that are known to be a message, however deep it is.
    pub(super) fn trusted(message_type: &MessageType, mut bytes: Bytes) -> Self {
        let mut received = Self::default();
        let laid_out = received.lay_out(message_type, &mut bytes, usize::MAX);
        if laid_out.is_err() {
            received.arena.clear();
            received.height = usize::MAX / 2;
        }
        received.bytes = bytes;
        received
    }

    /// Whether a message inside is in pieces.
    fn lay_out_once(
        &mut self,
        message_type: &MessageType,
        bytes: &[u8],
        arena_bytes_max: usize,
    ) -> Result<bool, Box<Fault>> {
        if bytes.len() > BYTES_MAX {
            return Err(Fault::new(Why::TooLong, BYTES_MAX));
        }
        let arena = &mut self.arena.0;
        let mut decoder = Decoder::new(message_type.tables(), bytes, arena, arena_bytes_max);
        self.root = decoder.root(message_type.layout(), MESSAGE_NESTING_MAX)?;
        let split = decoder.split;
        self.height = decoder.height;
        self.arena.trim();
        Ok(split)
    }
}
