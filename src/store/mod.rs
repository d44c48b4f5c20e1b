//! Keys and bytes: where resources are kept. No protobuf in this room.
//!
//! A [`Store`] maps keys to rows in the order of the keys' bytes. What is written together stands
//! in a [`Batch`], each write with the [`Precondition`] it relies on; [`Store::commit`] applies all
//! of it or nothing and answers with a [`Revision`]. An update is therefore: read, check, commit
//! with [`Precondition::Revision`], and again from the start if someone else was faster.
//!
//! - [`MemoryStore`]: gone with the process.
//! - [`RedbStore`] (feature `store-redb`): a commit is answered after its bytes are on disk.

mod batch;
mod change_log;
#[cfg(feature = "store-redb")]
mod checksum;
mod error;
mod future;
mod memory;
mod record;
#[cfg(feature = "store-redb")]
mod redb;
mod scan;

use std::fmt::Debug;

use bytes::Bytes;
use tokio::sync::watch;

#[cfg(feature = "store-redb")]
pub use self::redb::{RedbOptions, RedbStore};
pub use self::{
    batch::{Batch, Precondition, Revision, Row, Write},
    change_log::{Change, Changes, Lagged},
    error::StoreError,
    future::StoreFuture,
    memory::MemoryStore,
    scan::{KeyRange, Page},
};

/// An ordered map from keys to rows, with atomic batches, counters and a feed of changes.
///
/// What every implementation promises, and `tests/store_contract.rs` holds it to:
///
/// - A commit that was answered is seen by every read that starts afterwards, and survives whatever
///   the implementation says it survives.
/// - A method does its work when it is called, not when its future is polled; dropping the future
///   does not take back what was asked for. Keys are borrowed for the call only.
/// - An error for which [`StoreError::is_unavailable`] holds says nothing about the keys: the same
///   call may succeed later. After a commit ask [`StoreError::may_have_been_applied`] too.
pub trait Store: Debug + Send + Sync + 'static {
    /// The row at `key`, if there is one.
    fn get(&self, key: &[u8]) -> StoreFuture<'_, Option<Row>>;

    /// The first rows of `range`, in the order of their keys, that come after the key `after`: at
    /// most `limit` (0 counts as 1) and at most [`STORE_PAGE_BYTES`](crate::limits::STORE_PAGE_BYTES).
    ///
    /// A page is one consistent view; two pages are two views. Nothing is held between them.
    fn scan(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> StoreFuture<'_, Page>;

    /// Applies the whole batch if every precondition holds, else nothing.
    ///
    /// Answers with the batch's revision, higher than that of every commit answered before.
    ///
    /// # Errors
    /// [`StoreError::is_precondition_failed`] tells which write's precondition does not hold.
    fn commit(&self, batch: Batch) -> StoreFuture<'_, Revision>;

    /// Applies one write, as a [`commit`](Self::commit) of a batch of it does. What is borrowed is
    /// copied by who keeps it.
    fn commit_one(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        precondition: Precondition,
    ) -> StoreFuture<'_, Revision> {
        self.commit(Batch::new().write(Write {
            key: Bytes::copy_from_slice(key),
            value: value.map(Bytes::copy_from_slice),
            precondition,
        }))
    }

    /// Whether each answer to `get`, `scan`, `commit` and `next` is there when the method returns,
    /// and came without waiting. Then calls are answered where they stand, without a task.
    fn answers_at_once(&self) -> bool {
        false
    }

    /// The next number of the sequence `name`: 0, 1, 2 and so on, with gaps where a number was not
    /// used or the process was killed. The same number is never answered twice.
    fn next(&self, name: &str) -> StoreFuture<'_, u64>;

    /// The changes to keys that begin with `prefix`, in the order of their commits, from the first
    /// whose revision is higher than `after`.
    ///
    /// [`Page::revision`] is the `after` that misses nothing and repeats nothing of a page. If the
    /// changes after `after` are no longer known, the only item is [`Lagged`]; the latest are while
    /// somebody watches, or has read a page not long ago.
    fn changes(&self, prefix: Bytes, after: Revision) -> Changes;

    /// Whether the store can be written to; the receiver sees it change.
    fn health(&self) -> watch::Receiver<Health>;

    /// Whether the store can be written to right now.
    fn is_available(&self) -> bool {
        matches!(*self.health().borrow(), Health::Available)
    }
}

/// Whether a store can be written to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Health {
    /// Reads and commits are answered.
    Available,
    /// Commits are refused for this reason, until the store has mended itself; reads are answered
    /// as far as the bytes can be read.
    Unavailable(StoreError),
}

/// The key under which a store's users keep what they must know about the data itself, for example
/// the descriptor with which a resource was written.
///
/// Such keys begin with a zero byte: they are read and committed like all others, in the same
/// batches and with the same preconditions, and [`KeyRange::all`] leaves them out.
pub fn metadata_key(name: &str) -> Bytes {
    [b"\0", name.as_bytes()].concat().into()
}
