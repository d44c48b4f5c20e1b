//! Files → descriptor pool.
//!
//! [`load`] reads what was named and all that it imports, [`naming`] settles under which name each
//! file is known, and [`link`] adds them to the pool one by one, so that a file that fails does not
//! spoil the others. All of it runs on a thread with a large stack: option text is parsed
//! recursively.

mod link;
mod load;
mod locate;
mod naming;
mod parse;
mod pool;
mod public;
mod unit;
mod wave;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    thread,
};

use bytes::Bytes;

use super::{Diagnostics, Schema, file::FileIndex, source};
use crate::{
    Error,
    limits::{PROTO_COMPILE_STACK_BYTES, PROTO_FILE_BYTES, PROTO_FILES_MAX, PROTO_TOTAL_BYTES},
};
use unit::Unit;

/// Collects what a schema is made of.
pub struct SchemaBuilder {
    settings: Settings,
    on_progress: Option<OnProgress>,
}

type OnProgress = Box<dyn Fn(Progress) + Send>;

/// How far the compiler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    done: usize,
    total: usize,
}

impl Progress {
    /// How many files are done. A file counts when it is parsed and linked, by halves.
    pub fn done(&self) -> usize {
        self.done
    }

    /// How many files are known to be needed: more as imports are found.
    pub fn total(&self) -> usize {
        self.total
    }
}

impl SchemaBuilder {
    /// Adds `.proto` files, or folders of which every `.proto` below is taken.
    ///
    /// Their import roots are found: for each file the folder it is in, or the parent of that below
    /// which its imports are there.
    pub fn files(mut self, files: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        let files = files.into_iter().map(|path| path.as_ref().to_owned());
        self.settings.files.extend(files);
        self
    }

    /// Adds import roots, as `protoc -I` takes them. They are searched before those that are found.
    pub fn import_paths(mut self, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        let paths = paths.into_iter().map(|path| path.as_ref().to_owned());
        self.settings.import_paths.extend(paths);
        self
    }

    /// Adds a serialised `google.protobuf.FileDescriptorSet`.
    pub fn descriptor_set_bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.settings.sets.push(DescriptorSet::Bytes(bytes.into()));
        self
    }

    /// Adds a file that holds a serialised `google.protobuf.FileDescriptorSet`.
    pub fn descriptor_set_file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        self.settings.sets.push(DescriptorSet::File(path));
        self
    }

    /// Says that the files are not the user's own: symbolic links are refused, and imports are
    /// looked for in the folders that were named only, not above them.
    pub fn untrusted(mut self, untrusted: bool) -> Self {
        self.settings.untrusted = untrusted;
        self
    }

    /// The largest `.proto` file that is read, in bytes; [`PROTO_FILE_BYTES`] if not set.
    pub fn file_bytes_max(mut self, bytes: u64) -> Self {
        self.settings.file_bytes_max = bytes;
        self
    }

    /// The most bytes that are read of all `.proto` files together, and of one descriptor set;
    /// [`PROTO_TOTAL_BYTES`] if not set.
    pub fn total_bytes_max(mut self, bytes: u64) -> Self {
        self.settings.total_bytes_max = bytes;
        self
    }

    /// The most `.proto` files, imports included; [`PROTO_FILES_MAX`] if not set.
    pub fn files_max(mut self, files: usize) -> Self {
        self.settings.files_max = files;
        self
    }

    /// Calls a function as files are done, on another thread.
    pub fn on_progress(mut self, call: impl Fn(Progress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    /// Compiles, if all files are right.
    ///
    /// # Errors
    /// All that is wrong with the files ([`Error::diagnostics`]), a path that is not there, a folder
    /// without any `.proto`.
    pub fn build(self) -> Result<Schema, Error> {
        let (schema, diagnostics) = self.compile(false)?;
        match diagnostics.has_errors() {
            true => Err(Error::from(diagnostics)),
            false => Ok(schema),
        }
    }

    /// Compiles what can be compiled, and tells of each file that cannot.
    ///
    /// # Errors
    /// If nothing can be tried: a path is not there, a folder has no `.proto` in it, a limit of the
    /// whole is passed.
    pub fn build_keep_going(self) -> Result<(Schema, Diagnostics), Error> {
        self.compile(true)
    }

    pub(super) fn bundled(mut self, names: &[&str]) -> Self {
        let names = names.iter().map(|&name| name.to_owned());
        self.settings.bundled.extend(names);
        self
    }

    fn compile(self, keep_going: bool) -> Result<(Schema, Diagnostics), Error> {
        let mut ticker = Ticker {
            on_progress: self.on_progress,
            ..Ticker::default()
        };
        let settings = self.settings;
        let compiled = thread::Builder::new()
            .name("reflectd-compile".to_owned())
            .stack_size(PROTO_COMPILE_STACK_BYTES)
            .spawn(move || settings.compile(keep_going, &mut ticker))
            .map_err(|error| Error::io("cannot start a thread to compile on", error))?
            .join();
        let Ok(compiled) = compiled else {
            let failed = parse::panicked("<compiler>");
            return Err(Error::from(Diagnostics::from_iter([failed])));
        };
        let (schema, diagnostics) = compiled?;
        for note in schema.notes().iter() {
            tracing::info!(file = note.file(), "{}", note.message());
        }
        Ok((schema, diagnostics))
    }
}

impl Default for SchemaBuilder {
    fn default() -> Self {
        Self {
            settings: Settings {
                files: Vec::new(),
                import_paths: Vec::new(),
                sets: Vec::new(),
                bundled: Vec::new(),
                untrusted: false,
                file_bytes_max: PROTO_FILE_BYTES,
                total_bytes_max: PROTO_TOTAL_BYTES,
                files_max: PROTO_FILES_MAX,
            },
            on_progress: None,
        }
    }
}

impl fmt::Debug for SchemaBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// What the builder was told.
#[derive(Debug)]
struct Settings {
    files: Vec<PathBuf>,
    import_paths: Vec<PathBuf>,
    sets: Vec<DescriptorSet>,
    /// Import names of bundled files.
    bundled: Vec<String>,
    untrusted: bool,
    file_bytes_max: u64,
    total_bytes_max: u64,
    files_max: usize,
}

#[derive(Debug)]
enum DescriptorSet {
    Bytes(Bytes),
    File(PathBuf),
}

impl Settings {
    fn compile(
        &self,
        keep_going: bool,
        ticker: &mut Ticker,
    ) -> Result<(Schema, Diagnostics), Error> {
        let mut loaded = load::load(self, ticker)?;
        naming::name_all(
            &mut loaded.units,
            &loaded.import_paths,
            &mut loaded.problems,
        );
        let pool = link::link(&mut loaded.units, keep_going, &mut loaded.problems, ticker);
        let (pool, own_imports) = pool.into_parts();
        let diagnostics = Diagnostics::from_iter(loaded.problems);
        let notes = diagnostics.without_errors();
        let files = FileIndex::new(
            pool.clone(),
            named(&loaded.units),
            by_name(&loaded.units, |unit| unit.original.clone()),
            by_name(&loaded.units, |unit| Some(unit.comments.clone())),
            own_imports,
        );
        Ok((Schema::new(pool, files, notes), diagnostics))
    }

    /// The descriptor sets with the names they are told by.
    fn descriptor_sets(&self) -> Result<Vec<(String, Bytes)>, Error> {
        let each = self.sets.iter().map(|set| match set {
            DescriptorSet::Bytes(bytes) => Ok(("<descriptor set>".to_owned(), bytes.clone())),
            DescriptorSet::File(path) => {
                let shown = path.display().to_string();
                if let Err(error) = path.metadata() {
                    let context = format!("cannot open the descriptor set {shown}");
                    return Err(Error::io(context, error));
                }
                let bytes = source::bytes(&shown, path, self.total_bytes_max)
                    .map_err(|problem| Error::from(Diagnostics::from_iter([problem])))?;
                Ok((shown, bytes.into()))
            }
        });
        each.collect()
    }
}

/// The names of what was asked for, in order.
fn named(units: &[Unit]) -> Vec<String> {
    let named = units.iter().enumerate().filter(|(_, unit)| unit.named);
    let mut names: Vec<String> = named
        .map(|(id, _)| units[naming::representative(units, id)].name.clone())
        .collect();
    names.sort();
    names
}

fn by_name(units: &[Unit], of: impl Fn(&Unit) -> Option<Bytes>) -> HashMap<String, Bytes> {
    let taken = units.iter().filter(|unit| unit.stand_in.is_none());
    let pairs = taken.filter_map(|unit| Some((unit.name.clone(), of(unit)?)));
    pairs.filter(|(_, bytes)| !bytes.is_empty()).collect()
}

/// Counts files for whoever wants to see progress.
#[derive(Default)]
struct Ticker {
    on_progress: Option<OnProgress>,
    total: usize,
    parsed: usize,
    linked: usize,
}

impl Ticker {
    fn add(&mut self, files: usize) {
        self.total += files;
    }

    fn parsed(&mut self) {
        self.parsed += 1;
        self.tell();
    }

    fn linked(&mut self) {
        self.linked += 1;
        self.tell();
    }

    fn tell(&self) {
        if let Some(call) = &self.on_progress {
            // Some files are only linked (those of a descriptor set), some only parsed.
            let done = ((self.parsed + self.linked) / 2).min(self.total);
            call(Progress {
                done,
                total: self.total,
            });
        }
    }
}
