//! Calls that ask again when the store fails.

use reflectd::store::{Batch, KeyRange, Page, Revision, Row, Store, StoreError};

pub(crate) async fn get(store: &dyn Store, key: &[u8]) -> Option<Row> {
    sure(|| store.get(key)).await
}

pub(crate) async fn scan(
    store: &dyn Store,
    range: &KeyRange,
    after: Option<&[u8]>,
    limit: usize,
) -> Page {
    sure(|| store.scan(range, after, limit)).await
}

async fn sure<T, F: Future<Output = Result<T, StoreError>>>(mut ask: impl FnMut() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) if error.is_unavailable() => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Commits although the store may fail. A batch that may have been applied is only sent again after
/// a look at its first write, whose value must be new.
pub(crate) async fn commit(store: &dyn Store, batch: Batch) -> Result<Revision, StoreError> {
    let first = batch.writes().first().unwrap().clone();
    loop {
        match store.commit(batch.clone()).await {
            Err(error) if error.may_have_been_applied() => match get(store, &first.key).await {
                Some(row) if Some(&row.value) == first.value.as_ref() => return Ok(row.revision),
                None if first.value.is_none() => return Ok(Revision(0)),
                _ => {}
            },
            Err(error) if error.is_unavailable() => {}
            outcome => return outcome,
        }
    }
}
