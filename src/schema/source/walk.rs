//! What was named on the command line, as a list of files: folders are searched for `*.proto`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::{self, FileType},
    io,
    path::{Component, Path, PathBuf},
};

use crate::{
    Error,
    limits::PROTO_FOLDERS_MAX,
    schema::{Diagnostic, method::nearest},
};

/// A file that was named, or found in a folder that was.
#[derive(Clone, Debug)]
pub(in crate::schema) struct NamedFile {
    /// The path as the user would write it.
    pub(in crate::schema) shown: String,
    /// The same, absolute; symbolic links are not resolved, because links are how build systems lay
    /// out trees whose imports resolve.
    pub(in crate::schema) path: PathBuf,
    /// The absolute path without symbolic links: files are the same if this is.
    pub(in crate::schema) real: PathBuf,
    /// The folder that was named, absolute; none if the file itself was.
    pub(in crate::schema) folder: Option<PathBuf>,
}

/// What the named paths lead to.
#[derive(Debug, Default)]
pub(in crate::schema) struct Named {
    /// Each file once, in the order of their absolute paths.
    pub(in crate::schema) files: Vec<NamedFile>,
    /// The folders that were named, absolute and in order.
    pub(in crate::schema) folders: Vec<PathBuf>,
    /// What could not be entered or read.
    pub(in crate::schema) problems: Vec<Diagnostic>,
}

/// Finds the files of the named paths.
///
/// # Errors
/// A path that does not exist, a folder without any `.proto`, more files than `files_max`.
pub(in crate::schema) fn named(
    paths: &[PathBuf],
    untrusted: bool,
    files_max: usize,
) -> Result<Named, Error> {
    let mut walk = Walk {
        untrusted,
        files_max,
        ..Walk::default()
    };
    for path in paths {
        walk.named(path)?;
    }
    let mut named = walk.named;
    named.folders.sort();
    named.folders.dedup();
    named.files = walk.by_real_path.into_values().collect();
    named.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(named)
}

/// The absolute form of a folder's path.
pub(in crate::schema) fn folder(path: &Path) -> io::Result<PathBuf> {
    let path = absolute(path)?;
    if fs::metadata(&path)?.is_dir() {
        Ok(path)
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

/// The absolute form of a path, `..` resolved, symbolic links at its end kept.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    if !absolute
        .components()
        .any(|part| part == Component::ParentDir)
    {
        return Ok(absolute);
    }
    // What `..` leads to behind a symbolic link only the file system knows.
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize()?.join(name)),
        _ => absolute.canonicalize(),
    }
}

#[derive(Default)]
struct Walk {
    named: Named,
    by_real_path: BTreeMap<PathBuf, NamedFile>,
    untrusted: bool,
    files_max: usize,
}

impl Walk {
    fn named(&mut self, shown: &Path) -> Result<(), Error> {
        let metadata = fs::metadata(shown).map_err(|error| not_there(shown, error))?;
        let path = absolute(shown).map_err(|error| not_there(shown, error))?;
        if self.untrusted && shown.is_symlink() {
            self.refuse_link(shown);
            return Ok(());
        }
        if !metadata.is_dir() {
            return self.file(shown, path, None, None);
        }
        let before = self.by_real_path.len() + self.named.problems.len();
        self.folder(shown, &path)?;
        if self.by_real_path.len() + self.named.problems.len() == before
            && !self
                .by_real_path
                .values()
                .any(|file| file.path.starts_with(&path))
        {
            let message = format!("no .proto file in or below the folder {}", shown.display());
            return Err(Error::configuration(message));
        }
        self.named.folders.push(path);
        Ok(())
    }

    /// Walks a folder: what is really there first, what symbolic links lead to last, and each real
    /// folder once, so that links in a circle end and a file keeps its plainest path.
    fn folder(&mut self, shown: &Path, path: &Path) -> Result<(), Error> {
        let mut entered = HashSet::new();
        let mut pending = vec![shown.to_owned()];
        let mut links = Vec::new();
        while let Some(next) = pending.pop().or_else(|| links.pop()) {
            let real = next.canonicalize().ok();
            let Some(real) = real.filter(|real| entered.insert(real.clone())) else {
                continue;
            };
            if entered.len() > PROTO_FOLDERS_MAX {
                let message = format!(
                    "{} has more than {PROTO_FOLDERS_MAX} folders below it: name one nearer to the \
                     .proto files",
                    shown.display()
                );
                return Err(Error::configuration(message));
            }
            for (entry, kind) in self.entries(&next) {
                match kind {
                    Kind::Folder => pending.push(entry),
                    Kind::LinkToFolder => links.push(entry),
                    Kind::Proto { linked } => {
                        let below = entry.strip_prefix(shown).unwrap_or(&entry);
                        let name = entry.file_name().filter(|_| !linked);
                        let real = name.map(|name| real.join(name));
                        self.file(&entry, path.join(below), real, Some(path))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What of a folder has to be looked at, the last first: that is how it is taken off a stack.
    fn entries(&mut self, folder: &Path) -> Vec<(PathBuf, Kind)> {
        let read = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match read {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("cannot be searched: {error}");
                let problem = Diagnostic::error(folder.display().to_string(), message);
                self.named.problems.push(problem);
                return Vec::new();
            }
        };
        entries.sort_by_key(|entry| Reverse(entry.file_name()));
        let kinds = entries.into_iter().filter_map(|entry| {
            let path = entry.path();
            let kind = self.kind(&path, entry.file_type().ok()?)?;
            Some((path, kind))
        });
        kinds.collect()
    }

    fn kind(&mut self, path: &Path, file_type: FileType) -> Option<Kind> {
        if file_type.is_dir() {
            return Some(Kind::Folder);
        }
        let is_proto = path
            .extension()
            .is_some_and(|extension| extension == "proto");
        if !file_type.is_symlink() {
            return is_proto.then_some(Kind::Proto { linked: false });
        }
        let is_folder = fs::metadata(path).is_ok_and(|target| target.is_dir());
        match (is_folder, is_proto) {
            (true, _) => (!self.untrusted).then_some(Kind::LinkToFolder),
            (false, true) if self.untrusted => {
                self.refuse_link(path);
                None
            }
            (false, true) => Some(Kind::Proto { linked: true }),
            (false, false) => None,
        }
    }

    fn refuse_link(&mut self, shown: &Path) {
        let message = "is a symbolic link, and links are not followed in untrusted files";
        let problem = Diagnostic::error(shown.display().to_string(), message);
        self.named.problems.push(problem);
    }

    /// Takes a file. Of several paths to one file the one without links is kept, else the first.
    fn file(
        &mut self,
        shown: &Path,
        path: PathBuf,
        real: Option<PathBuf>,
        folder: Option<&Path>,
    ) -> Result<(), Error> {
        // A link to nothing is told when it is read.
        let real = real
            .or_else(|| path.canonicalize().ok())
            .unwrap_or_else(|| path.clone());
        let file = NamedFile {
            shown: shown.display().to_string(),
            folder: folder.map(Path::to_owned),
            real: real.clone(),
            path,
        };
        let rank = |file: &NamedFile| {
            let linked = file.path != file.real;
            let folder = file.folder.clone();
            (linked, file.path.clone(), folder.is_none(), folder)
        };
        let kept = self
            .by_real_path
            .entry(real)
            .or_insert_with(|| file.clone());
        if rank(&file) < rank(kept) {
            *kept = file;
        }
        if self.by_real_path.len() > self.files_max {
            let message = format!(
                "more than {} .proto files were named: raise the limit if all of them are meant",
                self.files_max
            );
            return Err(Error::configuration(message));
        }
        Ok(())
    }
}

enum Kind {
    Folder,
    LinkToFolder,
    Proto { linked: bool },
}

/// Names the path, and a neighbour that is spelled almost the same.
fn not_there(shown: &Path, error: io::Error) -> Error {
    let mut context = format!("cannot open {}", shown.display());
    let folder = shown
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    if error.kind() == io::ErrorKind::NotFound
        && let Some(wanted) = shown.file_name().and_then(|name| name.to_str())
        && let Ok(entries) = fs::read_dir(folder)
    {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let names: BTreeSet<String> = names.collect();
        if let Some(near) = nearest(wanted, names.iter().map(String::as_str)) {
            context += &format!(" (did you mean {}?)", shown.with_file_name(near).display());
        }
    }
    Error::io(context, error)
}
