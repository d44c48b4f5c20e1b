//! A store in which other callers are faster, or which fails.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use reflectd::store::{
    Batch, Changes, Health, KeyRange, MemoryStore, Page, Precondition, Revision, Row, Store,
    StoreError, StoreFuture,
};
use tokio::sync::watch;

/// A store in which other callers are faster, or which fails.
#[derive(Debug, Default)]
pub(super) struct Disturbed {
    store: MemoryStore,
    /// How many of the next reads are followed by somebody else's write of the same row.
    pub(super) disturbances: AtomicUsize,
    pub(super) failure: Mutex<Option<StoreError>>,
    /// Whether no row can be read.
    pub(super) damaged: AtomicBool,
}

impl Store for Disturbed {
    fn get(&self, key: &[u8]) -> StoreFuture<'_, Option<Row>> {
        if self.damaged.load(Ordering::SeqCst) {
            return StoreFuture::ready(Err(StoreError::corrupt("odd bytes")));
        }
        let found = self.store.get(key).now().unwrap();
        let one_less = |left: usize| left.checked_sub(1);
        if let Ok(Some(row)) = &found
            && self
                .disturbances
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                .is_ok()
        {
            let key = Bytes::copy_from_slice(key);
            let batch = Batch::new().put(key, row.value.clone(), Precondition::None);
            self.store.commit(batch).now().unwrap().unwrap();
        }
        StoreFuture::ready(found)
    }

    fn scan(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> StoreFuture<'_, Page> {
        self.store.scan(range, after, limit)
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Revision> {
        match self.failure.lock().unwrap().take() {
            Some(failure) => StoreFuture::boxed(async move { Err(failure) }),
            None => self.store.commit(batch),
        }
    }

    fn next(&self, name: &str) -> StoreFuture<'_, u64> {
        self.store.next(name)
    }

    fn changes(&self, prefix: Bytes, after: Revision) -> Changes {
        self.store.changes(prefix, after)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.store.health()
    }
}
