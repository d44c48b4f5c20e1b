//! The data folder: one process at a time, and nobody else's files.
#![cfg(feature = "store-redb")]
#![allow(clippy::unwrap_used, reason = "a test may panic anywhere")]

use std::{fs, path::Path};

use reflectd::store::{Batch, Precondition, RedbOptions, RedbStore, Store, StoreError};

#[tokio::test]
async fn a_folder_is_open_once_and_keeps_its_rows() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("new/data");
    let store = RedbStore::open(&path, &RedbOptions::default()).unwrap();
    store
        .commit(Batch::new().put("key", "value", Precondition::None))
        .await
        .unwrap();

    let error = refused(&path);
    assert!(error.is_locked());
    let said = error.to_string();
    assert!(
        said.contains(path.to_str().unwrap()) && said.contains("--data"),
        "{said}"
    );

    drop(store);
    let store = RedbStore::open(&path, &RedbOptions::default()).unwrap();
    assert_eq!(store.get(b"key").await.unwrap().unwrap().value, "value");
}

#[test]
fn another_programs_folder_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "final").unwrap();
    let error = refused(folder.path());
    assert!(error.is_incompatible());
    assert!(error.to_string().contains("thesis.txt"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn another_format_is_not_misread() {
    let folder = tempfile::tempdir().unwrap();
    drop(RedbStore::open(folder.path(), &RedbOptions::default()).unwrap());
    fs::write(folder.path().join("format"), "reflectd data format 2\n").unwrap();
    let error = refused(folder.path());
    assert!(error.is_incompatible());
    assert!(error.to_string().contains("format 2"), "{error}");
    fs::write(folder.path().join("format"), "something").unwrap();
    assert!(refused(folder.path()).is_corrupt());
}

#[test]
fn files_that_are_not_readable_say_so() {
    let folder = tempfile::tempdir().unwrap();
    drop(RedbStore::open(folder.path(), &RedbOptions::default()).unwrap());
    fs::write(
        folder.path().join("data.redb"),
        "not a database".repeat(1000),
    )
    .unwrap();
    assert!(refused(folder.path()).is_corrupt());

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refused(&file);
    assert!(error.is_unavailable());
    assert!(
        error.to_string().contains("file cannot be created"),
        "{error}"
    );
}

#[test]
fn a_creation_that_was_cut_short_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    drop(RedbStore::open(folder.path(), &RedbOptions::default()).unwrap());
    let data = folder.path().join("data.redb");
    fs::rename(&data, folder.path().join("data.redb.new")).unwrap();
    fs::write(folder.path().join("data.redb.new"), [0; 4096]).unwrap();
    drop(RedbStore::open(folder.path(), &RedbOptions::default()).unwrap());
    assert!(data.exists());
}

#[test]
fn a_file_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "keep me").unwrap();
    for path in [file.clone(), file.join("data")] {
        let told = refused(&path).to_string();
        let expected = format!(
            "data folder {} cannot be created: it, or what it would lie in, is a file; name a \
             folder with --data",
            path.display()
        );
        assert_eq!(told, expected);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "keep me");
}

fn refused(path: &Path) -> StoreError {
    RedbStore::open(path, &RedbOptions::default()).unwrap_err()
}
