//! A store in memory: gone with the process.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap, btree_set::Range},
    sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::{
    Batch, Changes, Health, KeyRange, Page, Revision, Row, Store, StoreError, StoreFuture, Write,
    change_log::ChangeLog,
    checksum::checksum,
    scan::{Bounds, PageBuilder},
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
    change_log: ChangeLog,
    sequences: Mutex<HashMap<Box<str>, u64>>,
    health: watch::Sender<Health>,
}

/// 128 bytes: processors fetch cache lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    rows: RwLock<Rows>,
}

/// The rows of one shard.
///
/// A `get` finds its row through the hash map: in the sorted set alone it would compare a dozen keys,
/// each of them somewhere else in memory.
#[derive(Debug, Default)]
struct Rows {
    by_key: HashMap<Bytes, Row>,
    /// The same keys.
    sorted: BTreeSet<Bytes>,
}

impl Rows {
    fn insert(&mut self, key: Bytes, row: Row) {
        if self.by_key.insert(key.clone(), row).is_none() {
            self.sorted.insert(key);
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if self.by_key.remove(key).is_some() {
            self.sorted.remove(key);
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            change_log: ChangeLog::starting_after(Revision::default()),
            sequences: Mutex::default(),
            health: watch::Sender::new(Health::Available),
        }
    }

    fn read(&self, shard: usize) -> RwLockReadGuard<'_, Rows> {
        self.shards[shard].rows.read().expect(NOT_POISONED)
    }

    /// Locks the shards of the batch's keys, always in the same order.
    fn write(&self, batch: &Batch) -> Locked<'_> {
        let mut shards: Vec<_> = batch
            .writes()
            .iter()
            .map(|write| shard_of(&write.key))
            .collect();
        shards.sort_unstable();
        shards.dedup();
        let lock = |shard: usize| (shard, self.shards[shard].rows.write().expect(NOT_POISONED));
        Locked(shards.into_iter().map(lock).collect())
    }

    fn commit_now(&self, batch: &Batch) -> Result<Revision, StoreError> {
        batch.validate()?;
        let mut locked = self.write(batch);
        for (position, write) in batch.writes().iter().enumerate() {
            let found = locked.row(&write.key).map(|row| row.revision);
            write.precondition.check(position, found)?;
        }
        let mut writes: Vec<_> = batch.writes().iter().map(Write::tightly).collect();
        // Deleting what is not there changes nothing.
        writes.retain(|write| write.value.is_some() || locked.row(&write.key).is_some());
        let revision = self.change_log.begin().append(writes.iter());
        for write in writes {
            locked.apply(write, revision);
        }
        Ok(revision)
    }

    fn scan_now(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> Page {
        // All shards are locked before the revision is read: no commit is half in the page.
        let shards: Vec<_> = (0..SHARDS).map(|shard| self.read(shard)).collect();
        let revision = self.change_log.last();
        let mut page = PageBuilder::new(limit, revision);
        if let Some(bounds) = range.behind(after) {
            let mut rows = Merged::new(shards.iter().map(|rows| &**rows), bounds);
            // `all` stops at the first row for which there is no room.
            rows.all(|(key, row)| page.push(key.clone(), row.clone()));
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
        StoreFuture::ready(Ok(self.read(shard_of(key)).by_key.get(key).cloned()))
    }

    fn scan(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> StoreFuture<'_, Page> {
        StoreFuture::ready(Ok(self.scan_now(range, after, limit)))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Revision> {
        StoreFuture::ready(self.commit_now(&batch))
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

impl Locked<'_> {
    fn rows(&mut self, key: &[u8]) -> &mut Rows {
        let shard = shard_of(key);
        let locked = self.0.iter_mut().find(|(locked, _)| *locked == shard);
        &mut locked
            .expect("the shards of all the batch's keys are locked")
            .1
    }

    fn row(&mut self, key: &[u8]) -> Option<&Row> {
        self.rows(key).by_key.get(key)
    }

    fn apply(&mut self, write: Write, revision: Revision) {
        let rows = self.rows(&write.key);
        match write.value {
            Some(value) => rows.insert(write.key, Row { value, revision }),
            None => rows.remove(&write.key),
        }
    }
}

/// The rows of all shards in the order of their keys.
struct Merged<'a> {
    shards: Vec<(&'a Rows, Range<'a, Bytes>)>,
    /// The next key of each shard that has one; the keys of two shards are never equal.
    next: BinaryHeap<Reverse<(&'a Bytes, usize)>>,
}

impl<'a> Merged<'a> {
    fn new(shards: impl Iterator<Item = &'a Rows>, bounds: Bounds<'_>) -> Self {
        let range = |rows: &'a Rows| (rows, rows.sorted.range::<[u8], _>(bounds));
        let shards: Vec<_> = shards.map(range).collect();
        let mut merged = Self {
            next: BinaryHeap::with_capacity(shards.len()),
            shards,
        };
        (0..merged.shards.len()).for_each(|shard| merged.advance(shard));
        merged
    }

    fn advance(&mut self, shard: usize) {
        if let Some(key) = self.shards[shard].1.next() {
            self.next.push(Reverse((key, shard)));
        }
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a Bytes, &'a Row);

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, shard)) = self.next.pop()?;
        self.advance(shard);
        let row = self.shards[shard].0.by_key.get(key);
        Some((key, row.expect("a sorted key has a row")))
    }
}

fn shard_of(key: &[u8]) -> usize {
    (checksum(&[key]) % SHARDS as u64) as usize
}

/// Several times the workers of a large machine, a power of two; a scan visits them all.
const SHARDS: usize = 64;

const NOT_POISONED: &str = "no code that can panic runs while a shard or the sequences are locked";
