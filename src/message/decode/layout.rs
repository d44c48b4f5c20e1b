//! The pass over the bytes.

use super::{
    Fault, Why,
    scalar::{Scalar, scalar},
};
use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{
        received::{HEADER_WORDS, IS_NODE, NEXT, Node, START, run},
        wire::{self, Unread},
    },
    schema::layout::{Cardinality, FieldLayout, FieldType, Layout, Tables, WireType},
};

pub(super) struct Decoder<'a> {
    pub(super) tables: &'a Tables,
    bytes: &'a [u8],
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
    layout: &'a Layout,
    start: usize,
    /// Where the bytes end: those of the message, or, if it is a group, of the message around it.
    limit: usize,
    /// The start key, if it is a group.
    group: Option<u32>,
    /// How many messages may lie inside each other in it.
    pub(super) levels: usize,
    /// Whether it is to be laid out.
    lay: bool,
    /// Its node, or where its notes begin.
    node: usize,
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
            group: None,
            levels,
            lay: self.has_room(layout, limit),
            node: 0,
        };
        let (node, _) = self.message(open)?;
        Ok(node)
    }

    /// Reads a message; gives its node, and where what follows it begins.
    fn message(&mut self, open: Open<'a>) -> Result<(Node, usize), Box<Fault>> {
        if open.lay {
            self.arena.resize(open.node + node_words(open.layout), 0);
        }
        let (end, after) = self.fields(&open)?;
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
        let mut at = open.start;
        while at < open.limit {
            let key_at = at;
            let Some(key) = wire::key(bytes, &mut at) else {
                return Err(Fault::new(Why::Key, key_at));
            };
            let known = open.layout.by_number(key >> 3);
            match known {
                Some((slot, field))
                    if field.key == key && field.cardinality == Cardinality::One =>
                {
                    match scalar(field.field_type, bytes, &mut at) {
                        Scalar::Read(entry) => {
                            self.set(open, slot, field, entry);
                        }
                        Scalar::Other => {
                            let read = self.other_value(open, bytes, at, slot, field);
                            at = read.map_err(
                                #[cold]
                                |fault| fault.within(&open.layout.info(slot).name),
                            )?;
                        }
                        Scalar::Wrong(why) => {
                            let fault = Fault::new(why, key_at);
                            return Err(fault.within(&open.layout.info(slot).name));
                        }
                    }
                }
                _ if open.group.is_some_and(|start| key == end_of(start)) => {
                    return Ok((key_at, at));
                }
                Some((slot, field)) => {
                    let read = self.other(open, bytes, (key_at, at), (key, slot, field));
                    at = read.map_err(|fault| fault.within(&open.layout.info(slot).name))?;
                }
                None => at = self.unknown(bytes, at, key, open.levels)?,
            }
        }
        match open.group {
            None => Ok((at, at)),
            Some(_) => Err(Fault::new(Why::Cut, at)),
        }
    }

    /// A value that tables are needed for. As all that is not read in the loop itself it takes the
    /// place by value and gives where it ends, so that the loop keeps its own in a register.
    fn other_value(
        &mut self,
        open: &Open<'a>,
        bytes: &'a [u8],
        mut at: usize,
        slot: u16,
        field: &FieldLayout,
    ) -> Result<usize, Box<Fault>> {
        if let Some(entry) = self.value(open, bytes, &mut at, field)? {
            let before = self.set(open, slot, field, entry);
            self.split |= before != 0 && field.field_type.is_message();
        }
        Ok(at)
    }

    /// A list, a map, or a wire type that is not the field's own; gives where it ends.
    fn other(
        &mut self,
        open: &Open<'a>,
        bytes: &'a [u8],
        (key_at, mut at): (usize, usize),
        (key, slot, field): (u32, u16, &FieldLayout),
    ) -> Result<usize, Box<Fault>> {
        let is_packed = key & 7 == WireType::Len as u32 && field.field_type.is_number();
        match field.cardinality {
            Cardinality::List if is_packed => {
                let count = self.packed(bytes, &mut at, field)?;
                self.add_elements(open, slot, key_at, count, Node::NONE);
            }
            Cardinality::List if key == field.value_key() => {
                if let Some(entry) = self.value(open, bytes, &mut at, field)? {
                    self.add_elements(open, slot, key_at, 1, node_of(entry));
                }
            }
            Cardinality::Map if key == field.key => {
                if let Some((node, key_hash)) = self.entry(open, bytes, &mut at, field)?
                    && let Some(run) = self.add_elements(open, slot, key_at, 1, node)
                {
                    self.add_key(run, key_hash);
                }
            }
            _ => {
                let expected = field.field_type.wire_type();
                return Err(Fault::new(Why::WireType { expected, key }, key_at));
            }
        }
        Ok(at)
    }

    /// Reads a value of a field; gives its entry, or `None` if it is to be kept as unknown.
    pub(super) fn value(
        &mut self,
        open: &Open<'a>,
        bytes: &'a [u8],
        at: &mut usize,
        field: &FieldLayout,
    ) -> Result<Option<u32>, Box<Fault>> {
        let value_at = *at;
        match scalar(field.field_type, bytes, at) {
            Scalar::Read(entry) => return Ok(Some(entry)),
            Scalar::Wrong(why) => return Err(Fault::new(why, value_at)),
            Scalar::Other => {}
        }
        if field.field_type == FieldType::ClosedEnum {
            let Some(number) = wire::number(field.field_type, bytes, at) else {
                return Err(Fault::new(Why::Varint, value_at));
            };
            let named = self.tables.enum_layout(field.inner).name(number as i32);
            return Ok(named.map(|_| value_at as u32));
        }
        let node = self.inner(open, bytes, at, field)?;
        Ok(Some(match node.exists() {
            true => node.0 | IS_NODE,
            false => value_at as u32,
        }))
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
        let (limit, group) = match field.field_type {
            FieldType::Group => (bytes.len(), Some(field.value_key())),
            _ => match wire::length(bytes, at) {
                Some(end) if end == *at => return Ok(Node::NONE),
                Some(end) => (end, None),
                None => return Err(Fault::new(Why::Cut, *at)),
            },
        };
        let layout = self.tables.layout(field.inner);
        let (node, after) = self.message(Open {
            layout,
            start: *at,
            limit,
            group,
            levels,
            lay: around.lay && pays(layout, limit - *at) && self.has_room(layout, limit),
            node: self.arena.len(),
        })?;
        *at = after;
        Ok(node)
    }

    /// Reads a packed list, and gives how many elements it has.
    fn packed(&self, bytes: &[u8], at: &mut usize, field: &FieldLayout) -> Result<u32, Box<Fault>> {
        let value_at = *at;
        let Some(packed) = wire::delimited(bytes, at) else {
            return Err(Fault::new(Why::Cut, value_at));
        };
        let named = |number: u64| {
            let values = self.tables.enum_layout(field.inner);
            values.name(number as i32).is_some()
        };
        match wire::count_packed(field.field_type, packed, named) {
            Some(count) => Ok(count as u32),
            None => Err(Fault::new(Why::Packed, value_at)),
        }
    }

    /// Notes a value; gives the entry that was there before.
    #[inline]
    fn set(&mut self, open: &Open<'a>, slot: u16, field: &FieldLayout, entry: u32) -> u32 {
        if !open.lay {
            return self.see(open, slot, field);
        }
        let slots = open.node + HEADER_WORDS;
        if field.oneof != 0 {
            // Behind the entries stands one more than the slot of each oneof's member.
            let member = slots + open.layout.len() + usize::from(field.oneof) - 1;
            let before = std::mem::replace(&mut self.arena[member], u32::from(slot) + 1);
            if before != 0 && before != u32::from(slot) + 1 {
                self.arena[slots + before as usize - 1] = 0;
            }
        }
        let place = &mut self.arena[slots + usize::from(slot)];
        std::mem::replace(place, entry)
    }

    /// Notes a value of a message that is not laid out, as far as it tells whether another message is in
    /// pieces; says whether it was there before. A note is the slot of a message or of the member of a
    /// oneof, above it that of the oneof's first member; the notes are in the order of the latter.
    fn see(&mut self, open: &Open<'a>, slot: u16, field: &FieldLayout) -> u32 {
        let first = match field.oneof {
            0 if field.field_type.is_message() => slot,
            0 => return 0,
            oneof => open.layout.oneofs[usize::from(oneof) - 1][0],
        };
        let note = u32::from(first) << 16 | u32::from(slot);
        let notes = &self.arena[open.node..];
        let place = notes.partition_point(|note| note >> 16 < u32::from(first));
        match notes.get(place) {
            Some(before) if before >> 16 == u32::from(first) => {
                let before = std::mem::replace(&mut self.arena[open.node + place], note);
                u32::from(before == note)
            }
            _ => {
                self.arena.insert(open.node + place, note);
                0
            }
        }
    }

    /// Counts elements of a list or map; gives its run, if the message is laid out.
    fn add_elements(
        &mut self,
        open: &Open<'a>,
        slot: u16,
        key_at: usize,
        count: u32,
        node: Node,
    ) -> Option<usize> {
        if !open.lay {
            return None;
        }
        let place = open.node + HEADER_WORDS + usize::from(slot);
        if self.arena[place] == 0 && count > 0 {
            self.arena[place] = self.arena.len() as u32;
            self.arena.extend([key_at as u32, 0, 0, 0, 0, 0]);
        }
        let run = self.arena[place] as usize;
        if count > 0 {
            self.arena[run + run::COUNT] += count;
        }
        if node.exists() {
            let last = std::mem::replace(&mut self.arena[run + run::LAST], node.link());
            let link = match last {
                0 => run + run::NODE,
                last => last as usize - 1 + NEXT,
            };
            self.arena[link] = node.link();
        }
        Some(run)
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
