//! What is kept for each open stream, by its number.

use super::StreamId;

/// A map from the numbers of streams. These count up, so that their low bits are all the hash there
/// is need for: the open streams of a connection lie beside each other in the index.
///
/// What is kept stays where it was put until it is removed.
#[derive(Debug)]
pub(crate) struct StreamMap<T> {
    /// Linear probing; a power of two long, or empty, and half empty at least.
    index: Vec<Entry>,
    places: Vec<Place<T>>,
    free: Vec<u32>,
    len: usize,
}

/// A place of its own for the number: so what is kept is moved once, to where it stays.
#[derive(Debug)]
struct Place<T> {
    stream: StreamId,
    value: Option<T>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// 0, which is no stream's number, where there is none.
    stream: StreamId,
    place: u32,
}

impl<T> Default for StreamMap<T> {
    fn default() -> Self {
        Self {
            index: Vec::new(),
            places: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> StreamMap<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn contains(&self, stream: StreamId) -> bool {
        self.slot(stream).is_some()
    }

    pub(crate) fn get(&self, stream: StreamId) -> Option<&T> {
        let (_, place) = self.slot(stream)?;
        self.places.get(place)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, stream: StreamId) -> Option<&mut T> {
        let (_, place) = self.slot(stream)?;
        self.places.get_mut(place)?.value.as_mut()
    }

    /// Adds what is kept for a stream that has nothing yet.
    pub(crate) fn insert(&mut self, stream: StreamId, value: T) {
        if self.index.len() < 2 * (self.len + 1) {
            self.grow();
        }
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.reserve_place();
                let value = None;
                self.places.push(Place { stream, value });
                u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(free) = self.places.get_mut(place as usize) {
            free.stream = stream;
            free.value = Some(value);
        }
        self.put(Entry { stream, place });
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, stream: StreamId) -> Option<T> {
        let (slot, place) = self.slot(stream)?;
        self.close_gap(slot);
        self.len -= 1;
        self.free.push(u32::try_from(place).unwrap_or(u32::MAX));
        self.places.get_mut(place)?.value.take()
    }

    /// The same without giving it back: it is dropped where it is.
    pub(crate) fn discard(&mut self, stream: StreamId) {
        let Some((slot, place)) = self.slot(stream) else {
            return;
        };
        self.close_gap(slot);
        self.len -= 1;
        self.free.push(u32::try_from(place).unwrap_or(u32::MAX));
        if let Some(place) = self.places.get_mut(place) {
            place.value = None;
        }
    }

    /// Removes all, in no particular order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (StreamId, T)> + use<T> {
        let places = std::mem::take(self).places;
        let kept = |place: Place<T>| place.value.map(|value| (place.stream, value));
        places.into_iter().filter_map(kept)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamId, &mut T)> {
        self.places.iter_mut().filter_map(|place| {
            let value = place.value.as_mut()?;
            Some((place.stream, value))
        })
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = StreamId> {
        let kept = self.places.iter().filter(|place| place.value.is_some());
        kept.map(|place| place.stream)
    }

    /// Gives memory back, if nothing is kept.
    pub(crate) fn shrink(&mut self) {
        if self.len == 0 {
            *self = Self::default();
        }
    }

    fn mask(&self) -> usize {
        self.index.len().wrapping_sub(1)
    }

    /// Where a stream is looked for first. Clients' streams are the odd ones (RFC 9113, 5.1.1).
    fn home(&self, stream: StreamId) -> usize {
        (stream.0 >> 1) as usize & self.mask()
    }

    /// How far an entry in that slot is from its home.
    fn distance(&self, entry: Entry, slot: usize) -> usize {
        slot.wrapping_sub(self.home(entry.stream)) & self.mask()
    }

    /// The slot of a stream in the index, and its place.
    fn slot(&self, stream: StreamId) -> Option<(usize, usize)> {
        let mut slot = self.home(stream);
        loop {
            let entry = self.index.get(slot)?;
            if entry.stream == stream {
                return Some((slot, entry.place as usize));
            }
            if entry.stream == StreamId::CONNECTION {
                return None;
            }
            slot = (slot + 1) & self.mask();
        }
    }

    /// Puts an entry where it belongs: of two, the one that is farther from its home has the slot that
    /// is nearer to it ("Robin Hood"). So the end of those that were moved is seen when one is removed.
    fn put(&mut self, mut entry: Entry) {
        let mut slot = self.home(entry.stream);
        let mask = self.mask();
        while let Some(known) = self.index.get(slot).copied() {
            if known.stream == StreamId::CONNECTION {
                return self.set(slot, entry);
            }
            if self.distance(known, slot) < self.distance(entry, slot) {
                self.set(slot, entry);
                entry = known;
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Empties a slot, and moves those behind it up that are not where they would be best.
    fn close_gap(&mut self, mut gap: usize) {
        loop {
            let next = (gap + 1) & self.mask();
            let Some(entry) = self.index.get(next).copied() else {
                return;
            };
            if entry.stream == StreamId::CONNECTION || self.distance(entry, next) == 0 {
                return self.set(gap, Entry::NONE);
            }
            self.set(gap, entry);
            gap = next;
        }
    }

    fn set(&mut self, slot: usize, entry: Entry) {
        if let Some(known) = self.index.get_mut(slot) {
            *known = entry;
        }
    }

    /// Makes room for another place. They are the largest part of what is kept for an idle stream, and
    /// of a vector that doubles nearly half may be empty.
    fn reserve_place(&mut self) {
        let places = self.places.len();
        if places == self.places.capacity() {
            let more = places.clamp(PLACES_MIN, PLACES_STEP.max(places / 8));
            self.places.reserve_exact(more);
        }
    }

    fn grow(&mut self) {
        let slots = (2 * self.index.len()).max(SLOTS_MIN);
        let before = std::mem::replace(&mut self.index, vec![Entry::NONE; slots]);
        for entry in before {
            if entry.stream != StreamId::CONNECTION {
                self.put(entry);
            }
        }
    }
}

impl Entry {
    const NONE: Self = Self {
        stream: StreamId::CONNECTION,
        place: 0,
    };
}

const SLOTS_MIN: usize = 8;

const PLACES_MIN: usize = 4;

/// By so many at once they grow, until an eighth is more.
const PLACES_STEP: usize = 16;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_keeps_what_a_hash_map_keeps(
            steps in proptest::collection::vec((0u32..64, any::<bool>(), any::<bool>()), 1..400),
        ) {
            let (mut map, mut oracle) = (StreamMap::default(), HashMap::new());
            for (value, (number, far, insert)) in steps.into_iter().enumerate() {
                // Far ones have the same low bits.
                let stream = StreamId(2 * number + 1 + if far { 1 << 20 } else { 0 });
                if insert && !oracle.contains_key(&stream) {
                    map.insert(stream, value);
                    oracle.insert(stream, value);
                } else {
                    prop_assert_eq!(map.remove(stream), oracle.remove(&stream));
                }
                prop_assert_eq!(map.len(), oracle.len());
                for (stream, value) in &oracle {
                    prop_assert_eq!(map.get(*stream), Some(value));
                }
                prop_assert_eq!(map.iter_mut().count(), oracle.len());
            }
        }
    }
}
