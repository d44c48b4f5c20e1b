//! The thread that writes: one commit for all that waits, and the way back after an I/O error.
//!
//! ```text
//!       a commit, a read or a look at it fails       opened, and a commit is on disk
//! Serving ────────────────────────────▶ Down ──────────────────────────────────▶ Serving
//!                                       │  ▲
//!                                       └──┘ cannot be opened: later again;
//!                                            until then only read, if that works
//! ```

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use ::redb::StorageBackend;
use tokio::sync::oneshot;

use super::{
    Shared,
    engine::{Applied, Engine, Last},
    failure::{failure, guarded},
    medium::{Medium, Overlay},
    sequences::Reservation,
};
use crate::{
    limits,
    store::{Batch, Health, Revision, StoreError},
};

/// What the writer is asked for.
pub(super) enum Job {
    Commit(Batch, Reply<Revision>),
    /// A number of a sequence that has none reserved.
    Number(Box<str>, Reply<u64>),
    /// A read failed for this reason in this generation of the database.
    Failed(u64, StoreError),
}

/// Where an answer goes; nobody may be there any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(super) struct Writer<M> {
    medium: M,
    cache_bytes: usize,
    jobs: Receiver<Job>,
    shared: Arc<Shared>,
    state: State,
    /// What was answered last: what is opened must have come as far.
    last: Last,
    generations: u64,
    /// How long to wait before the next opening; none after a commit that went well.
    backoff: Duration,
}

enum State {
    Serving(Engine),
    Down {
        reason: StoreError,
        retry_at: Instant,
        /// What readers see meanwhile; kept open, not used.
        _reader: Option<Engine>,
    },
}

/// Jobs that share a commit.
#[derive(Default)]
struct Group {
    batches: Vec<Batch>,
    replies: Vec<Reply<Revision>>,
    names: Vec<Box<str>>,
    numbers: Vec<Reply<u64>>,
    failed: Option<(u64, StoreError)>,
    size_bytes: usize,
}

impl<M: Medium> Writer<M> {
    /// A writer that serves `engine`, which was opened from `medium`.
    pub(super) fn new(
        medium: M,
        cache_bytes: usize,
        engine: Engine,
        jobs: Receiver<Job>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            medium,
            cache_bytes,
            jobs,
            shared,
            last: engine.last(),
            generations: engine.generation(),
            state: State::Serving(engine),
            backoff: Duration::ZERO,
        }
    }

    /// Works until nobody can ask any more, then closes the database.
    pub(super) fn run(mut self) {
        while let Some(group) = self.wait() {
            self.work(group);
        }
        if let State::Serving(mut engine) = self.state {
            let unused = self.shared.sequences.unused();
            if let Err(error) = guarded(|| engine.commit(&[], &unused)) {
                tracing::warn!(%error, "store_sequences_not_trimmed");
            }
        }
    }

    /// Waits for jobs and takes all that are there; opens the database again when it is time.
    fn wait(&mut self) -> Option<Group> {
        loop {
            let received = match &self.state {
                State::Serving(_) => self.jobs.recv_timeout(LOOK_INTERVAL),
                // Once it is time, jobs that wait do not come first: they would be refused.
                State::Down { retry_at, .. } => retry_at
                    .checked_duration_since(Instant::now())
                    .ok_or(RecvTimeoutError::Timeout)
                    .and_then(|left| self.jobs.recv_timeout(left)),
            };
            match received {
                Ok(first) => return Some(Group::gather(first, &self.jobs)),
                Err(RecvTimeoutError::Timeout) => match self.state {
                    State::Serving(_) => self.look(),
                    State::Down { .. } => self.reopen(),
                },
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Finds out that the data is gone even if nobody writes.
    fn look(&mut self) {
        if let Err(reason) = check(&self.medium) {
            self.shared.take_down(&reason);
            self.go_down(reason);
        }
    }

    fn work(&mut self, group: Group) {
        let engine = match &mut self.state {
            State::Serving(engine) => engine,
            State::Down { reason, .. } => return group.refuse(reason),
        };
        // Before a byte is written, so that it is known that nothing was changed.
        let failed = group.failed_in(engine.generation());
        if let Some(reason) = failed.or_else(|| check(&self.medium).err()) {
            self.shared.take_down(&reason);
            group.refuse(&reason);
            return self.go_down(reason);
        }
        let reservations = self.shared.sequences.short(&group.names);
        match guarded(|| engine.commit(&group.batches, &reservations)) {
            Ok(answers) => {
                self.backoff = Duration::ZERO;
                self.last = engine.last();
                let published = self.shared.publish_commits(engine, &answers);
                self.answer(group, answers, reservations);
                if let Err(reason) = published {
                    self.shared.take_down(&reason);
                    self.go_down(reason);
                }
            }
            Err(reason) => {
                self.shared.take_down(&reason);
                group.refuse(&reason.clone().with_unknown_outcome());
                self.go_down(reason);
            }
        }
    }

    fn answer(
        &self,
        group: Group,
        answers: Vec<Result<Applied, StoreError>>,
        reservations: Vec<Reservation>,
    ) {
        for (reply, answer) in group.replies.into_iter().zip(answers) {
            // Who asked may be gone; what was asked for is done all the same.
            let _ = reply.send(answer.map(|applied| applied.revision));
        }
        let numbers = self.shared.sequences.raise(reservations, &group.names);
        for (reply, number) in group.numbers.into_iter().zip(numbers) {
            let _ = reply.send(number.ok_or_else(|| StoreError::unavailable(NOT_RESERVED)));
        }
    }

    /// Closes the database, which answers nothing more; the first time it is opened again at once.
    fn go_down(&mut self, reason: StoreError) {
        tracing::error!(error = %reason, retry_in = ?self.backoff, "store_unavailable");
        self.state = State::Down {
            reason,
            retry_at: Instant::now() + self.backoff,
            _reader: None,
        };
        if !self.backoff.is_zero() {
            self.read_meanwhile();
        }
        self.backoff = (2 * self.backoff).clamp(BACKOFF_MIN, BACKOFF_MAX);
    }

    fn reopen(&mut self) {
        let State::Down { reason, .. } = &self.state else {
            return;
        };
        let before = reason.clone();
        self.shared.take_down(&before);
        // Nobody reads through the old opening while the new one writes.
        self.state = State::Down {
            reason: before,
            retry_at: Instant::now(),
            _reader: None,
        };
        let opened = self.open(Ok).and_then(|engine| {
            self.shared.change_log.restart_after(engine.revision());
            self.shared.publish(&engine)?;
            Ok(engine)
        });
        match opened {
            Ok(engine) => {
                tracing::info!(revision = engine.revision().0, "store_available");
                self.shared.health.send_replace(Health::Available);
                self.last = engine.last();
                self.state = State::Serving(engine);
            }
            Err(reason) => {
                self.shared.take_down(&reason);
                self.go_down(reason);
            }
        }
    }

    /// While the data cannot be written, what is on disk can perhaps be read.
    fn read_meanwhile(&mut self) {
        let opened = self.open(Overlay::new).and_then(|engine| {
            self.shared.publish(&engine)?;
            Ok(engine)
        });
        if let (State::Down { _reader, .. }, Ok(engine)) = (&mut self.state, opened) {
            *_reader = Some(engine);
        }
    }

    fn open<B: StorageBackend>(
        &mut self,
        over: impl FnOnce(M::Backend) -> io::Result<B>,
    ) -> Result<Engine, StoreError> {
        self.generations += 1;
        let backend = self.medium.open().and_then(over);
        let backend = backend.map_err(|error| failure("opened", error))?;
        let engine = guarded(|| Engine::open(backend, self.cache_bytes, self.generations))?;
        self.last.check(engine.last())?;
        Ok(engine)
    }
}

fn check(medium: &impl Medium) -> Result<(), StoreError> {
    medium.check().map_err(|error| failure("found", error))
}

impl Group {
    /// The first job and all that wait behind it, up to what one commit should hold.
    fn gather(first: Job, jobs: &Receiver<Job>) -> Self {
        let mut group = Self::default();
        group.add(first);
        while group.size_bytes < limits::STORE_COMMIT_BYTES
            && let Ok(job) = jobs.try_recv()
        {
            group.add(job);
        }
        group
    }

    fn add(&mut self, job: Job) {
        match job {
            Job::Commit(batch, reply) => {
                self.size_bytes += batch.size_bytes();
                self.batches.push(batch);
                self.replies.push(reply);
            }
            Job::Number(name, reply) => {
                self.names.push(name);
                self.numbers.push(reply);
            }
            Job::Failed(generation, reason) => self.failed = Some((generation, reason)),
        }
    }

    fn failed_in(&self, current: u64) -> Option<StoreError> {
        let failed = self
            .failed
            .as_ref()
            .filter(|(generation, _)| *generation == current);
        failed.map(|(_, reason)| reason.clone())
    }

    fn refuse(self, reason: &StoreError) {
        for reply in self.replies {
            let _ = reply.send(Err(reason.clone()));
        }
        for reply in self.numbers {
            let _ = reply.send(Err(reason.clone()));
        }
    }
}

const NOT_RESERVED: &str = "no number was reserved for this sequence; ask again";
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
