//! redb's errors in the store's terms.

use std::{
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
};

use ::redb::Error;

use crate::store::StoreError;

/// The data could not be `done`: opened, read, written.
pub(super) fn failure(done: &str, error: impl Into<Error>) -> StoreError {
    let error = error.into();
    let what = format!("the data cannot be {done}: {error}");
    let failure = match &error {
        Error::Io(io) => match io.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                StoreError::full(format!("{what}; free some space, the data itself is safe"))
            }
            ErrorKind::FileTooLarge => StoreError::full(format!(
                "{what}; raise the limit on the size of files (`ulimit -f`), the data itself is safe"
            )),
            ErrorKind::ResourceBusy => StoreError::locked(format!("{what}; {IN_USE}")),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => damaged(&what),
            _ => StoreError::unavailable(what),
        },
        Error::Corrupted(_)
        | Error::TableTypeMismatch { .. }
        | Error::TypeDefinitionChanged { .. } => damaged(&what),
        Error::UpgradeRequired(_) => StoreError::incompatible(format!(
            "{what}; use the version that wrote it or choose another folder with --data"
        )),
        Error::DatabaseAlreadyOpen => StoreError::locked(format!("{what}; {IN_USE}")),
        Error::ValueTooLarge(_) => StoreError::invalid(what),
        _ => StoreError::unavailable(what),
    };
    failure.with_source(error)
}

/// Does `work` in redb, which panics on some damaged pages.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // What was being changed when it panicked is closed, and opened again.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(damaged("the data cannot be read: redb panicked")))
}

fn damaged(what: &str) -> StoreError {
    StoreError::corrupt(format!(
        "{what}; restore the data folder from a backup or choose another with --data"
    ))
}

const IN_USE: &str = "stop the other process or choose another folder with --data";
