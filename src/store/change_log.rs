//! The latest changes of a store, kept for those who watch.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_core::Stream;

use super::{Revision, record::Record};
use crate::limits;

/// A row was put or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The commit it was part of; all changes of one commit have the same.
    pub revision: Revision,
    /// Where.
    pub key: Bytes,
    /// The row's new bytes; `None` if it was deleted.
    pub value: Option<Bytes>,
}

/// Changes were missed: they are no longer kept, or were never seen by this process.
///
/// Read everything again, then watch from that page's revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the changes after revision {after} are not kept any more; read the rows again and watch from \
     there"
)]
pub struct Lagged {
    /// The last revision whose changes were all seen.
    pub after: Revision,
}

/// Changes in the order of their commits, as they happen; it ends only after [`Lagged`].
pub struct Changes(Pin<Box<dyn Stream<Item = Result<Change, Lagged>> + Send>>);

impl Changes {
    /// Wraps a store's own feed.
    pub fn new(stream: impl Stream<Item = Result<Change, Lagged>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// Waits for the next change; `None` after [`Lagged`].
    pub async fn next(&mut self) -> Option<Result<Change, Lagged>> {
        std::future::poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }
}

impl Stream for Changes {
    type Item = Result<Change, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

/// The latest changes, bounded in number and bytes, and those who wait for more.
#[derive(Debug)]
pub(super) struct ChangeLog {
    history: Arc<Mutex<History>>,
}

#[derive(Debug, Default)]
struct History {
    changes: VecDeque<(Revision, Record)>,
    bytes: usize,
    /// Every change after this revision is in `changes`.
    complete_after: Revision,
    last: Revision,
    watchers: BTreeMap<u64, Watcher>,
    watchers_made: u64,
}

#[derive(Debug)]
struct Watcher {
    prefix: Bytes,
    /// All changes up to here were taken, or are none of this watcher's.
    seen: Revision,
    /// Set while there is nothing to take: then every commit moves `seen`, or wakes.
    parked: Option<Waker>,
}

impl ChangeLog {
    /// A log for a store whose last commit is `last`: what came before is not known.
    pub(super) fn starting_after(last: Revision) -> Self {
        let history = History {
            last,
            complete_after: last,
            ..History::default()
        };
        Self {
            history: Arc::new(Mutex::new(history)),
        }
    }

    /// The store's last commit turned out to be `last`; if others led there, nobody was told of them.
    #[cfg(feature = "store-redb")]
    pub(super) fn restart_after(&self, last: Revision) {
        let mut history = self.lock();
        if history.last == last {
            return;
        }
        history.changes.clear();
        history.bytes = 0;
        (history.last, history.complete_after) = (last, last);
        history.watchers.values_mut().for_each(Watcher::wake);
    }

    pub(super) fn last(&self) -> Revision {
        self.lock().last
    }

    /// Holds watchers back while commits are added and made visible: who watches neither is told of
    /// a commit before it can be read, nor reads one of which the log does not know.
    pub(super) fn begin(&self) -> Appending<'_> {
        Appending(self.lock())
    }

    pub(super) fn watch(&self, prefix: Bytes, after: Revision) -> Changes {
        let mut history = self.lock();
        history.watchers_made += 1;
        let id = history.watchers_made;
        let watcher = Watcher {
            prefix,
            seen: after,
            parked: None,
        };
        history.watchers.insert(id, watcher);
        Changes::new(Subscription {
            history: Arc::clone(&self.history),
            id,
            taken: VecDeque::new(),
            ended: false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }
}

/// The log, closed to watchers until this is dropped.
pub(super) struct Appending<'a>(MutexGuard<'a, History>);

impl Appending<'_> {
    /// Adds a commit whose revision follows the last one, and tells that revision.
    ///
    /// The log is the point at which commits get their order.
    pub(super) fn append(&mut self, records: impl IntoIterator<Item = Record>) -> Revision {
        let history = &mut *self.0;
        let revision = history.last.following();
        history.last = revision;
        let first_new = history.changes.len();
        for record in records {
            history.bytes += record.size_bytes();
            history.changes.push_back((revision, record));
        }
        history.tell(first_new);
        history.trim();
        revision
    }
}

impl History {
    /// Wakes who waits for one of the changes from `first_new` on; the others have seen them all.
    fn tell(&mut self, first_new: usize) {
        for watcher in self.watchers.values_mut() {
            let mut new = self.changes.range(first_new..);
            if new.any(|(_, record)| record.key().starts_with(&watcher.prefix)) {
                watcher.wake();
            } else if watcher.parked.is_some() {
                watcher.seen = self.last;
            }
        }
    }

    /// Lets go of the oldest commits until the log is within its limits; whole commits only.
    fn trim(&mut self) {
        while self.changes.len() > limits::STORE_HISTORY_CHANGES_MAX
            || self.bytes > limits::STORE_HISTORY_BYTES
            || self
                .changes
                .front()
                .is_some_and(|(oldest, _)| *oldest <= self.complete_after)
        {
            let Some((revision, oldest)) = self.changes.pop_front() else {
                break;
            };
            self.bytes -= oldest.size_bytes();
            self.complete_after = revision;
        }
    }

    /// The changes that the watcher has not seen, some at a time; parks it if there are none.
    fn take(&mut self, id: u64, waker: &Waker) -> Result<VecDeque<Change>, Lagged> {
        let mut taken = VecDeque::new();
        let Some(watcher) = self.watchers.get_mut(&id) else {
            return Ok(taken);
        };
        // A revision that is still to come is one of another store, or of this one before it lost
        // its last commits.
        if watcher.seen < self.complete_after || watcher.seen > self.last {
            return Err(Lagged {
                after: watcher.seen,
            });
        }
        let unseen = self
            .changes
            .partition_point(|(revision, _)| *revision <= watcher.seen);
        watcher.seen = self.last;
        for (revision, record) in self.changes.range(unseen..) {
            let last_taken = taken.back().map(|taken: &Change| taken.revision);
            if taken.len() >= TAKEN_AT_ONCE && last_taken != Some(*revision) {
                watcher.seen = last_taken.unwrap_or_default();
                break;
            }
            if record.key().starts_with(&watcher.prefix) {
                taken.push_back(Change {
                    revision: *revision,
                    key: record.to_key(),
                    value: record.to_value(),
                });
            }
        }
        watcher.parked = taken.is_empty().then(|| waker.clone());
        Ok(taken)
    }
}

impl Watcher {
    fn wake(&mut self) {
        if let Some(waker) = self.parked.take() {
            waker.wake();
        }
    }
}

/// One watcher's end of the log.
struct Subscription {
    history: Arc<Mutex<History>>,
    id: u64,
    taken: VecDeque<Change>,
    ended: bool,
}

impl Stream for Subscription {
    type Item = Result<Change, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.taken.is_empty() && !self.ended {
            let taken = lock(&self.history).take(self.id, context.waker());
            match taken {
                Ok(taken) => self.taken = taken,
                Err(lagged) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(lagged)));
                }
            }
        }
        match self.taken.pop_front() {
            Some(change) => Poll::Ready(Some(Ok(change))),
            None if self.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.history).watchers.remove(&self.id);
    }
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history
        .lock()
        .expect("no code that can panic runs while the history is locked")
}

/// Changes that a watcher takes under one lock: few enough that commits do not wait for long.
const TAKEN_AT_ONCE: usize = 256;
