//! What a method does with its resource.

use std::{fmt, str::FromStr};

/// What a method does with its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Stores a new one.
    Create,
    /// Answers with the one that has a key.
    Get,
    /// Answers with all, in the order of their keys.
    List,
    /// Puts one in the place of the one with its key.
    Update,
    /// Deletes the one that has a key.
    Delete,
}

impl Op {
    /// `create`, `get`, `list`, `update` or `delete`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::List => "list",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    pub(super) const ALL: [Self; 5] = [
        Self::Create,
        Self::Get,
        Self::List,
        Self::Update,
        Self::Delete,
    ];
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Op {
    /// What is wrong.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|op| op.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no operation"))
    }
}
