//! The library's error: one opaque type with predicates. What ends a *call* is a `Status` instead.

use std::{fmt, io};

use crate::schema::Diagnostics;

/// Why a schema, a server or a store could not be set up.
///
/// The message says what is wrong, where, and how to mend it; [`source`](std::error::Error::source)
/// leads to the cause below, where there is one.
pub struct Error {
    kind: Box<Kind>,
}

#[derive(Debug)]
enum Kind {
    Schema(Diagnostics),
    Configuration(String),
    Io {
        context: String,
        source: io::Error,
    },
    Store {
        context: String,
        source: crate::store::StoreError,
    },
    /// Why there is none, whole.
    #[cfg(feature = "client")]
    Connection(String),
    #[cfg(feature = "client")]
    Reflection {
        context: String,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// The `.proto` files or the descriptor set do not make a schema.
    pub fn is_schema(&self) -> bool {
        matches!(*self.kind, Kind::Schema(_))
    }

    /// Something was asked for that does not fit the schema or the other settings.
    pub fn is_configuration(&self) -> bool {
        matches!(*self.kind, Kind::Configuration(_))
    }

    /// The operating system refused: a file, a socket, an address; or the other end of a connection.
    pub fn is_io(&self) -> bool {
        match *self.kind {
            Kind::Io { .. } => true,
            #[cfg(feature = "client")]
            Kind::Connection(_) => true,
            _ => false,
        }
    }

    /// The store could not be opened or failed.
    pub fn is_store(&self) -> bool {
        matches!(*self.kind, Kind::Store { .. })
    }

    /// The server's reflection service does not tell, or not what was asked for. The source is the
    /// [`Status`](crate::Status) that it gave, where it gave one.
    #[cfg(feature = "client")]
    pub fn is_reflection(&self) -> bool {
        matches!(*self.kind, Kind::Reflection { .. })
    }

    /// What is wrong with the schema's files, one entry for each place; empty for other errors.
    pub fn diagnostics(&self) -> Option<&Diagnostics> {
        match &*self.kind {
            Kind::Schema(diagnostics) => Some(diagnostics),
            _ => None,
        }
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::from_kind(Kind::Configuration(message.into()))
    }

    pub(crate) fn io(context: impl Into<String>, source: io::Error) -> Self {
        Self::from_kind(Kind::Io {
            context: context.into(),
            source,
        })
    }

    pub(crate) fn store(context: impl Into<String>, source: crate::store::StoreError) -> Self {
        Self::from_kind(Kind::Store {
            context: context.into(),
            source,
        })
    }

    #[cfg(feature = "client")]
    pub(crate) fn connection(why: impl Into<String>) -> Self {
        Self::from_kind(Kind::Connection(why.into()))
    }

    #[cfg(feature = "client")]
    pub(crate) fn reflection(
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::from_kind(Kind::Reflection {
            context: context.into(),
            source: Some(source.into()),
        })
    }

    #[cfg(feature = "client")]
    pub(crate) fn reflection_lacks(what: impl Into<String>) -> Self {
        Self::from_kind(Kind::Reflection {
            context: what.into(),
            source: None,
        })
    }

    fn from_kind(kind: Kind) -> Self {
        Self {
            kind: Box::new(kind),
        }
    }
}

impl From<Diagnostics> for Error {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::from_kind(Kind::Schema(diagnostics))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            Kind::Schema(diagnostics) => diagnostics.fmt(f),
            Kind::Configuration(message) => f.write_str(message),
            Kind::Io { context, source } => write!(f, "{context}: {source}"),
            Kind::Store { context, source } => write!(f, "{context}: {source}"),
            #[cfg(feature = "client")]
            Kind::Connection(why) => f.write_str(why),
            #[cfg(feature = "client")]
            Kind::Reflection { context, source } => match source {
                Some(source) => write!(f, "{context}: {source}"),
                None => f.write_str(context),
            },
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.kind {
            Kind::Io { source, .. } => Some(source),
            Kind::Store { source, .. } => Some(source),
            #[cfg(feature = "client")]
            Kind::Reflection { source, .. } => match source {
                Some(source) => Some(&**source),
                None => None,
            },
            #[cfg(feature = "client")]
            Kind::Connection(_) => None,
            Kind::Schema(_) | Kind::Configuration(_) => None,
        }
    }
}
