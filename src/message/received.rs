//! A message as it was received: its bytes, and where in them its fields are.
//!
//! # The arena
//! One list of numbers of 32 bits holds a *node* for each message that was laid out:
//!
//! ```text
//!   start    where the message's fields begin in the bytes
//!   end      where they end
//!   next     the node of the next element, if it is one of a list or map
//!   entries  one for each field of its type, 0 for one that is not set
//!   members  one more than the slot of each oneof's member that is set, while the bytes are read
//! ```
//!
//! An entry says where the field's value is in the bytes, behind its key. That of a message which was
//! laid out says where its node is instead, with the high bit set. That of a list or map says where
//! its *run* is:
//!
//! ```text
//!   first    where the key of the first element is in the bytes
//!   count    how many elements there are; the high bit says that keys of a map may repeat
//!   node     the node of the first element that was laid out
//!   last     that of the last one, while the bytes are read
//!   keys     two words, a bit for the hash of each key of a map
//! ```
//!
//! Links to nodes are one more than the node's place, and 0 where there is none.
//!
//! The arena is at most twice as long as the bytes. What would make it longer is not laid out, nor what
//! is so short that it is looked through as fast: its fields are looked for in the bytes each time
//! ([`scan`](super::scan)).

use bytes::Bytes;

use super::{index::Indexes, pool::Arena};

/// Bytes that are known to be a message, with its arena. `Default` is an empty message.
#[derive(Debug, Default, Clone)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) arena: Arena,
    /// The node of the message itself.
    pub(super) root: Node,
    pub(super) indexes: Indexes,
    /// How many messages lie inside each other in it, groups included that are not known.
    pub(super) height: usize,
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
    /// Whether two entries of a map may have the same key.
    pub(super) may_repeat: bool,
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
    pub(super) const fn empty() -> Self {
        Self {
            bytes: Bytes::new(),
            arena: Arena(Vec::new()),
            root: Node::NONE,
            indexes: Indexes::new(),
            height: 0,
        }
    }

    /// Whether nothing was received.
    #[inline]
    pub(super) fn is_default(&self) -> bool {
        self.bytes.is_empty() && self.arena.is_empty()
    }

    /// Gives the bytes away and forgets all that is known of them; the room for what comes next stays.
    pub(super) fn take_bytes(&mut self) -> Bytes {
        self.arena.clear();
        self.root = Node::NONE;
        self.indexes.clear();
        self.height = 0;
        std::mem::take(&mut self.bytes)
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is read from, to have it at hand.
    #[inline]
    pub(super) fn view(&self) -> View<'_> {
        View {
            bytes: self.bytes(),
            arena: &self.arena,
        }
    }
}

/// What was received, borrowed.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    arena: &'a [u32],
}

impl<'a> View<'a> {
    #[inline]
    fn word(self, at: usize) -> u32 {
        self.arena.get(at).copied().unwrap_or(0)
    }

    /// Where a node's message begins and ends.
    #[inline]
    pub(super) fn range(self, node: Node) -> (usize, usize) {
        let at = node.0 as usize;
        (self.word(at + START) as usize, self.word(at + END) as usize)
    }

    #[inline]
    pub(super) fn next(self, node: Node) -> Node {
        Node::from_link(self.word(node.0 as usize + NEXT))
    }

    /// The first node, from `node` on, whose message does not begin before `start`.
    #[inline]
    pub(super) fn skip_to(self, mut node: Node, start: usize) -> Node {
        while node.exists() && self.range(node).0 < start {
            node = self.next(node);
        }
        node
    }

    /// The entries of a node of a type with `count` fields.
    #[inline]
    pub(super) fn entries(self, node: Node, count: usize) -> &'a [u32] {
        let at = node.0 as usize + HEADER_WORDS;
        self.arena.get(at..at + count).unwrap_or_default()
    }

    /// The entry of a field as it is stored; 0 if it is not set.
    #[inline]
    pub(super) fn raw_entry(self, node: Node, slot: u16) -> u32 {
        self.word(node.0 as usize + HEADER_WORDS + usize::from(slot))
    }

    /// The run of a list or map by its entry.
    #[inline]
    pub(super) fn run(self, entry: u32) -> Run {
        if entry == 0 {
            return Run::default();
        }
        let at = entry as usize;
        let count = self.word(at + run::COUNT);
        Run {
            first: self.word(at + run::FIRST),
            count: count & !run::MAY_REPEAT,
            may_repeat: count & run::MAY_REPEAT != 0,
            node: Node::from_link(self.word(at + run::NODE)),
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

pub(super) const HEADER_WORDS: usize = 3;
pub(super) const START: usize = 0;
pub(super) const END: usize = 1;
pub(super) const NEXT: usize = 2;

/// The words of a run.
pub(super) mod run {
    pub(in crate::message) const FIRST: usize = 0;
    pub(in crate::message) const COUNT: usize = 1;
    pub(in crate::message) const NODE: usize = 2;
    pub(in crate::message) const LAST: usize = 3;
    pub(in crate::message) const KEYS: usize = 4;
    pub(in crate::message) const WORDS: usize = 6;
    /// The bit of the count that says that keys may repeat.
    pub(in crate::message) const MAY_REPEAT: u32 = 1 << 31;
}
