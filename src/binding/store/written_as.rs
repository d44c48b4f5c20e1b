//! The record of the descriptors with which rows were written, and what may change since.
//!
//! For every resource the store has a metadata key, `resource/` and the resource's full name, whose
//! value is a [`WrittenAs`] as JSON. It is compared with the schema before anything is served:
//!
//! | since the rows were written | then |
//! |---|---|
//! | fields, enum values were added or removed | fine; removed ones stay in the record |
//! | a field or value has another name but the same number and type | a warning: it was renamed, or its number was given to another |
//! | a field has another number or type, an enum value another number | an error: rows would be misread |
//! | another field is the key | an error: rows would not be found |
//! | the resource is no longer in the schema | a warning: its rows are still there |
//!
//! A resource without rows may change in any way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{StoreBinding, resource::Resource, rows::prefix_of};
use crate::{
    Error,
    schema::{EnumType, Field, Kind, MessageType, Schema},
    store::{Batch, KeyRange, Precondition, Row, Store, StoreError, metadata_key},
};

/// Compares what the store holds with how it is about to be read and written, and records the
/// latter.
///
/// # Errors
/// If rows would be misread, with all reasons; if the store fails.
pub(in crate::binding) async fn check_what_is_stored(
    bindings: &[&StoreBinding],
    schema: &Schema,
    store: &dyn Store,
) -> Result<(), Error> {
    let resources: BTreeMap<&str, &Resource> = bindings
        .iter()
        .map(|binding| binding.resource())
        .map(|resource| (resource.message_type().full_name(), resource))
        .collect();
    let mut misread = Vec::new();
    for (name, resource) in &resources {
        misread.extend(check(name, resource, store).await?);
    }
    if !misread.is_empty() {
        return Err(Error::configuration(format!(
            "the store holds rows that this schema would misread:\n  {}\n\
             Put it back as it was and add what is new under numbers that were never used, or \
             start with another, empty data folder.",
            misread.join("\n  ")
        )));
    }
    tell_what_is_gone(&resources, schema, store).await
}

/// Compares and records one resource; answers with what would be misread.
async fn check(name: &str, resource: &Resource, store: &dyn Store) -> Result<Vec<String>, Error> {
    let now = WrittenAs::today(resource);
    let at = metadata_key(&format!("{RECORDS}{name}"));
    let row = store.get(&at).await.map_err(unreadable)?;
    let Some(row) = row else {
        put(store, &at, &now, Precondition::Absent).await?;
        return Ok(Vec::new());
    };
    let mut then = WrittenAs::read(name, &row)?;
    if then == now {
        return Ok(Vec::new());
    }
    if has_rows(name, store).await? {
        let changes = then.compare(name, &now);
        if !changes.misread.is_empty() {
            return Ok(changes.misread);
        }
        for renamed in changes.renamed {
            tracing::warn!(resource = name, "{renamed}");
        }
        then.update(now);
    } else {
        then = now;
    }
    put(store, &at, &then, Precondition::Revision(row.revision)).await?;
    Ok(Vec::new())
}

/// Warns of rows whose resource is not in the schema any more.
async fn tell_what_is_gone(
    resources: &BTreeMap<&str, &Resource>,
    schema: &Schema,
    store: &dyn Store,
) -> Result<(), Error> {
    let records = metadata_key(RECORDS);
    let range = KeyRange::prefix(records.clone());
    let mut after = None;
    loop {
        let page = store.scan(&range, after.as_deref(), RECORDS_AT_ONCE);
        let page = page.await.map_err(unreadable)?;
        for (key, row) in &page.rows {
            let name = key.strip_prefix(&records[..]).unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            if schema.message(&name).is_some() || !has_rows(&name, store).await? {
                continue;
            }
            let then = WrittenAs::read(&name, row)?;
            let alike = resources
                .values()
                .find(|resource| then.looks_like(&name, resource))
                .map(|alike| alike.message_type().full_name());
            tracing::warn!("{}", gone(&name, alike));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

fn gone(name: &str, alike: Option<&str>) -> String {
    let hint = alike.map(|alike| {
        format!(
            "; if {alike} is its new name, its rows do not come along: read them with the old \
             schema and add them with the new one"
        )
    });
    format!(
        "the store holds rows of {name}, which is not in the schema; they stay where they are{}",
        hint.unwrap_or_default()
    )
}

/// How a resource's rows are encoded: of its type, and of every type in it, what decides how bytes
/// are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WrittenAs {
    /// The version of this record and of the layout of the rows ([`super::rows::Rows`]).
    format: u32,
    /// The number of the key field.
    key: u32,
    /// The fields of messages, by full name and number.
    messages: BTreeMap<String, BTreeMap<u32, FieldAs>>,
    /// The values of enums, by full name and name.
    enums: BTreeMap<String, BTreeMap<String, i32>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FieldAs {
    name: String,
    /// As in the `.proto` file: `string`, `repeated user.Address`.
    #[serde(rename = "type")]
    declared: String,
}

/// What is different, in words.
#[derive(Debug, Default)]
struct Changes {
    misread: Vec<String>,
    renamed: Vec<String>,
}

impl WrittenAs {
    fn today(resource: &Resource) -> Self {
        let mut record = Self {
            format: FORMAT,
            key: resource.key().number(),
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
        };
        let mut open = vec![resource.message_type().clone()];
        while let Some(message_type) = open.pop() {
            if record.messages.contains_key(message_type.full_name()) {
                continue;
            }
            for field in message_type.fields() {
                match field.kind() {
                    Kind::Message(inner) => open.push(inner),
                    Kind::Enum(inner) => record.add_enum(&inner),
                    _ => {}
                }
            }
            record.add_message(&message_type);
        }
        record
    }

    fn add_message(&mut self, message_type: &MessageType) {
        let fields = message_type
            .fields()
            .map(|field| (field.number(), FieldAs::today(&field)));
        self.messages
            .insert(message_type.full_name().to_owned(), fields.collect());
    }

    fn add_enum(&mut self, enum_type: &EnumType) {
        let values = enum_type
            .values()
            .map(|value| (value.name().to_owned(), value.number()));
        self.enums
            .insert(enum_type.full_name().to_owned(), values.collect());
    }

    fn read(name: &str, row: &Row) -> Result<Self, Error> {
        let record: Result<Self, _> = serde_json::from_slice(&row.value);
        match record {
            Ok(record) if record.format == FORMAT => Ok(record),
            Ok(record) => Err(unreadable(StoreError::incompatible(format!(
                "the rows of {name} have format {}, and this version reads {FORMAT}; use the \
                 version that wrote them",
                record.format
            )))),
            Err(error) => Err(unreadable(
                StoreError::corrupt(format!("the record of {name} cannot be read"))
                    .with_source(error),
            )),
        }
    }

    fn compare(&self, resource: &str, now: &Self) -> Changes {
        let mut changes = Changes::default();
        if self.key != now.key {
            let name = |record: &Self, key: u32| {
                let fields = record.messages.get(resource);
                let field = fields.and_then(|fields| fields.get(&key));
                field.map_or_else(
                    || format!("field {key}"),
                    |field| format!("`{}`", field.name),
                )
            };
            let (then, now) = (name(self, self.key), name(now, now.key));
            changes
                .misread
                .push(format!("{resource}: the key was {then}, and is {now} now"));
        }
        for (name, then) in &self.messages {
            if let Some(now) = now.messages.get(name) {
                changes.compare_fields(name, then, now);
            }
        }
        for (name, then) in &self.enums {
            if let Some(now) = now.enums.get(name) {
                changes.compare_values(name, then, now);
            }
        }
        changes
    }

    /// Takes over what is new, and keeps what was removed: rows may still have it.
    fn update(&mut self, now: Self) {
        for (name, fields) in now.messages {
            self.messages.entry(name).or_default().extend(fields);
        }
        for (name, values) in now.enums {
            self.enums.entry(name).or_default().extend(values);
        }
    }

    /// Whether this, the record of a resource with another name, has the fields of `resource`.
    fn looks_like(&self, name: &str, resource: &Resource) -> bool {
        let names = |fields: &BTreeMap<u32, FieldAs>| -> Vec<(u32, String)> {
            fields
                .iter()
                .map(|(number, field)| (*number, field.name.clone()))
                .collect()
        };
        let today = Self::today(resource);
        let today = today.messages.get(resource.message_type().full_name());
        self.messages.get(name).map(names) == today.map(names)
    }
}

impl FieldAs {
    fn today(field: &Field) -> Self {
        let repeated = if field.is_list() || field.is_map() {
            "repeated "
        } else {
            ""
        };
        Self {
            name: field.name().to_owned(),
            declared: format!("{repeated}{}", field.kind()),
        }
    }
}

impl Changes {
    fn compare_fields(
        &mut self,
        message: &str,
        then: &BTreeMap<u32, FieldAs>,
        now: &BTreeMap<u32, FieldAs>,
    ) {
        for (number, old) in then {
            let moved = now.iter().find(|(_, new)| new.name == old.name);
            let name = &old.name;
            if let Some((new_number, _)) = moved.filter(|(new_number, _)| *new_number != number) {
                self.misread.push(format!(
                    "{message}: `{name}` had the number {number}, and has {new_number} now"
                ));
                continue;
            }
            let Some(new) = now.get(number) else { continue };
            let (was, is) = (&old.declared, &new.declared);
            if was != is {
                self.misread.push(format!(
                    "{message}: field {number}, `{name}`, was {was}, and is {is} now"
                ));
            } else if *name != new.name {
                self.renamed.push(format!(
                    "{message}: field {number} was `{name}`, and is `{}` now; rows that were \
                     written before show there what they had as `{name}`",
                    new.name
                ));
            }
        }
    }

    fn compare_values(
        &mut self,
        of: &str,
        then: &BTreeMap<String, i32>,
        now: &BTreeMap<String, i32>,
    ) {
        for (name, number) in then {
            match now.get(name) {
                Some(is) if is != number => self.misread.push(format!(
                    "{of}: `{name}` had the number {number}, and has {is} now"
                )),
                None if now.values().any(|is| is == number) => self.renamed.push(format!(
                    "{of}: the number {number} was `{name}`, and has another name now"
                )),
                _ => {}
            }
        }
    }
}

async fn has_rows(name: &str, store: &dyn Store) -> Result<bool, Error> {
    let page = store.scan(&KeyRange::prefix(prefix_of(name)), None, 1);
    Ok(!page.await.map_err(unreadable)?.rows.is_empty())
}

async fn put(
    store: &dyn Store,
    at: &[u8],
    record: &WrittenAs,
    precondition: Precondition,
) -> Result<(), Error> {
    let value = serde_json::to_vec(record)
        .map_err(|error| Error::configuration(format!("the descriptor's record: {error}")))?;
    let batch = Batch::new().put(at.to_vec(), value, precondition);
    match store.commit(batch).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::store(
            "the descriptors of the resources cannot be recorded",
            error,
        )),
    }
}

fn unreadable(error: StoreError) -> Error {
    Error::store("what the store holds cannot be read", error)
}

/// What the names of the records begin with.
const RECORDS: &str = "resource/";

const FORMAT: u32 = 1;

const RECORDS_AT_ONCE: usize = 256;
