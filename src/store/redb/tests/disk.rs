//! A disk in memory that fails when told to and, when the power goes, loses what was not synced.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use ::redb::StorageBackend;

use crate::store::redb::medium::Medium;

/// Cheap to clone: all clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// What programs see.
    cached: Vec<u8>,
    /// What is left when the power goes.
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
    /// Calls that change something: writes, changes of length, syncs.
    calls: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Debug)]
enum Unsynced {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// What goes wrong, with the calls from `first` on, `count` times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) first: u64,
    pub(super) count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FaultKind {
    /// An I/O error. After a failed sync the system takes its pages for clean: what they hold is
    /// seen by who reads, but never reaches the disk.
    Io,
    /// No space left, for writes; syncs work.
    Full,
    /// Nothing works any more, reads neither.
    Power,
}

impl Disk {
    /// What is left on the disk after a loss of power: of the writes since the last sync some, some
    /// in part, some not.
    pub(super) fn after_power_loss(&self, mut chance: impl FnMut(u64) -> u64) -> Self {
        let platter = self.lock();
        let mut left = platter.durable.clone();
        for change in &platter.unsynced {
            let mut change = change.clone();
            match chance(3) {
                0 => continue,
                1 => change.tear(chance(64)),
                _ => {}
            }
            change.apply(&mut left);
        }
        Self::holding(left)
    }

    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        let platter = Platter {
            cached: bytes.clone(),
            durable: bytes,
            ..Platter::default()
        };
        Self(Arc::new(Mutex::new(platter)))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.lock().cached.clone()
    }

    pub(super) fn calls(&self) -> u64 {
        self.lock().calls
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }

    /// From now on, until it is set otherwise.
    pub(super) fn fail(&self, kind: FaultKind) {
        let first = self.calls() + 1;
        let count = u64::MAX - first;
        self.set_fault(Some(Fault { kind, first, count }));
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }
}

impl Unsynced {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length as usize, 0),
            Self::Write(offset, data) => {
                let start = *offset as usize;
                bytes.resize(bytes.len().max(start + data.len()), 0);
                bytes[start..start + data.len()].copy_from_slice(data);
            }
        }
    }

    /// Only the first sectors reach the disk.
    fn tear(&mut self, sectors: u64) {
        if let Self::Write(_, data) = self {
            data.truncate(sectors as usize * 512);
        }
    }
}

impl Platter {
    fn call(&mut self, change: Option<Unsynced>) -> io::Result<()> {
        self.calls += 1;
        let due =
            |fault: &Fault| self.calls >= fault.first && self.calls - fault.first < fault.count;
        match (self.fault.filter(due).map(|fault| fault.kind), change) {
            (Some(FaultKind::Power), _) => Err(io::Error::other("no power")),
            (Some(FaultKind::Io), change) => {
                if change.is_none() {
                    self.unsynced.clear();
                }
                Err(io::Error::other("injected"))
            }
            (Some(FaultKind::Full), Some(_)) => Err(io::ErrorKind::StorageFull.into()),
            (_, Some(change)) => {
                change.apply(&mut self.cached);
                self.unsynced.push(change);
                Ok(())
            }
            (_, None) => {
                let unsynced = std::mem::take(&mut self.unsynced);
                unsynced
                    .iter()
                    .for_each(|change| change.apply(&mut self.durable));
                Ok(())
            }
        }
    }

    fn check_power(&self) -> io::Result<()> {
        match self.fault {
            Some(Fault {
                kind: FaultKind::Power,
                first,
                ..
            }) if self.calls >= first => Err(io::Error::other("no power")),
            _ => Ok(()),
        }
    }
}

impl Medium for Disk {
    type Backend = Self;

    fn open(&self) -> io::Result<Self> {
        self.lock().check_power()?;
        Ok(self.clone())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let platter = self.lock();
        platter.check_power()?;
        Ok(platter.cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.lock();
        platter.check_power()?;
        let read = platter
            .cached
            .get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(read.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.lock().call(Some(Unsynced::Length(length)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.lock().call(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.lock()
            .call(Some(Unsynced::Write(offset, data.to_vec())))
    }
}
