//! A message as it was received: its bytes, and where in them its fields are.
//!
//! # The arena
//! One list of numbers of 32 bits holds a *node* for each message that was laid out, inner ones before
//! outer ones:
//!
//! ```text
//!   start   where the message's fields begin in the bytes
//!   end     where they end
//!   next    the node of the next element, if it is one of a list or map; else 0
//!   entries of a type of up to 16 fields: one for each field, 0 if it is not set
//!           of a larger one: a bit for each field, then an entry for each that is set
//! ```
//!
//! An entry says where the field's value is in the bytes, behind its key. That of a message which was
//! laid out says where its node is instead, with the high bit set. That of a list or map says where
//! its *run* is:
//!
//! ```text
//!   first   where the key of the first element is in the bytes
//!   count   how many elements there are
//!   node    the node of the first element that was laid out; else 0
//! ```
//!
//! The arena is at most twice as long as the bytes. What would make it longer is not laid out: then
//! its fields are looked for in the bytes each time ([`scan`](super::scan)).

use bytes::Bytes;

use super::pool::{Arena, SmallBytes};
use crate::schema::layout::Layout;

/// Bytes that are known to be a message, with its arena. `Default` is an empty message.
#[derive(Debug, Default, Clone)]
pub(super) struct Received {
    pub(super) storage: Storage,
    pub(super) arena: Arena,
    /// The node of the message itself.
    pub(super) root: Node,
}

/// Who owns the bytes.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    Shared(Bytes),
    /// A copy in a buffer of the thread's pool.
    Small(SmallBytes),
}

impl Default for Storage {
    fn default() -> Self {
        Self::Shared(Bytes::new())
    }
}

/// Where a node is in the arena; [`Node::NONE`] of a message that was not laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(pub(super) u32);

impl Default for Node {
    fn default() -> Self {
        Self::NONE
    }
}

/// The elements of a list or map.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// Where the key of the first one is.
    pub(super) first: u32,
    pub(super) count: u32,
    /// The node of the first one that has one.
    pub(super) node: Node,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Unset,
    /// Where the value is, behind its key.
    Value(usize),
    /// The node of a message.
    Node(Node),
}

impl Received {
    pub(super) const EMPTY: Self = Self {
        storage: Storage::Shared(Bytes::new()),
        arena: Arena(Vec::new()),
        root: Node::NONE,
    };

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::Shared(bytes) => bytes,
            Storage::Small(bytes) => bytes,
        }
    }

    /// Part of the bytes, to share or, if they are few, as a copy.
    pub(super) fn slice(&self, start: usize, end: usize) -> Bytes {
        match &self.storage {
            Storage::Shared(bytes) => bytes.slice(start..end),
            Storage::Small(bytes) => Bytes::copy_from_slice(&bytes[start..end]),
        }
    }

    #[inline]
    fn word(&self, at: usize) -> u32 {
        self.arena.get(at).copied().unwrap_or(0)
    }

    /// Where a node's message begins and ends.
    #[inline]
    pub(super) fn range(&self, node: Node) -> (usize, usize) {
        let at = node.0 as usize;
        (self.word(at + START) as usize, self.word(at + END) as usize)
    }

    #[inline]
    pub(super) fn next(&self, node: Node) -> Node {
        Node::from_link(self.word(node.0 as usize + NEXT))
    }

    /// The entry of a field as it is stored; 0 if it is not set.
    #[inline]
    pub(super) fn raw_entry(&self, node: Node, layout: &Layout, slot: u16) -> u32 {
        let at = node.0 as usize + HEADER_WORDS;
        let slot = usize::from(slot);
        if layout.len() <= DENSE_FIELDS_MAX {
            return self.word(at + slot);
        }
        let bits = self.arena.get(at..at + layout.len().div_ceil(32));
        let Some((set, before)) = bits.and_then(|bits| {
            let word = *bits.get(slot / 32)?;
            let below = word & ((1 << (slot % 32)) - 1);
            let before: u32 = bits[..slot / 32].iter().map(|word| word.count_ones()).sum();
            Some((word >> (slot % 32) & 1 == 1, before + below.count_ones()))
        }) else {
            return 0;
        };
        match set {
            true => self.word(at + layout.len().div_ceil(32) + before as usize),
            false => 0,
        }
    }

    /// The run of a list or map by its entry.
    #[inline]
    pub(super) fn run(&self, entry: u32) -> Run {
        if entry == 0 {
            return Run::default();
        }
        let at = entry as usize;
        Run {
            first: self.word(at),
            count: self.word(at + 1),
            node: Node::from_link(self.word(at + 2)),
        }
    }
}

impl Node {
    pub(super) const NONE: Self = Self(u32::MAX);

    #[inline]
    pub(super) fn exists(self) -> bool {
        self != Self::NONE
    }

    /// From a link in the arena, which is one more than the node's place, or 0.
    #[inline]
    fn from_link(link: u32) -> Self {
        match link {
            0 => Self::NONE,
            link => Self(link - 1),
        }
    }

    #[inline]
    pub(super) fn link(self) -> u32 {
        self.0.wrapping_add(1)
    }
}

impl Entry {
    #[inline]
    pub(super) fn of(raw: u32) -> Self {
        match raw {
            0 => Self::Unset,
            raw if raw & IS_NODE != 0 => Self::Node(Node(raw & !IS_NODE)),
            raw => Self::Value(raw as usize),
        }
    }
}

/// The bit of an entry that says a node's place. The bytes of a message, and so its arena, are not as
/// long as it says.
pub(super) const IS_NODE: u32 = 1 << 31;

/// Longest message, in bytes: places in it are numbers of 31 bits.
pub(super) const BYTES_MAX: usize = (IS_NODE - 1) as usize;

/// Types of so many fields have an entry for each of them.
pub(super) const DENSE_FIELDS_MAX: usize = 16;

pub(super) const HEADER_WORDS: usize = 3;
pub(super) const START: usize = 0;
pub(super) const END: usize = 1;
pub(super) const NEXT: usize = 2;
pub(super) const RUN_WORDS: usize = 3;
