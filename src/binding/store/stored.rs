//! Whether what the store holds can be read with today's schema.
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

use super::{
    StoreBinding,
    resource::Resource,
    rows::prefix_of,
    written_as::{Changes, WrittenAs},
};
use crate::{
    Error,
    schema::Schema,
    store::{Batch, KeyRange, Precondition, Row, Store, StoreError, metadata_key},
};

/// Compares what the store holds with how it is about to be read and written, and records the
/// latter. Answers with what a person should know of.
///
/// # Errors
/// If rows would be misread, with all reasons; if the store fails.
pub(in crate::binding) async fn check_what_is_stored(
    bindings: &[&StoreBinding],
    schema: &Schema,
    store: &dyn Store,
) -> Result<Vec<String>, Error> {
    let resources: BTreeMap<&str, &Resource> = bindings
        .iter()
        .map(|binding| binding.resource())
        .map(|resource| (resource.message_type().full_name(), resource))
        .collect();
    let Changes {
        misread,
        mut renamed,
    } = changes(&resources, store).await?;
    if !misread.is_empty() {
        return Err(Error::configuration(format!(
            "the store holds rows that this schema would misread:\n  {}\n\
             Put it back as it was and add what is new under numbers that were never used, or \
             start with another, empty data folder.",
            misread.join("\n  ")
        )));
    }
    renamed.extend(what_is_gone(&resources, schema, store).await?);
    Ok(renamed)
}

async fn changes(
    resources: &BTreeMap<&str, &Resource>,
    store: &dyn Store,
) -> Result<Changes, Error> {
    let mut all = Changes::default();
    for (name, resource) in resources {
        let changes = check(name, resource, store).await?;
        all.misread.extend(changes.misread);
        all.renamed.extend(changes.renamed);
    }
    Ok(all)
}

/// Compares one resource, and records it if nothing would be misread.
async fn check(name: &str, resource: &Resource, store: &dyn Store) -> Result<Changes, Error> {
    let now = WrittenAs::today(resource);
    let at = metadata_key(&format!("{RECORDS}{name}"));
    let row = store.get(&at).await.map_err(unreadable)?;
    let Some(row) = row else {
        put(store, &at, &now, Precondition::Absent).await?;
        return Ok(Changes::default());
    };
    let then = read(name, &row)?;
    let mut changes = Changes::default();
    let written = if has_rows(name, store).await? {
        changes = then.compare(name, &now);
        then.clone().followed_by(now)
    } else {
        now
    };
    if changes.misread.is_empty() && written != then {
        put(store, &at, &written, Precondition::Revision(row.revision)).await?;
    }
    Ok(changes)
}

/// Tells of rows whose resource is not in the schema any more.
async fn what_is_gone(
    resources: &BTreeMap<&str, &Resource>,
    schema: &Schema,
    store: &dyn Store,
) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
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
            let then = read(&name, row)?;
            let alike = resources
                .values()
                .find(|resource| then.looks_like(&name, resource))
                .map(|alike| alike.message_type().full_name());
            told.push(gone(&name, alike));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(told),
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
        hint.unwrap_or_else(|| ", and are served again when it is put back".to_owned())
    )
}

fn read(name: &str, row: &Row) -> Result<WrittenAs, Error> {
    WrittenAs::read(name, &row.value).map_err(unreadable)
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
    let batch = Batch::new().put(at.to_vec(), record.to_json(), precondition);
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

const RECORDS_AT_ONCE: usize = 256;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        binding::store::{infer, resource::choose_key},
        store::MemoryStore,
    };

    fn schema(messages: &str) -> Schema {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("u.proto");
        let text = format!("syntax = \"proto3\"; package u; {messages}");
        fs::write(&file, text).unwrap();
        Schema::compile([&file], [""; 0]).unwrap()
    }

    /// What is told of a store when the resource `name` of a schema is bound.
    async fn told(store: &dyn Store, messages: &str, name: &str) -> Vec<String> {
        let schema = schema(messages);
        let message_type = schema.message(name).unwrap();
        let key = choose_key(&message_type, &[]).unwrap();
        let resource = Resource::new(message_type, key, None);
        check(name, &resource, store).await.unwrap();
        let resources = BTreeMap::from([(name, &resource)]);
        what_is_gone(&resources, &schema, store).await.unwrap()
    }

    #[tokio::test]
    async fn rows_without_a_resource_are_told_of_and_kept() {
        let store = MemoryStore::new();
        let user = "message User { string id = 1; string name = 2; }";
        let person = "message Person { string id = 1; string name = 2; }";
        assert!(told(&store, user, "u.User").await.is_empty());
        assert!(told(&store, person, "u.Person").await.is_empty(), "no rows");

        let row = Batch::new().put(
            [&prefix_of("u.User")[..], b"x"].concat(),
            "",
            Precondition::None,
        );
        store.commit(row).await.unwrap();
        assert_eq!(
            told(&store, person, "u.Person").await,
            [
                "the store holds rows of u.User, which is not in the schema; they stay where they \
                 are; if u.Person is its new name, its rows do not come along: read them with the \
                 old schema and add them with the new one"
            ]
        );
        let other = "message Order { string id = 1; }";
        assert_eq!(
            told(&store, other, "u.Order").await,
            [
                "the store holds rows of u.User, which is not in the schema; they stay where they \
                 are, and are served again when it is put back"
            ]
        );
        assert!(told(&store, user, "u.User").await.is_empty());
    }

    #[tokio::test]
    async fn a_number_with_another_name_is_told_of_once() {
        let store = MemoryStore::new();
        let was = "message User { string id = 1; string mail = 2; }";
        told(&store, was, "u.User").await;
        let row = Batch::new().put(
            [&prefix_of("u.User")[..], b"x"].concat(),
            "",
            Precondition::None,
        );
        store.commit(row).await.unwrap();
        let now = schema(
            "message User { string id = 1; string phone = 2; }
                          service Users { rpc CreateUser(User) returns (User); }",
        );
        let plan = infer(&now, &[]).unwrap();
        let bindings: Vec<_> = plan
            .iter()
            .filter_map(|method| method.store_binding())
            .collect();
        let told = check_what_is_stored(&bindings, &now, &store).await.unwrap();
        assert_eq!(
            told,
            [
                "u.User: field 2 was `mail`, and is `phone` now; rows that were written before \
                 show there what they had as `mail`: if `phone` means something else, give it a \
                 number that was never used"
            ]
        );
        let again = check_what_is_stored(&bindings, &now, &store).await.unwrap();
        assert!(again.is_empty());
    }
}
