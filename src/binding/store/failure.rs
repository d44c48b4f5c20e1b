//! What a caller is told when the store cannot do what a call needs.

use crate::{
    grpc::{Code, Status},
    store::StoreError,
};

/// The status of a store's error.
///
/// | the store | the call |
/// |---|---|
/// | is unavailable, or locked by another process | UNAVAILABLE |
/// | is full, or the row is larger than it takes | RESOURCE_EXHAUSTED |
/// | has other bytes than were written | DATA_LOSS |
/// | holds what this version cannot read | FAILED_PRECONDITION |
#[expect(
    clippy::needless_pass_by_value,
    reason = "taken by value so that it can stand in `map_err`"
)]
pub(super) fn from_store(error: StoreError) -> Status {
    let code = if error.is_corrupt() {
        Code::DataLoss
    } else if error.is_full() || error.is_invalid() {
        Code::ResourceExhausted
    } else if error.is_incompatible() {
        Code::FailedPrecondition
    } else if error.is_unavailable() || error.is_locked() {
        Code::Unavailable
    } else {
        Code::Internal
    };
    let unknown = match error.may_have_been_applied() {
        true => "; the change may have been made nevertheless",
        false => "",
    };
    Status::new(code, format!("the store: {error}{unknown}"))
}
