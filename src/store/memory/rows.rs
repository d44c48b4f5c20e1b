//! The rows of one shard.

use std::ops::Bound;

use bytes::Bytes;

use super::{order::Order, table::Table};
use crate::store::{Revision, Row, StoreError, record::Record, scan::Bounds};

/// The rows of one shard, each kept once: found by the hash of its key, walked in the order of the
/// keys.
///
/// A `get` finds its row through the hash: in the order alone it would compare a dozen keys, each of
/// them somewhere else in memory.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// By number. Numbers that are free hold no bytes.
    kept: Vec<Kept>,
    free: Vec<u32>,
    by_hash: Table,
    in_order: Order,
}

#[derive(Debug)]
struct Kept {
    record: Record,
    revision: Revision,
}

impl Rows {
    pub(super) fn get(&self, hash: u32, key: &[u8]) -> Option<Row> {
        self.find(hash, key).map(Kept::to_row)
    }

    pub(super) fn revision(&self, hash: u32, key: &[u8]) -> Option<Revision> {
        self.find(hash, key).map(|found| found.revision)
    }

    fn find(&self, hash: u32, key: &[u8]) -> Option<&Kept> {
        let row = self.by_hash.find(hash, |row| self.is_of(row, key))?;
        Some(&self.kept[row as usize])
    }

    fn is_of(&self, row: u32, key: &[u8]) -> bool {
        self.kept[row as usize].record.key() == key
    }

    /// Whether so many more rows can be numbered.
    pub(super) fn check_room(&self, rows: usize) -> Result<(), StoreError> {
        match self.kept.len().saturating_add(rows) <= u32::MAX as usize {
            true => Ok(()),
            false => Err(StoreError::full(
                "the store in memory has no numbers left for more rows",
            )),
        }
    }

    /// Puts or deletes a row, with one look at the key: `commit` is told the record and the revision of
    /// the row that is there, and gives the new one, or says why it stays. There must be [room](Self::check_room).
    pub(super) fn write(
        &mut self,
        hash: u32,
        record: Record,
        commit: impl FnOnce(&Record, Option<Revision>) -> Result<Revision, StoreError>,
    ) -> Result<Revision, StoreError> {
        self.by_hash.make_room();
        let found = self.by_hash.seek(hash, |row| self.is_of(row, record.key()));
        match found {
            Ok((at, row)) => {
                let kept = &mut self.kept[row as usize];
                let revision = commit(&record, Some(kept.revision))?;
                if record.has_value() {
                    *kept = Kept { record, revision };
                } else {
                    self.by_hash.remove(at);
                    self.let_go(row);
                }
                Ok(revision)
            }
            Err(_) if !record.has_value() => commit(&record, None),
            Err(at) => {
                let revision = commit(&record, None)?;
                let row = self.free.pop().unwrap_or(self.kept.len() as u32);
                self.by_hash.insert(at, hash, row);
                self.take_in(row, Kept { record, revision });
                Ok(revision)
            }
        }
    }

    fn take_in(&mut self, row: u32, kept: Kept) {
        match self.kept.get_mut(row as usize) {
            Some(free) => *free = kept,
            None => self.kept.push(kept),
        }
        let key = self.kept[row as usize].record.key();
        let is_before = |other: u32| self.kept[other as usize].record.key() < key;
        self.in_order.insert(row, is_before);
    }

    fn let_go(&mut self, row: u32) {
        let key = self.kept[row as usize].record.key();
        let is_before = |other: u32| self.kept[other as usize].record.key() < key;
        self.in_order.remove(is_before);
        self.kept[row as usize].record = Record::default();
        self.free.push(row);
    }

    /// The rows within bounds, in the order of their keys.
    pub(super) fn range<'a>(
        &'a self,
        (start, end): Bounds<'a>,
    ) -> impl Iterator<Item = RowRef<'a>> {
        let is_before = move |row: u32| match start {
            Bound::Included(start) => self.kept[row as usize].record.key() < start,
            Bound::Excluded(after) => self.kept[row as usize].record.key() <= after,
            Bound::Unbounded => false,
        };
        let is_within = move |row: &RowRef<'_>| match end {
            Bound::Included(last) => row.key() <= last,
            Bound::Excluded(end) => row.key() < end,
            Bound::Unbounded => true,
        };
        let behind = self.in_order.after(is_before);
        behind
            .map(|row| RowRef(&self.kept[row as usize]))
            .take_while(is_within)
    }
}

/// A row and its key.
#[derive(Clone, Copy)]
pub(super) struct RowRef<'a>(&'a Kept);

impl<'a> RowRef<'a> {
    pub(super) fn key(self) -> &'a [u8] {
        self.0.record.key()
    }

    pub(super) fn to_key(self) -> Bytes {
        self.0.record.to_key()
    }

    pub(super) fn to_row(self) -> Row {
        self.0.to_row()
    }
}

impl Kept {
    fn to_row(&self) -> Row {
        Row {
            value: self.record.to_value().unwrap_or_default(),
            revision: self.revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Many rows, whose keys come in some order or none, and of which some go again.
    fn writes() -> impl Strategy<Value = Vec<(u16, bool)>> {
        let counted = (0..2000_u16, 1..2000_usize)
            .prop_map(|(from, count)| (from..).take(count).map(|key| (key, true)).collect());
        let any = prop::collection::vec((0..4000_u16, prop::bool::weighted(0.7)), 1..2000);
        let part = prop_oneof![counted, any];
        prop::collection::vec(part, 1..4).prop_map(|parts: Vec<Vec<_>>| parts.concat())
    }

    fn bounds<'a>(start: &'a [u8], excluded: bool, end: &'a [u8]) -> Bounds<'a> {
        match excluded {
            true => (Bound::Excluded(start), Bound::Excluded(end)),
            false => (Bound::Included(start), Bound::Unbounded),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn rows_are_those_of_a_sorted_map(writes in writes(), a: u16, b: u16, excluded: bool) {
            let (mut rows, mut model) = (Rows::default(), BTreeMap::new());
            for (number, (key, puts)) in writes.into_iter().enumerate() {
                let (revision, key) = (Revision(number as u64), key.to_be_bytes());
                // Hashes are shared, as they are now and then.
                let hash = u32::from(key[1]);
                let record = Record::new(&key, puts.then_some(&key[..1]));
                let before = match puts {
                    true => model.insert(key, revision),
                    false => model.remove(&key),
                };
                let written = rows.write(hash, record, |_, found| {
                    assert_eq!(found, before);
                    Ok(revision)
                });
                prop_assert_eq!(written.unwrap(), revision);
                prop_assert_eq!(rows.revision(hash, &key), puts.then_some(revision));
            }
            let told = |(key, revision): (&[u8; 2], &Revision)| (key.to_vec(), *revision);
            let of_row = |row: RowRef<'_>| (row.key().to_vec(), row.to_row().revision);
            let everything = (Bound::Unbounded, Bound::Unbounded);
            let found: Vec<_> = rows.range(everything).map(of_row).collect();
            prop_assert_eq!(found, model.iter().map(told).collect::<Vec<_>>());

            let (start, end) = (a.min(b).to_be_bytes(), a.max(b).to_be_bytes());
            let bounds = bounds(&start, excluded && start != end, &end);
            let found: Vec<_> = rows.range(bounds).map(of_row).collect();
            prop_assert_eq!(found, model.range::<[u8], _>(bounds).map(|(key, revision)| (key.to_vec(), *revision)).collect::<Vec<_>>());
        }
    }
}
