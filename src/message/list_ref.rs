//! A repeated field, borrowed.

use std::{fmt, slice};

use prost_reflect::Value as Reflected;

use crate::message::{ValueRef, equality::is_same_list, lending::Lender};

/// The elements of a repeated field.
#[derive(Clone, Copy)]
pub struct ListRef<'a> {
    items: &'a [Reflected],
    lender: &'a Lender,
}

impl<'a> ListRef<'a> {
    pub(super) fn new(items: &'a [Reflected], lender: &'a Lender) -> Self {
        Self { items, lender }
    }

    pub(super) fn lender(self) -> &'a Lender {
        self.lender
    }

    /// How many elements there are.
    pub fn len(self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.items.is_empty()
    }

    /// The element at an index.
    pub fn get(self, index: usize) -> Option<ValueRef<'a>> {
        let item = self.items.get(index)?;
        Some(ValueRef::stored(item, self.lender))
    }

    /// All elements, in order.
    pub fn iter(self) -> ListIter<'a> {
        ListIter {
            items: self.items.iter(),
            lender: self.lender,
        }
    }
}

impl<'a> IntoIterator for ListRef<'a> {
    type Item = ValueRef<'a>;
    type IntoIter = ListIter<'a>;

    fn into_iter(self) -> ListIter<'a> {
        self.iter()
    }
}

impl PartialEq for ListRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        is_same_list(self.items, other.items)
    }
}

impl fmt::Debug for ListRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterates over the elements of a [`ListRef`].
#[derive(Clone)]
pub struct ListIter<'a> {
    items: slice::Iter<'a, Reflected>,
    lender: &'a Lender,
}

impl<'a> Iterator for ListIter<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        let item = self.items.next()?;
        Some(ValueRef::stored(item, self.lender))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl ExactSizeIterator for ListIter<'_> {}

impl fmt::Debug for ListIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
