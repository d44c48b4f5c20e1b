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
    sync::{mpsc::UnboundedSender, watch},
    task::{JoinSet, LocalSet},
    time::sleep,
};

use super::{
    load::{Shared, Turn},
    record::Record,
    target::Ended,
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
        let Shared { plan, target, .. } = &*self.shared;
        let mut clients = Vec::new();
        for _ in 0..plan.share(plan.connections, self.index) {
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
        let plan = &self.shared.plan;
        let record = Arc::new(Mutex::new(self.record));
        let (mut callers, portions) = (JoinSet::new(), LocalSet::new());
        let share = plan.share(plan.concurrency, self.index);
        for client in clients.iter().cycle().take(share) {
            let caller = Caller {
                index: self.index,
                shared: Arc::clone(&self.shared),
                client: client.clone(),
                record: Arc::clone(&record),
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

/// Only this thread writes it.
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Caller {
    async fn run(self, started: Instant) {
        let mut now = Instant::now();
        while let Some(turn) = self.shared.turn(started, now).await {
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
