//! Turns `.proto` files or a descriptor set into an immutable [`Schema`].
//!
//! Nothing outside this room names protox; nothing outside this room and `message` names
//! prost-reflect, but for the public conversions.

mod bundled;
mod compile;
mod descriptor_set;
mod diagnostic;
mod enum_type;
mod features;
mod file;
pub(crate) mod layout;
mod message_type;
mod method;
mod print;
mod source;

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use prost_reflect::DescriptorPool;

pub use compile::{Progress, SchemaBuilder};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use enum_type::{EnumType, EnumValue};
pub use features::Features;
pub use file::File;
pub use message_type::{Field, Kind, MessageType, Oneof};
pub use method::{Method, MethodKind, Service};

use crate::Error;
use file::FileIndex;
use layout::Tables;

/// What a set of `.proto` files says: services, methods, messages. Immutable; cloning is cheap.
#[derive(Clone)]
pub struct Schema {
    inner: Arc<Inner>,
}

struct Inner {
    pool: DescriptorPool,
    tables: Arc<Tables>,
    files: FileIndex,
    services: Vec<Service>,
    /// In the order of their paths: a service's few are found sooner so than by a hash.
    methods_by_path: Box<[Method]>,
    notes: Diagnostics,
}

impl Schema {
    /// Compiles `.proto` files, or folders of them, with extra import roots.
    ///
    /// # Errors
    /// All that is wrong with the files, each as `file:line:col: message`
    /// ([`Error::diagnostics`]).
    pub fn compile<F, I>(
        files: impl IntoIterator<Item = F>,
        import_paths: impl IntoIterator<Item = I>,
    ) -> Result<Self, Error>
    where
        F: AsRef<Path>,
        I: AsRef<Path>,
    {
        Self::builder()
            .files(files)
            .import_paths(import_paths)
            .build()
    }

    /// A builder with every option of the compiler.
    pub fn builder() -> SchemaBuilder {
        SchemaBuilder::default()
    }

    /// Reads a binary `google.protobuf.FileDescriptorSet`, as `protoc -o` and `buf build -o` write it.
    ///
    /// # Errors
    /// If the bytes are not a descriptor set, or the set does not hold what it imports.
    pub fn from_descriptor_set(bytes: impl Into<bytes::Bytes>) -> Result<Self, Error> {
        Self::builder().descriptor_set_bytes(bytes).build()
    }

    /// The services of the files that were named (those of their imports left out), in file order.
    pub fn services(&self) -> impl ExactSizeIterator<Item = &Service> {
        self.inner.services.iter()
    }

    /// All methods of [`services`](Self::services).
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.inner.services.iter().flat_map(Service::methods)
    }

    /// The method of a gRPC path, `/package.Service/Method`. Case matters.
    pub fn method(&self, path: &str) -> Option<&Method> {
        let methods = &self.inner.methods_by_path;
        let found = methods.binary_search_by(|method| method.path().cmp(path));
        found.ok().map(|index| &methods[index])
    }

    /// A message type by its full name, `package.Message`.
    pub fn message(&self, full_name: &str) -> Option<MessageType> {
        let index = self.inner.tables.index_of(full_name)?;
        Some(MessageType::with(&self.inner.tables, index))
    }

    /// An enum type by its full name.
    pub fn enum_type(&self, full_name: &str) -> Option<EnumType> {
        self.inner
            .pool
            .get_enum_by_name(full_name)
            .map(EnumType::new)
    }

    /// The message types of the files that were named, nested ones and map entries left out.
    pub fn messages(&self) -> impl Iterator<Item = MessageType> {
        self.inner.files.named().flat_map(|file| file.messages())
    }

    /// All files, imports included.
    pub fn files(&self) -> impl Iterator<Item = File> {
        self.inner.files.all()
    }

    /// A file by its import name, `google/protobuf/empty.proto`.
    pub fn file(&self, name: &str) -> Option<File> {
        self.inner.files.by_name(name)
    }

    /// The file that defines a fully qualified symbol: message, enum, enum value, service, method,
    /// field, oneof or extension.
    pub fn file_containing_symbol(&self, symbol: &str) -> Option<File> {
        self.inner.files.containing_symbol(symbol)
    }

    /// The file that defines the extension `number` of the message type `extended`.
    pub fn file_containing_extension(&self, extended: &str, number: u32) -> Option<File> {
        let extended = self.inner.pool.get_message_by_name(extended)?;
        let extension = extended.get_extension(number)?;
        self.inner.files.by_name(extension.parent_file().name())
    }

    /// The numbers of all known extensions of a message type; `None` if there is no such type.
    pub fn extension_numbers(&self, extended: &str) -> Option<Vec<u32>> {
        let extended = self.inner.pool.get_message_by_name(extended)?;
        Some(
            extended
                .extensions()
                .map(|extension| extension.number())
                .collect(),
        )
    }

    /// The proto source form, comments included, of a symbol (package, service, method, message,
    /// enum, field …), or `None` if there is no such symbol.
    pub fn describe(&self, symbol: &str) -> Option<String> {
        print::describe(&self.inner.files, symbol)
    }

    /// The symbol that `wanted` was most likely meant to be, if any is near: one of that name in a
    /// package, else one that is spelled almost the same.
    pub fn nearest_symbol(&self, wanted: &str) -> Option<String> {
        let pool = &self.inner.pool;
        let methods = pool.services().flat_map(|service| {
            let methods: Vec<_> = service.methods().collect();
            methods
                .into_iter()
                .map(|method| method.full_name().to_owned())
        });
        let symbols: Vec<String> = pool
            .services()
            .map(|service| service.full_name().to_owned())
            .chain(methods)
            .chain(
                pool.all_messages()
                    .map(|message| message.full_name().to_owned()),
            )
            .chain(pool.all_enums().map(|kind| kind.full_name().to_owned()))
            .collect();
        let without_package = symbols.iter().find(|symbol| {
            let package = symbol.strip_suffix(wanted);
            package.is_some_and(|package| package.ends_with('.'))
        });
        match without_package {
            Some(symbol) => Some(symbol.clone()),
            None => Self::nearest(wanted, symbols.iter().map(String::as_str)).map(str::to_owned),
        }
    }

    /// Every symbol's full name, for "did you mean".
    pub(crate) fn nearest<'a>(
        wanted: &str,
        candidates: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        method::nearest(wanted, candidates)
    }

    /// The prost-reflect pool of all files.
    pub fn descriptor_pool(&self) -> &DescriptorPool {
        &self.inner.pool
    }

    /// What was decided while compiling and should be known: a file that was taken for an import
    /// which no import root has, a built-in file used in place of a copy.
    pub fn notes(&self) -> &Diagnostics {
        &self.inner.notes
    }

    /// The files that are built in: google/protobuf, google/api, google/rpc, google/type, and gRPC's
    /// own.
    pub fn built_in() -> Self {
        static BUILT_IN: LazyLock<Schema> = LazyLock::new(|| {
            let names: Vec<&str> = bundled::names().collect();
            Schema::bundled(&names)
        });
        BUILT_IN.clone()
    }

    /// The schema of files that are built in, by their import names.
    pub(crate) fn bundled(names: &[&str]) -> Self {
        let built = Self::builder().bundled(names).build();
        built.expect("the built-in files compile, each of which a test tries")
    }

    fn new(pool: DescriptorPool, files: FileIndex, notes: Diagnostics) -> Self {
        let tables = Tables::of(&pool);
        let services: Vec<Service> = files
            .named()
            .flat_map(|file| file.descriptor().services().collect::<Vec<_>>())
            .map(Service::new)
            .collect();
        let methods = services.iter().flat_map(Service::methods);
        let mut methods_by_path: Box<[Method]> = methods.cloned().collect();
        methods_by_path.sort_by(|one, other| one.path().cmp(other.path()));
        Self {
            inner: Arc::new(Inner {
                tables,
                pool,
                files,
                services,
                methods_by_path,
                notes,
            }),
        }
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.services().map(Service::full_name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_file_makes_a_schema() {
        let names: Vec<&str> = bundled::names().collect();
        for name in &names {
            assert!(Schema::bundled(&[name]).file(name).is_some());
        }
        let all = Schema::built_in();
        assert_eq!(all.files().count(), names.len());
        let services: Vec<&str> = all.services().map(Service::full_name).collect();
        assert_eq!(
            services,
            [
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
            ]
        );
    }
}
