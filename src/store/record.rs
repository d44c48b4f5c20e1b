//! What a store keeps of a write.

use std::fmt;

use bytes::Bytes;

use super::Write;

/// A key and its value, or that it was deleted, in one piece of memory that all share who keep it.
///
/// The bytes are copied once, here: keys and values are often small slices of a large buffer that was
/// received, and would keep all of it.
#[derive(Clone, Default)]
pub(super) struct Record {
    /// The key, and behind it the value.
    bytes: Bytes,
    /// Where the value begins; [`NONE`] without one.
    value_at: u32,
}

impl Record {
    pub(super) fn new(key: &[u8], value: Option<&[u8]>) -> Self {
        // Batches are limited to far less than a u32 can say.
        let value_at = value.map_or(NONE, |_| key.len() as u32);
        Self {
            bytes: joined(key, value.unwrap_or_default()),
            value_at,
        }
    }

    pub(super) fn of(write: &Write) -> Self {
        Self::new(&write.key, write.value.as_deref())
    }

    pub(super) fn key(&self) -> &[u8] {
        let before = self.bytes.get(..self.value_at as usize);
        before.unwrap_or(&self.bytes)
    }

    pub(super) fn to_key(&self) -> Bytes {
        self.bytes.slice(..self.key().len())
    }

    pub(super) fn has_value(&self) -> bool {
        self.value_at != NONE
    }

    /// The row's bytes; `None` if it was deleted.
    pub(super) fn to_value(&self) -> Option<Bytes> {
        let value = || self.bytes.slice(self.value_at as usize..);
        self.has_value().then(value)
    }

    /// The bytes of key and value.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.to_key())
            .field("value", &self.to_value())
            .finish()
    }
}

/// Both in one allocation, together with the count of references where they are short: a `Bytes`
/// made of a vector has another one for the count, about as large as a small row.
fn joined(key: &[u8], value: &[u8]) -> Bytes {
    match key.len() + value.len() {
        0..=15 => Short::<15>::joined(key, value),
        16..=31 => Short::<31>::joined(key, value),
        32..=47 => Short::<47>::joined(key, value),
        48..=63 => Short::<63>::joined(key, value),
        64..=95 => Short::<95>::joined(key, value),
        96..=127 => Short::<127>::joined(key, value),
        _ => [key, value].concat().into(),
    }
}

/// With its length and the count of references a multiple of eight bytes.
struct Short<const N: usize> {
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> Short<N> {
    /// Of no more than `N` bytes.
    fn joined(key: &[u8], value: &[u8]) -> Bytes {
        let mut bytes = [0; N];
        let (of_key, rest) = bytes.split_at_mut(key.len());
        of_key.copy_from_slice(key);
        rest[..value.len()].copy_from_slice(value);
        Bytes::from_owner(Self {
            bytes,
            length: (key.len() + value.len()) as u8,
        })
    }
}

impl<const N: usize> AsRef<[u8]> for Short<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length.into()]
    }
}

const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_of_every_length_are_told_apart() {
        let bytes: Vec<u8> = (0..=255).collect();
        for all in 0..=140 {
            for of_key in 0..=all {
                let (key, value) = bytes[..all].split_at(of_key);
                let record = Record::new(key, Some(value));
                assert_eq!(record.key(), key);
                assert_eq!(record.to_key(), key);
                assert_eq!(record.to_value().as_deref(), Some(value));
                assert_eq!(record.size_bytes(), all);
            }
            assert_eq!(Record::new(&bytes[..all], None).to_value(), None);
        }
    }
}
