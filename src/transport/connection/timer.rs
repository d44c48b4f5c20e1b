//! When a connection is to be looked at though nothing has come.

use std::{pin::Pin, time::Instant};

use tokio::time::{Sleep, sleep_until};

/// One timer for all there is to wait for. Setting it to a later time costs nothing: it then fires
/// early, and is set again.
#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Timer {
    /// Fires at `at` at the latest; returns when.
    pub(super) fn set(&mut self, at: Option<Instant>) -> Option<Instant> {
        if let Some(at) = at.map(tokio::time::Instant::from_std) {
            match &mut self.sleep {
                Some(sleep) if self.armed && sleep.deadline() <= at => {}
                Some(sleep) => sleep.as_mut().reset(at),
                None => self.sleep = Some(Box::pin(sleep_until(at))),
            }
            self.armed = true;
        }
        let sleep = self.sleep.as_ref().filter(|_| self.armed)?;
        Some(sleep.deadline().into_std())
    }

    pub(super) async fn wait(&mut self) {
        match &mut self.sleep {
            Some(sleep) if self.armed => sleep.as_mut().await,
            _ => std::future::pending().await,
        }
        self.armed = false;
    }
}
