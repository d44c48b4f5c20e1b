//! What is written together: a batch of writes, each with the precondition it relies on.

use std::{collections::HashSet, fmt};

use bytes::Bytes;

use super::StoreError;
use crate::limits;

/// The place of a commit in the order of all commits of a store; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of the commit that follows.
    pub(super) fn following(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What stands at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The bytes that were put.
    pub value: Bytes,
    /// The commit that put them.
    pub revision: Revision,
}

/// What must be true of a key before a batch for the batch to be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precondition {
    /// Nothing: the write is made in any case.
    #[default]
    None,
    /// There is no row at the key.
    Absent,
    /// There is a row at the key.
    Present,
    /// The row at the key is the one that this commit put.
    Revision(Revision),
}

impl Precondition {
    /// Compares with the revision of the row that stands at the key.
    pub(super) fn check(self, write: usize, found: Option<Revision>) -> Result<(), StoreError> {
        let failed = match (self, found) {
            (Self::Absent, Some(revision)) => {
                format!("the key exists already, since revision {revision}")
            }
            (Self::Present, None) => "there is no such key".to_owned(),
            (Self::Revision(expected), None) => {
                format!("the key is gone; it was expected at revision {expected}")
            }
            (Self::Revision(expected), Some(revision)) if expected != revision => {
                format!("the key is at revision {revision}, not {expected}")
            }
            _ => return Ok(()),
        };
        Err(StoreError::precondition_failed(write, failed))
    }
}

/// One write of a batch.
#[derive(Clone, Debug)]
pub struct Write {
    /// Where.
    pub key: Bytes,
    /// The row's new bytes; `None` deletes it.
    pub value: Option<Bytes>,
    /// What must be true of the key before the batch.
    pub precondition: Precondition,
}

/// Writes that are applied together or not at all. A key may be named once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    writes: Vec<Write>,
}

impl Batch {
    /// A batch that writes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds: the row at `key` becomes `value`.
    #[must_use]
    pub fn put(
        self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        precondition: Precondition,
    ) -> Self {
        self.write(Write {
            key: key.into(),
            value: Some(value.into()),
            precondition,
        })
    }

    /// Adds: there is no row at `key` any more.
    #[must_use]
    pub fn delete(self, key: impl Into<Bytes>, precondition: Precondition) -> Self {
        self.write(Write {
            key: key.into(),
            value: None,
            precondition,
        })
    }

    /// Adds one write.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// The writes, in the order in which they were added.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The bytes of all keys and values.
    pub(super) fn size_bytes(&self) -> usize {
        let size = |write: &Write| write.key.len() + write.value.as_ref().map_or(0, Bytes::len);
        self.writes.iter().map(size).sum()
    }

    /// Refuses a batch that no store can apply, so that it does not spoil the commit it shares with
    /// others.
    pub(super) fn validate(&self) -> Result<(), StoreError> {
        check_size(self.size_bytes())?;
        if self.writes.len() < 2 {
            return Ok(());
        }
        let mut keys = HashSet::with_capacity(self.writes.len());
        // Which of the two writes was meant to stay?
        match self.writes.iter().find(|write| !keys.insert(&write.key)) {
            None => Ok(()),
            Some(twice) => Err(StoreError::invalid(format!(
                "one batch writes the key {:?} twice; write it once",
                twice.key
            ))),
        }
    }
}

/// Refuses to write so many bytes of keys and values at once.
pub(super) fn check_size(bytes: usize) -> Result<(), StoreError> {
    let limit = limits::STORE_BATCH_BYTES;
    match bytes > limit {
        false => Ok(()),
        true => Err(StoreError::invalid(format!(
            "one batch has {bytes} bytes of keys and values, more than {limit}; split it"
        ))),
    }
}
