//! Requests that came before, by the bytes of their header blocks.
//!
//! A client that calls the same method again sends the same block again, once what it says is in the
//! table of HPACK. As long as the table does not change the block says the same, so it need not be read.

use super::request::Request;

/// The latest requests of a connection whose blocks changed nothing in the table.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// As the table was after so many changes.
    table_changes: u64,
    places: [Option<Block>; PLACES],
}

#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    request: Request,
}

impl Remembered {
    /// The request that a block stands for, if it is known.
    pub(super) fn find(&mut self, block: &[u8], table_changes: u64) -> Option<Request> {
        if table_changes != self.table_changes {
            // What has left the table is not kept alive here.
            self.forget();
            self.table_changes = table_changes;
        }
        let known = self.places.get(place_of(block))?.as_ref()?;
        (known.bytes == block).then(|| known.request.clone())
    }

    /// Remembers the request of a block that has just been read; `table_changes`: by then.
    pub(super) fn add(&mut self, block: &[u8], table_changes: u64, request: &Request) {
        if table_changes == self.table_changes
            && block.len() <= BLOCK_BYTES_MAX
            && let Some(place) = self.places.get_mut(place_of(block))
        {
            *place = Some(Block {
                bytes: block.to_vec(),
                request: request.clone(),
            });
        }
    }

    pub(super) fn forget(&mut self) {
        self.places = Default::default();
    }
}

/// Blocks of two methods differ in a byte at least: the index of `:path`.
fn place_of(block: &[u8]) -> usize {
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    usize::from(sum) % PLACES
}

/// As many methods as one client calls again and again.
const PLACES: usize = 4;

/// What is worth it is mostly made of indices. A field takes a byte at least, so this is a bound of what
/// is kept, too.
const BLOCK_BYTES_MAX: usize = 128;
