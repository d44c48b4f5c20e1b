//! The store that was asked for.

use std::sync::Arc;

#[cfg(feature = "store-redb")]
use reflectd::store::{RedbOptions, RedbStore};
use reflectd::{
    Health, ServingStatus,
    store::{self, MemoryStore, Store},
};
use tokio::sync::watch;

use super::{
    arguments::{Data, StoreKind},
    failure::Failure,
};

impl Data {
    /// Opens the store.
    ///
    /// # Errors
    /// A data folder that cannot be used, or is in use.
    pub(super) fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        Ok(match self.store {
            StoreKind::Memory => Arc::new(MemoryStore::new()),
            #[cfg(feature = "store-redb")]
            StoreKind::Redb => Arc::new(RedbStore::open(&self.data, &RedbOptions::default())?),
        })
    }

    /// The folder, where there is one.
    pub(super) fn folder(&self) -> Option<String> {
        match self.store {
            StoreKind::Memory => None,
            #[cfg(feature = "store-redb")]
            StoreKind::Redb => Some(self.data.display().to_string()),
        }
    }
}

/// Makes the server say NOT_SERVING while the store cannot be written to; ends with the store.
pub(super) async fn tell_health(
    mut store: watch::Receiver<store::Health>,
    server: Health,
    services: Vec<String>,
) {
    while store.changed().await.is_ok() {
        let status = match &*store.borrow_and_update() {
            store::Health::Available => ServingStatus::Serving,
            _ => ServingStatus::NotServing,
        };
        for service in &services {
            server.set(service.as_str(), status);
        }
    }
}
