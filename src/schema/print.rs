//! Descriptors back to proto source form.

use super::file::FileIndex;

pub(super) fn describe(_files: &FileIndex, _symbol: &str) -> Option<String> {
    None
}
