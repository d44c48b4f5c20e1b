//! Where the elements of long lists and maps are, for whoever asks for one by its index or key.
//!
//! What was received is walked over from its front. The first that is asked for behind the front notes
//! where the others are, so that asking for all of them one by one takes time as their number, not as
//! its square. Reading by iterator notes nothing. A list takes 12 bytes for each
//! [`STEP`] elements, a map at most 11 for each key, and 4 for each value that has a node.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use super::{MapKeyRef, map_keys::Keys, map_ref::Entries, received::Node};

/// The indexes of what was received, by where the first element of the list or map is. A copy has to
/// make its own.
#[derive(Default)]
pub(super) struct Indexes(OnceLock<Box<Mutex<HashMap<u32, Index>>>>);

enum Index {
    List(Box<[Stop]>),
    Map(MapIndex),
}

/// Where a walk over a list is.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    pub(super) at: u32,
    /// Where the packed list ends that it is in.
    pub(super) packed_end: u32,
    /// The next element's that has a node.
    pub(super) node: Node,
}

/// The entries of a map by their keys, and the nodes of its values in their order.
pub(super) struct MapIndex {
    pub(super) keys: Keys,
    pub(super) nodes: Box<[Node]>,
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

    /// The last stop before an element of the list that begins at `first`.
    pub(super) fn stop(
        &self,
        first: u32,
        element: usize,
        make: impl FnOnce() -> Box<[Stop]>,
    ) -> Option<Stop> {
        self.with(
            first,
            || Index::List(make()),
            |index| match index {
                Index::List(stops) => stops.get(element / STEP).copied(),
                Index::Map(_) => None,
            },
        )
    }

    /// Where the entry of a key is in the map that begins at `first`, and the first node that may be
    /// its value's.
    pub(super) fn entry(
        &self,
        first: u32,
        map: &Entries<'_>,
        key: MapKeyRef<'_>,
        make: impl FnOnce() -> MapIndex,
    ) -> Option<(u32, Node)> {
        self.with(
            first,
            || Index::Map(make()),
            |index| match index {
                Index::Map(index) => {
                    let entry = index.keys.get(map, key)?;
                    Some((entry, map.node_behind(&index.nodes, entry)))
                }
                Index::List(_) => None,
            },
        )
    }

    fn with<T>(
        &self,
        first: u32,
        make: impl FnOnce() -> Index,
        take: impl FnOnce(&Index) -> T,
    ) -> T {
        let mut indexes = self
            .0
            .get_or_init(Box::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        take(indexes.entry(first).or_insert_with(make))
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

/// How many elements of a list there are from one stop to the next. What is before the second is
/// walked to at once.
pub(super) const STEP: usize = 64;

/// Maps of fewer entries are looked through.
pub(super) const KEYS_MIN: u32 = 16;
