//! The data folder: whose it is, which format it has, and that only one process has it open.
//!
//! ```text
//! reflectd_data/
//!   lock        held while a process has the folder open; its process id, for the error message
//!   format      "reflectd data format 1"; written before the data, so that no version takes the
//!               data of another for its own
//!   data.redb   the tables, see engine.rs; data.redb.new while it is made, which is begun before
//!               the format is written: a folder with neither has lost its data, or an earlier
//!               version was killed before it made any
//! ```

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::store::StoreError;

/// A data folder that belongs to this process until it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the folder if there is none, and takes it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        create(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                let path = path.display();
                StoreError::unavailable(format!(
                    "data folder {path} cannot be created: it, or what it would lie in, is a file; \
                     name a folder with --data"
                ))
                .with_source(error)
            }
            _ => failure(path, "be created", error),
        })?;
        refuse_foreign(path)?;
        let lock = lock(path)?;
        match fs::read_to_string(path.join(FORMAT)) {
            Ok(format) => check_format(path, &format)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A folder with a format, but neither data nor the beginning of it, is then not new.
                File::create(path.join(DATA_NEW))
                    .and_then(|_| write_format(path))
                    .map_err(|error| failure(path, "be written to", error))?;
            }
            Err(error) => return Err(failure(path, "be read", error)),
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The file of the tables, made by `create` if the folder is new.
    ///
    /// It is made under another name: a process that is killed meanwhile leaves a file that cannot be
    /// opened.
    ///
    /// # Errors
    /// [`StoreError::is_corrupt`] if the folder is not new and has none.
    pub(super) fn data_file(
        &self,
        create: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<PathBuf, StoreError> {
        let (data, new) = (self.path.join(DATA), self.path.join(DATA_NEW));
        let cannot_read = |error| failure(&self.path, "be read", error);
        if data.try_exists().map_err(cannot_read)? {
            return Ok(data);
        }
        if !new.try_exists().map_err(cannot_read)? {
            return Err(lost(&self.path));
        }
        create(&new)?;
        fs::rename(&new, &data)
            .and_then(|()| sync_names(&self.path))
            .map_err(|error| failure(&self.path, "be written to", error))?;
        Ok(data)
    }
}

/// Makes the names in a folder durable: syncing a file does not do that for its name.
fn sync_names(folder: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened as files.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    match path.parent() {
        Some(parent) if parent != Path::new("") => sync_names(parent),
        _ => sync_names(Path::new(".")),
    }
}

/// A folder with files but without a format is somebody's, and stays as it is.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let cannot_read = |error| failure(path, "be read", error);
    let mut others = Vec::new();
    for entry in fs::read_dir(path).map_err(cannot_read)? {
        let entry = entry.map_err(cannot_read)?;
        let name = entry.file_name();
        if name == FORMAT {
            return Ok(());
        }
        let is_begun = name == DATA_NEW && entry.metadata().is_ok_and(|file| file.len() == 0);
        if name != LOCK && name != FORMAT_NEW && !is_begun {
            others.push(name);
        }
    }
    match others.first() {
        None => Ok(()),
        Some(name) => Err(StoreError::incompatible(format!(
            "the folder {} is not a data folder (it has no file `{FORMAT}`, but has {name:?}); \
             choose a new or empty one with --data",
            path.display()
        ))),
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let cannot_lock = |error| failure(path, "be locked", error);
    let file = path.join(LOCK);
    let mut lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&file)
        .map_err(cannot_lock)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(path, &file)),
        Err(TryLockError::Error(error)) => return Err(cannot_lock(error)),
    }
    lock.set_len(0)
        .and_then(|()| lock.write_all(std::process::id().to_string().as_bytes()))
        .map_err(cannot_lock)?;
    Ok(lock)
}

fn in_use(path: &Path, lock: &Path) -> StoreError {
    // Where locks are mandatory the file cannot be read.
    let holder = match fs::read_to_string(lock).map(|id| id.trim().parse::<u32>()) {
        Ok(Ok(id)) if id == std::process::id() => "by this process already".to_owned(),
        Ok(Ok(id)) => format!("by another process (id {id})"),
        _ => "by another process".to_owned(),
    };
    StoreError::locked(format!(
        "data folder {} is in use {holder}; stop it or choose another with --data",
        path.display()
    ))
}

fn check_format(path: &Path, format: &str) -> Result<(), StoreError> {
    let folder = path.display();
    let version = format.trim_end().strip_prefix(FORMAT_PREFIX);
    match version.and_then(|version| version.parse::<u32>().ok()) {
        Some(FORMAT_VERSION) => Ok(()),
        Some(version) => Err(StoreError::incompatible(format!(
            "data folder {folder} has format {version}, this version reads format \
             {FORMAT_VERSION}; use the version that wrote it or choose another folder with --data"
        ))),
        None => Err(StoreError::corrupt(format!(
            "the file `{FORMAT}` in data folder {folder} does not say \
             {FORMAT_PREFIX:?} and a number; restore it or choose another folder with --data"
        ))),
    }
}

fn write_format(path: &Path) -> io::Result<()> {
    let new = path.join(FORMAT_NEW);
    let mut file = File::create(&new)?;
    writeln!(file, "{FORMAT_PREFIX}{FORMAT_VERSION}")?;
    file.sync_all()?;
    fs::rename(&new, path.join(FORMAT))?;
    sync_names(path)
}

fn lost(path: &Path) -> StoreError {
    let path = path.display();
    StoreError::corrupt(format!(
        "data folder {path} has no data: it has a file `{FORMAT}`, but no `{DATA}`; if that was lost, \
         restore it from a backup; if there never was any (a first start of an earlier version that \
         was killed leaves such a folder), remove the folder or choose another with --data"
    ))
}

fn failure(path: &Path, verb: &str, error: io::Error) -> StoreError {
    let message = format!(
        "data folder {} cannot {verb}: {error}; mend that or choose another with --data",
        path.display()
    );
    StoreError::unavailable(message).with_source(error)
}

const LOCK: &str = "lock";
const FORMAT: &str = "format";
const FORMAT_NEW: &str = "format.new";
const DATA: &str = "data.redb";
const DATA_NEW: &str = "data.redb.new";
const FORMAT_PREFIX: &str = "reflectd data format ";
const FORMAT_VERSION: u32 = 1;
