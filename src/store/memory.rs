//! A store in memory: gone with the process.

mod order;
mod rows;
mod table;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    hash::{BuildHasher, Hasher, RandomState},
    iter::Peekable,
    sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use tokio::sync::watch;

use self::rows::{RowRef, Rows};
use super::{
    Batch, Changes, Health, KeyRange, Page, Precondition, Revision, Row, Store, StoreError,
    StoreFuture,
    batch::check_size,
    change_log::{ChangeLog, Woken},
    record::Record,
    scan::PageBuilder,
};

/// A store in memory: gone with the process. Every answer is ready when the method returns.
///
/// The rows are dealt to shards by a hash of their keys, each with a lock and a cache line of its
/// own, so that two workers rarely write the same line: a `get` writes its shard's lock and nothing
/// else. Commits meet in one place, the change log, which gives them their order; a scan merges the
/// shards.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Shard]>,
    /// Of keys. With a seed of its own: callers choose keys.
    hasher: RandomState,
    change_log: ChangeLog,
    sequences: Mutex<BTreeMap<Box<str>, u64>>,
    health: watch::Sender<Health>,
}

/// 128 bytes: processors fetch cache lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    rows: RwLock<Rows>,
}

/// Where a key belongs.
#[derive(Clone, Copy)]
struct Home {
    shard: usize,
    hash: u32,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            change_log: ChangeLog::starting_after(Revision::default()),
            sequences: Mutex::default(),
            health: watch::Sender::new(Health::Available),
        }
    }

    fn home(&self, key: &[u8]) -> Home {
        // Not `hash_one`, which hashes the length, too.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        let hash = hasher.finish();
        Home {
            shard: (hash >> 32) as usize % SHARDS,
            hash: hash as u32,
        }
    }

    fn read(&self, shard: usize) -> RwLockReadGuard<'_, Rows> {
        self.shards[shard].rows.read().expect(NOT_POISONED)
    }

    fn write(&self, shard: usize) -> RwLockWriteGuard<'_, Rows> {
        self.shards[shard].rows.write().expect(NOT_POISONED)
    }

    fn commit_one_now(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        precondition: Precondition,
    ) -> Result<Revision, StoreError> {
        check_size(key.len() + value.map_or(0, <[u8]>::len))?;
        let record = Record::new(key, value);
        let Home { shard, hash } = self.home(key);
        // Dropped after the shard's lock.
        let mut _woken = Woken::default();
        let mut rows = self.write(shard);
        rows.check_room(1)?;
        rows.write(hash, record, |record, found| {
            precondition.check(0, found)?;
            // Deleting what is not there changes nothing.
            let changes = record.has_value() || found.is_some();
            let mut log = self.change_log.begin();
            let revision = log.append(changes.then_some(record).into_iter().cloned());
            _woken = log.end();
            Ok(revision)
        })
    }

    fn commit_now(&self, batch: &Batch) -> Result<Revision, StoreError> {
        batch.validate()?;
        let homes: Vec<_> = batch.writes().iter().map(|w| self.home(&w.key)).collect();
        let _woken;
        let mut locked = self.lock(&homes);
        let mut changes = Vec::with_capacity(homes.len());
        for (position, (write, home)) in batch.writes().iter().zip(homes).enumerate() {
            let rows = locked.rows(home);
            rows.check_room(batch.writes().len())?;
            let found = rows.revision(home.hash, &write.key);
            write.precondition.check(position, found)?;
            if write.value.is_some() || found.is_some() {
                changes.push((home, Record::of(write)));
            }
        }
        let mut log = self.change_log.begin();
        let revision = log.append(changes.iter().map(|(_, record)| record.clone()));
        _woken = log.end();
        for (home, record) in changes {
            locked
                .rows(home)
                .write(home.hash, record, |_, _| Ok(revision))?;
        }
        Ok(revision)
    }

    /// Locks the shards of a batch's keys, always in the same order.
    fn lock(&self, homes: &[Home]) -> Locked<'_> {
        let mut shards: Vec<_> = homes.iter().map(|home| home.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        let lock = |shard| (shard, self.write(shard));
        Locked(shards.into_iter().map(lock).collect())
    }

    fn scan_now(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> Page {
        // All shards are locked before the revision is read: no commit is half in the page.
        let shards: Vec<_> = (0..SHARDS).map(|shard| self.read(shard)).collect();
        let revision = self.change_log.last();
        let mut page = PageBuilder::new(limit, revision);
        if let Some(bounds) = range.behind(after) {
            let mut rows = Merged::new(shards.iter().map(|rows| rows.range(bounds)));
            // `all` stops at the first row for which there is no room.
            rows.all(|row| page.push(row.to_key(), row.to_row()));
        }
        page.finish()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> StoreFuture<'_, Option<Row>> {
        let Home { shard, hash } = self.home(key);
        StoreFuture::ready(Ok(self.read(shard).get(hash, key)))
    }

    fn scan(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> StoreFuture<'_, Page> {
        StoreFuture::ready(Ok(self.scan_now(range, after, limit)))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Revision> {
        StoreFuture::ready(self.commit_now(&batch))
    }

    fn commit_one(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        precondition: Precondition,
    ) -> StoreFuture<'_, Revision> {
        StoreFuture::ready(self.commit_one_now(key, value, precondition))
    }

    fn answers_at_once(&self) -> bool {
        true
    }

    fn next(&self, name: &str) -> StoreFuture<'_, u64> {
        let mut sequences = self.sequences.lock().expect(NOT_POISONED);
        let number = match sequences.get_mut(name) {
            Some(next) => {
                *next += 1;
                *next - 1
            }
            None => {
                sequences.insert(name.into(), 1);
                0
            }
        };
        StoreFuture::ready(Ok(number))
    }

    fn changes(&self, prefix: Bytes, after: Revision) -> Changes {
        self.change_log.watch(prefix, after)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}

/// The shards of one batch, locked for writing.
struct Locked<'a>(Vec<(usize, RwLockWriteGuard<'a, Rows>)>);

impl<'a> Locked<'a> {
    fn rows(&mut self, home: Home) -> &mut RwLockWriteGuard<'a, Rows> {
        let shard = home.shard;
        let locked = self.0.iter_mut().find(|(locked, _)| *locked == shard);
        &mut locked
            .expect("the shards of all the batch's keys are locked")
            .1
    }
}

/// The rows of all shards in the order of their keys.
struct Merged<'a, I: Iterator<Item = RowRef<'a>>> {
    shards: Vec<Peekable<I>>,
    /// The next key of each shard that has one; the keys of two shards are never equal.
    next: BinaryHeap<Reverse<(&'a [u8], usize)>>,
}

impl<'a, I: Iterator<Item = RowRef<'a>>> Merged<'a, I> {
    fn new(shards: impl Iterator<Item = I>) -> Self {
        let shards: Vec<_> = shards.map(Iterator::peekable).collect();
        let mut merged = Self {
            next: BinaryHeap::with_capacity(shards.len()),
            shards,
        };
        (0..merged.shards.len()).for_each(|shard| merged.advance(shard));
        merged
    }

    fn advance(&mut self, shard: usize) {
        if let Some(row) = self.shards[shard].peek() {
            self.next.push(Reverse((row.key(), shard)));
        }
    }
}

impl<'a, I: Iterator<Item = RowRef<'a>>> Iterator for Merged<'a, I> {
    type Item = RowRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, shard)) = self.next.pop()?;
        let row = self.shards[shard].next();
        self.advance(shard);
        row
    }
}

/// Several times the workers of a large machine, a power of two; a scan visits them all.
const SHARDS: usize = 64;

const NOT_POISONED: &str = "no code that can panic runs while a shard or the sequences are locked";
