//! The task that connects; a subchannel has one at the most.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Instant,
};

use tokio::time::timeout;

use super::Subchannel;
use crate::client::connection::Connection;

/// Connects, and after a failure again and again, until there are as many connections as there
/// should be, or no calls for the idle timeout (grpc/grpc, doc/connectivity-semantics-and-api.md).
pub(super) async fn connect(subchannel: Weak<Subchannel>) {
    let Some(this) = subchannel.upgrade() else {
        return;
    };
    let mut quiet = Quiet {
        asked: this.asked(),
        since: Instant::now(),
    };
    let mut wait = this.status().backoff();
    drop(this);
    while let Some(this) = subchannel.upgrade() {
        let (endpoint, options) = (this.endpoint.clone(), Arc::clone(&this.options));
        let keepalive = *this
            .keepalive
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A channel that is dropped is not waited for.
        drop(this);
        if let Some(wait) = wait.take() {
            tokio::time::sleep(wait).await;
            let Some(this) = subchannel.upgrade() else {
                return;
            };
            if quiet.is_over(&this) {
                return this.go_idle();
            }
            if !this.waited() && this.rest() {
                return;
            }
        }
        let opened = Connection::open(&endpoint, &options, keepalive);
        let opened = timeout(options.connect_timeout, opened).await;
        let opened = opened.unwrap_or_else(|_| {
            let (name, after) = (endpoint.name(), options.connect_timeout);
            Err(format!("cannot connect to {name}: no answer in {after:?}"))
        });
        let Some(this) = subchannel.upgrade() else {
            return;
        };
        match opened {
            Ok((connection, driver)) => {
                if this.add(connection, driver) >= options.pool_min {
                    if this.rest() {
                        return;
                    }
                    wait = this.status().backoff();
                }
            }
            Err(error) => wait = Some(this.failed(&error)),
        }
    }
}

/// For how long a channel has had no calls.
struct Quiet {
    asked: usize,
    since: Instant,
}

impl Quiet {
    /// Whether that is long enough to be idle.
    fn is_over(&mut self, subchannel: &Subchannel) -> bool {
        let asked = subchannel.asked();
        if asked != self.asked {
            (self.asked, self.since) = (asked, Instant::now());
        }
        subchannel.is_empty() && self.since.elapsed() >= subchannel.options.idle_timeout
    }
}
