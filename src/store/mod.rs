//! Keys and bytes: where resources are kept. No protobuf in this room.

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: String,
}
