//! A store that is slow, does things in another order and sometimes fails: all that its contract
//! allows.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use reflectd::store::{
    Batch, Change, Changes, Health, KeyRange, Lagged, Page, Revision, Row, Store, StoreError,
    StoreFuture,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

#[derive(Debug)]
pub(crate) struct ChaosStore {
    below: Arc<dyn Store>,
    dice: Arc<Dice>,
    health: watch::Sender<Health>,
}

impl ChaosStore {
    pub(crate) fn new(below: Arc<dyn Store>, seed: u64) -> Self {
        let ailing = StoreError::unavailable("it fails now and then");
        Self {
            below,
            dice: Arc::new(Dice(AtomicU64::new(seed))),
            health: watch::Sender::new(Health::Unavailable(ailing)),
        }
    }

    /// Asks the store below some time later, and answers later still; the work is done even if
    /// nobody waits for the answer.
    fn later<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Store) -> StoreFuture<'_, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let (below, dice) = (Arc::clone(&self.below), Arc::clone(&self.dice));
        let (reply, answer) = oneshot::channel();
        tokio::spawn(async move {
            dice.pause().await;
            let answer = if dice.one_in(10) {
                Err(StoreError::unavailable("chaos: not done"))
            } else {
                let answer = ask(&*below).await;
                dice.pause().await;
                match answer {
                    Ok(_) if dice.one_in(10) => {
                        let lost = StoreError::unavailable("chaos: done, but the answer is lost");
                        Err(lost.with_unknown_outcome())
                    }
                    answer => answer,
                }
            };
            let _ = reply.send(answer);
        });
        StoreFuture::waiting(answer)
    }
}

impl Store for ChaosStore {
    fn get(&self, key: &[u8]) -> StoreFuture<'_, Option<Row>> {
        let key = key.to_vec();
        self.later(move |store| store.get(&key))
    }

    fn scan(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> StoreFuture<'_, Page> {
        let (range, after) = (range.clone(), after.map(<[u8]>::to_vec));
        self.later(move |store| store.scan(&range, after.as_deref(), limit))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Revision> {
        self.later(|store| store.commit(batch))
    }

    fn next(&self, name: &str) -> StoreFuture<'_, u64> {
        let name = name.to_owned();
        self.later(move |store| store.next(&name))
    }

    fn changes(&self, prefix: Bytes, after: Revision) -> Changes {
        let mut changes = self.below.changes(prefix, after);
        let dice = Arc::clone(&self.dice);
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut after = after;
            while let Some(change) = changes.next().await {
                dice.pause().await;
                let change = match change {
                    Ok(_) if dice.one_in(60) => Err(Lagged { after }),
                    change => change,
                };
                after = change.as_ref().map_or(after, |change| change.revision);
                if sender.send(change.clone()).await.is_err() || change.is_err() {
                    break;
                }
            }
        });
        Changes::new(Received(receiver))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}

struct Received(mpsc::Receiver<Result<Change, Lagged>>);

impl Stream for Received {
    type Item = Result<Change, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Repeatable chance: the same seed and the same order of throws, the same numbers.
#[derive(Debug)]
struct Dice(AtomicU64);

impl Dice {
    async fn pause(&self) {
        sleep(Duration::from_micros(self.throw() % 20_000)).await;
    }

    fn one_in(&self, sides: u64) -> bool {
        self.throw().is_multiple_of(sides)
    }

    /// SplitMix64.
    fn throw(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
