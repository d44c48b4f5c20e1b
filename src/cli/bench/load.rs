//! A run: threads that make calls, a clock, and somebody who watches.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use reflectd::client::ChannelBuilder;
use tokio::sync::{mpsc, watch};

use super::{
    live::Live, pace, plan::Plan, record::Record, target::Target, thread::Thread, turns::Turns,
};
use crate::cli::{dial, failure::Failure, signals::Signals};

/// What came of it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) record: Record,
    pub(super) end: End,
    /// Calls that were under way when the run was broken off.
    pub(super) abandoned: u64,
    /// Calls of an open loop that were due and have not left.
    pub(super) unsent: u64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Total,
    Time,
    /// With the exit code that a shell would tell.
    Signal(u8),
}

/// What the threads have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) target: Target,
    pub(super) turns: Turns,
    /// For who watches; each thread writes its own.
    counts: Vec<Counts>,
}

/// What a thread tells while it runs. On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    pub(super) ended: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// Makes the calls.
///
/// # Errors
/// If a connection cannot be made.
pub(super) fn run(
    plan: Plan,
    target: Target,
    counts_errors: bool,
    dial: impl Fn() -> Result<ChannelBuilder, Failure> + Sync,
) -> Result<Run, Failure> {
    let shared = Arc::new(Shared::new(plan, target));
    let (start, abandon) = (watch::Sender::new(None), watch::Sender::new(false));
    let (ready, connected) = mpsc::unbounded_channel();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..shared.turns.plan.threads)
            .map(|index| {
                let thread = Thread {
                    index,
                    shared: Arc::clone(&shared),
                    record: Record::new(counts_errors),
                    ready: ready.clone(),
                    start: start.subscribe(),
                    abandon: abandon.subscribe(),
                };
                scope.spawn(|| thread.run(&dial))
            })
            .collect();
        drop(ready);
        let end = dial::run(conduct(connected, &shared, start));
        shared.turns.stop();
        abandon.send_replace(true);
        let mut record = Record::new(counts_errors);
        for thread in threads {
            match thread.join() {
                Ok(noted) => record.add(&noted?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(shared.told(record, end?))
    })
}

/// Lets the threads begin together, and shows how far they are until all have ended, or a signal
/// comes.
async fn conduct(
    mut connected: mpsc::UnboundedReceiver<bool>,
    shared: &Arc<Shared>,
    start: watch::Sender<Option<Instant>>,
) -> Result<End, Failure> {
    for _ in 0..shared.turns.plan.threads {
        if connected.recv().await != Some(true) {
            // That thread tells why; the others are let go.
            return Ok(End::Time);
        }
    }
    let mut signals = Signals::new()
        .map_err(|error| Failure::new(format!("cannot listen for signals: {error}")))?;
    let started = Instant::now();
    if shared.turns.plan.rps.is_some() {
        let shared = Arc::clone(shared);
        thread::spawn(move || pace::run(&shared.turns, started));
    }
    start.send_replace(Some(started));
    let mut live = Live::new(&shared.turns.plan);
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => {
                let code = u8::try_from(signal.exit_code()).unwrap_or(u8::MAX);
                return Ok(End::Signal(code));
            }
            // It is closed when the last thread ends.
            _ = connected.recv() => return Ok(shared.end()),
            _ = tick.tick() => live.show(started.elapsed(), shared.ended(), shared.failed()),
        }
    }
}

impl Shared {
    fn new(plan: Plan, target: Target) -> Self {
        let counts = (0..plan.threads).map(|_| Counts::default());
        Self {
            counts: counts.collect(),
            turns: Turns::new(plan),
            target,
        }
    }

    pub(super) fn counts(&self, thread: usize) -> &Counts {
        &self.counts[thread]
    }

    fn ended(&self) -> u64 {
        let counts = self.counts.iter();
        counts
            .map(|counts| counts.ended.load(Ordering::Relaxed))
            .sum()
    }

    fn failed(&self) -> u64 {
        let counts = self.counts.iter();
        counts
            .map(|counts| counts.failed.load(Ordering::Relaxed))
            .sum()
    }

    fn end(&self) -> End {
        match self.turns.plan.total {
            Some(total) if self.ended() >= total => End::Total,
            _ => End::Time,
        }
    }

    fn told(&self, record: Record, end: End) -> Run {
        let plan = &self.turns.plan;
        let begun = self.turns.begun();
        let wanted = plan.time.map(|time| match end {
            End::Signal(_) => time.min(record.took),
            End::Total | End::Time => time,
        });
        let unsent = match (plan.rps, wanted) {
            (Some(_), Some(time)) => plan.due_until(time).saturating_sub(begun + 1),
            _ => 0,
        };
        Run {
            abandoned: begun.saturating_sub(record.count()),
            unsent,
            record,
            end,
        }
    }
}

/// How often it is shown how far a run is.
const TICK: Duration = Duration::from_millis(100);
