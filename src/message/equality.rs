//! When two messages are equal.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value as Reflected};

/// Whether two messages are of the same type and say the same: a field without presence that was
/// set to its default is one that is not set.
pub(super) fn is_same(one: &DynamicMessage, other: &DynamicMessage) -> bool {
    one.descriptor() == other.descriptor()
        && one.fields().count() == other.fields().count()
        && one
            .fields()
            .zip(other.fields())
            .all(|(one, other)| one.0 == other.0 && is_same_value(one.1, other.1))
        && one.extensions().count() == other.extensions().count()
        && one
            .extensions()
            .zip(other.extensions())
            .all(|(one, other)| one.0 == other.0 && is_same_value(one.1, other.1))
        && one.unknown_fields().eq(other.unknown_fields())
}

fn is_same_value(one: &Reflected, other: &Reflected) -> bool {
    match (one, other) {
        (Reflected::Message(one), Reflected::Message(other)) => is_same(one, other),
        (Reflected::List(one), Reflected::List(other)) => is_same_list(one, other),
        (Reflected::Map(one), Reflected::Map(other)) => is_same_map(one, other),
        (one, other) => one == other,
    }
}

pub(super) fn is_same_list(one: &[Reflected], other: &[Reflected]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| is_same_value(one, other))
}

pub(super) fn is_same_map(
    one: &HashMap<MapKey, Reflected>,
    other: &HashMap<MapKey, Reflected>,
) -> bool {
    one.len() == other.len()
        && one.iter().all(|(key, one)| {
            let other = other.get(key);
            other.is_some_and(|other| is_same_value(one, other))
        })
}
