//! The file of the tables, which must stay the one that its name stands for.
//!
//! A system goes on writing and syncing a file that nobody can find any more: one that was removed,
//! that lies in a folder which was, or in whose place another was put. What is written there is gone
//! with the process. So when a commit begins, and behind each sync, the name is looked up: a commit
//! is answered only if it is in the file that will be opened next time.
//!
//! Device and number of a file say that only while it is open: the number of a file that is closed and
//! removed may be given to the next one, and a file system that is mounted again may have another
//! device. What is opened again is known by what is in it ([`super::engine::Last`]).

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use ::redb::{StorageBackend, backends::FileBackend};

use super::medium::Medium;

/// A file in a data folder.
#[derive(Debug)]
pub(super) struct DataFile(Arc<Place>);

/// A name, and which file it stood for when it was last opened.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    identity: Identity,
    /// It has at least so many bytes.
    length: u64,
}

impl Known {
    fn of(file: &Metadata) -> Self {
        Self {
            identity: identity(file),
            length: file.len(),
        }
    }
}

impl DataFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(Arc::new(Place {
            path,
            known: Mutex::default(),
        }))
    }

    /// A new, empty file.
    pub(super) fn create(path: &Path) -> io::Result<impl StorageBackend> {
        let mut new = OpenOptions::new();
        let new = new.create(true).truncate(true).read(true).write(true);
        FileBackend::new(new.open(path)?).map_err(io::Error::other)
    }
}

impl Medium for DataFile {
    type Backend = OpenFile;

    /// Creates nothing: a file that has disappeared is an error, not an empty store.
    fn open(&self) -> io::Result<OpenFile> {
        let place = Arc::clone(&self.0);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(&place.path);
        let file = file.map_err(|error| place.not_found(error))?;
        lock(&file)?;
        place.is_for(&file)?;
        place.check()?;
        Ok(OpenFile {
            lock: file.try_clone()?,
            backend: FileBackend::new(file).map_err(io::Error::other)?,
            place,
            is_writing: AtomicBool::new(false),
        })
    }

    fn check(&self) -> io::Result<()> {
        self.0.check()
    }
}

impl Place {
    /// From now on the name must stand for this file.
    fn is_for(&self, file: &File) -> io::Result<()> {
        *self.known() = Some(Known::of(&file.metadata()?));
        Ok(())
    }

    /// Whether the name still stands for the file, and nobody has cut it short.
    fn check(&self) -> io::Result<()> {
        let found = fs::metadata(&self.path).map_err(|error| self.not_found(error))?;
        if found.len() == 0 {
            return Err(self.lost(io::ErrorKind::InvalidData, "is empty"));
        }
        let now = Known::of(&found);
        let known = self.known().unwrap_or(now);
        if known.identity != now.identity {
            return Err(self.lost(io::ErrorKind::Other, REPLACED));
        }
        if known.length > now.length {
            return Err(self.lost(io::ErrorKind::InvalidData, "was cut short"));
        }
        Ok(())
    }

    /// Notes that the file has so many bytes from now on.
    fn note_length(&self, noted: impl FnOnce(u64) -> u64) {
        if let Some(known) = &mut *self.known() {
            known.length = noted(known.length);
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known
            .lock()
            .expect("no code that can panic runs while this is locked")
    }

    fn not_found(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::NotFound => self.lost(io::ErrorKind::NotFound, GONE),
            _ => error,
        }
    }

    fn lost(&self, kind: io::ErrorKind, what: &str) -> io::Error {
        io::Error::new(kind, format!("{} {what}", self.path.display()))
    }
}

/// The file while it is open. Locked: who removes the folder's lock still cannot open it twice.
#[derive(Debug)]
pub(super) struct OpenFile {
    backend: FileBackend,
    lock: File,
    place: Arc<Place>,
    /// Whether something was written since the last sync.
    is_writing: AtomicBool,
}

impl OpenFile {
    /// Closing writes, too: into a file that was lost it must not, which may be a backup by then.
    fn begin_writing(&self) -> io::Result<()> {
        match self.is_writing.swap(true, Ordering::Relaxed) {
            true => Ok(()),
            false => self.place.check(),
        }
    }
}

impl StorageBackend for OpenFile {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.begin_writing()?;
        // Where it fails, nothing tells whether it was cut.
        self.place.note_length(|known| known.min(length));
        self.backend.set_len(length)?;
        self.place.note_length(|_| length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.backend.sync_data()?;
        self.is_writing.store(false, Ordering::Relaxed);
        self.place.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.begin_writing()?;
        self.backend.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()?;
        // Readers of the last commit may keep the file open for a while.
        match LOCKS {
            true => self.lock.unlock(),
            false => Ok(()),
        }
    }
}

fn lock(file: &File) -> io::Result<()> {
    let locked = if LOCKS { file.try_lock() } else { Ok(()) };
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::ResourceBusy.into(),
        TryLockError::Error(error) => error,
    })
}

#[cfg(unix)]
type Identity = (u64, u64);

/// Device and number: two names that have both stand for one file.
#[cfg(unix)]
fn identity(file: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

#[cfg(not(unix))]
type Identity = ();

/// Elsewhere a file that is open is neither removed nor replaced.
#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}

/// Elsewhere what is locked cannot be read either, by who makes a backup, and the folder's lock cannot
/// be removed while it is held.
const LOCKS: bool = cfg!(unix);
const GONE: &str = "is gone: it, or its folder, was removed or renamed while it was in use; put it \
                    back where it was, or restart the server and say where it is with --data";
const REPLACED: &str = "was replaced by another file while it was in use; that one is opened if it is the same \
                        store";
