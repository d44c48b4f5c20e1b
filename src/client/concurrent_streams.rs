//! How many streams a server allows at once (RFC 9113, 5.1.2; SETTINGS_MAX_CONCURRENT_STREAMS).
//!
//! HTTP/2's own queue would hold the streams that there is no room for, too; but what waits in there
//! when the connection is lost cannot be told from what has been sent. What waits here has not left.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// The streams of one connection: each call takes one, first come, first served.
#[derive(Debug)]
pub(super) struct ConcurrentStreams {
    room: Semaphore,
    max: AtomicUsize,
    /// So many more are taken than there are since the server has lowered its limit.
    owed: AtomicUsize,
}

impl ConcurrentStreams {
    pub(super) fn new(max: usize) -> Self {
        let max = max.min(MAX);
        Self {
            room: Semaphore::new(max),
            max: AtomicUsize::new(max),
            owed: AtomicUsize::new(0),
        }
    }

    /// How many there are.
    pub(super) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Whether all are taken.
    pub(super) fn is_full(&self) -> bool {
        self.room.available_permits() == 0
    }

    /// Takes one, if there is one now: then nobody waits who would be passed by.
    pub(super) fn take_now(&self) -> bool {
        match self.room.try_acquire() {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }

    /// Waits for one; `false`: the connection takes no more calls.
    pub(super) async fn take(&self) -> bool {
        match self.room.acquire().await {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }

    /// Gives one back.
    pub(super) fn give_back(&self) {
        if !self.pay() {
            self.room.add_permits(1);
        }
    }

    /// The server allows so many from now on. One task does this.
    pub(super) fn allow(&self, max: usize) {
        let max = max.min(MAX);
        let before = self.max.load(Ordering::Relaxed);
        if max == before {
            return;
        }
        self.max.store(max, Ordering::Relaxed);
        if max < before {
            let forgotten = self.room.forget_permits(before - max);
            self.owed
                .fetch_add(before - max - forgotten, Ordering::Relaxed);
        } else {
            let paid = (0..max - before).take_while(|_| self.pay()).count();
            self.room.add_permits(max - before - paid);
        }
    }

    /// Nobody takes one any more; who waits is told.
    pub(super) fn close(&self) {
        self.room.close();
    }

    /// Whether one was owed, and is no longer.
    fn pay(&self) -> bool {
        self.owed.load(Ordering::Relaxed) > 0
            && self
                .owed
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed| {
                    owed.checked_sub(1)
                })
                .is_ok()
    }
}

/// No server has this many; some say that they have no limit.
const MAX: usize = 1 << 30;
