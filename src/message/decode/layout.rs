//! The pass over the bytes.

use super::{Fault, Why};
use crate::{
    message::{
        received::{DENSE_FIELDS_MAX, HEADER_WORDS, IS_NODE, NEXT, Node, RUN_WORDS, Run},
        wire::{self, Unread},
    },
    schema::layout::{Cardinality, FieldLayout, FieldType, Layout, Tables, WireType},
};

/// What is known of the messages that are open, kept for the next message that the thread decodes.
#[derive(Debug)]
pub(in crate::message) struct Scratch {
    /// An entry for each field of each of them; that of a list or map is one more than the place of
    /// its run in `runs`.
    slots: Vec<u32>,
    runs: Vec<OpenRun>,
}

#[derive(Debug)]
struct OpenRun {
    slot: u16,
    run: Run,
    /// The last node of its elements, to be linked to the next one.
    last: Node,
}

pub(super) struct Decoder<'a> {
    tables: &'a Tables,
    bytes: &'a [u8],
    arena: &'a mut Vec<u32>,
    scratch: &'a mut Scratch,
    /// Words of the arena that the messages which are open will need, by what is known of them.
    reserved: usize,
    arena_words_max: usize,
    /// Whether a message was found in pieces, which are to be put together.
    pub(super) split: bool,
}

/// The fields of one message while they are read.
struct Open<'a> {
    layout: &'a Layout,
    start: usize,
    /// Where the bytes end: those of the message, or, if it is a group, of the message around it.
    limit: usize,
    /// The start key, if it is a group.
    group: Option<u32>,
    /// How many messages may lie inside each other in it.
    levels: usize,
    /// Whether it is to be laid out.
    lay: bool,
    /// Its first place in `slots` and in `runs`.
    slots: usize,
    runs: usize,
}

impl Scratch {
    pub(in crate::message) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Gives back what only a message of unusual shape needs.
    fn shrink(&mut self) {
        if self.slots.capacity() > SCRATCH_KEPT_MAX {
            self.slots = Vec::new();
        }
        if self.runs.capacity() > SCRATCH_KEPT_MAX {
            self.runs = Vec::new();
        }
    }
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        tables: &'a Tables,
        bytes: &'a [u8],
        arena: &'a mut Vec<u32>,
        scratch: &'a mut Scratch,
        arena_bytes_max: usize,
    ) -> Self {
        scratch.slots.clear();
        scratch.runs.clear();
        Self {
            tables,
            bytes,
            arena,
            scratch,
            reserved: 0,
            arena_words_max: arena_bytes_max / 4,
            split: false,
        }
    }

    /// Reads the whole of the bytes.
    pub(super) fn root(&mut self, layout: &'a Layout, levels: usize) -> Result<Node, Box<Fault>> {
        let open = self.open(layout, 0, self.bytes.len(), levels);
        let (node, _) = self.message(&Open { lay: true, ..open })?;
        self.scratch.shrink();
        Ok(node)
    }

    fn open(&self, layout: &'a Layout, start: usize, limit: usize, levels: usize) -> Open<'a> {
        Open {
            layout,
            start,
            limit,
            group: None,
            levels,
            lay: false,
            slots: self.scratch.slots.len(),
            runs: self.scratch.runs.len(),
        }
    }

    /// Reads a message; gives its node, and where what follows it begins.
    fn message(&mut self, open: &Open<'a>) -> Result<(Node, usize), Box<Fault>> {
        let fields = open.layout.len();
        self.scratch.slots.resize(open.slots + fields, 0);
        let reserved = match open.lay {
            true => words_at_most(fields, open.limit - open.start),
            false => 0,
        };
        self.reserved += reserved;
        let (end, after) = self.fields(open)?;
        self.reserved -= reserved;
        let node = match open.lay {
            true => self.lay_out(open, end),
            false => Node::NONE,
        };
        self.scratch.slots.truncate(open.slots);
        self.scratch.runs.truncate(open.runs);
        Ok((node, after))
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
            match open.layout.by_number(key >> 3) {
                Some((slot, field))
                    if field.key == key && field.cardinality == Cardinality::One =>
                {
                    let entry = self
                        .value(open, bytes, &mut at, field)
                        .map_err(|fault| fault.within(&open.layout.info(slot).name))?;
                    if let Some(entry) = entry {
                        self.set(open, slot, field, entry);
                    }
                }
                _ if open
                    .group
                    .is_some_and(|start| key == ((start & !7) | END_GROUP)) =>
                {
                    return Ok((key_at, at));
                }
                Some((slot, field)) => {
                    self.other(open, bytes, key_at, &mut at, (key, slot, field))
                        .map_err(|fault| fault.within(&open.layout.info(slot).name))?;
                }
                None => self.unknown(bytes, &mut at, key, open.levels)?,
            }
        }
        match open.group {
            None => Ok((at, at)),
            Some(_) => Err(Fault::new(Why::Cut, at)),
        }
    }

    /// A list, a map, or a wire type that is not the field's own.
    fn other(
        &mut self,
        open: &Open<'a>,
        bytes: &[u8],
        key_at: usize,
        at: &mut usize,
        (key, slot, field): (u32, u16, &FieldLayout),
    ) -> Result<(), Box<Fault>> {
        let is_packed = key & 7 == WireType::Len as u32 && field.field_type.is_number();
        let (count, node) = match field.cardinality {
            Cardinality::List if is_packed => (self.packed(bytes, at, field)?, Node::NONE),
            Cardinality::List if key == field.value_key() => {
                match self.value(open, bytes, at, field)? {
                    Some(entry) if entry & IS_NODE != 0 => (1, Node(entry & !IS_NODE)),
                    Some(_) => (1, Node::NONE),
                    None => (0, Node::NONE),
                }
            }
            Cardinality::Map if key == field.key => match self.entry(open, bytes, at, field)? {
                Some(node) => (1, node),
                None => (0, Node::NONE),
            },
            _ => {
                let expected = field.field_type.wire_type();
                return Err(Fault::new(Why::WireType { expected, key }, key_at));
            }
        };
        if count > 0 {
            self.add_elements(open, slot, key_at, count, node);
        }
        Ok(())
    }

    /// Reads a value of a field; gives its entry, or `None` if it is to be kept as unknown.
    #[inline]
    fn value(
        &mut self,
        open: &Open<'a>,
        bytes: &[u8],
        at: &mut usize,
        field: &FieldLayout,
    ) -> Result<Option<u32>, Box<Fault>> {
        let value_at = *at;
        let read = match field.field_type {
            FieldType::String => match wire::delimited(bytes, at) {
                Some(text) if is_utf8(text) => Some(()),
                Some(_) => return Err(Fault::new(Why::Utf8, value_at)),
                None => None,
            },
            FieldType::Bytes => wire::delimited(bytes, at).map(|_| ()),
            FieldType::Message | FieldType::Group => {
                let node = self.inner(open, bytes, at, field)?;
                return Ok(Some(match node.exists() {
                    true => node.0 | IS_NODE,
                    false => value_at as u32,
                }));
            }
            FieldType::ClosedEnum => {
                let Some(number) = wire::number(field.field_type, bytes, at) else {
                    return Err(Fault::new(Why::Varint, value_at));
                };
                let named = self.tables.enum_layout(field.inner).name(number as i32);
                return Ok(named.map(|_| value_at as u32));
            }
            other => match other.wire_type() {
                WireType::I32 => wire::skip_bytes(bytes, at, 4),
                WireType::I64 => wire::skip_bytes(bytes, at, 8),
                _ => match wire::skip_varint(bytes, at) {
                    Some(()) => Some(()),
                    None => return Err(Fault::new(Why::Varint, value_at)),
                },
            },
        };
        match read {
            Some(()) => Ok(Some(value_at as u32)),
            None => Err(Fault::new(Why::Cut, value_at)),
        }
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
        let (limit, group) = match field.field_type {
            FieldType::Group => (bytes.len(), Some(field.key)),
            _ => match wire::length(bytes, at) {
                Some(end) if end == *at => return Ok(Node::NONE),
                Some(end) => (end, None),
                None => return Err(Fault::new(Why::Cut, *at)),
            },
        };
        let layout = self.tables.layout(field.inner);
        let open = self.open(layout, *at, limit, levels);
        let lay = around.lay && self.pays(layout.len(), *at, limit);
        let (node, after) = self.message(&Open { group, lay, ..open })?;
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

    /// Reads an entry of a map, a message with the key as field 1 and the value as field 2; gives the
    /// node of the value, or `None` if it is to be kept as unknown.
    fn entry(
        &mut self,
        around: &Open<'a>,
        bytes: &[u8],
        at: &mut usize,
        field: &FieldLayout,
    ) -> Result<Option<Node>, Box<Fault>> {
        let Some(limit) = wire::length(bytes, at) else {
            return Err(Fault::new(Why::Cut, *at));
        };
        let bytes = &bytes[..limit];
        let layout = self.tables.layout(field.inner);
        // The entry itself counts as no level.
        let open = Open {
            lay: around.lay,
            ..self.open(layout, *at, limit, around.levels)
        };
        let (mut node, mut values, mut known) = (Node::NONE, 0, true);
        while *at < limit {
            let key_at = *at;
            let Some(key) = wire::key(bytes, at) else {
                return Err(Fault::new(Why::Key, key_at));
            };
            let Some((_, part)) = layout.by_number(key >> 3) else {
                self.unknown(bytes, at, key, around.levels)?;
                continue;
            };
            if part.key != key {
                let expected = part.field_type.wire_type();
                return Err(Fault::new(Why::WireType { expected, key }, key_at));
            }
            let entry = self.value(&open, bytes, at, part)?;
            if part.number == VALUE_NUMBER {
                known = entry.is_some();
                values += 1;
                let is_node = entry.filter(|entry| entry & IS_NODE != 0);
                node = is_node.map_or(Node::NONE, |entry| Node(entry & !IS_NODE));
                self.split |= values > 1 && part.field_type.is_message();
            }
        }
        Ok(known.then_some(node))
    }

    #[inline]
    fn set(&mut self, open: &Open<'a>, slot: u16, field: &FieldLayout, entry: u32) {
        let slots = &mut self.scratch.slots[open.slots..];
        let before = std::mem::replace(&mut slots[usize::from(slot)], entry);
        self.split |= before != 0 && field.field_type.is_message();
        if field.oneof != 0 {
            let members = &open.layout.oneofs[usize::from(field.oneof) - 1];
            for member in members.iter().filter(|member| **member != slot) {
                slots[usize::from(*member)] = 0;
            }
        }
    }

    fn add_elements(&mut self, open: &Open<'a>, slot: u16, key_at: usize, count: u32, node: Node) {
        let place = &mut self.scratch.slots[open.slots + usize::from(slot)];
        if *place == 0 {
            self.scratch.runs.push(OpenRun {
                slot,
                run: Run {
                    first: key_at as u32,
                    count: 0,
                    node: Node::NONE,
                },
                last: Node::NONE,
            });
            *place = self.scratch.runs.len() as u32;
        }
        let open_run = &mut self.scratch.runs[*place as usize - 1];
        open_run.run.count += count;
        if node.exists() {
            match open_run.last.exists() {
                true => self.arena[open_run.last.0 as usize + NEXT] = node.link(),
                false => open_run.run.node = node,
            }
            open_run.last = node;
        }
    }

    #[cold]
    fn unknown(
        &self,
        bytes: &[u8],
        at: &mut usize,
        key: u32,
        levels: usize,
    ) -> Result<(), Box<Fault>> {
        let value_at = *at;
        let why = match (wire::skip(bytes, at, key, levels), WireType::of_key(key)) {
            (Ok(()), _) => return Ok(()),
            (Err(Unread::TooDeep), _) => Why::TooDeep,
            (_, Some(WireType::EndGroup)) => Why::EndGroup,
            (_, Some(WireType::Varint)) => Why::Varint,
            (_, None) => Why::Key,
            _ => Why::Cut,
        };
        Err(Fault::new(why, value_at))
    }

    /// Whether a message is worth a node: one with few bytes is looked through as fast. And whether the
    /// arena has room for one.
    #[inline]
    fn pays(&self, fields: usize, start: usize, limit: usize) -> bool {
        let words = words_at_most(fields, limit - start);
        words <= limit - start && self.has_room(words, limit)
    }

    /// Whether the arena can take so many words more, when the bytes are read up to `end`.
    #[inline]
    fn has_room(&self, words: usize, end: usize) -> bool {
        let all = self.arena.len() + self.reserved + words;
        all <= (end / 2 + ARENA_WORDS_FREE).min(self.arena_words_max)
    }

    /// Makes the node of a message whose fields have been read.
    fn lay_out(&mut self, open: &Open<'a>, end: usize) -> Node {
        let fields = open.layout.len();
        let slots = &self.scratch.slots[open.slots..];
        let runs = &self.scratch.runs[open.runs..];
        let entries = match fields <= DENSE_FIELDS_MAX {
            true => fields,
            false => fields.div_ceil(32) + slots.iter().filter(|entry| **entry != 0).count(),
        };
        if !self.has_room(HEADER_WORDS + entries + RUN_WORDS * runs.len(), end) {
            return Node::NONE;
        }
        let node = self.arena.len();
        self.arena.extend([open.start as u32, end as u32, 0]);
        if fields <= DENSE_FIELDS_MAX {
            self.arena.extend_from_slice(slots);
        } else {
            let (blocks, rest) = slots.as_chunks::<32>();
            let blocks = blocks.iter().map(|block| &block[..]).chain([rest]);
            self.arena
                .extend(blocks.take(fields.div_ceil(32)).map(set_bits));
            self.arena.extend(slots.iter().filter(|entry| **entry != 0));
        }
        for OpenRun { slot, run, .. } in runs {
            let at = self.arena.len() as u32;
            let place = node + HEADER_WORDS + place_of_entry(slots, usize::from(*slot));
            self.arena[place] = at;
            self.arena.extend([run.first, run.count, run.node.link()]);
        }
        Node(node as u32)
    }
}

/// The entry's place behind a node's header.
fn place_of_entry(slots: &[u32], slot: usize) -> usize {
    match slots.len() <= DENSE_FIELDS_MAX {
        true => slot,
        false => {
            let before = slots[..slot].iter().filter(|entry| **entry != 0).count();
            slots.len().div_ceil(32) + before
        }
    }
}

fn set_bits(entries: &[u32]) -> u32 {
    let bits = (0..).zip(entries);
    bits.fold(0, |word, (bit, entry)| word | u32::from(*entry != 0) << bit)
}

/// The words that a node of a type with so many fields may need when its message has so many bytes:
/// each field that is set takes two of them. Lists and maps need more, but come with more.
#[inline]
fn words_at_most(fields: usize, bytes: usize) -> usize {
    match fields <= DENSE_FIELDS_MAX {
        true => HEADER_WORDS + fields,
        false => HEADER_WORDS + fields.div_ceil(32) + fields.min(bytes / 2),
    }
}

/// Short texts, which most are, and long ones of ASCII are known for UTF-8 at a glance.
#[inline]
fn is_utf8(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk())
        && text.len() <= 16
    {
        let high = (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGH;
        return high == 0 || std::str::from_utf8(text).is_ok();
    }
    match text.len() {
        0..8 => text.is_ascii() || std::str::from_utf8(text).is_ok(),
        _ => simdutf8::basic::from_utf8(text).is_ok(),
    }
}

/// What even the shortest message's arena may take.
const ARENA_WORDS_FREE: usize = 64;

/// How many entries a thread keeps room for.
const SCRATCH_KEPT_MAX: usize = 4096;

const END_GROUP: u32 = WireType::EndGroup as u32;

/// The number of the value in the entry of a map.
const VALUE_NUMBER: u32 = 2;
