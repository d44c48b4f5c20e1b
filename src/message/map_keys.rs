//! Which entries of a received map count: of those with the same key the last one.

use std::{collections::hash_map::RandomState, hash::BuildHasher as _};

use super::{
    MapKeyRef,
    map_ref::{Entries, Walk},
};

/// Where the entries are that count, in their order; `None` if all do.
///
/// It takes a few bytes for each different key while it looks, and as many again for what it finds:
/// the keys themselves stay where they are.
pub(super) fn last_of_keys(map: &Entries<'_>, walk: Walk) -> Option<Vec<u32>> {
    let (keys, count) = Keys::of(map, walk);
    if keys.different == count {
        return None;
    }
    let mut kept = keys.places;
    kept.retain(|place| *place != 0);
    kept.shrink_to_fit();
    kept.iter_mut().for_each(|place| *place -= 1);
    kept.sort_unstable();
    Some(kept)
}

/// A hash table with open addresses. A place holds one more than where an entry is, or 0.
pub(super) struct Keys {
    places: Vec<u32>,
    different: usize,
    /// What keys hash to cannot be known outside.
    state: RandomState,
}

impl Keys {
    /// The keys of all entries that are still to be walked over, and how many these are.
    pub(super) fn of(map: &Entries<'_>, mut walk: Walk) -> (Self, usize) {
        let mut keys = Self {
            places: vec![0; FIRST_PLACES],
            different: 0,
            state: RandomState::new(),
        };
        let mut count = 0;
        while let Some((key, _)) = walk.next(map) {
            count += 1;
            keys.insert(map, key, walk.entry_at as u32 + 1);
        }
        (keys, count)
    }

    /// Where the last entry with a key is.
    pub(super) fn get(&self, map: &Entries<'_>, key: MapKeyRef<'_>) -> Option<u32> {
        self.places[self.find(map, key)].checked_sub(1)
    }

    fn insert(&mut self, map: &Entries<'_>, key: MapKeyRef<'_>, entry: u32) {
        if self.different >= self.places.len() / 4 * 3 {
            self.grow(map);
        }
        let place = self.find(map, key);
        self.different += usize::from(self.places[place] == 0);
        self.places[place] = entry;
    }

    /// The place of a key: where its entry is, or would be.
    fn find(&self, map: &Entries<'_>, key: MapKeyRef<'_>) -> usize {
        let mask = self.places.len() - 1;
        let mut place = self.hash(key) & mask;
        while let Some(entry) = self.places[place].checked_sub(1) {
            if map.key_at(entry) == Some(key) {
                break;
            }
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self, map: &Entries<'_>) {
        let larger = vec![0; 2 * self.places.len()];
        let entries = std::mem::replace(&mut self.places, larger);
        for entry in entries.into_iter().filter(|entry| *entry != 0) {
            if let Some(key) = map.key_at(entry - 1) {
                let place = self.find(map, key);
                self.places[place] = entry;
            }
        }
    }

    fn hash(&self, key: MapKeyRef<'_>) -> usize {
        self.state.hash_one(key) as usize
    }
}

const FIRST_PLACES: usize = 32;
