//! Random work on a store and on a sorted map, which must agree at every step.
#![allow(clippy::unwrap_used, reason = "a test may panic anywhere")]

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use reflectd::store::{Batch, KeyRange, MemoryStore, Precondition, Revision, Row, Store, Write};

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, Option<Vec<u8>>, u8)>),
    Scan {
        prefix: Vec<u8>,
        after: Option<Vec<u8>>,
        limit: usize,
    },
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    (0..24_u8).prop_map(key_of)
}

/// Keys that share prefixes, and end in bytes around which ranges go wrong.
fn key_of(number: u8) -> Vec<u8> {
    let bytes = [1, 0, 255, 128];
    let mut key = vec![1];
    let mut left = number;
    while left > 0 {
        key.push(bytes[usize::from(left % 4)]);
        left /= 4;
    }
    key
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..40));
    let write = (0..24_u8, value, 0..5_u8);
    prop_oneof![
        8 => prop::collection::vec(write, 1..4).prop_map(Step::Commit),
        4 => (key(), prop::option::of(key()), 1..8_usize)
            .prop_map(|(prefix, after, limit)| Step::Scan { prefix, after, limit }),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    rows: BTreeMap<Vec<u8>, Row>,
    revision: Revision,
}

impl Model {
    /// Applies the batch, or tells which write's precondition does not hold.
    fn commit(&mut self, batch: &Batch) -> Result<(), usize> {
        let holds = |write: &Write| {
            let found = self.rows.get(&write.key[..]).map(|row| row.revision);
            match write.precondition {
                Precondition::Absent => found.is_none(),
                Precondition::Present => found.is_some(),
                Precondition::Revision(revision) => found == Some(revision),
                _ => true,
            }
        };
        if let Some(failed) = batch.writes().iter().position(|write| !holds(write)) {
            return Err(failed);
        }
        self.revision = Revision(self.revision.0 + 1);
        for write in batch.writes() {
            let revision = self.revision;
            match write.value.clone() {
                Some(value) => self
                    .rows
                    .insert(write.key.to_vec(), Row { value, revision }),
                None => self.rows.remove(&write.key[..]),
            };
        }
        Ok(())
    }

    /// The batch with each key once, and preconditions of which most hold.
    fn batch(&self, writes: Vec<(u8, Option<Vec<u8>>, u8)>) -> Batch {
        let writes: BTreeMap<_, _> = writes
            .into_iter()
            .map(|(key, value, choice)| (key_of(key), (value, choice)))
            .collect();
        writes
            .into_iter()
            .fold(Batch::new(), |batch, (key, (value, choice))| {
                let found = self.rows.get(&key).map(|row| row.revision);
                let precondition = match (choice, found) {
                    (0, _) => Precondition::Absent,
                    (1, _) => Precondition::Present,
                    (2 | 3, Some(revision)) => Precondition::Revision(revision),
                    (2, None) => Precondition::Revision(self.revision),
                    _ => Precondition::None,
                };
                let value = value.map(Bytes::from);
                batch.write(Write {
                    key: key.into(),
                    value,
                    precondition,
                })
            })
    }

    fn check(&self, store: &dyn Store, step: Step, runtime: &tokio::runtime::Runtime) -> Self {
        let mut after = Self {
            rows: self.rows.clone(),
            revision: self.revision,
        };
        match step {
            Step::Reopen => {}
            Step::Commit(writes) => {
                let batch = self.batch(writes);
                let expected = after.commit(&batch);
                let commit = match batch.writes() {
                    [one] => store.commit_one(&one.key, one.value.as_deref(), one.precondition),
                    _ => store.commit(batch),
                };
                let found = runtime.block_on(commit);
                let found = found.map_err(|error| error.is_precondition_failed().unwrap());
                assert_eq!(found, expected.map(|()| after.revision));
            }
            Step::Scan {
                prefix,
                after,
                limit,
            } => {
                let range = KeyRange::prefix(prefix.clone());
                let page = runtime
                    .block_on(store.scan(&range, after.as_deref(), limit))
                    .unwrap();
                let behind = |key: &Vec<u8>| after.as_ref().is_none_or(|after| key > after);
                let mut expected: Vec<_> = self
                    .rows
                    .iter()
                    .filter(|(key, _)| key.starts_with(&prefix) && behind(key))
                    .map(|(key, row)| (Bytes::from(key.clone()), row.clone()))
                    .collect();
                let more = expected.len() > limit;
                expected.truncate(limit);
                let next = expected.last().map(|(key, _)| key.clone()).filter(|_| more);
                assert_eq!(page.next, next);
                assert_eq!(page.rows, expected);
                assert_eq!(page.revision, self.revision);
            }
        }
        for number in 0..24 {
            let key = key_of(number);
            let found = runtime.block_on(store.get(&key)).unwrap();
            assert_eq!(found.as_ref(), after.rows.get(&key), "at {key:?}");
        }
        after
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

proptest! {
    #[test]
    fn memory_store(steps in prop::collection::vec(step(), 1..60)) {
        let (store, runtime) = (MemoryStore::new(), runtime());
        let start = Model::default();
        steps.into_iter().fold(start, |model, step| model.check(&store, step, &runtime));
    }
}

#[cfg(feature = "store-redb")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn redb_store(steps in prop::collection::vec(step(), 1..40)) {
        let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime());
        let options = reflectd::store::RedbOptions::default();
        let open = || reflectd::store::RedbStore::open(folder.path(), &options).unwrap();
        let mut store = Some(open());
        steps.into_iter().fold(Model::default(), |model, step| {
            if matches!(step, Step::Reopen) {
                drop(store.take());
                store = Some(open());
            }
            model.check(store.as_ref().unwrap(), step, &runtime)
        });
    }
}
