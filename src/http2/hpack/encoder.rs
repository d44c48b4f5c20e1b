//! Fields to field blocks (RFC 7541, 6).
//!
//! Fields that are always the same are put into the peer's table when they are first sent, and are a
//! byte each from then on. They fit there all together, so that none of them is ever evicted. What
//! differs from message to message is not worth a place in the table.

use super::{
    ENTRY_OVERHEAD_BYTES, TABLE_BYTES, huffman, integer,
    static_table::{CONTENT_TYPE, COUNT, STATUS_200},
};

/// What a connection's field blocks are written with, one after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    /// What is in the peer's table, the oldest first.
    table: Vec<(&'static str, &'static str)>,
    table_bytes: usize,
    /// The peer's table is smaller than everybody's: it is not used at all.
    without_table: bool,
    /// The peer is still to be told that its table is empty.
    tell_resize: bool,
    changes: u64,
}

impl Encoder {
    /// How often the peer's table, or what it is to be told of it, has changed: while it has not, the
    /// same fields make the same block.
    pub(crate) fn table_changes(&self) -> u64 {
        self.changes
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE.
    pub(crate) fn resize(&mut self, bytes_max: u32) {
        if (bytes_max as usize) < TABLE_BYTES && !self.without_table {
            self.changes += 1;
            self.table = Vec::new();
            (self.without_table, self.tell_resize) = (true, true);
        }
    }

    /// To be called first for every block.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.tell_resize) {
            self.changes += 1;
            integer::encode(0, SIZE_UPDATE, 5, out);
        }
    }

    /// `:status`, which comes before all others.
    pub(crate) fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        let index = match status {
            200 => STATUS_200,
            204 => STATUS_200 + 1,
            206 => STATUS_200 + 2,
            304 => STATUS_200 + 3,
            400 => STATUS_200 + 4,
            404 => STATUS_200 + 5,
            500 => STATUS_200 + 6,
            status => {
                integer::encode(STATUS_200, WITHOUT_INDEXING, 4, out);
                let digits = [status / 100 % 10, status / 10 % 10, status % 10];
                return write_string(&digits.map(|digit| b'0' + digit as u8), out);
            }
        };
        integer::encode(index, INDEXED, 7, out);
    }

    /// A field that is always the same.
    pub(crate) fn constant(&mut self, name: &'static str, value: &'static str, out: &mut Vec<u8>) {
        let known = self
            .table
            .iter()
            .position(|(n, v)| is_same(v, value) && is_same(n, name));
        if let Some(place) = known {
            // The latest has the lowest index.
            return integer::encode(COUNT + self.table.len() - place, INDEXED, 7, out);
        }
        let bytes = name.len() + value.len() + ENTRY_OVERHEAD_BYTES;
        if self.without_table || self.table_bytes + bytes > TABLE_BYTES {
            return self.field(name.as_bytes(), value.as_bytes(), out);
        }
        self.changes += 1;
        self.table_bytes += bytes;
        self.table.push((name, value));
        write_name(name.as_bytes(), WITH_INDEXING, 6, out);
        write_string(value.as_bytes(), out);
    }

    /// A field that the peer need not remember.
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        write_name(name, WITHOUT_INDEXING, 4, out);
        write_string(value, out);
    }
}

/// Most often it is the very same text.
fn is_same(known: &str, wanted: &str) -> bool {
    std::ptr::eq(known, wanted) || known == wanted
}

fn write_name(name: &[u8], flags: u8, prefix_bits: u32, out: &mut Vec<u8>) {
    if name == b"content-type" {
        return integer::encode(CONTENT_TYPE, flags, prefix_bits, out);
    }
    out.push(flags);
    write_string(name, out);
}

/// 5.2, in whichever of the two forms is shorter.
fn write_string(plain: &[u8], out: &mut Vec<u8>) {
    let encoded = huffman::encoded_len(plain);
    if encoded < plain.len() {
        integer::encode(encoded, HUFFMAN, 7, out);
        huffman::encode(plain, out);
    } else {
        integer::encode(plain.len(), 0, 7, out);
        out.extend_from_slice(plain);
    }
}

const INDEXED: u8 = 0x80;
const WITH_INDEXING: u8 = 0x40;
const SIZE_UPDATE: u8 = 0x20;
const WITHOUT_INDEXING: u8 = 0;
const HUFFMAN: u8 = 0x80;
