//! Why a store could not do what it was asked.

use std::{error::Error, fmt, sync::Arc};

/// Why a store could not do what it was asked: one opaque type with predicates, cheap to clone
/// because one failed write to disk is the answer to many commits.
///
/// The message says what is wrong and how to mend it.
#[derive(Clone)]
pub struct StoreError {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    kind: Kind,
    message: String,
    /// A commit that failed half-way: it may be found applied later.
    may_have_been_applied: bool,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    PreconditionFailed { write: usize },
    Invalid,
    Unavailable,
    Locked,
    Full,
    Corrupt,
    Incompatible,
}

impl StoreError {
    /// The position in its batch of the write whose precondition does not hold. Nothing of the
    /// batch was applied.
    pub fn is_precondition_failed(&self) -> Option<usize> {
        match self.inner.kind {
            Kind::PreconditionFailed { write } => Some(write),
            _ => None,
        }
    }

    /// What was asked for makes no sense, and never will: a key twice in one batch, a value larger
    /// than the store can hold.
    pub fn is_invalid(&self) -> bool {
        self.inner.kind == Kind::Invalid
    }

    /// The store does not work at the moment (an I/O error, a lost connection); it may later.
    pub fn is_unavailable(&self) -> bool {
        self.inner.kind == Kind::Unavailable
    }

    /// Another process has the data open.
    pub fn is_locked(&self) -> bool {
        self.inner.kind == Kind::Locked
    }

    /// There is no room left for what is to be written; reads still work.
    pub fn is_full(&self) -> bool {
        self.inner.kind == Kind::Full
    }

    /// What was read is not what was written.
    pub fn is_corrupt(&self) -> bool {
        self.inner.kind == Kind::Corrupt
    }

    /// The data was written by a version, or is of a kind, that this version does not read.
    pub fn is_incompatible(&self) -> bool {
        self.inner.kind == Kind::Incompatible
    }

    /// The commit failed at a point where its bytes may be on disk already: it may be found
    /// applied, so only who can tell (a precondition, a key of one's own) may send it again.
    pub fn may_have_been_applied(&self) -> bool {
        self.inner.may_have_been_applied
    }

    /// The precondition of the batch's write number `write`, counted from 0, does not hold.
    pub fn precondition_failed(write: usize, message: impl Into<String>) -> Self {
        Self::new(Kind::PreconditionFailed { write }, message)
    }

    /// What was asked for makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// The store does not work at the moment.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// Another process has the data open.
    pub fn locked(message: impl Into<String>) -> Self {
        Self::new(Kind::Locked, message)
    }

    /// There is no room left.
    pub fn full(message: impl Into<String>) -> Self {
        Self::new(Kind::Full, message)
    }

    /// What was read is not what was written.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, message)
    }

    /// The data is not of a kind that this version reads.
    pub fn incompatible(message: impl Into<String>) -> Self {
        Self::new(Kind::Incompatible, message)
    }

    /// The same error with the cause below it.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.inner).source = Some(Arc::new(source));
        self
    }

    /// The same error of a commit whose outcome is not known.
    #[must_use]
    pub fn with_unknown_outcome(mut self) -> Self {
        Arc::make_mut(&mut self.inner).may_have_been_applied = true;
        self
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        let inner = Inner {
            kind,
            message: message.into(),
            may_have_been_applied: false,
            source: None,
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
