//! The durable store on a disk that fails.

mod disk;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use self::disk::{Disk, Fault, FaultKind};
use super::{RedbOptions, RedbStore};
use crate::store::{Batch, KeyRange, Precondition, Store, StoreError, metadata_key};

#[test]
fn a_loss_of_power_at_any_call_loses_nothing_that_was_answered() {
    for call in 1..=calls_of_the_work() {
        let disk = created();
        disk.set_fault(Some(Fault {
            kind: FaultKind::Power,
            first: call,
            count: u64::MAX,
        }));
        let done = open(&disk).map_or_else(|_| Done::default(), |store| work(&store, false));
        let mut state = call;
        for _ in 0..3 {
            let disk = disk.after_power_loss(|sides| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 33) % sides
            });
            done.check(&open(&disk).unwrap_or_else(|error| panic!("at call {call}: {error}")));
        }
    }
}

#[test]
fn an_error_at_any_call_loses_nothing_that_was_answered() {
    for kind in [FaultKind::Io, FaultKind::Full] {
        for call in 1..=calls_of_the_work() {
            let disk = created();
            disk.set_fault(Some(Fault {
                kind,
                first: call,
                count: 1,
            }));
            let Ok(store) = open(&disk) else {
                continue;
            };
            let done = work(&store, true);
            eventually(|| store.is_available());
            done.check(&store);
            drop(store);
            // What was acknowledged after a failed sync is on the disk too, not in the cache only.
            done.check(&open(&disk.after_power_loss(|_| 0)).unwrap());
        }
    }
}

#[test]
fn reads_resume_while_the_disk_refuses_writes_and_the_store_mends_itself() {
    for (kind, is_full) in [(FaultKind::Io, false), (FaultKind::Full, true)] {
        let disk = Disk::default();
        let store = open(&disk).unwrap();
        let written = work(&store, false);
        disk.fail(kind);
        let failed = wait(store.commit(put(1000))).unwrap_err();
        assert!(failed.may_have_been_applied());
        assert_eq!(
            (failed.is_full(), failed.is_unavailable()),
            (is_full, !is_full),
            "{failed}"
        );
        assert!(!store.is_available());
        eventually(|| wait(store.get(&key(0))).is_ok_and(|row| row.is_some()));
        assert!(
            !store.is_available(),
            "what can be read cannot be written yet"
        );
        let refused = wait(store.commit(put(1001))).unwrap_err();
        assert_eq!(refused.is_full(), is_full);
        assert!(!refused.may_have_been_applied());

        disk.set_fault(None);
        eventually(|| store.is_available());
        written.check(&store);
        wait(store.commit(put(1002))).unwrap();
    }
}

#[test]
fn a_commit_of_unknown_outcome_is_told_to_watchers_and_once_read_it_stays() {
    let mut applied = 0;
    for call in 1..30 {
        let disk = created();
        let store = open(&disk).unwrap();
        let before = wait(store.commit(put(0))).unwrap();
        let mut changes = store.changes("".into(), before);
        disk.set_fault(Some(Fault {
            kind: FaultKind::Io,
            first: disk.calls() + call,
            count: 1,
        }));
        if wait(store.commit(put(1))).is_ok() {
            break;
        }
        eventually(|| store.is_available());
        let is_there = wait(store.get(&key(1))).unwrap().is_some();
        // The failed sync left pages in the cache that the disk never got.
        let left = open(&disk.after_power_loss(|_| 0)).unwrap();
        assert_eq!(wait(left.get(&key(1))).unwrap().is_some(), is_there);

        wait(store.commit(put(2))).unwrap();
        let told = wait(changes.next()).unwrap();
        assert_eq!(
            told.is_err(),
            is_there,
            "a change of which nobody was told: {told:?}"
        );
        applied += u32::from(is_there);
    }
    assert!(
        applied > 0,
        "no fault hit between the commit and its answer"
    );
}

#[test]
fn a_flipped_bit_is_an_error_and_never_taken_for_data() {
    let disk = Disk::default();
    let written = work(&open(&disk).unwrap(), false);
    let image = disk.bytes();
    let mut chance = chance(7);
    let mut damaged = 0;
    for _ in 0..400 {
        let mut image = image.clone();
        let at = chance(image.len() as u64) as usize;
        image[at] ^= 1 << chance(8);
        let store = match open(&Disk::holding(image)) {
            Ok(store) => store,
            Err(error) => {
                assert!(error.is_corrupt(), "{error}");
                continue;
            }
        };
        for &number in written.answered.keys() {
            match wait(store.get(&key(number))) {
                // A key that is damaged itself is not found.
                Ok(row) => assert!(row.is_none_or(|row| row.value == value(number))),
                Err(error) => {
                    assert!(error.is_corrupt(), "{error}");
                    damaged += 1;
                }
            }
        }
    }
    assert!(damaged > 0, "no bit of a row was flipped");
}

#[test]
fn closing_leaves_no_gap_in_a_sequence() {
    let disk = Disk::default();
    for expected in 0..5 {
        assert_eq!(wait(open(&disk).unwrap().next("users")).unwrap(), expected);
    }
}

#[test]
fn metadata_is_kept_beside_the_rows() {
    let disk = Disk::default();
    let batch = put(0).put(metadata_key("users"), "descriptor", Precondition::Absent);
    wait(open(&disk).unwrap().commit(batch)).unwrap();
    let store = open(&disk).unwrap();
    let stored = wait(store.get(&metadata_key("users"))).unwrap().unwrap();
    assert_eq!(stored.value, "descriptor");
    let page = wait(store.scan(&KeyRange::all(), None, 10)).unwrap();
    assert_eq!(page.rows.len(), 1, "metadata is none of the rows");
}

/// What a run of [`work`] was told.
#[derive(Default)]
struct Done {
    answered: BTreeMap<u64, u64>,
    tried: u64,
}

/// Commits of growing size, each under a new number; a failed one again if `again`.
fn work(store: &RedbStore, again: bool) -> Done {
    let mut done = Done::default();
    let deadline = Instant::now() + PATIENCE;
    while done.tried < COMMITS {
        let committed = wait(store.next("numbers")).and_then(|number| {
            done.tried = done.tried.max(number + 1);
            let revision = wait(store.commit(put(number)))?;
            Ok((number, revision))
        });
        match committed {
            Ok((number, revision)) => {
                let repeated = done.answered.insert(number, revision.0);
                assert_eq!(repeated, None, "a number was answered twice");
            }
            Err(_) if again => assert!(Instant::now() < deadline, "the store does not mend itself"),
            Err(_) => break,
        }
    }
    done
}

impl Done {
    fn check(&self, store: &RedbStore) {
        for number in 0..self.tried {
            let row = wait(store.get(&key(number))).unwrap();
            let answered = self.answered.get(&number);
            assert!(
                row.is_some() || answered.is_none(),
                "the answered {number} is lost"
            );
            if let Some(row) = row {
                assert_eq!(row.value, value(number));
                assert!(answered.is_none_or(|&revision| revision == row.revision.0));
            }
        }
        let next = wait(store.next("numbers")).unwrap();
        assert!(next >= self.tried, "the number {next} is answered twice");
        wait(store.commit(put(next))).unwrap();
    }
}

/// Repeatable throws of dice with so many sides.
fn chance(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |sides| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % sides
    }
}

fn calls_of_the_work() -> u64 {
    let disk = created();
    let store = open(&disk).unwrap();
    assert_eq!(work(&store, false).answered.len() as u64, COMMITS);
    disk.calls()
}

/// An empty database: the folder sees to it that there is none in part.
fn created() -> Disk {
    let disk = Disk::default();
    drop(open(&disk).unwrap());
    Disk::holding(disk.bytes())
}

fn open(disk: &Disk) -> Result<RedbStore, StoreError> {
    RedbStore::on(disk.clone(), &RedbOptions::default(), None)
}

fn put(number: u64) -> Batch {
    Batch::new().put(key(number), value(number), Precondition::Absent)
}

fn key(number: u64) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn value(number: u64) -> Vec<u8> {
    format!("value {number} ")
        .repeat(1 << (2 * (number % COMMITS)))
        .into_bytes()
}

fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Enough that pages of all kinds are written and freed, few enough to fail at each of their calls.
const COMMITS: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(20);
