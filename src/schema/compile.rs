//! Files → descriptor pool, through protox.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Diagnostics, Schema, file::FileIndex};
use crate::Error;

/// Collects what a schema is made of.
#[derive(Debug, Default)]
pub struct SchemaBuilder {
    files: Vec<PathBuf>,
    import_paths: Vec<PathBuf>,
    sets: Vec<Bytes>,
}

impl SchemaBuilder {
    /// Adds `.proto` files, or folders of which every `.proto` below is taken.
    pub fn files(mut self, files: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.files
            .extend(files.into_iter().map(|path| path.as_ref().to_owned()));
        self
    }

    /// Adds import roots, as `protoc -I` takes them.
    pub fn import_paths(mut self, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.import_paths
            .extend(paths.into_iter().map(|path| path.as_ref().to_owned()));
        self
    }

    /// Adds a serialised `google.protobuf.FileDescriptorSet`.
    pub fn descriptor_set_bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.sets.push(bytes.into());
        self
    }

    /// Builds the schema.
    ///
    /// # Errors
    /// All that is wrong with the files.
    pub fn build(self) -> Result<Schema, Error> {
        let mut compiler = protox::Compiler::new(&self.import_paths)
            .map_err(|error| Error::configuration(error.to_string()))?;
        compiler.include_source_info(true).include_imports(true);
        let mut named = Vec::new();
        for path in &self.files {
            compiler
                .open_file(path)
                .map_err(|error| Error::configuration(format!("{error:?}")))?;
        }
        named.extend(
            compiler
                .files()
                .filter(|file| !file.is_import())
                .map(|file| file.name().to_owned()),
        );
        let pool = compiler.descriptor_pool();
        let _ = Diagnostics::default();
        Ok(Schema::new(
            pool.clone(),
            FileIndex::new(pool, named, Default::default()),
        ))
    }
}
