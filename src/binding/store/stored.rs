//! Whether what the store holds can be read with today's schema.
//!
//! The store has [`Records`] of the resources and of the types in them, which are compared with the
//! schema before anything is served:
//!
//! | since the rows were written | then |
//! |---|---|
//! | fields, enum values were added or removed | fine; removed ones stay in the record |
//! | a field or value has another name but the same number and type | a warning: it was renamed, or its number was given to another |
//! | a field has another number or type, an enum value another number | an error: rows would be misread |
//! | a group is a message with its length before it, or the reverse | an error: rows would be misread |
//! | a field is required that was not, or was not there | an error: rows may lack it |
//! | another field is the key | an error: rows would not be found |
//! | the resource is no longer in the schema | a warning: its rows are still there |
//!
//! A resource without rows may change in any way.

use std::collections::{BTreeMap, HashMap};

use super::{
    StoreBinding,
    records::{Records, Root, Written},
    resource::Resource,
    written_as::{Changes, Types},
};
use crate::{Error, schema::Schema, store::Store};

type Resources<'a> = BTreeMap<&'a str, &'a Resource>;

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
    let resources = bindings
        .iter()
        .map(|binding| binding.resource())
        .map(|resource| (resource.message_type().full_name(), resource))
        .collect();
    check(&resources, schema, store).await
}

async fn check(
    resources: &Resources<'_>,
    schema: &Schema,
    store: &dyn Store,
) -> Result<Vec<String>, Error> {
    let records = Records::read(store).await?;
    let roots = resources.values().map(|of| of.message_type().clone());
    let today = Types::today(roots);
    let held = Held::by(resources, &records);
    let Changes {
        misread,
        renamed: mut told,
    } = held.compare(&today);
    let reasons = [other_keys(resources, &records), misread].concat();
    if !reasons.is_empty() {
        return Err(refused(&reasons));
    }
    let written = followed(resources, &records, held, today);
    records.write(written, store).await?;
    told.extend(what_is_gone(resources, schema, &records));
    Ok(told)
}

fn refused(reasons: &[String]) -> Error {
    Error::configuration(format!(
        "the store holds rows that this schema would misread:\n  {}\n\
         Put it back as it was and add what is new under numbers that were never used, or \
         start with another, empty data folder.",
        reasons.join("\n  ")
    ))
}

/// The types that are in rows of the resources that are served, as they were.
struct Held<'a> {
    /// Those that are recorded apart.
    apart: Types,
    /// Those of the resources that have their own: a type may be in many of them, and in each be
    /// another.
    own: Vec<(&'a str, Types)>,
}

impl<'a> Held<'a> {
    fn by(resources: &Resources<'_>, records: &'a Records) -> Self {
        let with_rows = records.roots.iter().filter(|(_, root)| root.has_rows);
        let served = with_rows.filter(|(name, _)| resources.contains_key(name.as_str()));
        let (own, apart): (Vec<_>, Vec<_>) = served.partition(|(_, root)| root.has_own_types());
        let apart = apart.iter().map(|(name, _)| name.as_str());
        let own = own.iter();
        Self {
            apart: records.select(records.types.reached_from(apart)),
            own: own
                .map(|(name, root)| (name.as_str(), root.own_types()))
                .collect(),
        }
    }

    /// Compares each version of a type: what one of them has, another must not hide.
    fn compare(&self, today: &Types) -> Changes {
        let mut changes = Changes::default();
        for (_, own) in &self.own {
            changes.add(own.compare(today));
        }
        changes.add(self.apart.compare(today));
        changes
    }

    /// Moves own types to those that are recorded apart, but for those that contradict them.
    fn move_apart(&mut self) {
        for (name, own) in std::mem::take(&mut self.own) {
            match self.apart.agree_with(&own) {
                true => self.apart.join(own),
                false => self.own.push((name, own)),
            }
        }
    }
}

/// The resources that are looked up by another field than before.
fn other_keys(resources: &Resources<'_>, records: &Records) -> Vec<String> {
    let mut told = Vec::new();
    for (name, resource) in resources {
        let Some(root) = records.roots.get(*name).filter(|root| root.has_rows) else {
            continue;
        };
        let then = records.type_of(name);
        let was = then.and_then(|of| of.field_name(root.key).map(str::to_owned));
        let (was, key) = (was.unwrap_or_default(), resource.key());
        // A key of the same name but another number is told with the fields.
        if was != key.name() && root.key != key.number() {
            let is = key.name();
            told.push(format!("{name}: the key was `{was}`, and is `{is}` now"));
        }
    }
    told
}

/// What is to be recorded when rows of today's types come to those that are there.
///
/// In this order: what is recorded of a row is not lost if only the first of it is written.
fn followed(
    resources: &Resources<'_>,
    records: &Records,
    mut held: Held<'_>,
    today: Types,
) -> Written {
    held.move_apart();
    let mut types = held.apart.followed_by(today);
    types
        .0
        .retain(|name, of| records.types.0.get(name) != Some(of));
    let mut written = Written::default();
    for (name, root) in losing_their_types(resources, records, &types) {
        written.add_root(name, &root.with_own(records.types_of(name)));
    }
    for (name, of) in &types.0 {
        written.add_type(name, of);
    }
    let mut own: HashMap<_, _> = held.own.into_iter().collect();
    for (name, resource) in resources {
        let mut root = Root::new(resource.key().number());
        if let Some(own) = own.remove(name) {
            let today = Types::today([resource.message_type().clone()]);
            root = root.with_own(own.followed_by(today));
        }
        if !records.roots.get(*name).is_some_and(|old| old.is(&root)) {
            written.add_root(name, &root);
        }
    }
    written
}

/// The resources that are not served, but have rows whose types change: what is added is not in them.
fn losing_their_types<'a>(
    resources: &Resources<'_>,
    records: &'a Records,
    changed: &Types,
) -> Vec<(&'a str, &'a Root)> {
    if changed.0.is_empty() {
        return Vec::new();
    }
    let roots = records.roots.iter().filter(|(name, root)| {
        root.has_rows && !root.has_own_types() && !resources.contains_key(name.as_str())
    });
    let changes = |name: &str| changed.0.contains_key(name);
    roots
        .map(|(name, root)| (name.as_str(), root))
        .filter(|(name, _)| records.types.reached_from([*name]).into_iter().any(changes))
        .collect()
}

/// Tells of rows whose resource is not in the schema any more.
fn what_is_gone(resources: &Resources<'_>, schema: &Schema, records: &Records) -> Vec<String> {
    let by_fields: HashMap<_, &str> = resources
        .iter()
        .map(|(name, resource)| (field_names(resource), *name))
        .collect();
    let gone = records
        .roots
        .iter()
        .filter(|(name, root)| root.has_rows && schema.message(name).is_none());
    gone.map(|(name, _)| {
        let fields = records.type_of(name).map(|of| of.field_names());
        let alike = fields.and_then(|fields| by_fields.get(&fields).copied());
        told_of_gone(name, alike)
    })
    .collect()
}

fn field_names(resource: &Resource) -> Vec<(u32, String)> {
    let fields = resource.message_type().fields();
    let mut names: Vec<_> = fields
        .map(|field| (field.number(), field.name().to_owned()))
        .collect();
    names.sort_unstable();
    names
}

fn told_of_gone(name: &str, alike: Option<&str>) -> String {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        binding::store::{infer, resource::choose_key, rows::prefix_of},
        store::{Batch, MemoryStore, Precondition},
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
        let resources = BTreeMap::from([(name, &resource)]);
        check(&resources, &schema, store).await.unwrap()
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
