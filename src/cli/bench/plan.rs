//! How many calls are made, for how long, and by whom.

use std::{thread, time::Duration};

use crate::cli::arguments::Load;

/// What a run does.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How many calls; `None`: as many as there is time for.
    pub(super) total: Option<u64>,
    pub(super) time: Option<Duration>,
    /// How many are due a second; `None`: the next one when one ends.
    pub(super) rps: Option<f64>,
    pub(super) concurrency: usize,
    pub(super) connections: usize,
    pub(super) threads: usize,
}

impl Plan {
    /// From what was typed.
    ///
    /// # Errors
    /// Connections that no call would use.
    pub(super) fn new(load: &Load) -> Result<Self, String> {
        let (concurrency, connections) = (load.concurrency, load.connections);
        if connections > concurrency {
            return Err(format!(
                "{connections} connections (--connections) are more than {concurrency} calls at once \
                 (--concurrency) can use"
            ));
        }
        let total = match load.duration {
            Some(_) => None,
            None => Some(load.total),
        };
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = load.cpus.map_or_else(cores, |cpus| cpus as usize);
        Ok(Self {
            total,
            time: load.duration.into_iter().chain(load.max_duration).min(),
            rps: load.rps,
            concurrency: concurrency as usize,
            connections: connections as usize,
            threads: threads.min(connections as usize),
        })
    }

    /// There is only so much time.
    pub(super) fn shorten(&mut self, left: Duration) {
        self.time = self.time.into_iter().chain([left]).min();
    }

    /// When a call of an open loop is due.
    pub(super) fn due(&self, number: u64) -> Duration {
        match self.rps {
            Some(rps) => Duration::from_secs_f64(number as f64 / rps),
            None => Duration::ZERO,
        }
    }

    /// How many calls of an open loop are due by then.
    pub(super) fn due_until(&self, elapsed: Duration) -> u64 {
        let due = (elapsed.as_secs_f64() * self.rps.unwrap_or_default()) as u64 + 1;
        due.min(self.total.unwrap_or(u64::MAX))
    }

    /// The share of `count` that one of the threads has.
    pub(super) fn share(&self, count: usize, thread: usize) -> usize {
        count / self.threads + usize::from(thread < count % self.threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_and_connection_belongs_to_one_thread() {
        for (count, threads) in [(1, 1), (50, 3), (7, 7), (100, 8)] {
            let plan = Plan {
                total: None,
                time: None,
                rps: None,
                concurrency: count,
                connections: count,
                threads,
            };
            let shares = (0..threads).map(|thread| plan.share(count, thread));
            assert_eq!(shares.clone().sum::<usize>(), count);
            assert!(shares.clone().max().unwrap() - shares.min().unwrap() <= 1);
        }
    }
}
