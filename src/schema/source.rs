//! Which files: what was named, where imports are looked for, and how a file is read.
//!
//! This is the one place of the schema that touches the file system.

mod outline;
mod read;
mod roots;
mod walk;

pub(super) use outline::{ImportStatement, Outline, statement_around};
pub(super) use read::{bytes, size, text};
pub(super) use roots::{Home, Roots, is_plain};
pub(super) use walk::{folder, named};
