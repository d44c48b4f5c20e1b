//! When two messages are equal.

use super::{ListRef, MapRef, MessageRef, ValueRef};

/// Whether two messages are of the same type and say the same: a field without presence that was
/// set to its default is one that is not set.
pub(super) fn is_same(one: MessageRef<'_>, other: MessageRef<'_>) -> bool {
    std::ptr::eq(one.layout, other.layout)
        && one.set_values().eq(other.set_values())
        && one.unknown() == other.unknown()
}

fn is_same_value(one: ValueRef<'_>, other: ValueRef<'_>) -> bool {
    one == other
}

pub(super) fn is_same_list(one: ListRef<'_>, other: ListRef<'_>) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| is_same_value(one, other))
}

pub(super) fn is_same_map(one: MapRef<'_>, other: MapRef<'_>) -> bool {
    let (one, other) = (one.sorted(), other.sorted());
    one.len() == other.len()
        && one
            .into_iter()
            .zip(other)
            .all(|(one, other)| one.0 == other.0 && is_same_value(one.1, other.1))
}
