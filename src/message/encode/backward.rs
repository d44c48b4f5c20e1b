//! A buffer that is filled from its end.

use crate::{
    message::{MapKeyRef, pool::Pool, wire},
    schema::layout::{FieldLayout, FieldType, WireType},
};

/// What is written stands behind `at`.
pub(in crate::message) struct Backward<'a> {
    buffer: &'a mut Vec<u8>,
    at: usize,
}

impl Backward<'_> {
    /// Has `write` fill the thread's buffer, and `take` what is in it.
    pub(in crate::message) fn with<T>(
        write: impl FnOnce(&mut Backward<'_>),
        take: impl FnOnce(&[u8]) -> T,
    ) -> T {
        Pool::with(|pool| {
            let at = pool.encoded.len();
            let mut out = Backward {
                buffer: &mut pool.encoded,
                at,
            };
            write(&mut out);
            let taken = take(out.written());
            pool.shrink();
            taken
        })
    }

    fn written(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Room for `count` bytes in front of what is written.
    #[inline]
    fn room(&mut self, count: usize) -> &mut [u8] {
        if self.at < count {
            self.grow(count);
        }
        let end = self.at;
        self.at -= count;
        &mut self.buffer[self.at..end]
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
        *self.buffer = larger;
    }

    #[inline]
    pub(super) fn slice(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
    }

    #[inline]
    pub(super) fn varint(&mut self, value: u64) {
        if value < 0x80 {
            self.slice(&[value as u8]);
        } else {
            self.long_varint(value);
        }
    }

    fn long_varint(&mut self, mut value: u64) {
        let room = self.room(wire::varint_len(value));
        if let Some((last, others)) = room.split_last_mut() {
            for byte in others {
                *byte = value as u8 | 0x80;
                value >>= 7;
            }
            *last = value as u8;
        }
    }

    /// A number in its form on the wire, without a key.
    #[inline]
    pub(super) fn number(&mut self, field_type: FieldType, bits: u64) {
        match field_type.wire_type() {
            WireType::I32 => self.slice(&(bits as u32).to_le_bytes()),
            WireType::I64 => self.slice(&bits.to_le_bytes()),
            _ => self.varint(wire::to_varint(field_type, bits)),
        }
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
            _ => {
                for bits in items.iter().rev() {
                    self.varint(wire::to_varint(field_type, *bits));
                }
            }
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
            self.varint(bytes.len() as u64);
            self.varint(key.into());
        }
    }

    /// The key of a map's entry, as a field.
    pub(super) fn map_key(&mut self, field: &FieldLayout, key: MapKeyRef<'_>) {
        match key {
            MapKeyRef::Str(key) => return self.delimited_field(field.key, key.as_bytes()),
            MapKeyRef::Bool(key) => self.number(field.field_type, key.into()),
            MapKeyRef::I32(key) => self.number(field.field_type, i64::from(key) as u64),
            MapKeyRef::I64(key) => self.number(field.field_type, key as u64),
            MapKeyRef::U32(key) => self.number(field.field_type, key.into()),
            MapKeyRef::U64(key) => self.number(field.field_type, key),
        }
        self.varint(field.key.into());
    }

    /// A place, to write later how much stands in front of it.
    pub(super) fn mark(&self) -> usize {
        self.buffer.len() - self.at
    }

    pub(super) fn length_since(&mut self, mark: usize) {
        self.varint((self.buffer.len() - self.at - mark) as u64);
    }
}

const FIRST_BYTES: usize = 1024;
