//! The tables, and one commit for many batches.
//!
//! ```text
//! rows       key → revision (8 bytes, big-endian) · checksum (8) · value
//! sequences  name → the number below which all may have been answered
//! counters   "revision" → the last commit's; "store" → which store this is, a random number that
//!            every copy of it has (none before it is first opened by a version that knows of it)
//! ```
//!
//! The checksum covers key, revision and value: redb checks its own checksums only after a crash, and
//! with quick repair not even then, so a bit that flips later would otherwise go unnoticed.

use std::hash::{BuildHasher, RandomState};

use ::redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageBackend,
    Table, TableDefinition, TableError, WriteTransaction,
};
use bytes::Bytes;

use super::{failure::failure, sequences::Reservation};
use crate::store::{
    Batch, KeyRange, Page, Revision, Row, StoreError, checksum::checksum, record::Record,
    scan::PageBuilder,
};

/// An open database; written by one thread, read through its [`Snapshot`]s by any.
#[derive(Debug)]
pub(super) struct Engine {
    database: Database,
    last: Last,
    /// Which opening of the file this is.
    generation: u64,
}

/// Which store this is, and how far it has come: with this it is known again when its file is opened
/// again, on whatever device and under whatever number that file is then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    store: Option<u64>,
    revision: Revision,
}

/// The rows as one commit left them.
#[derive(Debug)]
pub(super) struct Snapshot {
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
    revision: Revision,
    pub(super) generation: u64,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) revision: Revision,
    /// The writes that changed something.
    pub(super) records: Vec<Record>,
}

impl Engine {
    /// Opens what is there, or makes the tables of a new database where there is no byte yet.
    ///
    /// A process that was killed, or an fsync that failed, leaves a last commit that may be in the
    /// operating system's cache only. redb syncs it when it opens, before anyone can read it.
    pub(super) fn open(
        backend: impl StorageBackend,
        cache_bytes: usize,
        generation: u64,
    ) -> Result<Self, StoreError> {
        let open = || -> Result<_, ::redb::Error> {
            let is_new = backend.len()? == 0;
            let database = Builder::new()
                .set_cache_size(cache_bytes)
                .create_with_backend(backend)?;
            let last = match Last::of(&database)? {
                Some(last) => last,
                None if is_new => create_tables(&database)?,
                // Another program's, or one in whose place an empty one was put.
                None => return Err(::redb::Error::Corrupted(NO_TABLES.to_owned())),
            };
            Ok(Self {
                database,
                last,
                generation,
            })
        };
        open().map_err(|error| failure("opened", error))
    }

    /// Gives a store its number that has none yet.
    pub(super) fn number(&mut self) -> Result<(), StoreError> {
        let number = || -> Result<_, ::redb::Error> {
            let transaction = begin(&self.database)?;
            let number = put_number(&mut transaction.open_table(COUNTERS)?)?;
            transaction.commit()?;
            Ok(number)
        };
        if self.last.store.is_none() {
            self.last.store = Some(number().map_err(|error| failure("written", error))?);
        }
        Ok(())
    }

    pub(super) fn last(&self) -> Last {
        self.last
    }

    /// The last commit's.
    pub(super) fn revision(&self) -> Revision {
        self.last.revision
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn sequences(&self) -> Result<Vec<Reservation>, StoreError> {
        let read = || -> Result<_, ::redb::Error> {
            let table = self.database.begin_read()?.open_table(SEQUENCES)?;
            let mut sequences = Vec::new();
            for entry in table.range::<&str>(..)? {
                let (name, reserved) = entry?;
                sequences.push((name.value().into(), reserved.value()));
            }
            Ok(sequences)
        };
        read().map_err(|error| failure("read", error))
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let open =
            || -> Result<_, ::redb::Error> { Ok(self.database.begin_read()?.open_table(ROWS)?) };
        Ok(Snapshot {
            rows: open().map_err(|error| failure("read", error))?,
            revision: self.last.revision,
            generation: self.generation,
        })
    }

    /// Applies the batches one after the other, each wholly or not at all, and brings them to disk
    /// with the reservations in one commit. One answer for each batch, in order.
    ///
    /// # Errors
    /// The commit failed; whether it is on disk shows when the file is opened again.
    pub(super) fn commit(
        &mut self,
        batches: &[Batch],
        reservations: &[Reservation],
    ) -> Result<Vec<Result<Applied, StoreError>>, StoreError> {
        let mut revision = self.last.revision;
        let answers = self
            .try_commit(batches, reservations, &mut revision)
            .map_err(|error| failure("written", error))?;
        self.last.revision = revision;
        Ok(answers)
    }

    fn try_commit(
        &self,
        batches: &[Batch],
        reservations: &[Reservation],
        revision: &mut Revision,
    ) -> Result<Vec<Result<Applied, StoreError>>, ::redb::Error> {
        let transaction = begin(&self.database)?;
        let mut answers = Vec::with_capacity(batches.len());
        {
            let mut rows = transaction.open_table(ROWS)?;
            for batch in batches {
                let answer = apply(&mut rows, batch, revision.following())?;
                if let Ok(applied) = &answer {
                    *revision = applied.revision;
                }
                answers.push(answer);
            }
        }
        if *revision == self.last.revision && reservations.is_empty() {
            transaction.abort()?;
            return Ok(answers);
        }
        transaction
            .open_table(COUNTERS)?
            .insert(REVISION, revision.0)?;
        let mut sequences = transaction.open_table(SEQUENCES)?;
        for (name, reserved) in reservations {
            sequences.insert(&**name, reserved)?;
        }
        drop(sequences);
        transaction.commit()?;
        Ok(answers)
    }
}

impl Last {
    /// `None` if there are no tables yet.
    fn of(database: &Database) -> Result<Option<Self>, ::redb::Error> {
        let counters = match database.begin_read()?.open_table(COUNTERS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            counters => counters?,
        };
        let revision = counters.get(REVISION)?;
        let store = counters.get(STORE)?.map(|store| store.value());
        Ok(revision.map(|revision| Self {
            store,
            revision: Revision(revision.value()),
        }))
    }

    /// # Errors
    /// What was opened is another store, or this one as it was before it came so far.
    pub(super) fn check(&self, opened: Self) -> Result<(), StoreError> {
        let (answered, found) = (self.revision.0, opened.revision.0);
        let what = if opened.store != self.store {
            "it is another store than the one that was served".to_owned()
        } else if found < answered {
            format!(
                "it is an older state of this store, of revision {found}, and {answered} was \
                 answered already"
            )
        } else {
            return Ok(());
        };
        Err(StoreError::unavailable(format!(
            "the data cannot be opened: {what}; restart the server to serve it as it is, or put the \
             file back that was there"
        )))
    }
}

fn create_tables(database: &Database) -> Result<Last, ::redb::Error> {
    let transaction = begin(database)?;
    transaction.open_table(ROWS)?;
    transaction.open_table(SEQUENCES)?;
    let mut counters = transaction.open_table(COUNTERS)?;
    counters.insert(REVISION, 0)?;
    let store = Some(put_number(&mut counters)?);
    drop(counters);
    transaction.commit()?;
    Ok(Last {
        store,
        revision: Revision::default(),
    })
}

fn put_number(counters: &mut Table<'_, &'static str, u64>) -> Result<u64, ::redb::Error> {
    // Keyed by the system's random numbers.
    let number = RandomState::new().hash_one(0);
    counters.insert(STORE, number)?;
    Ok(number)
}

/// On disk when the commit returns, and without a walk over the whole file after a crash.
fn begin(database: &Database) -> Result<WriteTransaction, ::redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

type Rows<'a> = Table<'a, &'static [u8], &'static [u8]>;

/// The outer error is the disk's, the inner one the batch's own.
fn apply(
    rows: &mut Rows<'_>,
    batch: &Batch,
    revision: Revision,
) -> Result<Result<Applied, StoreError>, ::redb::Error> {
    for (position, write) in batch.writes().iter().enumerate() {
        let found = rows
            .get(&*write.key)?
            .map(|stored| stored_revision(stored.value()));
        if let Err(failed) = write.precondition.check(position, found) {
            return Ok(Err(failed));
        }
    }
    let mut records = Vec::with_capacity(batch.writes().len());
    for write in batch.writes() {
        let changes = match &write.value {
            None => rows.remove(&*write.key)?.is_some(),
            Some(value) => {
                put(rows, &write.key, value, revision)?;
                true
            }
        };
        if changes {
            records.push(Record::of(write));
        }
    }
    Ok(Ok(Applied { revision, records }))
}

fn put(
    rows: &mut Rows<'_>,
    key: &[u8],
    value: &[u8],
    revision: Revision,
) -> Result<(), ::redb::Error> {
    let mut stored = rows.insert_reserve(key, HEADER + value.len())?;
    let revision = revision.0.to_be_bytes();
    let checksum = checksum(&[key, &revision, value]).to_be_bytes();
    let (header, rest) = stored.as_mut().split_at_mut(HEADER);
    header[..8].copy_from_slice(&revision);
    header[8..].copy_from_slice(&checksum);
    rest.copy_from_slice(value);
    Ok(())
}

/// A row that is too short to have a revision is damaged; it is at no revision that anyone expects.
fn stored_revision(stored: &[u8]) -> Revision {
    let revision = stored
        .first_chunk()
        .map(|revision| u64::from_be_bytes(*revision));
    Revision(revision.unwrap_or(u64::MAX))
}

impl Snapshot {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Row>, StoreError> {
        match self.rows.get(key) {
            Ok(None) => Ok(None),
            Ok(Some(stored)) => row(key, stored.value()).map(Some),
            Err(error) => Err(failure("read", error)),
        }
    }

    pub(super) fn scan(
        &self,
        range: &KeyRange,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut page = PageBuilder::new(limit, self.revision);
        let Some(bounds) = range.behind(after) else {
            return Ok(page.finish());
        };
        let entries = self
            .rows
            .range::<&[u8]>(bounds)
            .map_err(|error| failure("read", error))?;
        for entry in entries {
            let (key, stored) = entry.map_err(|error| failure("read", error))?;
            let key = key.value();
            if !page.push(Bytes::copy_from_slice(key), row(key, stored.value())?) {
                break;
            }
        }
        Ok(page.finish())
    }
}

fn row(key: &[u8], stored: &[u8]) -> Result<Row, StoreError> {
    let row = || {
        let (revision, rest) = stored.split_first_chunk::<8>()?;
        let (expected, value) = rest.split_first_chunk::<8>()?;
        let found = checksum(&[key, revision, value]);
        (found == u64::from_be_bytes(*expected)).then(|| Row {
            value: Bytes::copy_from_slice(value),
            revision: Revision(u64::from_be_bytes(*revision)),
        })
    };
    row().ok_or_else(|| {
        StoreError::corrupt(format!(
            "the row at key {:?} is not what was written (its checksum differs): the disk damaged \
             it; restore the data folder from a backup, or put or delete this row",
            Bytes::copy_from_slice(key)
        ))
    })
}

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const SEQUENCES: TableDefinition<'_, &str, u64> = TableDefinition::new("sequences");
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
const REVISION: &str = "revision";
const STORE: &str = "store";
const NO_TABLES: &str = "it has not the tables of a store";
/// Revision and checksum.
const HEADER: usize = 16;
