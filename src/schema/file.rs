//! The files of a schema: by name, by symbol, and their original descriptor bytes.

use std::{collections::HashMap, collections::HashSet, sync::Arc};

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, FileDescriptor};
use prost_types::SourceCodeInfo;

use super::{MessageType, descriptor_set};

/// One file of a schema.
#[derive(Clone)]
pub struct File {
    descriptor: FileDescriptor,
    original: Option<Bytes>,
    /// How many of the descriptor's imports are the file's own.
    own_imports: Option<usize>,
}

impl File {
    /// The name under which others import it.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// `package …;` of the file; empty where there is none.
    pub fn package(&self) -> &str {
        self.descriptor.package_name()
    }

    /// The names of the files it imports.
    pub fn dependencies(&self) -> impl Iterator<Item = String> + '_ {
        self.descriptor
            .dependencies()
            .take(self.own_imports.unwrap_or(usize::MAX))
            .map(|file| file.name().to_owned())
    }

    /// Its serialised `google.protobuf.FileDescriptorProto`: the bytes that were read, where it came
    /// from a descriptor set, so that custom options and fields nobody here knows survive.
    pub fn descriptor_bytes(&self) -> Bytes {
        if let Some(original) = &self.original {
            return original.clone();
        }
        let encoded = self.descriptor.encode_to_vec().into();
        match self.own_imports {
            Some(own) => descriptor_set::with_imports(encoded, own),
            None => encoded,
        }
    }

    /// Its top-level message types.
    pub fn messages(&self) -> Vec<MessageType> {
        self.descriptor.messages().map(MessageType::from).collect()
    }

    pub(super) fn descriptor(&self) -> &FileDescriptor {
        &self.descriptor
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({})", self.name())
    }
}

/// All files of a pool, and which of them the user named.
pub(super) struct FileIndex {
    pool: DescriptorPool,
    /// Names of the files that were asked for; the others are their imports.
    named: Vec<Arc<str>>,
    /// Bytes as they were read, by file name.
    originals: HashMap<String, Bytes>,
    /// The locations with comments, by file name: an encoded `SourceCodeInfo`.
    comments: HashMap<String, Bytes>,
    /// How many of a file's imports are its own, where the pool was given more.
    own_imports: HashMap<String, usize>,
}

impl FileIndex {
    pub(super) fn new(
        pool: DescriptorPool,
        named: impl IntoIterator<Item = String>,
        originals: HashMap<String, Bytes>,
        comments: HashMap<String, Bytes>,
        own_imports: HashMap<String, usize>,
    ) -> Self {
        let mut seen = HashSet::new();
        let named = named
            .into_iter()
            .map(Arc::from)
            .filter(|name| seen.insert(Arc::clone(name)))
            .collect();
        Self {
            pool,
            named,
            originals,
            comments,
            own_imports,
        }
    }

    pub(super) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The comments of a file, as source code info.
    pub(super) fn comments(&self, name: &str) -> SourceCodeInfo {
        let encoded = self.comments.get(name).cloned().unwrap_or_default();
        SourceCodeInfo::decode(encoded).unwrap_or_default()
    }

    pub(super) fn named(&self) -> impl Iterator<Item = File> {
        self.named.iter().filter_map(|name| self.by_name(name))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = File> {
        self.pool.files().map(|descriptor| self.file(descriptor))
    }

    pub(super) fn by_name(&self, name: &str) -> Option<File> {
        self.pool
            .get_file_by_name(name)
            .map(|descriptor| self.file(descriptor))
    }

    pub(super) fn containing_symbol(&self, symbol: &str) -> Option<File> {
        let pool = &self.pool;
        if let Some(message) = pool.get_message_by_name(symbol) {
            return Some(self.file(message.parent_file()));
        }
        if let Some(enum_type) = pool.get_enum_by_name(symbol) {
            return Some(self.file(enum_type.parent_file()));
        }
        if let Some(service) = pool.get_service_by_name(symbol) {
            return Some(self.file(service.parent_file()));
        }
        if let Some(extension) = pool.get_extension_by_name(symbol) {
            return Some(self.file(extension.parent_file()));
        }
        self.containing_member(symbol)
    }

    /// Methods, fields, oneofs and enum values: members of what the pool indexes by name.
    fn containing_member(&self, symbol: &str) -> Option<File> {
        let pool = &self.pool;
        let (parent, name) = symbol.rsplit_once('.').unwrap_or(("", symbol));
        if let Some(service) = pool.get_service_by_name(parent) {
            let found = service.methods().any(|method| method.name() == name);
            return found.then(|| self.file(service.parent_file()));
        }
        if let Some(message) = pool.get_message_by_name(parent)
            && (message.get_field_by_name(name).is_some()
                || message.oneofs().any(|oneof| oneof.name() == name))
        {
            return Some(self.file(message.parent_file()));
        }
        // An enum's values are its siblings (descriptor.proto, EnumValueDescriptorProto).
        pool.all_enums()
            .find(|enum_type| {
                let scope = enum_type.full_name();
                scope.rsplit_once('.').map_or("", |(scope, _)| scope) == parent
                    && enum_type.get_value_by_name(name).is_some()
            })
            .map(|enum_type| self.file(enum_type.parent_file()))
    }

    fn file(&self, descriptor: FileDescriptor) -> File {
        let original = self.originals.get(descriptor.name()).cloned();
        let own_imports = self.own_imports.get(descriptor.name()).copied();
        File {
            descriptor,
            original,
            own_imports,
        }
    }
}
