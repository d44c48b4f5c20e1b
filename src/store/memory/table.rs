//! Which row has a key, found by the key's hash.

/// Numbers of rows by the hashes of their keys.
///
/// Open addressing with places that follow each other. Hash and number stand together, so that who
/// looks for a key that is new, or reads one, waits for one line of memory, and who inserts there
/// waits for no other.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// None, or a power of two, of which a third is free.
    places: Vec<Place>,
    used: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    /// [`FREE`] if there is none.
    row: u32,
}

/// Where in the table a row is, or would be; good until the next change.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(usize);

impl Table {
    /// The row of this hash for which `is_it` holds, or where it belongs. There must be
    /// [room](Self::make_room) for another.
    pub(super) fn seek(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Result<(At, u32), At> {
        let mut at = self.home(hash);
        loop {
            match self.places[at] {
                Place { row: FREE, .. } => return Err(At(at)),
                found if found.hash == hash && is_it(found.row) => return Ok((At(at), found.row)),
                _ => at = self.behind(at),
            }
        }
    }

    pub(super) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        match self.places.is_empty() {
            true => None,
            false => self.seek(hash, is_it).ok().map(|(_, row)| row),
        }
    }

    pub(super) fn make_room(&mut self) {
        if 3 * (self.used + 1) > 2 * self.places.len() {
            let more = (2 * self.places.len()).max(PLACES_MIN);
            let old = std::mem::replace(&mut self.places, vec![NONE; more]);
            for place in old.into_iter().filter(|place| place.row != FREE) {
                if let Err(At(at)) = self.seek(place.hash, |_| false) {
                    self.places[at] = place;
                }
            }
        }
    }

    pub(super) fn insert(&mut self, At(at): At, hash: u32, row: u32) {
        self.places[at] = Place { hash, row };
        self.used += 1;
    }

    /// Takes a row out, and moves up what would no longer be found behind a free place.
    pub(super) fn remove(&mut self, At(mut hole): At) {
        let mut at = self.behind(hole);
        while self.places[at].row != FREE {
            let home = self.home(self.places[at].hash);
            if self.steps(home, at) >= self.steps(hole, at) {
                self.places[hole] = self.places[at];
                hole = at;
            }
            at = self.behind(at);
        }
        self.places[hole] = NONE;
        self.used -= 1;
    }

    fn home(&self, hash: u32) -> usize {
        hash as usize & self.mask()
    }

    fn behind(&self, at: usize) -> usize {
        (at + 1) & self.mask()
    }

    fn steps(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    fn mask(&self) -> usize {
        self.places.len() - 1
    }
}

const FREE: u32 = u32::MAX;
const NONE: Place = Place { hash: 0, row: FREE };
const PLACES_MIN: usize = 8;
