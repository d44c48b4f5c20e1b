//! Finding fields of a message that was not laid out: its bytes are looked through.
//!
//! They have been checked. Were they not, what is malformed would read as the end of the message.

use std::{collections::BTreeMap, ops::Range};

use super::{received::Run, wire};
use crate::schema::layout::{
    Cardinality, EnumLayout, FieldLayout, FieldType, Layout, Tables, WireType,
};

/// The fields of a message as they stand in its bytes.
#[derive(Clone)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One field with its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) key: u32,
    pub(super) key_at: usize,
    pub(super) value_at: usize,
    pub(super) end: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8], start: usize, end: usize) -> Self {
        Self {
            bytes: &bytes[..end.min(bytes.len())],
            at: start,
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let key_at = self.at;
        let key = wire::key(self.bytes, &mut self.at)?;
        let value_at = self.at;
        // Groups were counted when the bytes were checked.
        wire::skip(self.bytes, &mut self.at, key, usize::MAX).ok()?;
        Some(Record {
            key,
            key_at,
            value_at,
            end: self.at,
        })
    }
}

/// The value of a field that holds one, as an entry: where it is behind its key, or 0.
pub(super) fn entry(tables: &Tables, layout: &Layout, records: Records<'_>, slot: u16) -> u32 {
    let field = layout.field(slot);
    let bytes = records.bytes;
    let mut entry = 0;
    for record in records {
        let number = record.key >> 3;
        if number != field.number {
            if field.oneof == 0 {
                continue;
            }
            let known = layout.by_number(number);
            if known.is_some_and(|(_, other)| {
                other.oneof == field.oneof && is_named(tables, other, bytes, record.value_at)
            }) {
                entry = 0;
            }
        } else if is_named(tables, field, bytes, record.value_at) {
            entry = record.value_at as u32;
        }
    }
    entry
}

/// The elements of a list or map.
pub(super) fn run(tables: &Tables, layout: &Layout, records: Records<'_>, slot: u16) -> Run {
    let field = layout.field(slot);
    let bytes = records.bytes;
    let mut run = Run {
        may_repeat: true,
        ..Run::default()
    };
    for record in records.filter(|record| record.key >> 3 == field.number) {
        let count = elements(tables, field, bytes, record);
        if run.count == 0 {
            run.first = record.key_at as u32;
        }
        run.count += count as u32;
    }
    run
}

/// The fields that are there, by slot, and the part of the message that says all of one: its record, or
/// from the first record of a list or map to the last.
pub(super) fn found(
    tables: &Tables,
    layout: &Layout,
    records: Records<'_>,
) -> BTreeMap<u16, Range<usize>> {
    let bytes = records.bytes;
    let (mut found, mut members) = (BTreeMap::<u16, Range<usize>>::new(), BTreeMap::new());
    for record in records {
        let Some((slot, field)) = layout.by_number(record.key >> 3) else {
            continue;
        };
        if elements(tables, field, bytes, record) == 0 {
            continue;
        }
        if field.oneof != 0
            && let Some(before) = members.insert(field.oneof, slot)
            && before != slot
        {
            found.remove(&before);
        }
        let part = found.entry(slot).or_insert(record.key_at..record.end);
        part.end = record.end;
        if field.cardinality == Cardinality::One {
            part.start = record.key_at;
        }
    }
    found
}

fn elements(tables: &Tables, field: &FieldLayout, bytes: &[u8], record: Record) -> usize {
    let closed = || closed_enum(tables, field);
    match field.cardinality {
        Cardinality::Map => usize::from(is_known_entry(tables, field, bytes, record)),
        _ if field.field_type.is_number() && is_len(record.key) => {
            let packed = wire::delimited(bytes, &mut { record.value_at }).unwrap_or_default();
            let named =
                |number: u64| closed().is_none_or(|values| values.name(number as i32).is_some());
            wire::count_packed(field.field_type, packed, named).unwrap_or(0)
        }
        _ => usize::from(is_named(tables, field, bytes, record.value_at)),
    }
}

/// Whether the entry of a map is one: its value is not a number that a closed enum does not name.
pub(super) fn is_known_entry(
    tables: &Tables,
    field: &FieldLayout,
    bytes: &[u8],
    record: Record,
) -> bool {
    let entry = tables.layout(field.inner);
    let Some((_, value)) = entry.by_number(2) else {
        return true;
    };
    if value.field_type != FieldType::ClosedEnum {
        return true;
    }
    let mut start = record.value_at;
    let Some(end) = wire::length(bytes, &mut start) else {
        return false;
    };
    let last = Records::new(bytes, start, end)
        .filter(|part| part.key >> 3 == 2)
        .last();
    last.is_none_or(|part| is_named(tables, value, bytes, part.value_at))
}

/// Whether a value counts: all but numbers that their closed enum does not name.
pub(super) fn is_named(
    tables: &Tables,
    field: &FieldLayout,
    bytes: &[u8],
    value_at: usize,
) -> bool {
    let Some(values) = closed_enum(tables, field) else {
        return true;
    };
    let number = wire::number(field.field_type, bytes, &mut { value_at });
    number.is_some_and(|number| values.name(number as i32).is_some())
}

/// Appends the numbers of a packed list that their closed enum does not name, as fields.
pub(super) fn push_unnamed(
    tables: &Tables,
    field: &FieldLayout,
    bytes: &[u8],
    record: Record,
    to: &mut Vec<u8>,
) {
    let Some(values) = closed_enum(tables, field) else {
        return;
    };
    let packed = wire::delimited(bytes, &mut { record.value_at }).unwrap_or_default();
    let mut at = 0;
    while let Some(number) = wire::number(field.field_type, packed, &mut at) {
        if values.name(number as i32).is_none() {
            wire::push_varint(to, (field.number << 3 | WireType::Varint as u32).into());
            wire::push_varint(to, number);
        }
    }
}

pub(super) fn closed_enum<'a>(tables: &'a Tables, field: &FieldLayout) -> Option<&'a EnumLayout> {
    (field.field_type == FieldType::ClosedEnum).then(|| tables.enum_layout(field.inner))
}

pub(super) fn is_len(key: u32) -> bool {
    key & 7 == WireType::Len as u32
}
