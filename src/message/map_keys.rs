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
    let mut table = Table {
        places: vec![0; FIRST_PLACES],
        different: 0,
        map,
        walk: walk.clone(),
        state: RandomState::new(),
    };
    let (mut entries, mut count) = (walk, 0);
    while let Some((key, _)) = entries.next(map) {
        count += 1;
        table.insert(key, entries.entry_at as u32 + 1);
    }
    if table.different == count {
        return None;
    }
    let mut kept = table.places;
    kept.retain(|place| *place != 0);
    kept.shrink_to_fit();
    kept.iter_mut().for_each(|place| *place -= 1);
    kept.sort_unstable();
    Some(kept)
}

/// A hash table with open addresses. A place holds one more than where an entry is, or 0.
struct Table<'m, 'a> {
    places: Vec<u32>,
    different: usize,
    map: &'m Entries<'a>,
    walk: Walk,
    /// What keys hash to cannot be known outside.
    state: RandomState,
}

impl Table<'_, '_> {
    fn insert(&mut self, key: MapKeyRef<'_>, entry: u32) {
        if self.different >= self.places.len() / 4 * 3 {
            self.grow();
        }
        let place = self.find(key);
        self.different += usize::from(self.places[place] == 0);
        self.places[place] = entry;
    }

    /// The place of a key: where its entry is, or would be.
    fn find(&self, key: MapKeyRef<'_>) -> usize {
        let mask = self.places.len() - 1;
        let mut place = self.hash(key) & mask;
        while self.places[place] != 0 && self.key_of(self.places[place]) != Some(key) {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let larger = vec![0; 2 * self.places.len()];
        let entries = std::mem::replace(&mut self.places, larger);
        for entry in entries.into_iter().filter(|entry| *entry != 0) {
            if let Some(key) = self.key_of(entry) {
                let place = self.find(key);
                self.places[place] = entry;
            }
        }
    }

    fn key_of(&self, entry: u32) -> Option<MapKeyRef<'_>> {
        let mut walk = self.walk.clone();
        walk.read_at(self.map, entry - 1).map(|(key, _)| key)
    }

    fn hash(&self, key: MapKeyRef<'_>) -> usize {
        self.state.hash_one(key) as usize
    }
}

const FIRST_PLACES: usize = 32;
