//! The descriptor pool, and what has to be done around it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;
use prost_reflect::{DescriptorError, DescriptorPool};
use prost_types::{DescriptorProto, FileDescriptorProto};

use super::{
    locate,
    parse::panicked,
    public::PublicImports,
    unit::{Body, Unit, UnitId},
};
use crate::{limits::PROTO_POOL_REBUILDS_FILES, schema::diagnostic::Diagnostic};

/// The pool of all files that are linked so far.
#[derive(Debug, Default)]
pub(super) struct Pool {
    inner: DescriptorPool,
    public: PublicImports,
    /// How many imports are a file's own, where it was given more.
    own_imports: HashMap<String, usize>,
    /// How many files were added again because of others that failed.
    added_again: usize,
    /// Why no more files can be added.
    stopped: Option<&'static str>,
}

/// A file that a unit imports.
#[derive(Clone, Debug)]
pub(super) struct Import {
    pub(super) id: UnitId,
    pub(super) name: String,
}

impl Pool {
    /// The pool, and for files that were given more imports than they have how many are theirs.
    pub(super) fn into_parts(self) -> (DescriptorPool, HashMap<String, usize>) {
        (self.inner, self.own_imports)
    }

    /// Adds a unit, all of whose imports were added. `names` gives the name of a unit.
    ///
    /// # Errors
    /// All that is wrong with it; the pool is as it was.
    pub(super) fn add<'u>(
        &mut self,
        id: UnitId,
        unit: &Unit,
        body: Body,
        imports: &[Import],
        names: impl Fn(UnitId) -> &'u str,
    ) -> Result<(), Vec<Diagnostic>> {
        if let Some(reason) = self.stopped {
            return Err(vec![Diagnostic::error(&unit.shown, reason)]);
        }
        let ids: Vec<UnitId> = imports.iter().map(|import| import.id).collect();
        let Some(far) = self.public.far(&ids) else {
            let message = "has too many chains of public imports below it";
            return Err(vec![Diagnostic::error(&unit.shown, message)]);
        };
        let far: Vec<String> = far.into_iter().map(|id| names(id).to_owned()).collect();
        let (public, extends) = match &body {
            Body::Parsed(file) => (file.public_dependency.clone(), has_extensions(file)),
            Body::Encoded {
                public, extends, ..
            } => (public.clone(), *extends),
        };
        let added = match body {
            Body::Parsed(file) => self.add_parsed(unit, *file, imports, &far),
            Body::Encoded { stripped, .. } => self.add_encoded(unit, stripped, imports, &far),
        };
        if added.is_err() {
            self.clean_up(extends);
            return added;
        }
        if !far.is_empty() {
            self.own_imports
                .insert(unit.name.clone(), distinct(imports));
        }
        let public = public
            .iter()
            .filter_map(|&index| ids.get(usize::try_from(index).ok()?));
        self.public.add(id, public.copied().collect());
        Ok(())
    }

    fn add_parsed(
        &mut self,
        unit: &Unit,
        mut file: FileDescriptorProto,
        imports: &[Import],
        far: &[String],
    ) -> Result<(), Vec<Diagnostic>> {
        let finish = |file: &mut FileDescriptorProto| {
            file.name = Some(unit.name.clone());
            rename_imports(file, imports);
            file.dependency.extend_from_slice(far);
        };
        finish(&mut file);
        let Err(error) = self.guarded(unit, |pool| pool.add_file_descriptor_proto(file))? else {
            return Ok(());
        };
        let Some(text) = &unit.text else {
            return Err(locate::unlocated(&unit.shown, &unit.name, &error));
        };
        Err(locate::errors(text, &error, |mut file| {
            finish(&mut file);
            self.inner.add_file_descriptor_proto(file)
        }))
    }

    fn add_encoded(
        &mut self,
        unit: &Unit,
        stripped: Bytes,
        imports: &[Import],
        far: &[String],
    ) -> Result<(), Vec<Diagnostic>> {
        let written = unit.imports.iter().map(|import| &import.name);
        let mut renamed = written
            .zip(imports)
            .filter(|(name, import)| **name != import.name);
        if let Some((name, import)) = renamed.next() {
            let message = format!(
                "{} imports \"{name}\", which is {} here",
                unit.name, import.name
            );
            return Err(vec![Diagnostic::error(&unit.shown, message)]);
        }
        let mut encoded = Vec::from(stripped);
        for name in far {
            prost::encoding::string::encode(DEPENDENCY, name, &mut encoded);
        }
        let decode = |pool: &mut DescriptorPool| pool.decode_file_descriptor_proto(&encoded[..]);
        self.guarded(unit, decode)?
            .map_err(|error| locate::unlocated(&unit.shown, &unit.name, &error))
    }

    /// No descriptor is known that makes the pool panic; one that does must not end the process all
    /// the same, and the pool is not used any more.
    fn guarded(
        &mut self,
        unit: &Unit,
        add: impl FnOnce(&mut DescriptorPool) -> Result<(), DescriptorError>,
    ) -> Result<Result<(), DescriptorError>, Vec<Diagnostic>> {
        catch_unwind(AssertUnwindSafe(|| add(&mut self.inner))).map_err(|_| {
            self.stopped = Some("was not tried: the compiler failed on another file");
            self.inner = DescriptorPool::new();
            vec![panicked(&unit.shown)]
        })
    }

    /// A file that fails leaves the pool's lists of extensions wrong (prost-reflect 0.16 cuts them
    /// at the number of messages): its own stay in them, or, where there are more extensions than
    /// messages, others go missing. The pool is made anew then.
    fn clean_up(&mut self, extends: bool) {
        let old = std::mem::take(&mut self.inner);
        if !extends && old.all_extensions().len() <= old.all_messages().len() {
            self.inner = old;
            return;
        }
        self.added_again += old.files().len();
        if self.added_again > PROTO_POOL_REBUILDS_FILES {
            self.stopped = Some("was not tried: too many files before it have errors");
        }
        for file in old.files() {
            let again = self
                .inner
                .decode_file_descriptor_proto(&file.encode_to_vec()[..]);
            if again.is_err() {
                self.stopped = Some("was not tried: a file could not be added again");
            }
        }
    }
}

/// Writes the names of the pool into a file. Two imports that are one file become one.
fn rename_imports(file: &mut FileDescriptorProto, imports: &[Import]) {
    let mut kept: Vec<String> = Vec::new();
    let mut moved = Vec::new();
    for import in imports {
        let at = kept.iter().position(|known| *known == import.name);
        moved.push(at.unwrap_or(kept.len()));
        if at.is_none() {
            kept.push(import.name.clone());
        }
    }
    for indices in [&mut file.public_dependency, &mut file.weak_dependency] {
        let renumbered = indices.iter().filter_map(|&index| {
            let index = moved.get(usize::try_from(index).ok()?)?;
            i32::try_from(*index).ok()
        });
        *indices = renumbered.collect();
        indices.dedup();
    }
    file.dependency = kept;
}

fn distinct(imports: &[Import]) -> usize {
    let names: std::collections::HashSet<&str> =
        imports.iter().map(|import| &*import.name).collect();
    names.len()
}

/// Whether a file extends messages.
pub(super) fn has_extensions(file: &FileDescriptorProto) -> bool {
    fn inside(message: &DescriptorProto) -> bool {
        !message.extension.is_empty() || message.nested_type.iter().any(inside)
    }
    !file.extension.is_empty() || file.message_type.iter().any(inside)
}

/// `FileDescriptorProto.dependency`.
const DEPENDENCY: u32 = 3;
