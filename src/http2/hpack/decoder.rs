//! Field blocks to fields (RFC 7541, 3.2 and 6).

use super::{
    Entry, Malformed,
    dynamic_table::DynamicTable,
    huffman, integer,
    static_table::{self, COUNT},
};

/// What a connection's field blocks are read with, one after another.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    table: DynamicTable,
    /// Name and value of a literal; kept to be filled again.
    literal: Vec<u8>,
    /// The last literals that were not added to the table, one for some names of the static table.
    recent: [Option<Recent>; RECENT_MAX],
}

/// A literal that the peer does not want in the table, but may send again as it is: nghttp2, and what
/// is built on it, does so with `:path`. It need not be decoded again.
#[derive(Debug)]
struct Recent {
    name: usize,
    /// The value as it was encoded.
    encoded: Vec<u8>,
    entry: Entry,
}

/// One field of a block, as long as the next is not read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Where it is kept, if the peer may refer to it again.
    pub(crate) entry: Option<&'a Entry>,
}

impl Decoder {
    /// How often the table has changed: while it has not, the same block stands for the same fields.
    pub(crate) fn table_changes(&self) -> u64 {
        self.table.changes()
    }

    /// Reads a whole block, and tells each of its fields.
    pub(crate) fn decode(
        &mut self,
        mut block: &[u8],
        mut each: impl FnMut(Field<'_>),
    ) -> Result<(), Malformed> {
        let input = &mut block;
        let mut begun = false;
        while let Some((first, rest)) = input.split_first() {
            *input = rest;
            let first = *first;
            match first {
                0x80.. => each(self.indexed(first, input)?),
                0x40.. => each(self.literal_indexed(first, input)?),
                0x20.. => {
                    // "This dynamic table size update MUST occur at the beginning of the first header
                    // block following the change" (4.2).
                    if begun {
                        return Err(Malformed("the table is resized within a block"));
                    }
                    self.resize(first, input)?;
                    continue;
                }
                0x10.. => each(self.literal(first, input)?),
                _ => each(self.literal_repeated(first, input)?),
            }
            begun = true;
        }
        // What was long once need not stay.
        self.literal.clear();
        self.literal.shrink_to(LITERAL_BYTES_KEPT);
        Ok(())
    }

    /// 6.1: both name and value are in a table.
    fn indexed(&self, first: u8, input: &mut &[u8]) -> Result<Field<'_>, Malformed> {
        let index = integer::decode(first, 7, input)?;
        self.lookup(index)
    }

    fn lookup(&self, index: usize) -> Result<Field<'_>, Malformed> {
        if let Some((name, value)) = static_table::field(index) {
            return Ok(Field {
                name,
                value,
                entry: None,
            });
        }
        index
            .checked_sub(COUNT + 1)
            .and_then(|index| self.table.get(index))
            .map(Field::of)
            .ok_or(Malformed("an index that no table has"))
    }

    /// 6.2.1: a literal that is added to the table.
    fn literal_indexed(&mut self, first: u8, input: &mut &[u8]) -> Result<Field<'_>, Malformed> {
        let name_bytes = self.read_literal(first, 6, input)?;
        let (name, value) = self.literal.split_at(name_bytes);
        let added = self.table.add(name, value);
        Ok(match self.table.get(0).filter(|_| added) {
            Some(entry) => Field::of(entry),
            None => Field {
                name,
                value,
                entry: None,
            },
        })
    }

    /// 6.2.2: a literal that is not added to the table.
    fn literal_repeated(&mut self, first: u8, input: &mut &[u8]) -> Result<Field<'_>, Malformed> {
        let mut rest = *input;
        let name = integer::decode(first, 4, &mut rest)?;
        let encoded = match static_table::field(name) {
            Some(_) => peek_string(rest)?,
            None => return self.literal(first, input),
        };
        let place = name % RECENT_MAX;
        let recent = self.recent.get(place).and_then(Option::as_ref);
        let known = recent.is_some_and(|recent| recent.name == name && recent.encoded == encoded);
        if known {
            *input = rest.get(encoded.len()..).unwrap_or_default();
        } else if encoded.len() > RECENT_BYTES_MAX {
            return self.literal(first, input);
        } else {
            let name_bytes = self.read_literal(first, 4, input)?;
            self.remember(place, name, encoded, name_bytes);
        }
        let recent = self.recent.get(place).and_then(Option::as_ref);
        recent
            .map(|recent| Field::of(&recent.entry))
            .ok_or(Malformed("no place for a literal"))
    }

    /// Keeps the literal that has just been read.
    fn remember(&mut self, place: usize, name: usize, encoded: &[u8], name_bytes: usize) {
        let (plain_name, value) = self.literal.split_at(name_bytes);
        let recent = Recent {
            name,
            encoded: encoded.to_vec(),
            entry: Entry::new(plain_name, value),
        };
        if let Some(place) = self.recent.get_mut(place) {
            *place = Some(recent);
        }
    }

    /// 6.2.3, and 6.2.2 where it is not worth more: a literal that is not kept.
    fn literal(&mut self, first: u8, input: &mut &[u8]) -> Result<Field<'_>, Malformed> {
        let name_bytes = self.read_literal(first, 4, input)?;
        let (name, value) = self.literal.split_at(name_bytes);
        Ok(Field {
            name,
            value,
            entry: None,
        })
    }

    /// Reads name and value; how long the name is.
    fn read_literal(
        &mut self,
        first: u8,
        prefix_bits: u32,
        input: &mut &[u8],
    ) -> Result<usize, Malformed> {
        let index = integer::decode(first, prefix_bits, input)?;
        let mut literal = std::mem::take(&mut self.literal);
        literal.clear();
        match index {
            0 => read_string(input, &mut literal)?,
            index => literal.extend_from_slice(self.lookup(index)?.name),
        }
        let name_bytes = literal.len();
        read_string(input, &mut literal)?;
        self.literal = literal;
        Ok(name_bytes)
    }

    /// 6.3.
    fn resize(&mut self, first: u8, input: &mut &[u8]) -> Result<(), Malformed> {
        let bytes_max = integer::decode(first, 5, input)?;
        // "The new maximum size MUST be lower than or equal to the limit determined by the protocol".
        match self.table.resize(bytes_max) {
            true => Ok(()),
            false => Err(Malformed("the table is made larger than it may be")),
        }
    }
}

impl<'a> Field<'a> {
    fn of(entry: &'a Entry) -> Self {
        let (name, value) = entry.parts();
        Self {
            name,
            value,
            entry: Some(entry),
        }
    }
}

/// 5.2.
fn read_string(input: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let cut = Malformed("a string is cut off");
    let (first, rest) = input.split_first().ok_or(cut)?;
    *input = rest;
    let length = integer::decode(*first, 7, input)?;
    let (string, rest) = input.split_at_checked(length).ok_or(cut)?;
    *input = rest;
    if first & HUFFMAN == 0 {
        out.extend_from_slice(string);
        return Ok(());
    }
    huffman::decode(string, out)
}

/// The string that is next, with its length, as it is encoded.
fn peek_string(input: &[u8]) -> Result<&[u8], Malformed> {
    let cut = Malformed("a string is cut off");
    let (first, mut rest) = input.split_first().ok_or(cut)?;
    let length = integer::decode(*first, 7, &mut rest)?;
    let end = input.len() - rest.len() + length;
    input.get(..end).ok_or(cut)
}

const HUFFMAN: u8 = 0x80;

/// `:path` and `content-length` are apart when their indices are divided by it.
const RECENT_MAX: usize = 7;

/// A longer one is not worth it.
const RECENT_BYTES_MAX: usize = 128;

/// Enough for most fields.
const LITERAL_BYTES_KEPT: usize = 256;
