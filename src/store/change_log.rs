//! The latest changes of a store, kept for those who watch.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    ops::Bound,
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
    /// The last revision that somebody was told who may want to go on from there.
    told: Revision,
    changes: VecDeque<(Revision, Record)>,
    bytes: usize,
    /// Every change after this revision is in `changes`.
    complete_after: Revision,
    last: Revision,
    watchers: HashMap<u64, Watcher>,
    watchers_made: u64,
    /// Those who wait, by their prefixes: a commit looks only for those whom it concerns.
    parked: BTreeMap<Bytes, HashMap<u64, Waker>>,
}

#[derive(Debug)]
struct Watcher {
    prefix: Bytes,
    /// All changes up to here were taken, or are none of this watcher's. While it waits, that is true
    /// of all there are.
    seen: Revision,
}

/// Watchers who have something to take; woken when this is dropped, under no lock.
#[derive(Debug, Default)]
pub(super) struct Woken(Vec<Waker>);

impl ChangeLog {
    /// A log for a store whose last commit is `last`: what came before is not known.
    pub(super) fn starting_after(last: Revision) -> Self {
        let history = History {
            told: last,
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
        let mut woken = Woken::default();
        let mut history = self.lock();
        if history.last == last {
            return;
        }
        let before = history.last;
        for prefix in history.parked.keys().cloned().collect::<Vec<_>>() {
            history.unpark_all(&prefix, before, &mut woken);
        }
        (history.last, history.told) = (last, last);
        history.forget();
    }

    /// The last revision; the changes behind it are kept for those who want to go on from there.
    pub(super) fn last(&self) -> Revision {
        let mut history = self.lock();
        history.told = history.last;
        history.last
    }

    /// Holds watchers back while commits are added and made visible: who watches neither is told of
    /// a commit before it can be read, nor reads one of which the log does not know.
    pub(super) fn begin(&self) -> Appending<'_> {
        Appending {
            history: self.lock(),
            woken: Woken::default(),
        }
    }

    pub(super) fn watch(&self, prefix: Bytes, after: Revision) -> Changes {
        let mut history = self.lock();
        history.watchers_made += 1;
        let id = history.watchers_made;
        let watcher = Watcher {
            prefix,
            seen: after,
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

/// The log, closed to watchers until this is [ended](Self::end).
pub(super) struct Appending<'a> {
    history: MutexGuard<'a, History>,
    woken: Woken,
}

impl Appending<'_> {
    /// Adds a commit whose revision follows the last one, and tells that revision.
    ///
    /// The log is the point at which commits get their order.
    pub(super) fn append(&mut self, records: impl IntoIterator<Item = Record>) -> Revision {
        let history = &mut *self.history;
        let before = history.last;
        history.last = before.following();
        if !history.is_wanted() {
            history.forget();
            return history.last;
        }
        for record in records {
            history.unpark_for(record.key(), before, &mut self.woken);
            history.bytes += record.size_bytes();
            history.changes.push_back((history.last, record));
        }
        history.trim();
        history.last
    }

    /// Opens the log, and says who is to be woken once no other lock is held.
    pub(super) fn end(self) -> Woken {
        self.woken
    }
}

impl History {
    /// Whether anybody can ask for what is added: nobody watches, and who was told a revision so many
    /// commits ago is too late.
    fn is_wanted(&self) -> bool {
        let since = self.last.0 - self.told.0;
        !self.watchers.is_empty() || since <= limits::STORE_HISTORY_CHANGES_MAX as u64
    }

    /// Keeps nothing of what there was.
    fn forget(&mut self) {
        if !self.changes.is_empty() {
            self.changes = VecDeque::new();
            self.bytes = 0;
        }
        self.complete_after = self.last;
    }

    /// Takes out those who wait for a change of this key; up to `before` there was none.
    fn unpark_for(&mut self, key: &[u8], before: Revision, woken: &mut Woken) {
        let mut beginning = key;
        let up_to = |beginning| (Bound::Unbounded, Bound::Included(beginning));
        while let Some((prefix, _)) = self.parked.range::<[u8], _>(up_to(beginning)).next_back() {
            if key.starts_with(prefix) {
                let prefix = prefix.clone();
                self.unpark_all(&prefix, before, woken);
            } else {
                // No other prefix that has more in common with the key is left.
                let common = prefix.iter().zip(key).take_while(|(a, b)| a == b);
                beginning = &key[..common.count()];
            }
        }
    }

    fn unpark_all(&mut self, prefix: &Bytes, seen: Revision, woken: &mut Woken) {
        for (id, waker) in self.parked.remove(prefix).unwrap_or_default() {
            if let Some(watcher) = self.watchers.get_mut(&id) {
                watcher.seen = seen;
            }
            woken.0.push(waker);
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

    /// The changes that the watcher has not seen, some at a time.
    fn take(&mut self, id: u64) -> Result<VecDeque<Change>, Lagged> {
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
        Ok(taken)
    }

    /// Has the watcher, which has seen everything, woken by the next change that is one of its own.
    fn park(&mut self, id: u64, waker: &Waker) {
        if let Some(watcher) = self.watchers.get(&id) {
            let parked = self.parked.entry(watcher.prefix.clone()).or_default();
            parked.insert(id, waker.clone());
        }
    }

    /// The waker of a watcher that waited; it has seen all there is.
    fn unpark(&mut self, id: u64) -> Option<Waker> {
        let watcher = self.watchers.get_mut(&id)?;
        let parked = self.parked.get_mut(&watcher.prefix)?;
        let waker = parked.remove(&id)?;
        if parked.is_empty() {
            self.parked.remove(&watcher.prefix);
        }
        watcher.seen = self.last;
        Some(waker)
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            self.0.drain(..).for_each(Waker::wake);
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
            // What a waker does when it is dropped is not known: not under the lock.
            let _unparked;
            let mut history = lock(&self.history);
            _unparked = history.unpark(self.id);
            let taken = history.take(self.id);
            if taken.as_ref().is_ok_and(VecDeque::is_empty) {
                history.park(self.id, context.waker());
            }
            drop(history);
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
        let _unparked;
        let mut history = lock(&self.history);
        _unparked = history.unpark(self.id);
        history.watchers.remove(&self.id);
        // It may be watched again from where this one was.
        history.told = history.last;
    }
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history
        .lock()
        .expect("no code that can panic runs while the history is locked")
}

/// Changes that a watcher takes under one lock: few enough that commits do not wait for long.
const TAKEN_AT_ONCE: usize = 256;
