//! Folders of files for the tests of the schema.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::{fs, path::Path};

use reflectd::schema::Diagnostics;
use tempfile::TempDir;

/// A folder with these files, by their paths in it.
pub(crate) fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// What is told, one line an entry, with the folder's own path left out.
pub(crate) fn told(diagnostics: &Diagnostics, folder: &Path) -> String {
    let root = format!("{}/", folder.display());
    diagnostics.to_string().replace(&root, "")
}
