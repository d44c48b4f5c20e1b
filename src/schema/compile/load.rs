//! From what was named to all files that are needed: read, parsed, each import led to its file.

mod imports;
mod intake;

use std::{
    collections::HashMap,
    mem,
    path::{Path, PathBuf},
};

use super::{
    Settings, Ticker,
    unit::{Body, Origin, Unit, UnitId},
    wave::{self, Input, Job},
};
use crate::{
    Error,
    schema::{
        bundled,
        diagnostic::Diagnostic,
        source::{self, Home, Roots},
    },
};

/// All files that are needed, and what is wrong so far.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) units: Vec<Unit>,
    pub(super) import_paths: Vec<PathBuf>,
    pub(super) problems: Vec<Diagnostic>,
}

/// Reads everything.
///
/// # Errors
/// If there is nothing to try: a named path is not there, nothing was named, a limit of the whole
/// is passed.
pub(super) fn load(settings: &Settings, ticker: &mut Ticker) -> Result<Loaded, Error> {
    let named = source::named(&settings.files, settings.untrusted, settings.files_max)?;
    let import_paths = settings.import_paths.iter().map(|path| import_path(path));
    let import_paths = import_paths.collect::<Result<Vec<_>, _>>()?;
    let mut loader = Loader {
        settings,
        roots: Roots::new(import_paths, named.folders, settings.untrusted),
        units: Vec::new(),
        by_path: HashMap::new(),
        by_name: HashMap::new(),
        pending: Vec::new(),
        problems: named.problems,
        bytes_total: 0,
        current: std::env::current_dir().unwrap_or_default(),
    };
    for (shown, set) in settings.descriptor_sets()? {
        loader.descriptor_set(&shown, set);
    }
    for name in &settings.bundled {
        let id = loader.bundled(name, bundled::source(name).unwrap_or(""));
        loader.units[id].named = true;
    }
    for file in named.files {
        let home = Home {
            path: Some(file.path),
            real: Some(file.real),
            root: None,
        };
        let id = loader.disk(file.shown, home)?;
        loader.units[id].named = true;
        loader.units[id].folder = file.folder;
    }
    if loader.units.is_empty() && loader.problems.is_empty() {
        let message = "nothing to compile: name .proto files, folders of them, or a descriptor set";
        return Err(Error::configuration(message));
    }
    loader.follow_imports(ticker)?;
    Ok(Loaded {
        import_paths: loader.roots.import_paths().to_vec(),
        units: loader.units,
        problems: loader.problems,
    })
}

fn import_path(path: &Path) -> Result<PathBuf, Error> {
    source::folder(path).map_err(|error| {
        Error::io(
            format!("cannot use the import path {}", path.display()),
            error,
        )
    })
}

struct Loader<'a> {
    settings: &'a Settings,
    roots: Roots,
    units: Vec<Unit>,
    /// Files on disk, by their real path and by those that they were imported by.
    by_path: HashMap<PathBuf, UnitId>,
    /// Files of descriptor sets and bundled ones, by name.
    by_name: HashMap<(Origin, String), UnitId>,
    /// Units that are not parsed yet.
    pending: Vec<UnitId>,
    problems: Vec<Diagnostic>,
    bytes_total: u64,
    current: PathBuf,
}

impl Loader<'_> {
    /// Parses what is pending and finds its imports, which are pending then, until none are left.
    fn follow_imports(&mut self, ticker: &mut Ticker) -> Result<(), Error> {
        // Files of descriptor sets are parsed as they are taken in.
        let mut ready: Vec<UnitId> = (0..self.units.len())
            .filter(|&id| self.units[id].body.is_some())
            .collect();
        let mut first = true;
        while !self.pending.is_empty() || !ready.is_empty() {
            let wave = mem::take(&mut self.pending);
            ticker.add(wave.len());
            self.parse(&wave, ticker);
            if mem::take(&mut first) {
                self.infer_roots();
            }
            for id in ready.drain(..).chain(wave) {
                self.resolve_imports(id)?;
            }
        }
        self.guard_option_types(ticker);
        Ok(())
    }

    fn parse(&mut self, wave: &[UnitId], ticker: &mut Ticker) {
        let jobs: Vec<Job> = wave.iter().map(|&id| job(&self.units[id])).collect();
        let outcomes = wave::run(&jobs, self.settings.file_bytes_max, || ticker.parsed());
        for (&id, outcome) in wave.iter().zip(outcomes) {
            let unit = &mut self.units[id];
            match outcome {
                Ok((text, parsed)) => {
                    unit.text = Some(text);
                    unit.package = parsed.package;
                    unit.imports = parsed.imports;
                    if self.use_bundled_copy(id) {
                        continue;
                    }
                    self.problems.extend(parsed.problems);
                    if let Some((file, comments)) = parsed.file {
                        self.units[id].body = Some(Body::Parsed(file));
                        self.units[id].comments = comments;
                    }
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// A copy of google/protobuf/*.proto on disk gives way to the bundled one: newer ones hold what
    /// the parser does not know, and then every file that imports them would fail.
    fn use_bundled_copy(&mut self, id: UnitId) -> bool {
        let unit = &self.units[id];
        let (Origin::Disk, Some(path)) = (unit.origin, &unit.home.path) else {
            return false;
        };
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{}/{file}", unit.package.replace('.', "/"));
        let Some(text) = protobuf_source(&name) else {
            return false;
        };
        let (shown, named) = (unit.shown.clone(), unit.named);
        let note = format!("the built-in {name} is used in place of this copy");
        self.problems.push(Diagnostic::note(shown, note));
        let bundled = self.bundled(&name, text);
        self.units[bundled].named |= named;
        self.units[id].stand_in = Some(bundled);
        self.units[id].imports.clear();
        true
    }

    fn infer_roots(&mut self) {
        for id in 0..self.units.len() {
            let unit = &self.units[id];
            let imports = unit.imports.iter().map(|import| import.name.as_str());
            let imports = imports.filter(|name| protobuf_source(name).is_none());
            let imports: Vec<&str> = imports.collect();
            let root = self.roots.infer(&unit.home, &imports);
            if let Some(root) = &root {
                self.roots.share(root);
            }
            self.units[id].home.root = root;
        }
    }

    /// The pool reads options by the descriptors that it holds of `google.protobuf.FileOptions` and
    /// its like. Where a file defines names in that package, the true ones have to be there first.
    fn guard_option_types(&mut self, ticker: &mut Ticker) {
        let mut foreign = self
            .units
            .iter()
            .filter(|unit| unit.origin != Origin::Bundled && unit.stand_in.is_none());
        let suspect = foreign.any(|unit| {
            let reserved = |name: &str| {
                let rest = name.strip_prefix("google");
                let rest = rest.map(|rest| rest.strip_prefix(".protobuf").unwrap_or(rest));
                rest.is_some_and(|rest| rest.is_empty() || name.starts_with("google.protobuf."))
            };
            reserved(&unit.package)
                || unit
                    .symbols()
                    .iter()
                    .any(|symbol| reserved(&symbol.full_name))
        });
        if suspect && let Some(text) = protobuf_source(OPTION_TYPES) {
            self.bundled(OPTION_TYPES, text);
            let wave = mem::take(&mut self.pending);
            ticker.add(wave.len());
            self.parse(&wave, ticker);
        }
    }
}

fn job(unit: &Unit) -> Job {
    let input = match &unit.home.path {
        Some(path) => Input::Path(path.clone()),
        None => Input::Text(unit.bundled_text),
    };
    Job {
        shown: unit.shown.clone(),
        input,
    }
}

/// A bundled file of `google/protobuf/`, which no other may stand for.
fn protobuf_source(name: &str) -> Option<&'static str> {
    name.starts_with("google/protobuf/")
        .then(|| bundled::source(name))?
}

const OPTION_TYPES: &str = "google/protobuf/descriptor.proto";
