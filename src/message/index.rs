//! Where the elements of long lists and maps are, for whoever asks for one by its index or key.
//!
//! What was received is walked over from its front. The first that is asked for behind the front notes
//! where the others are, so that asking for all of them one by one takes time as their number, not as
//! its square. Reading by iterator notes nothing. What is noted counts beyond the three times its bytes
//! that a message takes: 4 bytes for each 32 numbers of a list that is packed as a whole, 12 for each 32
//! of another and for each 16 elements of any other type; of a map at most 11 bytes for each key, and 4
//! for each value that has a node; about 50 for each list or map, and 16 for each [`SPAN`] bytes of the
//! message.

use std::{fmt, sync::OnceLock};

use super::{
    list_ref::Walk,
    map_keys::Keys,
    received::{Node, Received},
};

/// The indexes of what was received. A copy has to make its own.
///
/// Each hangs at the place where the first element of its list or map is, on a chain with the others of
/// the same [`SPAN`]: to find one, nothing is locked or written.
#[derive(Default)]
pub(super) struct Indexes(OnceLock<Box<[Chain]>>);

#[derive(Default)]
struct Chain(OnceLock<Box<Link>>);

struct Link {
    /// Where the first element is.
    first: u32,
    index: Index,
    next: Chain,
}

pub(super) enum Index {
    /// Where in a packed list some of its elements are.
    Packed(Box<[u32]>),
    /// Walks that have come to some of the elements.
    List(Box<[Walk]>),
    Map(MapIndex),
}

/// The entries of a map by their keys, and the nodes of its values in their order.
pub(super) struct MapIndex {
    pub(super) keys: Keys,
    pub(super) nodes: Box<[Node]>,
}

impl Received {
    /// The index of the list or map that begins at `first`, if there is one.
    #[inline(always)]
    pub(super) fn known_index(&self, first: u32) -> Option<&Index> {
        let mut chain = self.indexes.0.get()?.get(first as usize / SPAN)?;
        loop {
            let link = chain.0.get()?;
            if link.first == first {
                return Some(&link.index);
            }
            chain = &link.next;
        }
    }

    /// The index of the list or map that begins at `first`, which is made if there is none.
    #[inline]
    pub(super) fn index(&self, first: u32, make: impl Fn() -> Index) -> Option<&Index> {
        let chains = self.indexes.0.get_or_init(|| {
            let chains = (0..=self.bytes.len() / SPAN).map(|_| Chain::default());
            chains.collect()
        });
        let mut chain = chains.get(first as usize / SPAN)?;
        loop {
            let link = chain.0.get_or_init(|| {
                Box::new(Link {
                    first,
                    index: make(),
                    next: Chain::default(),
                })
            });
            if link.first == first {
                return Some(&link.index);
            }
            chain = &link.next;
        }
    }
}

impl Indexes {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Forgets them.
    #[inline]
    pub(super) fn clear(&mut self) {
        if self.0.get().is_some() {
            self.0 = OnceLock::new();
        }
    }
}

impl Clone for Indexes {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl fmt::Debug for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("indexes")
    }
}

/// So many bytes of a message have a chain of their own, on which no more lists and maps begin than a
/// few hundred.
const SPAN: usize = 1024;

/// Maps of fewer entries are looked through.
pub(super) const KEYS_MIN: u32 = 16;
