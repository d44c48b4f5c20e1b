//! The dynamic table of a decoder (RFC 7541, 2.3.2 and 4).

use std::{cell::Cell, collections::VecDeque};

use bytes::Bytes;

use super::{ENTRY_OVERHEAD_BYTES, TABLE_BYTES};

/// Fields that were received, the latest first.
#[derive(Debug)]
pub(super) struct DynamicTable {
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
    /// How often it has changed.
    changes: u64,
}

/// A field that was received once and may be referred to again and again.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Name and value in one piece.
    bytes: Bytes,
    name_bytes: usize,
    /// What whoever reads the fields has made of this one, so that it need not do so again; 0 until
    /// it has.
    pub(crate) memo: Cell<u32>,
}

impl Default for DynamicTable {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max: TABLE_BYTES,
            changes: 0,
        }
    }
}

impl DynamicTable {
    /// The entry of an index that counts from 0 here.
    pub(super) fn get(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    /// While it is the same, so is what every index stands for.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Adds a field; `false` if it is larger than the table, which is then empty: "an attempt to add
    /// an entry larger than the maximum size causes the table to be emptied of all existing entries"
    /// (4.4).
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.changes += 1;
        let entry = Entry::new(name, value);
        let bytes = entry.table_bytes();
        self.evict(self.bytes_max.saturating_sub(bytes));
        if bytes > self.bytes_max {
            return false;
        }
        self.bytes += bytes;
        self.entries.push_front(entry);
        true
    }

    /// The peer says that from now on it uses at most that much; `false` if it may not.
    pub(super) fn resize(&mut self, bytes_max: usize) -> bool {
        if bytes_max > TABLE_BYTES {
            return false;
        }
        self.changes += 1;
        self.bytes_max = bytes_max;
        self.evict(bytes_max);
        true
    }

    fn evict(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.entries.pop_back() else {
                break;
            };
            self.bytes -= oldest.table_bytes();
        }
    }
}

impl Entry {
    pub(super) fn new(name: &[u8], value: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(name.len() + value.len());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(value);
        Self {
            bytes: bytes.into(),
            name_bytes: name.len(),
            memo: Cell::new(0),
        }
    }

    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.name_bytes)
    }

    /// The name, without a copy.
    pub(crate) fn name(&self) -> Bytes {
        self.bytes.slice(..self.name_bytes)
    }

    /// The value, without a copy.
    pub(crate) fn value(&self) -> Bytes {
        self.bytes.slice(self.name_bytes..)
    }

    fn table_bytes(&self) -> usize {
        self.bytes.len() + ENTRY_OVERHEAD_BYTES
    }
}
