//! What watchers are promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use reflectd::{
    limits,
    store::{Batch, Change, Changes, KeyRange, Lagged, Precondition, Revision, Row, Store},
};
use tokio::task::JoinSet;

use crate::insist::{commit, scan};

/// Several write; a watcher that starts from a page always ends up with what a later page shows.
pub(crate) async fn watchers_see_all_commits_in_order(store: Arc<dyn Store>) {
    let early = Batch::new().put("w/early", "1", Precondition::None);
    commit(&*store, early.put("other", "1", Precondition::None))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in 0..40 {
                let key = format!("w/{}", (task * 7 + number) % 10);
                let none = Precondition::None;
                let batch = match number % 4 {
                    3 => Batch::new().delete(key, none),
                    _ => Batch::new().put(key, format!("{task}.{number}"), none),
                };
                let batch = batch.put(format!("other/{task}"), number.to_string(), none);
                commit(&*store, batch).await.unwrap();
            }
        });
    }
    let watcher = tokio::spawn(mirror(Arc::clone(&store), "w/end"));
    tasks.join_all().await;
    commit(&*store, Batch::new().put("w/end", "1", Precondition::None))
        .await
        .unwrap();
    let page = scan(&*store, &KeyRange::prefix("w/"), None, 100).await;
    assert_eq!(watcher.await.unwrap(), BTreeMap::from_iter(page.rows));
}

/// The rows below "w/" as a watcher knows them once the key `last` has appeared.
async fn mirror(store: Arc<dyn Store>, last: &str) -> BTreeMap<Bytes, Row> {
    'again: loop {
        let page = scan(&*store, &KeyRange::prefix("w/"), None, 100).await;
        let mut rows = BTreeMap::from_iter(page.rows);
        let mut seen = page.revision;
        let mut changes = store.changes("w/".into(), seen);
        while !rows.contains_key(last.as_bytes()) {
            let Some(Ok(change)) = changes.next().await else {
                continue 'again;
            };
            assert!(change.key.starts_with(b"w/"));
            assert!(change.revision > page.revision && change.revision >= seen);
            seen = change.revision;
            match change.value {
                None => assert!(
                    rows.remove(&change.key).is_some(),
                    "deleted what was not there"
                ),
                Some(value) => {
                    let revision = change.revision;
                    rows.insert(change.key, Row { value, revision });
                }
            }
        }
        return rows;
    }
}

pub(crate) async fn watchers_that_fall_behind_are_told(store: Arc<dyn Store>) {
    let first = commit(&*store, Batch::new().put("a", "1", Precondition::None))
        .await
        .unwrap();
    let mut behind = store.changes(Bytes::new(), first);
    let mut ahead = store.changes(Bytes::new(), Revision(1 << 60));
    assert!(
        ahead.next().await.unwrap().is_err(),
        "a revision of another store"
    );
    assert!(ahead.next().await.is_none());
    let mut written = 0;
    while written <= limits::STORE_HISTORY_CHANGES_MAX {
        written += busy(&*store).await;
    }
    loop {
        match behind
            .next()
            .await
            .expect("the stream does not end before it says why")
        {
            // A store between may have taken some changes in time.
            Ok(_) => {}
            Err(lagged) => break assert!(lagged.after >= first),
        }
    }
    assert!(behind.next().await.is_none());
}

/// However much happens to other keys. (A store that fails may say otherwise.)
pub(crate) async fn quiet_watchers_do_not_lag(store: &dyn Store) {
    let mut quiet = store.changes("quiet".into(), Revision(0));
    let parked = std::future::poll_fn(|context| {
        let mut next = std::pin::pin!(quiet.next());
        Poll::Ready(next.as_mut().poll(context).is_pending())
    });
    assert!(parked.await);
    let mut written = 0;
    while written <= 2 * limits::STORE_HISTORY_CHANGES_MAX {
        written += busy(store).await;
    }
    commit(store, Batch::new().put("quiet", "1", Precondition::None))
        .await
        .unwrap();
    assert_eq!(quiet.next().await.unwrap().unwrap().key, "quiet");
}

/// However long nobody asked for a page or for changes before.
pub(crate) async fn a_page_can_be_followed_after_a_long_time(store: &dyn Store) {
    let early = scan(store, &KeyRange::all(), None, 1).await.revision;
    for number in 0..=limits::STORE_HISTORY_CHANGES_MAX + 1 {
        let batch = Batch::new().put("key", number.to_string(), Precondition::None);
        commit(store, batch).await.unwrap();
    }
    let page = scan(store, &KeyRange::all(), None, 1).await;
    for value in ["a", "b"] {
        let batch = Batch::new().put("key", value, Precondition::None);
        commit(store, batch).await.unwrap();
    }
    let mut changes = store.changes(Bytes::new(), page.revision);
    for value in ["a", "b"] {
        let change = changes.next().await.unwrap().unwrap();
        assert_eq!(change.value.as_deref(), Some(value.as_bytes()));
    }
    let lagged = store.changes(Bytes::new(), early).next().await;
    assert_eq!(lagged, Some(Err(Lagged { after: early })));
}

/// Of those who wait, whatever their prefixes have in common, a commit wakes those whom it concerns.
/// (A store that fails may say otherwise.)
pub(crate) async fn a_commit_wakes_those_whom_it_concerns(store: &dyn Store) {
    let bytes = [&b"a"[..], b"b", b"\xff", b""];
    let prefixes: BTreeSet<Vec<u8>> = bytes
        .iter()
        .flat_map(|first| bytes.map(|second| [first, second].concat()))
        .flat_map(|two| bytes.map(|third| [&two[..], third].concat()))
        .collect();
    let seen = scan(store, &KeyRange::all(), None, 1).await.revision;
    let mut watchers: Vec<_> = prefixes
        .iter()
        // Two for each.
        .flat_map(|prefix| [prefix, prefix])
        .map(|prefix| {
            let changes = store.changes(prefix.clone().into(), seen);
            (prefix, changes, Arc::<Called>::default())
        })
        .collect();
    for key in [&b"ab"[..], b"\xff\xff\xffx", b"c", b"ba", b"a", b"abb"] {
        for (_, changes, called) in &mut watchers {
            called.0.store(false, Ordering::SeqCst);
            let waker = Arc::clone(called).into();
            assert!(poll(changes, &waker).is_pending());
        }
        let batch = Batch::new().put(key, "1", Precondition::None);
        commit(store, batch).await.unwrap();
        for (prefix, changes, called) in &mut watchers {
            let is_concerned = key.starts_with(prefix);
            assert_eq!(
                called.0.load(Ordering::SeqCst),
                is_concerned,
                "{prefix:?} {key:?}"
            );
            if is_concerned {
                assert_eq!(changes.next().await.unwrap().unwrap().key, key);
            }
        }
    }
}

/// Whether a waker was called.
#[derive(Default)]
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn poll(changes: &mut Changes, waker: &Waker) -> Poll<Option<Result<Change, Lagged>>> {
    let mut next = std::pin::pin!(changes.next());
    next.as_mut().poll(&mut Context::from_waker(waker))
}

/// The revision of a page is one that a watcher can begin with, at once. (A store that fails may say
/// otherwise.)
pub(crate) async fn watching_begins_where_a_page_ends(store: Arc<dyn Store>) {
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for number in 0..400 {
            let batch = Batch::new().put("key", number.to_string(), Precondition::None);
            commit(&*writer, batch).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let page = scan(&*store, &KeyRange::all(), None, 1).await;
        let mut changes = store.changes(Bytes::new(), page.revision);
        let first = std::future::poll_fn(|context| {
            let mut next = std::pin::pin!(changes.next());
            Poll::Ready(next.as_mut().poll(context))
        });
        if let Poll::Ready(first) = first.await {
            assert_eq!(
                first.unwrap().unwrap().revision,
                Revision(page.revision.0 + 1)
            );
        }
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}

/// Many changes in one commit; answers how many.
async fn busy(store: &dyn Store) -> usize {
    let batch = (0..1000).fold(Batch::new(), |batch, number: u32| {
        batch.put(number.to_be_bytes().to_vec(), "1", Precondition::None)
    });
    commit(store, batch).await.unwrap();
    1000
}
