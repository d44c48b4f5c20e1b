//! `kill -9` at any moment: what was answered is there, and no number is answered twice.
#![allow(clippy::unwrap_used, reason = "a test may panic anywhere")]
#![cfg(feature = "store-redb")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    hash::{DefaultHasher, Hasher},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use reflectd::store::{Batch, KeyRange, Precondition, RedbOptions, RedbStore, Store};

const CYCLES: u64 = 30;
const FOLDER: &str = "STORE_KILL_FOLDER";
/// Far above what opening takes on a busy machine (some 5 ms), far below a walk over all pages of a
/// large file.
const OPEN_MAX: Duration = Duration::from_secs(1);

#[tokio::test]
async fn answered_writes_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut reported = Reported::default();
    for cycle in 0..CYCLES {
        let mut writer = start(folder.path());
        // Different moments each cycle: while it opens, in its first commits, in full swing.
        let moment = if cycle < 10 {
            cycle * 3
        } else {
            cycle * 37 % 180
        };
        thread::sleep(Duration::from_millis(moment));
        writer.kill().unwrap();
        reported.read(&mut writer);
        writer.wait().unwrap();
        reported.check(folder.path()).await;
    }
    assert!(
        reported.answered.len() as u64 > CYCLES,
        "the writers were killed before they wrote"
    );
}

fn start(folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "writes_until_it_is_killed",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the killed processes said.
#[derive(Default)]
struct Reported {
    numbers: BTreeSet<u64>,
    answered: BTreeMap<u64, u64>,
}

impl Reported {
    fn read(&mut self, writer: &mut Child) {
        for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["number", number, "."] => {
                    let number = number.parse().unwrap();
                    assert!(
                        self.numbers.insert(number),
                        "the number {number} was answered twice"
                    );
                }
                ["answered", number, revision, "."] => {
                    let (number, revision) = (number.parse().unwrap(), revision.parse().unwrap());
                    self.answered.insert(number, revision);
                }
                // The test harness's own lines, and one that was cut off.
                _ => {}
            }
        }
    }

    async fn check(&self, folder: &Path) {
        let opening = Instant::now();
        let store = RedbStore::open(folder, &RedbOptions::default()).unwrap();
        assert!(
            opening.elapsed() < OPEN_MAX,
            "opened in {:?}",
            opening.elapsed()
        );
        let mut found = BTreeMap::<u64, Vec<u64>>::new();
        let mut after = None;
        loop {
            let page = store
                .scan(&KeyRange::all(), after.as_deref(), 1000)
                .await
                .unwrap();
            for (key, row) in page.rows {
                let number = u64::from_be_bytes(key[1..].try_into().unwrap());
                assert_eq!(row.value, record(key[0], number), "what was written");
                found.entry(number).or_default().push(row.revision.0);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for (number, revisions) in &found {
            assert_eq!(revisions.len(), 2, "half a batch of {number}");
            assert_eq!(revisions[0], revisions[1]);
        }
        for (number, revision) in &self.answered {
            let found = found
                .get(number)
                .unwrap_or_else(|| panic!("{number} is lost"));
            assert_eq!(found[0], *revision);
        }
    }
}

/// The other side: does nothing unless it is started by the test above.
#[test]
fn writes_until_it_is_killed() {
    let Ok(folder) = env::var(FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = Arc::new(RedbStore::open(folder, &RedbOptions::default()).unwrap());
    runtime.block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                loop {
                    write(&store).await;
                }
            });
        }
        writers.join_all().await;
    });
}

/// Two records in one batch, under a new number.
async fn write(store: &RedbStore) {
    let number = store.next("numbers").await.unwrap();
    say(&format!("number {number} .\n"));
    let batch = [1, 2].into_iter().fold(Batch::new(), |batch, half| {
        let key = [&[half][..], &number.to_be_bytes()].concat();
        batch.put(key, record(half, number), Precondition::Absent)
    });
    let revision = store.commit(batch).await.unwrap();
    say(&format!("answered {number} {revision} .\n"));
}

/// Some bytes, of a length and with a checksum that follow from the number.
fn record(half: u8, number: u64) -> Vec<u8> {
    let length = (number * 131 % 900) as usize;
    let mut record: Vec<_> = (0..length)
        .map(|at| (at as u64 + number) as u8 ^ half)
        .collect();
    let mut hasher = DefaultHasher::new();
    hasher.write(&record);
    record.extend(hasher.finish().to_be_bytes());
    record
}

/// One write, so that a killed process leaves whole lines but for the last.
fn say(line: &str) {
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}
