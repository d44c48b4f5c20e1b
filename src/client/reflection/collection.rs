//! The files that a server has told of, as long as there are not too many.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

use crate::{Error, grpc::Status, limits};

/// Files by their names, each once: the first that came.
#[derive(Debug, Default)]
pub(super) struct Collection {
    files: Vec<Bytes>,
    descriptors: HashMap<String, FileDescriptorProto>,
    /// Names that were asked for, whether there was an answer or not.
    asked: HashSet<String>,
    bytes: usize,
}

impl Collection {
    /// Takes files as they came.
    ///
    /// # Errors
    /// If one is no file descriptor, or there are more than the limits let in.
    pub(super) fn add(&mut self, files: Vec<Bytes>) -> Result<(), Error> {
        for file in files {
            let descriptor = FileDescriptorProto::decode(file.clone()).map_err(|error| {
                Error::reflection("the server sent what is no file descriptor", error)
            })?;
            if self.has(descriptor.name()) {
                continue;
            }
            self.bytes += file.len();
            self.files.push(file);
            self.descriptors
                .insert(descriptor.name().to_owned(), descriptor);
            self.check()?;
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.descriptors.contains_key(name)
    }

    pub(super) fn has_service(&self, full_name: &str) -> bool {
        self.descriptors.values().any(|file| {
            let mut services = file.service.iter();
            services.any(|service| join(file.package(), service.name()) == full_name)
        })
    }

    /// A file was asked for by its name: it is not missing any more.
    pub(super) fn asked(&mut self, name: String) {
        self.asked.insert(name);
    }

    /// What the files import that is not there and was not asked for.
    pub(super) fn missing(&self) -> Vec<String> {
        let imports = self.descriptors.values().flat_map(|file| &file.dependency);
        let missing = imports.filter(|name| !self.has(name) && !self.asked.contains(*name));
        let mut missing: Vec<String> = missing.cloned().collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// The full names of the messages that may have extensions. Those of descriptor.proto are the
    /// options of files: no message of a call.
    pub(super) fn extendable(&self) -> Vec<String> {
        let mut found = Vec::new();
        for file in self.descriptors.values() {
            if file.name() != "google/protobuf/descriptor.proto" {
                let package = file.package();
                file.message_type.iter().for_each(|message| {
                    walk(package, message, &mut |name, message| {
                        if !message.extension_range.is_empty() {
                            found.push(name.to_owned());
                        }
                    });
                });
            }
        }
        found.sort();
        found
    }

    /// The extensions that the files define: whose, and which.
    pub(super) fn extensions(&self) -> impl Iterator<Item = (String, i32)> {
        let mut found = Vec::new();
        for file in self.descriptors.values() {
            found.extend(file.extension.iter().map(extension));
            for message in &file.message_type {
                walk("", message, &mut |_, message| {
                    found.extend(message.extension.iter().map(extension));
                });
            }
        }
        found.into_iter()
    }

    /// A serialised `google.protobuf.FileDescriptorSet`: `repeated FileDescriptorProto file = 1`.
    pub(super) fn into_descriptor_set(self) -> Bytes {
        let mut set = Vec::with_capacity(self.bytes + 8 * self.files.len());
        for file in self.files {
            encode_key(1, WireType::LengthDelimited, &mut set);
            encode_varint(file.len() as u64, &mut set);
            set.extend_from_slice(&file);
        }
        set.into()
    }

    fn check(&self) -> Result<(), Error> {
        let (files_max, bytes_max) = (
            limits::CLIENT_REFLECTION_FILES_MAX,
            limits::CLIENT_REFLECTION_BYTES,
        );
        let over = match (self.files.len() > files_max, self.bytes > bytes_max) {
            (false, false) => return Ok(()),
            (true, _) => format!("more than {files_max} files"),
            (_, true) => format!("more than {bytes_max} bytes of files"),
        };
        Err(Error::reflection(
            "the server's services are not described; ask for those that are wanted, or name their \
             .proto files (--proto)",
            Status::resource_exhausted(format!("they take {over}")),
        ))
    }
}

/// Visits a message and all inside it, with their full names.
fn walk(scope: &str, message: &DescriptorProto, visit: &mut impl FnMut(&str, &DescriptorProto)) {
    let name = join(scope, message.name());
    visit(&name, message);
    for nested in &message.nested_type {
        walk(&name, nested, visit);
    }
}

fn extension(field: &FieldDescriptorProto) -> (String, i32) {
    let extended = field.extendee().trim_start_matches('.').to_owned();
    (extended, field.number())
}

fn join(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}
