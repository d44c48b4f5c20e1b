//! What the store says about its rows: a record for each resource, and one for each type in them.
//!
//! | metadata key | value, as JSON |
//! |---|---|
//! | `resource/` and a resource's full name | [`Root`]: the number of the key field |
//! | `type/` and a message's or enum's full name | [`TypeAs`]: its fields or values |
//!
//! A type is recorded once, however many resources hold it. Earlier versions recorded with each
//! resource all types in it; so are those still whose resource is not served while types of it change,
//! until it is served again and they do not contradict the others.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    rows::prefix_of,
    written_as::{FieldAs, TypeAs, Types},
};
use crate::{
    Error,
    store::{Batch, KeyRange, Precondition, Revision, Store, StoreError, metadata_key},
};

/// All records of a store.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) roots: BTreeMap<String, Root>,
    pub(super) types: Types,
    revisions: HashMap<Bytes, Revision>,
}

/// The record of a resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Root {
    /// The version of this record and of the layout of the rows ([`super::rows::Rows`]).
    format: u32,
    /// The number of the key field.
    pub(super) key: u32,
    /// The messages in it, by full name and number, where they are not recorded apart.
    messages: BTreeMap<String, BTreeMap<u32, FieldAs>>,
    enums: BTreeMap<String, BTreeMap<String, i32>>,
    /// Whether there are rows of it.
    #[serde(skip)]
    pub(super) has_rows: bool,
}

/// Records to be written.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<(Bytes, Vec<u8>)>);

impl Records {
    pub(super) async fn read(store: &dyn Store) -> Result<Self, Error> {
        let mut records = Self::default();
        for (name, value) in records.scan(store, RESOURCE).await? {
            let mut root = Root::read(&name, &value).map_err(unreadable)?;
            root.has_rows = has_rows(&name, store).await?;
            records.roots.insert(name, root);
        }
        for (name, value) in records.scan(store, TYPE).await? {
            let recorded = parse(&name, &value).map_err(unreadable)?;
            records.types.add(&name, recorded);
        }
        Ok(records)
    }

    async fn scan(&mut self, store: &dyn Store, kind: &str) -> Result<Vec<(String, Bytes)>, Error> {
        let prefix = metadata_key(kind);
        let range = KeyRange::prefix(prefix.clone());
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.scan(&range, after.as_deref(), RECORDS_AT_ONCE);
            let page = page.await.map_err(unreadable)?;
            for (key, row) in page.rows {
                let name = key.strip_prefix(&prefix[..]).unwrap_or_default();
                let name = String::from_utf8_lossy(name).into_owned();
                self.revisions.insert(key, row.revision);
                found.push((name, row.value));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// A resource's own type, wherever it is recorded.
    pub(super) fn type_of(&self, name: &str) -> Option<TypeAs> {
        match self.roots.get(name).filter(|root| root.has_own_types()) {
            Some(root) => root.messages.get(name).cloned().map(TypeAs::Fields),
            None => self.types.0.get(name).cloned(),
        }
    }

    /// All types of a resource that are recorded apart.
    pub(super) fn types_of(&self, name: &str) -> Types {
        self.select(self.types.reached_from([name]))
    }

    pub(super) fn select<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Types {
        let types = names
            .into_iter()
            .filter_map(|name| self.types.0.get_key_value(name));
        Types(types.map(|(name, of)| (name.clone(), of.clone())).collect())
    }

    /// Writes what others have not changed meanwhile.
    pub(super) async fn write(&self, written: Written, store: &dyn Store) -> Result<(), Error> {
        for some in written.0.chunks(RECORDS_AT_ONCE) {
            let batch = some.iter().fold(Batch::new(), |batch, (key, value)| {
                let unchanged = match self.revisions.get(key) {
                    Some(revision) => Precondition::Revision(*revision),
                    None => Precondition::Absent,
                };
                batch.put(key.clone(), value.clone(), unchanged)
            });
            store.commit(batch).await.map_err(|error| {
                Error::store("the descriptors of the resources cannot be recorded", error)
            })?;
        }
        Ok(())
    }
}

impl Root {
    pub(super) fn new(key: u32) -> Self {
        Self {
            format: TYPES_APART,
            key,
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
            has_rows: false,
        }
    }

    /// The same with its types, whatever becomes of those that are recorded apart.
    pub(super) fn with_own(&self, types: Types) -> Self {
        let mut own = Self {
            format: OWN_TYPES,
            ..Self::new(self.key)
        };
        for (name, of) in types.0 {
            match of {
                TypeAs::Fields(fields) => drop(own.messages.insert(name, fields)),
                TypeAs::Values(values) => drop(own.enums.insert(name, values)),
            }
        }
        own
    }

    pub(super) fn has_own_types(&self) -> bool {
        self.format == OWN_TYPES
    }

    pub(super) fn own_types(&self) -> Types {
        let messages = self.messages.clone().into_iter();
        let enums = self.enums.clone().into_iter();
        let messages = messages.map(|(name, fields)| (name, TypeAs::Fields(fields)));
        let enums = enums.map(|(name, values)| (name, TypeAs::Values(values)));
        Types(messages.chain(enums).collect())
    }

    /// Whether it says the same as another.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.format, self.key, &self.messages, &self.enums)
            == (other.format, other.key, &other.messages, &other.enums)
    }

    fn read(name: &str, json: &[u8]) -> Result<Self, StoreError> {
        let root: Self = parse(name, json)?;
        match root.format {
            OWN_TYPES | TYPES_APART => Ok(root),
            format => Err(StoreError::incompatible(format!(
                "the rows of {name} have format {format}, and this version reads {TYPES_APART}; \
                 use the version that wrote them"
            ))),
        }
    }
}

impl Written {
    pub(super) fn add_root(&mut self, name: &str, root: &Root) {
        self.add(RESOURCE, name, root);
    }

    pub(super) fn add_type(&mut self, name: &str, of: &TypeAs) {
        self.add(TYPE, name, of);
    }

    fn add(&mut self, kind: &str, name: &str, record: &impl Serialize) {
        let json = serde_json::to_vec(record);
        let json = json.expect("maps with string and integer keys are JSON objects");
        self.0.push((metadata_key(&format!("{kind}{name}")), json));
    }
}

fn parse<'a, T: Deserialize<'a>>(name: &str, json: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|error| {
        StoreError::corrupt(format!("the record of {name} cannot be read")).with_source(error)
    })
}

async fn has_rows(name: &str, store: &dyn Store) -> Result<bool, Error> {
    let page = store.scan(&KeyRange::prefix(prefix_of(name)), None, 1);
    Ok(!page.await.map_err(unreadable)?.rows.is_empty())
}

fn unreadable(error: StoreError) -> Error {
    Error::store("what the store holds cannot be read", error)
}

/// What the names of the records begin with.
const RESOURCE: &str = "resource/";
const TYPE: &str = "type/";

const RECORDS_AT_ONCE: usize = 256;

const OWN_TYPES: u32 = 1;
const TYPES_APART: u32 = 2;
