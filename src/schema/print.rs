//! Descriptors back to proto source form.

use prost_reflect::DescriptorPool;

pub(super) fn describe(_pool: &DescriptorPool, _symbol: &str) -> Option<String> {
    None
}
