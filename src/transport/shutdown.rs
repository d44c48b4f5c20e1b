//! From serving to draining to stopped: one trigger, heard by every connection.

use tokio::sync::watch;

/// How far a server's shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Calls are taken.
    Serving,
    /// No new connections, no new calls; those in flight go on.
    Draining,
    /// What is still open is ended.
    Stopped,
}

/// Moves a server from phase to phase.
#[derive(Debug)]
pub(crate) struct ShutdownTrigger {
    phase: watch::Sender<Phase>,
}

/// Hears of the phases.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown {
    phase: watch::Receiver<Phase>,
}

impl ShutdownTrigger {
    pub(crate) fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(Phase::Serving);
        (Self { phase: sender }, Shutdown { phase: receiver })
    }

    pub(crate) fn enter(&self, phase: Phase) {
        // Without receivers there is nobody left to tell.
        let _ = self.phase.send(phase);
    }

    /// Waits until every connection has let go of its [`Shutdown`].
    pub(crate) async fn all_closed(&self) {
        self.phase.closed().await;
    }
}

impl Shutdown {
    /// Waits for the next phase. A trigger that was dropped without a word means [`Phase::Stopped`].
    pub(crate) async fn changed(&mut self) -> Phase {
        match self.phase.changed().await {
            Ok(()) => *self.phase.borrow_and_update(),
            Err(_) => Phase::Stopped,
        }
    }
}
