//! What the stores do in a second: `cargo bench --bench store`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it prints, and may panic"
)]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reflectd::store::{Batch, KeyRange, MemoryStore, Precondition, Store};
use tokio::{runtime::Runtime, task::JoinSet};

const ROWS: u64 = 100_000;
const SPAN: Duration = Duration::from_secs(2);

fn main() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    measure("memory", &memory);
    #[cfg(feature = "store-redb")]
    {
        use reflectd::store::{RedbOptions, RedbStore};
        // Not in /tmp, which may be memory: the disk is what is measured.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = RedbStore::open(folder.path(), &RedbOptions::default()).unwrap();
        measure("redb", &(Arc::new(store) as Arc<dyn Store>));
    }
}

fn measure(name: &str, store: &Arc<dyn Store>) {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(fill(&**store));
    for threads in [1, 2] {
        let random = gets(store, threads, |throw| throw % ROWS);
        println!("{name:7} get, random keys, {threads} threads {random:>12}/s");
        let same = gets(store, threads, |_| 1);
        println!("{name:7} get, one key, {threads} threads     {same:>12}/s");
    }
    for limit in [10, 100, 1000] {
        let scanned = runtime.block_on(scans(&**store, limit));
        println!("{name:7} scan, pages of {limit:<12} {scanned:>12} rows/s");
    }
    for writers in [1, 8, 64, 512] {
        let committed = runtime.block_on(creates(store, writers));
        println!("{name:7} create, {writers:3} concurrent       {committed:>12}/s");
    }
}

async fn fill(store: &dyn Store) {
    for start in (0..ROWS).step_by(10_000) {
        let batch = (start..start + 10_000).fold(Batch::new(), |batch, number| {
            batch.put(key(number), value(), Precondition::None)
        });
        store.commit(batch).await.unwrap();
    }
}

fn gets(store: &Arc<dyn Store>, threads: u64, choose: fn(u64) -> u64) -> u64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..threads {
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                let (mut count, mut state) = (0_u64, thread);
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..64 {
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        let key = key(choose(state >> 33));
                        black_box(store.get(&key).now().unwrap().unwrap().unwrap());
                        count += 1;
                    }
                }
                done.fetch_add(count, Ordering::Relaxed);
            });
        }
        thread::sleep(SPAN);
        stop.store(true, Ordering::Relaxed);
    });
    done.into_inner() / SPAN.as_secs()
}

async fn scans(store: &dyn Store, limit: usize) -> u64 {
    let (start, mut rows) = (Instant::now(), 0);
    let mut after = None;
    while start.elapsed() < SPAN {
        let page = store
            .scan(&KeyRange::all(), after.as_deref(), limit)
            .await
            .unwrap();
        rows += page.rows.len() as u64;
        after = page.next;
    }
    rows / SPAN.as_secs()
}

/// What a create does: a number, then a row under it.
async fn creates(store: &Arc<dyn Store>, writers: u64) -> u64 {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut count = 0_u64;
            while start.elapsed() < SPAN {
                let number = ROWS + store.next("numbers").await.unwrap();
                let batch = Batch::new().put(key(number), value(), Precondition::Absent);
                store.commit(batch).await.unwrap();
                count += 1;
                // The memory store never waits.
                tokio::task::consume_budget().await;
            }
            count
        });
    }
    tasks.join_all().await.iter().sum::<u64>() / SPAN.as_secs()
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!("users/{number}"))
}

fn value() -> Bytes {
    Bytes::from_static(&[7; 100])
}
