//! From the files that were named to a schema.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use reflectd::{Schema, schema::Diagnostics};

use super::{
    arguments::{Input, InputLimits, Sources},
    console,
    failure::Failure,
    progress,
};

/// What was read of the input.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) schema: Schema,
    /// What is to be told of the files; with `--keep-going`, errors too.
    pub(super) diagnostics: Diagnostics,
}

impl Input {
    /// Compiles the files. What is wrong with them is told on standard error, here or by the
    /// failure.
    ///
    /// # Errors
    /// Files that cannot be read or compiled; with `--keep-going` only if nothing could be tried.
    pub(super) fn load(&self, limits: &InputLimits) -> Result<Loaded, Failure> {
        self.sources.load(&self.files, limits)
    }

    /// The same, with what is wrong with the files as the inner error, and nothing told.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub(super) fn compile(
        &self,
        limits: &InputLimits,
    ) -> Result<Result<Loaded, Diagnostics>, Failure> {
        self.sources.compile(&self.files, limits)
    }
}

impl Sources {
    /// Whether any file was named.
    pub(super) fn name_files(&self) -> bool {
        !self.proto.is_empty() || !self.descriptor_set.is_empty()
    }

    /// Compiles these and `files`, as [`Input::load`] does.
    ///
    /// # Errors
    /// As there.
    pub(super) fn load(&self, files: &[PathBuf], limits: &InputLimits) -> Result<Loaded, Failure> {
        let compiled = self.compile(files, limits)?;
        let loaded = compiled.map_err(|diagnostics| Failure::proto(&diagnostics))?;
        if self.keep_going && !loaded.diagnostics.is_empty() {
            console::show_diagnostics(&loaded.diagnostics);
        }
        Ok(loaded)
    }

    fn compile(
        &self,
        files: &[PathBuf],
        limits: &InputLimits,
    ) -> Result<Result<Loaded, Diagnostics>, Failure> {
        let (sets, files) = files
            .iter()
            .partition::<Vec<&PathBuf>, _>(|path| is_set(path));
        if sets.is_empty() && files.is_empty() && !self.name_files() {
            return Err(Failure::usage(NOTHING_NAMED));
        }
        let mut builder = Schema::builder()
            .files(files)
            .files(self.proto.iter().map(|proto| self.located(proto)))
            .import_paths(&self.import_path)
            .untrusted(self.untrusted)
            .file_bytes_max(limits.proto_file_bytes)
            .total_bytes_max(limits.proto_total_bytes)
            .files_max(limits.proto_files_max);
        for set in sets.into_iter().chain(&self.descriptor_set) {
            builder = builder.descriptor_set_file(set);
        }
        if io::stderr().is_terminal() {
            let bar = progress::Bar::new();
            builder = builder.on_progress(move |progress| bar.show(progress));
        }
        let built = match self.keep_going {
            true => builder.build_keep_going(),
            false => builder.build().map(|schema| {
                let notes = schema.notes().clone();
                (schema, notes)
            }),
        };
        match built {
            Ok((schema, diagnostics)) => Ok(Ok(Loaded {
                schema,
                diagnostics,
            })),
            Err(error) => match error.diagnostics() {
                Some(diagnostics) => Ok(Err(diagnostics.clone())),
                None => Err(error.into()),
            },
        }
    }

    /// Where a `--proto` is: below the first import path that has it, as protoc looks for files.
    fn located(&self, proto: &Path) -> PathBuf {
        let below = self.import_path.iter().map(|root| root.join(proto));
        let found = below.into_iter().find(|path| path.is_file());
        found.unwrap_or_else(|| proto.to_owned())
    }
}

/// Whether a file is a descriptor set, by its name: what `protoc -o`, `buf build -o` and grpcurl's
/// users call them.
fn is_set(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| SET_EXTENSIONS.contains(&extension)) && !path.is_dir()
}

const SET_EXTENSIONS: &[&str] = &["pb", "binpb", "protoset", "desc", "fds"];

const NOTHING_NAMED: &str = "no input: name .proto files, folders of them or descriptor sets, for \
                             example `reflectd serve user.proto`";
