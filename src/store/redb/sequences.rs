//! Numbers that are never answered twice, not even after the process was killed.
//!
//! On disk stands, for each sequence, a number below which everything may have been answered. It
//! runs ahead of what is answered, and is raised by the commits that are made anyway: a number costs
//! a commit of its own only when the sequence is new, or used faster than commits are made.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

#[derive(Debug, Default)]
pub(super) struct Sequences {
    sequences: Mutex<HashMap<Box<str>, Sequence>>,
}

#[derive(Clone, Debug, Default)]
struct Sequence {
    /// The next number to be answered.
    next: u64,
    /// On disk: numbers below it may be answered.
    reserved: u64,
    /// Numbers answered since `reserved` was last raised: the measure of how far to run ahead.
    taken: u64,
}

/// What a commit writes: the name of a sequence and its number on disk.
pub(super) type Reservation = (Box<str>, u64);

impl Sequences {
    /// The sequences as they stand on disk.
    pub(super) fn new(on_disk: Vec<Reservation>) -> Self {
        let stored = |(name, reserved)| {
            let sequence = Sequence {
                next: reserved,
                reserved,
                taken: 0,
            };
            (name, sequence)
        };
        Self {
            sequences: Mutex::new(on_disk.into_iter().map(stored).collect()),
        }
    }

    /// The next number, if it is reserved.
    pub(super) fn take(&self, name: &str) -> Option<u64> {
        self.lock().get_mut(name)?.take()
    }

    /// What the next commit should write: the sequences that run short, and those that someone waits
    /// for, one entry in `waiting` for each number.
    pub(super) fn short(&self, waiting: &[Box<str>]) -> Vec<Reservation> {
        let mut sequences = self.lock();
        let mut missing: HashMap<&str, u64> = HashMap::new();
        for name in waiting {
            *missing.entry(&**name).or_default() += 1;
            sequences.entry(name.clone()).or_default();
        }
        let short = |name: &str, sequence: &Sequence| {
            let missing = missing.get(name).copied().unwrap_or_default();
            let ahead = AHEAD_MIN.max(2 * sequence.taken);
            let is_short = missing > 0 || sequence.left() < ahead / 2;
            // Those who wait come on top: others may take all that was reserved before.
            is_short.then(|| (name.into(), sequence.reserved + missing + ahead))
        };
        sequences
            .iter()
            .filter_map(|(name, sequence)| short(name, sequence))
            .collect()
    }

    /// The reservations are on disk. Answers a number for each entry of `waiting`, as given to
    /// [`short`](Self::short), before anyone else can take it.
    pub(super) fn raise(
        &self,
        reservations: Vec<Reservation>,
        waiting: &[Box<str>],
    ) -> Vec<Option<u64>> {
        let mut sequences = self.lock();
        for (name, reserved) in reservations {
            if let Some(sequence) = sequences.get_mut(&name) {
                sequence.reserved = reserved;
                sequence.taken = 0;
            }
        }
        waiting
            .iter()
            .map(|name| sequences.get_mut(name)?.take())
            .collect()
    }

    /// What a last commit should write, so that closing leaves no gap.
    pub(super) fn unused(&self) -> Vec<Reservation> {
        let sequences = self.lock();
        let unused = sequences.iter().filter(|(_, sequence)| sequence.left() > 0);
        unused
            .map(|(name, sequence)| (name.clone(), sequence.next))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Sequence>> {
        self.sequences
            .lock()
            .expect("no code that can panic runs while the sequences are locked")
    }
}

impl Sequence {
    fn take(&mut self) -> Option<u64> {
        let number = self.next;
        (self.left() > 0).then(|| {
            self.next += 1;
            self.taken += 1;
            number
        })
    }

    fn left(&self) -> u64 {
        self.reserved - self.next
    }
}

/// How far a sequence that is hardly used runs ahead: the gap that a killed process leaves.
const AHEAD_MIN: u64 = 32;
