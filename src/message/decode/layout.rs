//! The pass over the bytes.

use super::{
    Fault, Why,
    scalar::{Scalar, scalar},
};
use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{
        received::{HEADER_WORDS, IS_NODE, Node, START, run},
        wire::{self, Unread},
    },
    schema::layout::{Cardinality, FieldLayout, FieldType, Layout, Tables, WireType},
};

pub(super) struct Decoder<'a> {
    pub(super) tables: &'a Tables,
    pub(super) bytes: &'a [u8],
    /// The nodes of messages that were read or are open. One that is not to be laid out has the notes
    /// there that [`see`](Self::see) makes, for as long as it is open.
    pub(super) arena: &'a mut Vec<u32>,
    arena_words_max: usize,
    /// Whether a message was found in pieces, which are to be put together.
    pub(super) split: bool,
    /// How many messages lie inside each other.
    pub(super) height: usize,
}

/// The fields of one message while they are read.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    pub(super) layout: &'a Layout,
    start: usize,
    /// Where the bytes end: those of the message, or, if it is a group, of the message around it.
    pub(super) limit: usize,
    /// The key that ends it, if it is a group; 0, which is no key, if it is none.
    end_key: u32,
    /// How many messages may lie inside each other in it.
    pub(super) levels: usize,
    /// Whether it is to be laid out.
    pub(super) lay: bool,
    /// Its node, or where its notes begin.
    pub(super) node: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        tables: &'a Tables,
        bytes: &'a [u8],
        arena: &'a mut Vec<u32>,
        arena_bytes_max: usize,
    ) -> Self {
        Self {
            tables,
            bytes,
            arena,
            arena_words_max: arena_bytes_max / 4,
            split: false,
            height: 0,
        }
    }

    /// Reads the whole of the bytes.
    pub(super) fn root(&mut self, layout: &'a Layout, levels: usize) -> Result<Node, Box<Fault>> {
        let limit = self.bytes.len();
        let open = Open {
            layout,
            start: 0,
            limit,
            end_key: 0,
            levels,
            lay: self.has_room(layout, limit),
            node: 0,
        };
        let (node, _) = self.message(&open)?;
        Ok(node)
    }

    /// Reads a message; gives its node, and where what follows it begins.
    fn message(&mut self, open: &Open<'a>) -> Result<(Node, usize), Box<Fault>> {
        if open.lay {
            self.arena.resize(open.node + node_words(open.layout), 0);
        }
        let (end, after) = self.fields(open)?;
        if !open.lay {
            self.arena.truncate(open.node);
            return Ok((Node::NONE, after));
        }
        if let Some([start_word, end_word]) = self.arena.get_mut(open.node..open.node + 2) {
            *start_word = open.start as u32;
            *end_word = end as u32;
        }
        Ok((Node(open.node as u32), after))
    }

    /// Reads the fields of a message; gives where they end, and where what follows begins.
    fn fields(&mut self, open: &Open<'a>) -> Result<(usize, usize), Box<Fault>> {
        let bytes = &self.bytes[..open.limit];
        let entries = match open.lay {
            true => open.node + HEADER_WORDS,
            // Behind any arena: of a message that is not laid out nothing is noted but what `set` notes.
            false => usize::MAX / 2,
        };
        let mut at = open.start;
        while at < open.limit {
            let key_at = at;
            let Some(key) = wire::key(bytes, &mut at) else {
                return Err(Fault::new(Why::Key, key_at));
            };
            if let Some((slot, field)) = open.layout.by_number(key >> 3)
                && field.plain_key == key
            {
                match scalar(field.field_type, key, bytes, at) {
                    Scalar::Read(end) => {
                        if field.oneof != 0 {
                            self.set(open, slot, field, at as u32);
                        } else if let Some(entry) = self.arena.get_mut(entries + usize::from(slot))
                        {
                            *entry = at as u32;
                        }
                        at = end;
                        continue;
                    }
                    Scalar::Wrong(why) => {
                        let fault = Fault::new(why, key_at);
                        return Err(fault.within(&open.layout.info(slot).name));
                    }
                    Scalar::Other => {}
                }
            }
            if key == open.end_key {
                return Ok((key_at, at));
            }
            at = self.other(open, key_at, at, key)?;
        }
        match open.end_key {
            0 => Ok((at, at)),
            _ => Err(Fault::new(Why::Cut, at)),
        }
    }

    /// Reads what the loop does not read itself; gives where it ends. The loop keeps its place in a
    /// register: it is passed by value.
    #[inline(never)]
    fn other(
        &mut self,
        open: &Open<'a>,
        key_at: usize,
        at: usize,
        key: u32,
    ) -> Result<usize, Box<Fault>> {
        let Some((slot, field)) = open.layout.by_number(key >> 3) else {
            return self.unknown(&self.bytes[..open.limit], at, key, open.levels);
        };
        let is_packed = key & 7 == WireType::Len as u32 && field.field_type.is_number();
        let read = match field.cardinality {
            Cardinality::One if key == field.key => self.single(open, slot, field, at),
            Cardinality::List if is_packed => self.packed(open, slot, key_at, at, field),
            Cardinality::List if key == field.value_key() => {
                self.element(open, slot, key_at, at, field)
            }
            Cardinality::Map if key == field.key => self.entries(open, slot, key_at, at, field),
            _ => {
                let expected = field.field_type.wire_type();
                Err(Fault::new(Why::WireType { expected, key }, key_at))
            }
        };
        read.map_err(
            #[cold]
            |fault| fault.within(&open.layout.info(slot).name),
        )
    }

    /// A field that holds one value.
    fn single(
        &mut self,
        open: &Open<'a>,
        slot: u16,
        field: &FieldLayout,
        mut at: usize,
    ) -> Result<usize, Box<Fault>> {
        if let Some(entry) = self.value(open, open.limit, &mut at, field)? {
            let before = self.set(open, slot, field, entry);
            self.split |= before != 0 && field.field_type.is_message();
        }
        Ok(at)
    }

    /// An element of a list that stands by itself.
    fn element(
        &mut self,
        open: &Open<'a>,
        slot: u16,
        key_at: usize,
        mut at: usize,
        field: &FieldLayout,
    ) -> Result<usize, Box<Fault>> {
        if let Some(entry) = self.value(open, open.limit, &mut at, field)? {
            self.add_elements(open, slot, key_at, 1, node_of(entry));
        }
        Ok(at)
    }

    /// Reads a value of a field, which ends before `limit`; gives its entry, or `None` if it is to be
    /// kept as unknown.
    pub(super) fn value(
        &mut self,
        open: &Open<'a>,
        limit: usize,
        at: &mut usize,
        field: &FieldLayout,
    ) -> Result<Option<u32>, Box<Fault>> {
        let bytes = &self.bytes[..limit];
        let value_at = *at;
        if field.field_type.is_message() {
            let node = self.inner(open, bytes, at, field)?;
            return Ok(Some(match node.exists() {
                true => node.0 | IS_NODE,
                false => value_at as u32,
            }));
        }
        match scalar(field.field_type, field.value_key(), bytes, value_at) {
            Scalar::Read(end) => {
                *at = end;
                return Ok(Some(value_at as u32));
            }
            Scalar::Wrong(why) => return Err(Fault::new(why, value_at)),
            Scalar::Other => {}
        }
        let Some(number) = wire::number(field.field_type, bytes, at) else {
            return Err(Fault::new(Why::Varint, value_at));
        };
        let named = self.tables.enum_layout(field.inner).name(number as i32);
        Ok(named.map(|_| value_at as u32))
    }

    /// Reads a message or group that is the value of a field.
    fn inner(
        &mut self,
        around: &Open<'a>,
        bytes: &[u8],
        at: &mut usize,
        field: &FieldLayout,
    ) -> Result<Node, Box<Fault>> {
        let Some(levels) = around.levels.checked_sub(1) else {
            return Err(Fault::new(Why::TooDeep, *at));
        };
        self.height = self.height.max(MESSAGE_NESTING_MAX - levels);
        let (limit, end_key) = match field.field_type {
            FieldType::Group => (bytes.len(), end_of(field.value_key())),
            _ => match wire::length(bytes, at) {
                Some(end) if end == *at => return Ok(Node::NONE),
                Some(end) => (end, 0),
                None => return Err(Fault::new(Why::Cut, *at)),
            },
        };
        let layout = self.tables.layout(field.inner);
        let (node, after) = self.message(&Open {
            layout,
            start: *at,
            limit,
            end_key,
            levels,
            lay: around.lay && pays(layout, limit - *at) && self.has_room(layout, limit),
            node: self.arena.len(),
        })?;
        *at = after;
        Ok(node)
    }

    /// A packed list, or a part of one.
    fn packed(
        &mut self,
        open: &Open<'a>,
        slot: u16,
        key_at: usize,
        mut at: usize,
        field: &FieldLayout,
    ) -> Result<usize, Box<Fault>> {
        let value_at = at;
        let Some(packed) = wire::delimited(&self.bytes[..open.limit], &mut at) else {
            return Err(Fault::new(Why::Cut, value_at));
        };
        let named = |number: u64| {
            let values = self.tables.enum_layout(field.inner);
            values.name(number as i32).is_some()
        };
        let Some(count) = wire::count_packed(field.field_type, packed, named) else {
            return Err(Fault::new(Why::Packed, value_at));
        };
        self.add_elements(open, slot, key_at, count as u32, Node::NONE);
        Ok(at)
    }

    #[cold]
    pub(super) fn unknown(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        key: u32,
        levels: usize,
    ) -> Result<usize, Box<Fault>> {
        let value_at = at;
        let skipped = wire::skip(bytes, &mut at, key, levels);
        if WireType::of_key(key) == Some(WireType::StartGroup) {
            let groups = wire::groups(bytes.get(value_at..at).unwrap_or_default());
            self.height = self.height.max(MESSAGE_NESTING_MAX - levels + groups);
        }
        let why = match (skipped, WireType::of_key(key)) {
            (Ok(()), _) => return Ok(at),
            (Err(Unread::TooDeep), _) => Why::TooDeep,
            (_, Some(WireType::EndGroup)) => Why::EndGroup,
            (_, Some(WireType::Varint)) => Why::Varint,
            (_, None) => Why::Key,
            _ => Why::Cut,
        };
        Err(Fault::new(why, value_at))
    }

    /// Whether the arena can take a message's node, when its bytes are read up to `limit`.
    #[inline]
    fn has_room(&self, layout: &Layout, limit: usize) -> bool {
        let words = node_words(layout) + run::WORDS * layout.lists.min(limit / 2);
        self.arena.len() + words <= (limit / 2 + ARENA_WORDS_FREE).min(self.arena_words_max)
    }
}

/// Whether a message is worth a node: one with few bytes is looked through as fast.
#[inline]
fn pays(layout: &Layout, bytes: usize) -> bool {
    node_words(layout) <= bytes
}

/// How long a node is without the runs of its lists.
#[inline]
fn node_words(layout: &Layout) -> usize {
    HEADER_WORDS + layout.len() + layout.oneofs.len()
}

#[inline]
pub(super) fn node_of(entry: u32) -> Node {
    match entry & IS_NODE {
        0 => Node::NONE,
        _ => Node(entry & !IS_NODE),
    }
}

#[inline]
fn end_of(start_key: u32) -> u32 {
    (start_key & !7) | WireType::EndGroup as u32
}

/// What even the shortest message's arena may take.
const ARENA_WORDS_FREE: usize = 64;

const _: () = assert!(START == 0, "start and end are written in one go");
