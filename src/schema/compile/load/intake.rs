//! Files taken in: from disk, built in, out of descriptor sets.

use std::path::Path;

use bytes::Bytes;

use super::{Loader, protobuf_source};
use crate::{
    Error,
    schema::{
        compile::{
            parse::comments,
            pool::has_extensions,
            unit::{Body, Origin, Unit, UnitId, symbols},
        },
        descriptor_set,
        diagnostic::{Diagnostic, Diagnostics},
        source::{self, Home, ImportStatement},
    },
};

impl Loader<'_> {
    /// The unit of a file on disk.
    pub(super) fn disk(&mut self, shown: String, home: Home) -> Result<UnitId, Error> {
        let key = home.real.as_ref().or(home.path.as_ref()).cloned();
        let key = key.unwrap_or_default();
        if let Some(&id) = self.by_path.get(&key) {
            return Ok(id);
        }
        if self.units.len() >= self.settings.files_max {
            let message = format!("more than {} files are needed", self.settings.files_max);
            return Err(too_much(shown, message));
        }
        let mut unit = Unit::new(Origin::Disk, shown);
        let path = home.path.clone().unwrap_or_default();
        unit.home = home;
        let id = self.units.len();
        match source::size(&unit.shown, &path, self.settings.file_bytes_max) {
            Ok(bytes) => {
                self.bytes_total += bytes;
                self.pending.push(id);
            }
            Err(problem) => self.problems.push(problem),
        }
        if self.bytes_total > self.settings.total_bytes_max {
            let message = format!(
                "all files up to this one have more than {} bytes",
                self.settings.total_bytes_max
            );
            return Err(too_much(unit.shown, message));
        }
        self.units.push(unit);
        self.by_path.insert(key, id);
        Ok(id)
    }

    /// A path as one would write it in the current folder.
    pub(super) fn shortened(&self, path: &Path) -> String {
        match path.strip_prefix(&self.current) {
            Ok(below) if below.as_os_str().is_empty() => ".".to_owned(),
            Ok(below) => below.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }

    /// The unit of a bundled file.
    pub(super) fn bundled(&mut self, name: &str, text: &'static str) -> UnitId {
        let key = (Origin::Bundled, name.to_owned());
        let next = self.units.len();
        let id = *self.by_name.entry(key).or_insert(next);
        if id == next {
            let mut unit = Unit::new(Origin::Bundled, format!("<built-in {name}>"));
            unit.name = name.to_owned();
            unit.bundled_text = text;
            self.units.push(unit);
            self.pending.push(id);
        }
        id
    }

    /// Takes the files of a set.
    pub(super) fn descriptor_set(&mut self, shown: &str, set: Bytes) {
        let files = match descriptor_set::files(set) {
            Ok(files) => files,
            Err(message) => {
                self.problems.push(Diagnostic::error(shown, message));
                return;
            }
        };
        for file in files {
            match file {
                Ok(file) => self.set_file(shown, file),
                Err(bad) => {
                    let problem = Diagnostic::error(shown, format!("{} {}", bad.name, bad.reason));
                    let help = bad.help.map(|help| problem.clone().with_help(help));
                    self.problems.push(help.unwrap_or(problem));
                }
            }
        }
    }

    fn set_file(&mut self, shown: &str, file: descriptor_set::SetFile) {
        let name = file.descriptor.name().to_owned();
        if let Some(text) = protobuf_source(&name) {
            // The pool must know its own options; reflection shows what was read.
            let id = self.bundled(&name, text);
            self.units[id].original.get_or_insert(file.original);
            return;
        }
        let key = (Origin::DescriptorSet, name.clone());
        if let Some(&known) = self.by_name.get(&key) {
            if self.units[known].original.as_ref() != Some(&file.original) {
                let message =
                    format!("{name} is in the descriptor sets twice, with other contents");
                self.problems.push(Diagnostic::error(shown, message));
            }
            return;
        }
        let mut unit = Unit::new(Origin::DescriptorSet, shown);
        let imports = file.descriptor.dependency.iter();
        unit.imports = imports
            .map(|name| ImportStatement {
                name: name.clone(),
                span: 0..0,
            })
            .collect();
        unit.package = file.descriptor.package().to_owned();
        unit.comments = comments(file.source_code_info);
        unit.named = true;
        unit.name = name;
        unit.body = Some(Body::Encoded {
            stripped: file.stripped,
            symbols: symbols(&file.descriptor),
            public: file.descriptor.public_dependency.clone(),
            extends: has_extensions(&file.descriptor),
        });
        unit.original = Some(file.original);
        self.by_name.insert(key, self.units.len());
        self.units.push(unit);
    }
}

fn too_much(shown: String, message: String) -> Error {
    let error = Diagnostic::error(shown, message);
    let error = error.with_help("raise the limit if all of them are meant");
    Error::from(Diagnostics::from_iter([error]))
}
