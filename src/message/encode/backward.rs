//! A buffer that is filled from its end.

use super::varint;
use crate::{
    message::{MapKeyRef, pool::Pool, wire},
    schema::layout::{FieldLayout, FieldType, WireType},
};

/// What is written stands behind `at`.
pub(in crate::message) struct Backward {
    buffer: Vec<u8>,
    at: usize,
}

impl Backward {
    /// Has `write` fill the thread's buffer, and `take` what is in it.
    pub(in crate::message) fn with<T>(
        write: impl FnOnce(&mut Self),
        take: impl FnOnce(&[u8]) -> T,
    ) -> T {
        Pool::with(|pool| {
            let buffer = std::mem::take(&mut pool.encoded);
            let mut out = Self {
                at: buffer.len(),
                buffer,
            };
            write(&mut out);
            let taken = take(&out.buffer[out.at..]);
            pool.keep_encoded(out.buffer);
            taken
        })
    }

    /// Room for `count` bytes in front of what is written.
    #[inline]
    fn room(&mut self, count: usize) -> &mut [u8] {
        self.reserve(count);
        let end = self.at;
        self.at -= count;
        &mut self.buffer[self.at..end]
    }

    #[inline]
    fn reserve(&mut self, count: usize) {
        if self.at < count {
            self.grow(count);
        }
    }

    #[cold]
    fn grow(&mut self, count: usize) {
        let written = self.buffer.len() - self.at;
        let length = (2 * self.buffer.len())
            .max(written + count)
            .max(FIRST_BYTES);
        let mut larger = vec![0; length];
        larger[length - written..].copy_from_slice(&self.buffer[self.at..]);
        self.at = length - written;
        self.buffer = larger;
    }

    #[inline]
    pub(super) fn slice(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
    }

    #[inline]
    pub(super) fn varint(&mut self, value: u64) {
        self.reserve(wire::VARINT_BYTES_MAX);
        self.at = varint::put_before(&mut self.buffer, self.at, value);
    }

    /// A number in its form on the wire, behind its key.
    #[inline]
    pub(super) fn number_field(&mut self, field: &FieldLayout, bits: u64) {
        let key = field.key;
        match WireType::of_key(key) {
            Some(WireType::I32) => self.slice(&(bits as u32).to_le_bytes()),
            Some(WireType::I64) => self.slice(&bits.to_le_bytes()),
            _ => {
                let value = wire::to_varint(field.field_type, bits);
                if u64::from(key) | value < 0x80 {
                    return self.slice(&[key as u8, value as u8]);
                }
                self.varint(value);
            }
        }
        self.varint(key.into());
    }

    /// The numbers of a packed list.
    pub(super) fn numbers(&mut self, field_type: FieldType, items: &[u64]) {
        match field_type.wire_type() {
            WireType::I32 => {
                let (room, _) = self.room(4 * items.len()).as_chunks_mut::<4>();
                for (four, bits) in room.iter_mut().zip(items) {
                    *four = (*bits as u32).to_le_bytes();
                }
            }
            WireType::I64 => {
                let (room, _) = self.room(8 * items.len()).as_chunks_mut::<8>();
                for (eight, bits) in room.iter_mut().zip(items) {
                    *eight = bits.to_le_bytes();
                }
            }
            _ => match field_type {
                FieldType::Sint32 => self.varints(items, wire::zigzag_32),
                FieldType::Sint64 => self.varints(items, wire::zigzag_64),
                _ => self.varints(items, |bits| bits),
            },
        }
    }

    #[inline]
    fn varints(&mut self, items: &[u64], to_varint: impl Fn(u64) -> u64) {
        for some in items.rchunks(64) {
            self.reserve(wire::VARINT_BYTES_MAX * some.len());
            let mut at = self.at;
            let room = &mut self.buffer[..at];
            for bits in some.iter().rev() {
                at = varint::put_before(room, at, to_varint(*bits));
            }
            self.at = at;
        }
    }

    /// Bytes behind key and length.
    #[inline]
    pub(super) fn delimited_field(&mut self, key: u32, bytes: &[u8]) {
        if key < 0x80 && bytes.len() < 0x80 {
            if let Some((head, tail)) = self.room(bytes.len() + 2).split_first_chunk_mut() {
                *head = [key as u8, bytes.len() as u8];
                tail.copy_from_slice(bytes);
            }
        } else {
            self.slice(bytes);
            self.head(key, bytes.len());
        }
    }

    /// Key and length, in front of so many bytes.
    #[inline]
    pub(super) fn head(&mut self, key: u32, length: usize) {
        if key < 0x80 && length < 0x80 {
            self.slice(&[key as u8, length as u8]);
        } else {
            self.varint(length as u64);
            self.varint(key.into());
        }
    }

    /// The key of a map's entry, as a field.
    pub(super) fn map_key(&mut self, field: &FieldLayout, key: MapKeyRef<'_>) {
        let bits = match key {
            MapKeyRef::Str(key) => return self.delimited_field(field.key, key.as_bytes()),
            MapKeyRef::Bool(key) => key.into(),
            MapKeyRef::I32(key) => i64::from(key) as u64,
            MapKeyRef::I64(key) => key as u64,
            MapKeyRef::U32(key) => key.into(),
            MapKeyRef::U64(key) => key,
        };
        self.number_field(field, bits);
    }

    /// A place, to write later how much stands in front of it.
    #[inline]
    pub(super) fn mark(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Key and length, in front of what was written since a place.
    #[inline]
    pub(super) fn head_since(&mut self, key: u32, mark: usize) {
        self.head(key, self.mark() - mark);
    }
}

const FIRST_BYTES: usize = 1024;
