//! What calls hold in memory: bytes that were received, replies that have not left.
//!
//! Charged is what is there, never what a prefix declares, and nothing waits for budget: at the limit
//! the call that needs more fails. Each connection leases in portions, so that connections that hold
//! little never write what others read.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{grpc::Status, limits};

/// What all connections of a server may hold together, in bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    leased: AtomicUsize,
}

/// What one connection holds of it.
#[derive(Debug)]
pub(super) struct Account {
    budget: Arc<Budget>,
    leased: usize,
    /// What the requests of all calls hold.
    request_bytes: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            leased: AtomicUsize::new(0),
        })
    }

    fn connection_max(&self) -> usize {
        self.max / limits::IN_FLIGHT_CONNECTION_SHARE
    }

    fn lease(&self, bytes: usize) -> bool {
        let taken = self
            .leased
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |leased| {
                leased.checked_add(bytes).filter(|sum| *sum <= self.max)
            });
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.leased.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Account {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            leased: 0,
            request_bytes: 0,
        }
    }

    /// What a call's requests hold has become `after`; `unsent` is what all replies hold.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED: it may not, and the call must end. It is counted until it has.
    pub(super) fn charge_request(
        &mut self,
        before: usize,
        after: usize,
        unsent: usize,
    ) -> Result<(), Status> {
        self.request_bytes = self.request_bytes - before + after;
        match self.resize(self.request_bytes + unsent) {
            true => Ok(()),
            false => Err(no_memory_for("requests")),
        }
    }

    /// A call has ended.
    pub(super) fn release_request(&mut self, bytes: usize) {
        self.request_bytes -= bytes;
    }

    /// With one more reply, `unsent` is what all replies hold.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED: the reply is not to be sent.
    pub(super) fn charge_replies(&mut self, unsent: usize) -> Result<(), Status> {
        match self.resize(self.request_bytes + unsent) {
            true => Ok(()),
            false => Err(no_memory_for("unsent replies")),
        }
    }

    /// The same for as many as there is memory for, up to `more`, beside `unsent`; how many bytes that is.
    pub(super) fn charge_some_replies(&mut self, unsent: usize, more: usize) -> usize {
        let held = self.request_bytes + unsent;
        let max = self.budget.connection_max() + limits::IN_FLIGHT_UNCOUNTED_BYTES;
        let wanted = (held + more).min(max);
        let granted = match self.resize(wanted) {
            true => wanted,
            false => self.leased + limits::IN_FLIGHT_UNCOUNTED_BYTES,
        };
        granted.saturating_sub(held).min(more)
    }

    /// Gives back what has left or ended.
    pub(super) fn settle(&mut self, unsent: usize) {
        // It fails only when more is held than before, and then it is counted already.
        self.resize(self.request_bytes + unsent);
    }

    /// The connection holds that many bytes now. `false`: it may not, and what was added last must go.
    fn resize(&mut self, held: usize) -> bool {
        let counted = held.saturating_sub(limits::IN_FLIGHT_UNCOUNTED_BYTES);
        let needed = counted.next_multiple_of(limits::IN_FLIGHT_LEASE_BYTES);
        if needed < self.leased {
            self.budget.give_back(self.leased - needed);
            self.leased = needed;
        } else if needed > self.leased {
            let allowed = counted <= self.budget.connection_max();
            if !allowed || !self.budget.lease(needed - self.leased) {
                return false;
            }
            self.leased = needed;
        }
        true
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.give_back(self.leased);
    }
}

fn no_memory_for(what: &str) -> Status {
    Status::resource_exhausted(format!("the server has no memory left for more {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn one_connection_gets_an_eighth_and_all_get_no_more_than_there_is() {
        let budget = Budget::new(16 * MIB);
        let mut accounts: Vec<_> = (0..20).map(|_| Account::new(Arc::clone(&budget))).collect();
        assert!(accounts[0].resize(2 * MIB));
        assert!(!accounts[0].resize(2 * MIB + limits::IN_FLIGHT_UNCOUNTED_BYTES + 1));
        let grants: Vec<_> = accounts.iter_mut().map(|a| a.resize(2 * MIB)).collect();
        let granted = grants.into_iter().filter(|granted| *granted).count();
        assert_eq!(granted, 8);
        // Those who hold little never notice.
        assert!(accounts[19].resize(limits::IN_FLIGHT_UNCOUNTED_BYTES));
        accounts.truncate(1);
        assert!(accounts[0].resize(0));
        assert_eq!(budget.leased.load(Ordering::Relaxed), 0);
    }
}
