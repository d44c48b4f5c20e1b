//! From an import to the file that it means.

use std::path::{Path, PathBuf};

use super::{Loader, protobuf_source};
use crate::{
    Error,
    limits::PROTO_ERRORS_PER_FILE_MAX,
    schema::{
        bundled,
        compile::unit::{Origin, UnitId},
        diagnostic::Diagnostic,
        source::{Home, is_plain},
    },
};

impl Loader<'_> {
    /// Finds what each import of a unit means. One that means nothing fails the unit.
    pub(super) fn resolve_imports(&mut self, id: UnitId) -> Result<(), Error> {
        let imports = self.units[id].imports.clone();
        let mut missing = 0;
        for (index, import) in imports.iter().enumerate() {
            let target = self.resolve(id, &import.name)?;
            match target {
                Some(target) => {
                    self.units[target].wishes.insert(import.name.clone());
                }
                // The parser has told of what is no import path at all.
                None if !is_plain(&import.name) && self.units[id].body.is_none() => {}
                None => {
                    missing += 1;
                    if missing <= PROTO_ERRORS_PER_FILE_MAX {
                        let problem = self.not_found(id, index, &import.name);
                        self.problems.push(problem);
                    }
                    self.units[id].body = None;
                }
            }
            self.units[id].targets.push(target);
        }
        if missing > PROTO_ERRORS_PER_FILE_MAX {
            let more = missing - PROTO_ERRORS_PER_FILE_MAX;
            let message = format!("has {more} more imports that are not found");
            let problem = Diagnostic::error(&self.units[id].shown, message);
            self.problems.push(problem);
        }
        Ok(())
    }

    fn resolve(&mut self, importer: UnitId, name: &str) -> Result<Option<UnitId>, Error> {
        if let Some(text) = protobuf_source(name) {
            return Ok(Some(self.bundled(name, text)));
        }
        if let Some(&id) = self.by_name.get(&(Origin::DescriptorSet, name.to_owned())) {
            return Ok(Some(id));
        }
        let unit = &self.units[importer];
        if unit.origin != Origin::Bundled
            && let Some(root) = self.roots.find(&unit.home, name)
        {
            return self.imported(&root, name).map(Some);
        }
        if let Some(text) = bundled::source(name) {
            return Ok(Some(self.bundled(name, text)));
        }
        Ok(self.by_tail(importer, name))
    }

    /// The unit of a file that was found below a root.
    fn imported(&mut self, root: &Path, name: &str) -> Result<UnitId, Error> {
        let path = root.join(name);
        if let Some(&id) = self.by_path.get(&path) {
            return Ok(id);
        }
        let home = Home {
            real: path.canonicalize().ok(),
            root: Some(root.to_owned()),
            path: Some(path.clone()),
        };
        let id = self.disk(self.shortened(&path), home)?;
        self.by_path.insert(path, id);
        Ok(id)
    }

    /// The one named file whose path ends with the import's, or with its longest tail that any
    /// named file's path ends with.
    fn by_tail(&mut self, importer: UnitId, name: &str) -> Option<UnitId> {
        let candidates = self.tail_matches(importer, name);
        let [id] = candidates[..] else {
            return None;
        };
        let note = format!(
            "took {} for import \"{name}\", which no import root has",
            self.units[id].shown
        );
        let shown = self.units[importer].shown.clone();
        let mut imports = self.units[importer].imports.iter();
        let import = imports.rfind(|import| import.name == name);
        let place = import.zip(self.units[importer].text.as_ref());
        let place = place.map(|(import, text)| text.place(import.span.clone()));
        self.problems.push(Diagnostic::note(shown, note).at(place));
        Some(id)
    }

    fn tail_matches(&self, importer: UnitId, name: &str) -> Vec<UnitId> {
        if self.units[importer].origin != Origin::Disk || !is_plain(name) {
            return Vec::new();
        }
        let tails = std::iter::successors(Some(name), |tail| Some(tail.split_once('/')?.1));
        let matches = tails.map(|tail| {
            let ids = (0..self.units.len()).filter(|&id| {
                let unit = &self.units[id];
                let path = unit.home.path.as_ref();
                id != importer && unit.named && path.is_some_and(|path| path.ends_with(tail))
            });
            ids.collect::<Vec<_>>()
        });
        matches
            .into_iter()
            .find(|ids| !ids.is_empty())
            .unwrap_or_default()
    }

    /// The roots that were searched, as one would write them in the current folder. For a file in that
    /// folder, those that lie above it are told in one: nobody means them.
    fn searched(&self, home: &Home) -> String {
        let is_above = |root: &PathBuf| self.current.starts_with(root) && *root != self.current;
        let mut roots = self.roots.searched(home);
        let all = roots.len();
        if roots.iter().any(|root| root.starts_with(&self.current)) {
            roots.retain(|root| !is_above(root));
        }
        let named: Vec<String> = roots.iter().map(|root| self.shortened(root)).collect();
        match named.len() < all {
            true => format!("{} or the folders above", named.join(", ")),
            false => named.join(", "),
        }
    }

    fn not_found(&self, id: UnitId, index: usize, name: &str) -> Diagnostic {
        let unit = &self.units[id];
        if unit.origin == Origin::DescriptorSet {
            let message = format!(
                "{} imports \"{name}\", which the set does not hold",
                unit.name
            );
            return unit
                .import_error(index, message)
                .with_help("write the set with its imports (protoc --include_imports)");
        }
        let message = format!(
            "import \"{name}\" is not found below {}",
            self.searched(&unit.home)
        );
        let several = self.tail_matches(id, name);
        let help = match several.len() {
            0 => "give the folder that it is relative to as import path (-I)".to_owned(),
            _ => {
                let shown = several.iter().map(|&id| self.units[id].shown.as_str());
                let shown: Vec<&str> = shown.take(CANDIDATES_SHOWN).collect();
                let count = several.len();
                format!(
                    "{count} files could be meant, as {}: choose by an import path (-I)",
                    shown.join(", ")
                )
            }
        };
        unit.import_error(index, message).with_help(help)
    }
}

/// How many files an ambiguous import is told to fit.
const CANDIDATES_SHOWN: usize = 3;
