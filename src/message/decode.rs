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

mod fault;
mod layout;
mod merged;

use bytes::Bytes;

pub(super) use fault::{Fault, Why};

use super::{
    pool::Pool,
    received::{BYTES_MAX, Received, Storage},
};
use crate::{limits::MESSAGE_NESTING_MAX, schema::MessageType};
use layout::Decoder;

impl Received {
    /// Checks bytes and lays them out; `arena_bytes_max` is the most that the layout may take.
    pub(super) fn decode(
        message_type: &MessageType,
        bytes: Bytes,
        arena_bytes_max: usize,
    ) -> Result<Self, Box<Fault>> {
        let storage = Storage::Shared(bytes);
        Pool::with(|pool| decode(pool, message_type, storage, arena_bytes_max))
    }

    /// The same of a copy of the bytes, in a buffer of the thread's pool.
    pub(super) fn decode_copied(
        message_type: &MessageType,
        bytes: &[u8],
        arena_bytes_max: usize,
    ) -> Result<Self, Box<Fault>> {
        Pool::with(|pool| {
            let storage = Storage::Small(pool.small(bytes));
            decode(pool, message_type, storage, arena_bytes_max)
        })
    }

    /// Bytes that are known to be a message, however deep it is.
    pub(super) fn trusted(message_type: &MessageType, bytes: Bytes) -> Self {
        let decoded = Self::decode(message_type, bytes.clone(), usize::MAX);
        decoded.unwrap_or_else(|_| Self {
            storage: Storage::Shared(bytes),
            ..Self::default()
        })
    }
}

fn decode(
    pool: &mut Pool,
    message_type: &MessageType,
    storage: Storage,
    arena_bytes_max: usize,
) -> Result<Received, Box<Fault>> {
    let mut received = Received {
        storage,
        arena: pool.arena(),
        ..Received::default()
    };
    let (tables, layout) = (message_type.tables(), message_type.layout());
    if received.lay_out(message_type, arena_bytes_max)? {
        let whole = merged::in_one_piece(tables, layout, received.bytes());
        received.storage = Storage::Shared(whole.into());
        received.arena.0.clear();
        // What is still in pieces was replaced by another member of its oneof.
        received.lay_out(message_type, arena_bytes_max)?;
    }
    Ok(received)
}

impl Received {
    /// Whether a message inside is in pieces.
    fn lay_out(
        &mut self,
        message_type: &MessageType,
        arena_bytes_max: usize,
    ) -> Result<bool, Box<Fault>> {
        let bytes = match &self.storage {
            Storage::Shared(bytes) => bytes,
            Storage::Small(bytes) => &**bytes,
        };
        if bytes.len() > BYTES_MAX {
            return Err(Fault::new(Why::TooLong, BYTES_MAX));
        }
        let arena = &mut self.arena.0;
        let mut decoder = Decoder::new(message_type.tables(), bytes, arena, arena_bytes_max);
        self.root = decoder.root(message_type.layout(), MESSAGE_NESTING_MAX)?;
        let split = decoder.split;
        self.arena.trim();
        Ok(split)
    }
}
