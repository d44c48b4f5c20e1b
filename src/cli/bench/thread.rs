//! One thread of a run, with its connections and its calls.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reflectd::client::{ChannelBuilder, Client, ConnectivityState};
use tokio::{
    sync::{Notify, mpsc::UnboundedSender, watch},
    task::{JoinSet, LocalSet},
    time::sleep,
};

use super::{
    load::Shared,
    record::Record,
    target::Ended,
    turns::{Next, Turn, Turns},
};
use crate::cli::{dial, failure::Failure};

pub(super) struct Thread {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) record: Record,
    /// Told whether it is connected; dropped when all is done.
    pub(super) ready: UnboundedSender<bool>,
    pub(super) start: watch::Receiver<Option<Instant>>,
    pub(super) abandon: watch::Receiver<bool>,
}

/// Makes calls one after another.
struct Caller {
    index: usize,
    shared: Arc<Shared>,
    client: Client,
    record: Arc<Mutex<Record>>,
    /// Where it waits for a call that is due.
    waiting: Arc<Notify>,
}

impl Thread {
    /// Connects, waits for the start, and makes its share of the calls.
    ///
    /// # Errors
    /// If a connection cannot be made.
    pub(super) fn run(
        self,
        dial: impl Fn() -> Result<ChannelBuilder, Failure>,
    ) -> Result<Record, Failure> {
        dial::run(async {
            let clients = self.connect(dial).await;
            let _ = self.ready.send(clients.is_ok());
            let clients = clients?;
            Ok(self.make_calls(&clients).await)
        })
    }

    async fn connect(
        &self,
        dial: impl Fn() -> Result<ChannelBuilder, Failure>,
    ) -> Result<Vec<Client>, Failure> {
        let Shared { turns, target, .. } = &*self.shared;
        let mut clients = Vec::new();
        for _ in 0..turns.plan.share(turns.plan.connections, self.index) {
            let channel = dial()?.connect().await?;
            clients.push(Client::new(channel, target.schema.clone()));
        }
        Ok(clients)
    }

    async fn make_calls(mut self, clients: &[Client]) -> Record {
        let Ok(started) = self.start.wait_for(Option::is_some).await else {
            // Another thread could not connect.
            return self.record;
        };
        let started = started.unwrap_or_else(Instant::now);
        let plan = &self.shared.turns.plan;
        let record = Arc::new(Mutex::new(self.record));
        let waiting = Arc::<Notify>::default();
        let (mut callers, portions) = (JoinSet::new(), LocalSet::new());
        let share = plan.share(plan.concurrency, self.index);
        for client in clients.iter().cycle().take(share) {
            let caller = Caller {
                index: self.index,
                shared: Arc::clone(&self.shared),
                client: client.clone(),
                record: Arc::clone(&record),
                waiting: Arc::clone(&waiting),
            };
            let run = caller.run(started);
            // Over one connection calls are made in portions, which a LocalSet cuts: their requests
            // leave while others are made, and the server does not wait for the last of them.
            // Several connections have their turns in between anyway.
            match clients {
                [_] => callers.spawn_local_on(run, &portions),
                _ => callers.spawn(run),
            };
        }
        let ended = portions.run_until(async {
            tokio::select! {
                () = async { while callers.join_next().await.is_some() {} } => {}
                () = wake(&waiting, &self.shared.turns, self.index) => {}
                _ = self.abandon.wait_for(|abandoned| *abandoned) => callers.shutdown().await,
            }
        });
        ended.await;
        drop(callers);
        Arc::into_inner(record)
            .expect("no caller is left that holds it")
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a caller of the thread when its bell rings, which wakes another one if more calls are due. They
/// are woken from inside their runtime: it runs those together, and writes what they ask in one go.
async fn wake(waiting: &Notify, turns: &Turns, thread: usize) {
    loop {
        turns.bell(thread).notified().await;
        if turns.are_over() {
            waiting.notify_waiters();
        }
        waiting.notify_one();
    }
}

/// Only this thread writes it.
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Caller {
    async fn run(self, started: Instant) {
        let mut now = Instant::now();
        while let Some(turn) = self.turn(started, now).await {
            let ended = self.shared.target.call(&self.client, turn.number).await;
            now = Instant::now();
            self.note(turn, &ended, now, started);
            if self.client.channel().state() == ConnectivityState::TransientFailure {
                // Calls fail at once now: as fast as they can be made they would take the machine.
                sleep(UNCONNECTED).await;
                now = Instant::now();
            }
        }
    }

    async fn turn(&self, started: Instant, mut now: Instant) -> Option<Turn> {
        loop {
            match self.shared.turns.next(started, now) {
                Next::Call(turn) => {
                    if turn.is_followed {
                        self.waiting.notify_one();
                    }
                    return Some(turn);
                }
                Next::End => return None,
                Next::Wait => self.waiting.notified().await,
            }
            now = Instant::now();
        }
    }

    fn note(&self, turn: Turn, ended: &Ended, now: Instant, started: Instant) {
        let counts = self.shared.counts(self.index);
        add_one(&counts.ended);
        if ended.status.is_some() {
            add_one(&counts.failed);
        }
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.left(turn.late);
        record.ended(now - turn.due, ended.status.as_ref());
        record.sent += ended.sent;
        record.received += ended.received;
        record.took = now - started;
    }
}

/// How long a caller waits after a call while there is no server.
const UNCONNECTED: Duration = Duration::from_millis(1);
