//! The durable store: a redb database in a data folder.
//!
//! Reads go to a snapshot of the last commit, on the thread that asks. Writes go to one thread,
//! which takes all that waits into one commit and answers when that is on disk (see writer.rs).

mod data_file;
mod engine;
mod failure;
mod folder;
mod medium;
mod sequences;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock, mpsc},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};

use self::{
    data_file::DataFile,
    engine::{Applied, Engine, Snapshot},
    failure::{failure, guarded},
    folder::Folder,
    medium::Medium,
    sequences::Sequences,
    writer::{Job, Writer},
};
use super::{
    Batch, Changes, Health, KeyRange, Page, Revision, Row, Store, StoreError, StoreFuture,
    change_log::ChangeLog,
};
use crate::limits;

/// A store in a data folder, which belongs to one process at a time.
///
/// - A commit is answered after its bytes are on disk (fsync); commits that wait together share one.
/// - After `kill -9` or a loss of power every answered commit is there, and opening is quick.
/// - After an I/O error the store is unavailable and opens the data again by itself, at once and then
///   at growing intervals of up to 5 seconds; until a commit has reached the disk nothing is
///   acknowledged. What can be read is read meanwhile.
/// - If the data file is removed, replaced or cut short, that is found out within seconds, and by every commit.
///   What is then found in its place is served if it is the same store, and has all that was answered.
/// - Dropping it finishes what was asked for and closes the folder.
#[derive(Debug)]
pub struct RedbStore {
    // Dropped in this order: when nobody can ask any more the writer ends, then the folder is free.
    client: Client,
    _writer: WriterThread,
    _folder: Option<Folder>,
}

/// How a data folder is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedbOptions {
    /// Pages kept in the process's own memory, in bytes.
    pub cache_bytes: usize,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self {
            cache_bytes: limits::STORE_CACHE_BYTES,
        }
    }
}

impl RedbStore {
    /// Opens the data folder at `path`, or creates it.
    ///
    /// Blocks for some milliseconds: files are read and a first commit is made.
    ///
    /// # Errors
    /// [`StoreError::is_locked`] while another process has the folder open,
    /// [`StoreError::is_incompatible`] for a folder that is something else or of another format,
    /// [`StoreError::is_corrupt`] for files that are damaged, empty or missing, [`StoreError::is_unavailable`] and
    /// [`StoreError::is_full`] if the file system refuses.
    pub fn open(path: impl AsRef<Path>, options: &RedbOptions) -> Result<Self, StoreError> {
        let folder = Folder::open(path.as_ref())?;
        let path = folder.data_file(|new| {
            let backend = DataFile::create(new).map_err(|error| failure("created", error))?;
            Engine::open(backend, options.cache_bytes, 0).map(drop)
        })?;
        Self::on(DataFile::at(path), options, Some(folder))
    }

    fn on(
        medium: impl Medium,
        options: &RedbOptions,
        folder: Option<Folder>,
    ) -> Result<Self, StoreError> {
        let backend = medium.open().map_err(|error| failure("opened", error))?;
        let mut engine = guarded(|| Engine::open(backend, options.cache_bytes, 0))?;
        guarded(|| engine.number())?;
        let shared = Arc::new(Shared {
            snapshot: RwLock::new(Ok(Arc::new(guarded(|| engine.snapshot())?))),
            change_log: ChangeLog::starting_after(engine.revision()),
            sequences: Sequences::new(guarded(|| engine.sequences())?),
            health: watch::Sender::new(Health::Available),
        });
        let (jobs, waiting) = mpsc::channel();
        let writer = Writer::new(
            medium,
            options.cache_bytes,
            engine,
            waiting,
            Arc::clone(&shared),
        );
        let thread = thread::Builder::new()
            .name("reflectd-store".to_owned())
            .spawn(|| writer.run())
            .map_err(|error| failure("opened", error))?;
        Ok(Self {
            client: Client { shared, jobs },
            _writer: WriterThread(Some(thread)),
            _folder: folder,
        })
    }
}

impl Store for RedbStore {
    /// Read on the calling thread: microseconds while the page is in memory, here or in the operating
    /// system, less than handing it to another thread costs.
    fn get(&self, key: &[u8]) -> StoreFuture<'_, Option<Row>> {
        StoreFuture::ready(self.client.read(|snapshot| snapshot.get(key)))
    }

    /// Read on a blocking thread of the runtime, if there is one: a cold page may need many reads
    /// from disk, for which a worker's other calls must not wait.
    fn scan(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> StoreFuture<'_, Page> {
        // What happens behind the page is kept from here on, for who wants to watch.
        self.client.shared.change_log.last();
        let Ok(runtime) = Handle::try_current() else {
            let page = self
                .client
                .read(|snapshot| snapshot.scan(range, after, limit));
            return StoreFuture::ready(page);
        };
        let (client, range, after) = (
            self.client.clone(),
            range.clone(),
            after.map(Bytes::copy_from_slice),
        );
        let (reply, page) = oneshot::channel();
        runtime.spawn_blocking(move || {
            let page = client.read(|snapshot| snapshot.scan(&range, after.as_deref(), limit));
            // Who asked may be gone.
            let _ = reply.send(page);
        });
        StoreFuture::waiting(page)
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Revision> {
        match batch.validate() {
            Ok(()) => self.client.ask(|reply| Job::Commit(batch, reply)),
            Err(invalid) => StoreFuture::ready(Err(invalid)),
        }
    }

    fn next(&self, name: &str) -> StoreFuture<'_, u64> {
        match self.client.shared.sequences.take(name) {
            Some(number) => StoreFuture::ready(Ok(number)),
            None => self.client.ask(|reply| Job::Number(name.into(), reply)),
        }
    }

    fn changes(&self, prefix: Bytes, after: Revision) -> Changes {
        self.client.shared.change_log.watch(prefix, after)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.client.shared.health.subscribe()
    }
}

/// What every thread may use.
#[derive(Clone, Debug)]
struct Client {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

/// What the writer and those who read have in common.
#[derive(Debug)]
struct Shared {
    /// The last commit, or why it cannot be read.
    snapshot: RwLock<Result<Arc<Snapshot>, StoreError>>,
    change_log: ChangeLog,
    sequences: Sequences,
    health: watch::Sender<Health>,
}

impl Client {
    fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let snapshot = self.shared.snapshot()?;
        guarded(|| read(&snapshot)).inspect_err(|error| {
            if error.is_unavailable() {
                // If the writer is gone there is nothing left to mend.
                let _ = self
                    .jobs
                    .send(Job::Failed(snapshot.generation, error.clone()));
            }
        })
    }

    fn ask<T>(&self, job: impl FnOnce(writer::Reply<T>) -> Job) -> StoreFuture<'_, T> {
        let (reply, answer) = oneshot::channel();
        // If the writer is gone, so is the reply, which the future tells.
        let _ = self.jobs.send(job(reply));
        StoreFuture::waiting(answer)
    }
}

impl Shared {
    fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        self.snapshot
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From now on reads see what `engine` has committed.
    fn publish(&self, engine: &Engine) -> Result<(), StoreError> {
        let snapshot = guarded(|| engine.snapshot()).map(Arc::new);
        let published = snapshot.as_ref().map(|_| ()).map_err(Clone::clone);
        self.replace(snapshot);
        published
    }

    /// From now on reads see what `engine` has committed, and watchers are told of it.
    fn publish_commits(
        &self,
        engine: &Engine,
        commits: &[Result<Applied, StoreError>],
    ) -> Result<(), StoreError> {
        let mut log = self.change_log.begin();
        let published = self.publish(engine);
        for applied in commits.iter().flatten() {
            let logged = log.append(applied.records.iter().cloned());
            debug_assert_eq!(logged, applied.revision);
        }
        drop(log.end());
        published
    }

    /// From now on reads fail and the store is not healthy. That there is no room to write is not what
    /// a reader should be told: it is for a moment that it cannot read.
    fn take_down(&self, reason: &StoreError) {
        self.replace(Err(match reason.is_full() {
            true => StoreError::unavailable(format!("the data is opened again; {reason}")),
            false => reason.clone(),
        }));
        self.health
            .send_replace(Health::Unavailable(reason.clone()));
    }

    fn replace(&self, snapshot: Result<Arc<Snapshot>, StoreError>) {
        let mut current = self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, snapshot);
        drop(current);
        // Freeing the old one takes time that readers need not wait for.
        drop(old);
    }
}

/// Waits, when dropped, until the thread has ended.
#[derive(Debug)]
struct WriterThread(Option<JoinHandle<()>>);

impl Drop for WriterThread {
    fn drop(&mut self) {
        if let Some(Err(_)) = self.0.take().map(JoinHandle::join) {
            tracing::error!("store_writer_panicked");
        }
    }
}
