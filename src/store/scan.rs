//! Ranges of keys and pages of rows.

use std::ops::Bound;

use bytes::Bytes;

use super::{Revision, Row};
use crate::limits;

/// The keys from one, included, to another, excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    start: Bytes,
    end: Option<Bytes>,
}

impl KeyRange {
    /// The keys from `start`, included, to `end`, excluded; without an `end`, all that follow.
    pub fn new(start: impl Into<Bytes>, end: Option<Bytes>) -> Self {
        Self {
            start: start.into(),
            end,
        }
    }

    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start = prefix.into();
        // The first key that no longer begins so: the last byte that can be raised is, and what
        // stands behind it goes. There is none behind a prefix of 0xff only.
        let raised = start.iter().rposition(|&byte| byte < u8::MAX);
        let end = raised.map(|last| {
            let mut end = start[..=last].to_vec();
            end[last] += 1;
            end.into()
        });
        Self { start, end }
    }

    /// All keys but those of [`metadata_key`](super::metadata_key).
    pub fn all() -> Self {
        Self::new(&[1][..], None)
    }

    /// What is left of the range behind the key `after`, as bounds that a sorted map takes; `None`
    /// if nothing is, since sorted maps panic on bounds in the wrong order.
    pub(super) fn behind<'a>(&'a self, after: Option<&'a [u8]>) -> Option<Bounds<'a>> {
        let start = match after {
            Some(after) if after >= &self.start[..] => Bound::Excluded(after),
            _ => Bound::Included(&self.start[..]),
        };
        let (Bound::Included(first) | Bound::Excluded(first)) = start else {
            return None;
        };
        match &self.end {
            None => Some((start, Bound::Unbounded)),
            Some(end) if first < &end[..] => Some((start, Bound::Excluded(&end[..]))),
            Some(_) => None,
        }
    }
}

/// What [`KeyRange::behind`] leaves of a range.
pub(super) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Some of the rows of a range, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows and their keys.
    pub rows: Vec<(Bytes, Row)>,
    /// What to give as `after` for the next page; `None` when this is the last one.
    pub next: Option<Bytes>,
    /// The last commit that this page could see.
    pub revision: Revision,
}

/// A page that is being filled.
pub(super) struct PageBuilder {
    page: Page,
    room_rows: usize,
    room_bytes: usize,
}

impl PageBuilder {
    pub(super) fn new(limit: usize, revision: Revision) -> Self {
        Self {
            page: Page {
                revision,
                ..Page::default()
            },
            room_rows: limit.max(1),
            room_bytes: limits::STORE_PAGE_BYTES,
        }
    }

    /// Takes the next row of the range, or tells that there is no room for it: the page is complete.
    pub(super) fn push(&mut self, key: Bytes, row: Row) -> bool {
        let size = key.len() + row.value.len();
        if let Some((last, _)) = self.page.rows.last()
            && (self.room_rows == 0 || size > self.room_bytes)
        {
            self.page.next = Some(last.clone());
            return false;
        }
        self.room_rows -= 1;
        self.room_bytes = self.room_bytes.saturating_sub(size);
        self.page.rows.push((key, row));
        true
    }

    pub(super) fn finish(self) -> Page {
        self.page
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_the_keys_that_begin_so(
            prefix in prop::collection::vec(prop::sample::select(vec![0, 1, 254, 255u8]), 0..4),
            key in prop::collection::vec(prop::sample::select(vec![0, 1, 254, 255u8]), 0..6),
        ) {
            let range = KeyRange::prefix(prefix.clone());
            let inside = range.start <= key && range.end.is_none_or(|end| key < end);
            prop_assert_eq!(inside, key.starts_with(&prefix));
        }
    }
}
