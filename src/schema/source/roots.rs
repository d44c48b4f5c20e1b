//! Where imports are looked for.
//!
//! `import "a/b.proto";` names a file relative to an import root, and nothing in the file says which
//! folder that is. protoc must be told (`-I`); here the root is found: it is the folder of the
//! importing file, or a parent of it, below which the imports are there.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// The folders that any file's imports may be found in.
#[derive(Debug, Default)]
pub(in crate::schema) struct Roots {
    import_paths: Vec<PathBuf>,
    /// The folders that were named and the roots of the files that were named.
    shared: Vec<PathBuf>,
    untrusted: bool,
    /// Whether there is a file, by path.
    found: HashMap<PathBuf, bool>,
}

/// Where one file is, which decides where its imports are looked for first.
#[derive(Clone, Debug, Default)]
pub(in crate::schema) struct Home {
    /// The absolute path of the file; none for a file that is not on disk.
    pub(in crate::schema) path: Option<PathBuf>,
    /// The same without symbolic links.
    pub(in crate::schema) real: Option<PathBuf>,
    /// The root that the file itself belongs to, once that is known.
    pub(in crate::schema) root: Option<PathBuf>,
}

impl Roots {
    /// `import_paths` are searched first and in their order, `shared` last; both are absolute.
    pub(in crate::schema) fn new(
        import_paths: Vec<PathBuf>,
        shared: Vec<PathBuf>,
        untrusted: bool,
    ) -> Self {
        Self {
            import_paths,
            shared,
            untrusted,
            found: HashMap::new(),
        }
    }

    /// The roots that were given with `-I`.
    pub(in crate::schema) fn import_paths(&self) -> &[PathBuf] {
        &self.import_paths
    }

    /// Adds a root that was found for one file to those of all.
    pub(in crate::schema) fn share(&mut self, root: &Path) {
        if let Err(at) = self
            .shared
            .binary_search_by(|known| known.as_path().cmp(root))
        {
            self.shared.insert(at, root.to_owned());
        }
    }

    /// The root below which an import is there.
    pub(in crate::schema) fn find(&mut self, home: &Home, import: &str) -> Option<PathBuf> {
        self.searched(home)
            .into_iter()
            .find(|root| self.holds(root, import))
    }

    /// All roots that [`find`](Self::find) searches for a file, in order, each once.
    pub(in crate::schema) fn searched(&self, home: &Home) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = Vec::new();
        let own = home.root.iter().cloned();
        let candidates = self.import_paths.iter().cloned().chain(own);
        for root in candidates
            .chain(self.above(home))
            .chain(self.shared.iter().cloned())
        {
            if !all.contains(&root) {
                all.push(root);
            }
        }
        all
    }

    /// The folder, of those above a file, below which most of its imports are; the nearest of
    /// several. None if there is no import below any.
    pub(in crate::schema) fn infer(&mut self, home: &Home, imports: &[&str]) -> Option<PathBuf> {
        let mut best = (0, None);
        for root in self.above(home) {
            let held = imports
                .iter()
                .filter(|import| self.holds(&root, import))
                .count();
            if held > best.0 {
                best = (held, Some(root));
            }
        }
        best.1
    }

    /// The folder of a file and all that it lies in, by its path and then by its real path.
    ///
    /// Untrusted files look no further up than the folders that were named: an import must not
    /// reach `/etc`.
    fn above(&self, home: &Home) -> Vec<PathBuf> {
        let real = home
            .real
            .iter()
            .filter(|real| home.path.as_ref() != Some(real));
        let paths = home.path.iter().chain(real);
        let folders = paths.flat_map(|path| {
            let own = path.parent();
            path.ancestors().skip(1).filter(move |folder| {
                let mut allowed = self.shared.iter().chain(&self.import_paths);
                !self.untrusted
                    || Some(*folder) == own
                    || allowed.any(|root| folder.starts_with(root))
            })
        });
        folders.map(Path::to_owned).collect()
    }

    fn holds(&mut self, root: &Path, import: &str) -> bool {
        if !is_plain(import) {
            return false;
        }
        let path = root.join(import);
        if let Some(&known) = self.found.get(&path) {
            return known;
        }
        // Whether it is a regular file is told when it is read.
        let mut found = fs::metadata(&path).is_ok_and(|metadata| !metadata.is_dir());
        if found && self.untrusted {
            let real = root.canonicalize().map(|root| root.join(import));
            found = path.canonicalize().ok() == real.ok();
        }
        self.found.insert(path, found);
        found
    }
}

/// Whether an import stays below its root: no absolute path, no `.` or `..` (protoc refuses them
/// too: "Backslashes, consecutive slashes, ".", or ".." are not allowed in the virtual path").
pub(in crate::schema) fn is_plain(import: &str) -> bool {
    let bad = |part: &str| matches!(part, "" | "." | "..");
    !import.contains(['\\', '\0']) && !import.split('/').any(bad)
}
