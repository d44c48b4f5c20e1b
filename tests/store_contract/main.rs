//! What every store promises, checked on each of them, and on one that is slow, reorders and fails.
#![allow(clippy::unwrap_used, reason = "a test may panic anywhere")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use reflectd::{
    limits,
    store::{Batch, Health, KeyRange, MemoryStore, Precondition, Revision, Row, Store},
};
use tokio::{task::JoinSet, time::sleep};

mod chaos;
mod insist;
mod watch;

use chaos::ChaosStore;
use insist::{commit, get, scan};
use watch::{
    a_commit_wakes_those_whom_it_concerns, a_page_can_be_followed_after_a_long_time,
    quiet_watchers_do_not_lag, watchers_see_all_commits_in_order,
    watchers_that_fall_behind_are_told, watching_begins_where_a_page_ends,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_store() {
    holds(|| Arc::new(MemoryStore::new())).await;
    starts_at_zero(&MemoryStore::new()).await;
    quiet_watchers_do_not_lag(&MemoryStore::new()).await;
    a_commit_wakes_those_whom_it_concerns(&MemoryStore::new()).await;
    a_page_can_be_followed_after_a_long_time(&MemoryStore::new()).await;
    watching_begins_where_a_page_ends(Arc::new(MemoryStore::new())).await;
}

// The clock is paused: it jumps to the next timer whenever all tasks sleep.
#[tokio::test(start_paused = true)]
async fn chaos_store() {
    for seed in 0..8 {
        holds(|| Arc::new(ChaosStore::new(Arc::new(MemoryStore::new()), seed))).await;
    }
}

#[cfg(feature = "store-redb")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redb_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = 0;
    let mut open = || {
        stores += 1;
        let path = folder.path().join(stores.to_string());
        reflectd::store::RedbStore::open(path, &reflectd::store::RedbOptions::default()).unwrap()
    };
    starts_at_zero(&open()).await;
    quiet_watchers_do_not_lag(&open()).await;
    a_commit_wakes_those_whom_it_concerns(&open()).await;
    watching_begins_where_a_page_ends(Arc::new(open())).await;
    holds(|| Arc::new(open())).await;
}

/// The contract: every check gets a store of its own.
async fn holds(mut new: impl FnMut() -> Arc<dyn Store>) {
    preconditions_decide(new()).await;
    a_batch_is_applied_whole_or_not_at_all(new()).await;
    impossible_batches_are_refused(new()).await;
    pages_follow_each_other(new()).await;
    pages_are_bounded_in_bytes(new()).await;
    updates_of_one_row_do_not_get_lost(new()).await;
    a_page_sees_whole_commits(new()).await;
    numbers_are_never_repeated(new()).await;
    watchers_see_all_commits_in_order(new()).await;
    watchers_that_fall_behind_are_told(new()).await;
    a_dropped_future_does_not_undo_its_commit(new()).await;
}

async fn preconditions_decide(store: Arc<dyn Store>) {
    use Precondition::{Absent, None, Present, Revision as At};
    let put = |value: &str, precondition| Batch::new().put("key", value.to_owned(), precondition);
    let refused = async |batch| {
        let before = get(&*store, b"key").await;
        let error = commit(&*store, batch).await.unwrap_err();
        assert_eq!(error.is_precondition_failed(), Some(0), "{error}");
        assert_eq!(get(&*store, b"key").await, before);
    };
    let stale = Revision(u64::MAX);

    assert_eq!(get(&*store, b"key").await, Option::None);
    refused(put("a", Present)).await;
    refused(put("b", At(stale))).await;
    refused(Batch::new().delete("key", Present)).await;
    let first = commit(&*store, put("c", Absent)).await.unwrap();
    assert_eq!(get(&*store, b"key").await, row("c", first));
    refused(put("d", Absent)).await;
    refused(put("e", At(stale))).await;
    refused(Batch::new().delete("key", At(stale))).await;
    let second = commit(&*store, put("f", At(first))).await.unwrap();
    assert!(second > first);
    refused(put("g", At(first))).await;
    let third = commit(&*store, put("h", Present)).await.unwrap();
    let fourth = commit(&*store, put("i", None)).await.unwrap();
    assert!(fourth > third && third > second);
    assert_eq!(get(&*store, b"key").await, row("i", fourth));
    commit(&*store, Batch::new().delete("key", At(fourth)))
        .await
        .unwrap();
    assert_eq!(get(&*store, b"key").await, Option::None);
    commit(&*store, Batch::new().delete("key", None))
        .await
        .unwrap();
}

async fn a_batch_is_applied_whole_or_not_at_all(store: Arc<dyn Store>) {
    let taken = Batch::new().put("c", "taken", Precondition::None);
    let taken = commit(&*store, taken).await.unwrap();
    let batch = ["a", "b", "c", "d"]
        .iter()
        .fold(Batch::new(), |batch, &key| {
            batch.put(key, format!("new {key}"), Precondition::Absent)
        });
    let error = commit(&*store, batch).await.unwrap_err();
    assert_eq!(error.is_precondition_failed(), Some(2));
    let page = scan(&*store, &KeyRange::all(), None, 10).await;
    assert_eq!(page.rows, [("c".into(), row("taken", taken).unwrap())]);

    let whole = Batch::new()
        .put("a", "new", Precondition::Absent)
        .delete("c", Precondition::Present);
    let whole = commit(&*store, whole).await.unwrap();
    let page = scan(&*store, &KeyRange::all(), None, 10).await;
    assert_eq!(page.rows, [("a".into(), row("new", whole).unwrap())]);
    assert_eq!(page.revision, whole);
}

async fn impossible_batches_are_refused(store: Arc<dyn Store>) {
    let twice = Batch::new()
        .put("key", "one", Precondition::None)
        .delete("key", Precondition::None);
    assert!(commit(&*store, twice).await.unwrap_err().is_invalid());
    assert_eq!(get(&*store, b"key").await, None);
}

async fn pages_follow_each_other(store: Arc<dyn Store>) {
    let mut expected = BTreeMap::new();
    let mut batch = Batch::new();
    for number in 0..500_u32 {
        // Two prefixes, one of which begins the other, and keys that sort unlike their numbers.
        let prefix = if number % 2 == 0 { "r/" } else { "r" };
        let key = Bytes::from(format!(
            "{prefix}{:08x}",
            number.wrapping_mul(2_654_435_761)
        ));
        expected.insert(key.clone(), Bytes::from(number.to_string()));
        batch = batch.put(key, number.to_string(), Precondition::Absent);
    }
    commit(&*store, batch).await.unwrap();
    for (prefix, limit) in [
        ("r/", 7),
        ("r", 1000),
        ("r", 500),
        ("r", 499),
        ("s", 3),
        ("r/f", 0),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .filter(|(key, _)| key.starts_with(prefix.as_bytes()))
            .collect();
        let range = KeyRange::prefix(prefix);
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = scan(&*store, &range, after.as_deref(), limit).await;
            assert!(page.rows.len() <= limit.max(1));
            assert_eq!(
                page.next.is_some(),
                found.len() + page.rows.len() < expected.len()
            );
            found.extend(page.rows);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let found: Vec<_> = found.iter().map(|(key, row)| (key, &row.value)).collect();
        assert_eq!(found, expected, "{prefix} in pages of {limit}");
    }
    // A page may begin behind a key that does not exist, before the range, or behind its end.
    let range = KeyRange::prefix("r/");
    let first = scan(&*store, &range, None, 1).await.rows[0].clone();
    assert_eq!(scan(&*store, &range, Some(b"a"), 1).await.rows[0], first);
    assert_eq!(scan(&*store, &range, Some(b"r/"), 1).await.rows[0], first);
    assert!(scan(&*store, &range, Some(b"r0"), 1).await.rows.is_empty());
    assert!(
        scan(&*store, &KeyRange::new("s", Some("r".into())), None, 1)
            .await
            .rows
            .is_empty()
    );
}

async fn pages_are_bounded_in_bytes(store: Arc<dyn Store>) {
    let large = Bytes::from(vec![7; limits::STORE_PAGE_BYTES / 2 - 100]);
    for key in ["a", "b", "c"] {
        commit(
            &*store,
            Batch::new().put(key, large.clone(), Precondition::None),
        )
        .await
        .unwrap();
    }
    let page = scan(&*store, &KeyRange::all(), None, 10).await;
    assert_eq!(
        (page.rows.len(), page.next.as_deref()),
        (2, Some(&b"b"[..]))
    );
    // One that is larger than a page by itself is not left out.
    let huge = Bytes::from(vec![7; limits::STORE_PAGE_BYTES + 1]);
    commit(&*store, Batch::new().put("a", huge, Precondition::None))
        .await
        .unwrap();
    let page = scan(&*store, &KeyRange::all(), None, 10).await;
    assert_eq!(
        (page.rows.len(), page.next.as_deref()),
        (1, Some(&b"a"[..]))
    );
}

async fn updates_of_one_row_do_not_get_lost(store: Arc<dyn Store>) {
    commit(&*store, Batch::new().put("list", "", Precondition::None))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for update in 0..10 {
                append(&*store, &format!("{task}.{update},")).await;
            }
        });
    }
    tasks.join_all().await;
    let list = get(&*store, b"list").await.unwrap().value;
    let list: Vec<_> = std::str::from_utf8(&list)
        .unwrap()
        .split_terminator(',')
        .collect();
    assert_eq!(list.len(), 80, "each update once: {list:?}");
    assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), 80);
}

/// An update: read, check, commit, and again if someone else was faster or the outcome is unknown.
async fn append(store: &dyn Store, token: &str) {
    loop {
        let row = get(store, b"list").await.unwrap();
        let list = String::from_utf8(row.value.to_vec()).unwrap();
        if list.contains(token) {
            return;
        }
        let precondition = Precondition::Revision(row.revision);
        match store
            .commit(Batch::new().put("list", list + token, precondition))
            .await
        {
            Ok(_) => return,
            Err(error) if error.is_precondition_failed().is_some() || error.is_unavailable() => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn a_page_sees_whole_commits(store: Arc<dyn Store>) {
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for number in 0..60 {
            let batch = (0..6).fold(Batch::new(), |batch, key: i32| {
                batch.put(key.to_string(), number.to_string(), Precondition::None)
            });
            commit(&*writer, batch).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let page = scan(&*store, &KeyRange::all(), None, 10).await;
        let values: BTreeSet<_> = page.rows.iter().map(|(_, row)| &row.value).collect();
        assert!(values.len() <= 1, "one commit, seen in part: {page:?}");
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}

async fn numbers_are_never_repeated(store: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut numbers = Vec::new();
            for _ in 0..150 {
                let name = if task % 2 == 0 { "even" } else { "odd" };
                match store.next(name).await {
                    Ok(number) => numbers.push((name, number)),
                    Err(error) => assert!(error.is_unavailable()),
                }
            }
            numbers
        });
    }
    let numbers = tasks.join_all().await.concat();
    assert!(numbers.len() > 600);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
}

async fn starts_at_zero(store: &dyn Store) {
    for expected in 0..200 {
        assert_eq!(store.next("users").await.unwrap(), expected);
    }
    assert_eq!(store.next("orders").await.unwrap(), 0);
    assert!(store.is_available());
    assert!(matches!(*store.health().borrow(), Health::Available));
}

async fn a_dropped_future_does_not_undo_its_commit(store: Arc<dyn Store>) {
    let mut polled = Vec::new();
    for number in 0..100_u8 {
        let commit = store.commit(Batch::new().put(vec![1, number], "1", Precondition::None));
        if number % 2 == 0 {
            // Polled once, then dropped: what a deadline does.
            polled.push(tokio::time::timeout(Duration::ZERO, commit).await.is_ok());
        }
    }
    let mut there = 0;
    for _ in 0..200 {
        there = scan(&*store, &KeyRange::all(), None, 1000).await.rows.len();
        if there == 100 {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    // One in ten may fail in a store that fails.
    let expected = if store.is_available() { 100 } else { 70 };
    assert!(there >= expected, "{there} of 100");
}

fn row(value: &'static str, revision: Revision) -> Option<Row> {
    let value = value.into();
    Some(Row { value, revision })
}
