//! The services that every server has.

pub(crate) mod health;
pub(crate) mod reflection;

pub use health::{Health, ServingStatus};
