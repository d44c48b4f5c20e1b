//! The record of the descriptor with which a resource's rows were written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::resource::Resource;
use crate::{
    schema::{EnumType, Field, Kind, MessageType},
    store::StoreError,
};

/// How a resource's rows are encoded: of its type, and of every type in it, what decides how bytes
/// are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WrittenAs {
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
pub(super) struct Changes {
    /// What rows would be misread by.
    pub(super) misread: Vec<String>,
    /// What is fine if it was meant so.
    pub(super) renamed: Vec<String>,
}

impl WrittenAs {
    pub(super) fn today(resource: &Resource) -> Self {
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

    pub(super) fn read(name: &str, json: &[u8]) -> Result<Self, StoreError> {
        let record: Result<Self, _> = serde_json::from_slice(json);
        match record {
            Ok(record) if record.format == FORMAT => Ok(record),
            Ok(record) => Err(StoreError::incompatible(format!(
                "the rows of {name} have format {}, and this version reads {FORMAT}; use the \
                 version that wrote them",
                record.format
            ))),
            Err(error) => Err(
                StoreError::corrupt(format!("the record of {name} cannot be read"))
                    .with_source(error),
            ),
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps with string and integer keys are JSON objects")
    }

    /// What is different in `now`.
    pub(super) fn compare(&self, resource: &str, now: &Self) -> Changes {
        let mut changes = Changes::default();
        let (was, is) = (self.key_name(resource), now.key_name(resource));
        // A key of the same name but another number is told with the fields.
        if was != is && self.key != now.key {
            changes.misread.push(format!(
                "{resource}: the key was `{was}`, and is `{is}` now"
            ));
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

    /// With what is new, and still with what was removed: rows may have it.
    pub(super) fn followed_by(mut self, now: Self) -> Self {
        self.key = now.key;
        for (name, fields) in now.messages {
            self.messages.entry(name).or_default().extend(fields);
        }
        for (name, values) in now.enums {
            self.enums.entry(name).or_default().extend(values);
        }
        self
    }

    fn key_name(&self, resource: &str) -> &str {
        let fields = self.messages.get(resource);
        let key = fields.and_then(|fields| fields.get(&self.key));
        key.map_or("", |key| &key.name)
    }

    /// Whether this, the record of a resource with another name, has the fields of `resource`.
    pub(super) fn looks_like(&self, name: &str, resource: &Resource) -> bool {
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
                    "{message}: field {number} was `{name}`, and is `{0}` now; rows that were \
                     written before show there what they had as `{name}`: if `{0}` means something \
                     else, give it a number that was never used",
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
                    "{of}: the number {number} was `{name}`, and has another name now: if that means \
                     something else, give it a number that was never used"
                )),
                _ => {}
            }
        }
    }
}

const FORMAT: u32 = 1;
