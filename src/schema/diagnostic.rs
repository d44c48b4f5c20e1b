//! What is wrong with the files, and where.

use std::fmt;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used; something about it should be known.
    Warning,
}

/// One thing that is wrong, at one place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub(super) severity: Severity,
    pub(super) message: String,
}

/// All that is wrong, in the order of files and lines.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    pub(super) entries: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The entries, in the order of files and lines.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Diagnostic> {
        self.entries.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            writeln!(f, "{:?} {}", entry.severity, entry.message)?;
        }
        Ok(())
    }
}
