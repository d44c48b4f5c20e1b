//! What a server serves, as one set of files whatever number of schemas it comes from.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::messages::ExtensionRequest;
use crate::schema::{File, Schema, Service};

/// All schemas of a server. Where two have a file of one name, there is only the first one's: a
/// client can hold but one.
#[derive(Debug)]
pub(super) struct Catalog {
    schemas: Vec<Schema>,
}

impl Catalog {
    pub(super) fn new(schemas: Vec<Schema>) -> Self {
        Self { schemas }
    }

    /// The file of a name.
    pub(super) fn file(&self, name: &str) -> Option<File> {
        self.schemas.iter().find_map(|schema| schema.file(name))
    }

    /// The file that defines a symbol of any kind; a dot may lead its full name, as in descriptors.
    pub(super) fn file_containing_symbol(&self, symbol: &str) -> Option<File> {
        let symbol = symbol.strip_prefix('.').unwrap_or(symbol);
        self.first_file(|schema| schema.file_containing_symbol(symbol))
    }

    /// The file that defines an extension.
    pub(super) fn file_containing_extension(&self, extension: &ExtensionRequest) -> Option<File> {
        let number = u32::try_from(extension.extension_number).ok()?;
        let extended = &extension.containing_type;
        self.first_file(|schema| schema.file_containing_extension(extended, number))
    }

    /// The numbers of a message type's extensions, sorted; `None` if there is no such type.
    pub(super) fn extension_numbers(&self, extended: &str) -> Option<Vec<i32>> {
        let known = self
            .schemas
            .iter()
            .filter_map(|schema| schema.extension_numbers(extended));
        let numbers = known.reduce(|mut all, more| {
            all.extend(more);
            all
        })?;
        // Field numbers end at 2^29 - 1.
        let numbers: BTreeSet<i32> = numbers
            .into_iter()
            .filter_map(|number| i32::try_from(number).ok())
            .collect();
        Some(numbers.into_iter().collect())
    }

    /// The full names of all services, sorted, each once.
    pub(super) fn services(&self) -> BTreeSet<String> {
        self.schemas
            .iter()
            .flat_map(Schema::services)
            .map(|service: &Service| service.full_name().to_owned())
            .collect()
    }

    /// All files that a file imports, directly or not, each once, breadth first.
    pub(super) fn imports(&self, file: &File) -> Vec<File> {
        let mut seen = HashSet::from([file.name().to_owned()]);
        let mut due: VecDeque<String> = file.dependencies().collect();
        let mut imports = Vec::new();
        while let Some(name) = due.pop_front() {
            if !seen.insert(name.clone()) {
                continue;
            }
            if let Some(import) = self.file(&name) {
                due.extend(import.dependencies());
                imports.push(import);
            }
        }
        imports
    }

    /// What is found first, unless it is in a file that an earlier schema has another copy of.
    fn first_file(&self, find: impl Fn(&Schema) -> Option<File>) -> Option<File> {
        let mut earlier = Vec::new();
        for schema in &self.schemas {
            let found = find(schema).filter(|file| {
                !earlier
                    .iter()
                    .any(|schema: &&Schema| schema.file(file.name()).is_some())
            });
            if found.is_some() {
                return found;
            }
            earlier.push(schema);
        }
        None
    }
}
