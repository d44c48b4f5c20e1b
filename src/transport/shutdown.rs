//! From serving to draining to stopped: one trigger, heard by every connection.

use tokio::{sync::watch, time::timeout};

use crate::limits;

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
#[derive(Debug, Default)]
pub(crate) struct ShutdownTrigger {
    /// One for each worker: who waits for a phase is kept in a list under a lock, and workers are not
    /// to write the same one whenever they look.
    phases: Vec<watch::Sender<Phase>>,
}

/// Hears of the phases.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown {
    phase: watch::Receiver<Phase>,
}

impl ShutdownTrigger {
    /// Whatever hears of the phases; its clones share a list of those who wait.
    pub(crate) fn hear(&mut self) -> Shutdown {
        let (sender, receiver) = watch::channel(Phase::Serving);
        self.phases.push(sender);
        Shutdown { phase: receiver }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        for sender in &self.phases {
            // Without receivers there is nobody left to tell.
            let _ = sender.send(phase);
        }
    }

    /// Waits until every connection has let go of its [`Shutdown`].
    pub(crate) async fn all_closed(&self) {
        for sender in &self.phases {
            sender.closed().await;
        }
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

    /// Waits until the calls in flight have had their time, and those who close have a moment for it.
    pub(super) async fn is_stopped(&mut self) {
        while self.changed().await != Phase::Stopped {}
        tokio::time::sleep(limits::CLOSE_TIMEOUT).await;
    }

    /// Waits until nobody waits any more for a client in the middle of its handshake.
    ///
    /// Such a client may have sent its first calls already. So it has a moment to finish, and is then
    /// told by GOAWAY which of them are not answered; to close at once would leave it in doubt.
    pub(super) async fn is_too_late(&self) {
        // The connection itself is still to hear of the phase.
        let mut phases = self.clone();
        if phases.changed().await == Phase::Draining {
            // Whether it is time or the next phase that ends it does not matter.
            let _ = timeout(limits::CLOSE_TIMEOUT, phases.changed()).await;
        }
    }
}
