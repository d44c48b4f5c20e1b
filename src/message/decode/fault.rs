//! What is wrong with bytes.

use std::fmt;

use crate::{limits::MESSAGE_NESTING_MAX, schema::layout::WireType};

/// What is wrong, and where.
#[derive(Debug)]
pub(in crate::message) struct Fault {
    pub(in crate::message) why: Why,
    /// How many bytes were read before it was found.
    at: usize,
    /// The names of the fields that it lies in, the innermost first.
    path: Vec<Box<str>>,
}

/// What is wrong with bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::message) enum Why {
    /// They end within a value, or a value goes beyond the end of the message around it.
    Cut,
    Varint,
    Key,
    WireType {
        expected: WireType,
        key: u32,
    },
    EndGroup,
    Utf8,
    Packed,
    TooDeep,
    /// Longer than any message can be.
    TooLong,
}

impl Fault {
    #[cold]
    pub(super) fn new(why: Why, at: usize) -> Box<Self> {
        Box::new(Self {
            why,
            at,
            path: Vec::new(),
        })
    }

    #[cold]
    pub(super) fn within(mut self: Box<Self>, field: &str) -> Box<Self> {
        self.path.push(field.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            let mut path: Vec<&str> = self.path.iter().rev().map(|name| &**name).collect();
            if path.len() > PATH_NAMES_MAX {
                path.splice(PATH_NAMES_MAX / 2..path.len() - PATH_NAMES_MAX / 2, ["…"]);
            }
            write!(f, "field `{}`: ", path.join("."))?;
        }
        write!(f, "{} (at byte {})", self.why, self.at)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the bytes end too early"),
            Self::Varint => f.write_str("not a varint"),
            Self::Key => f.write_str("not the key of a field"),
            Self::WireType { expected, key } => {
                let given = WireType::of_key(*key);
                let given = given.map_or("no wire type", WireType::name);
                write!(f, "expected {}, got {given}", expected.name())
            }
            Self::EndGroup => f.write_str("the end of a group that did not begin"),
            Self::Utf8 => f.write_str("the string is not UTF-8"),
            Self::Packed => f.write_str("not a packed list"),
            Self::TooDeep => write!(
                f,
                "recursion limit reached: messages nest deeper than {MESSAGE_NESTING_MAX} levels"
            ),
            Self::TooLong => f.write_str("longer than 2 GiB"),
        }
    }
}

impl WireType {
    fn name(self) -> &'static str {
        match self {
            Self::Varint => "a varint",
            Self::I64 => "8 bytes",
            Self::Len => "a length",
            Self::StartGroup => "the start of a group",
            Self::EndGroup => "the end of a group",
            Self::I32 => "4 bytes",
        }
    }
}

/// How many names of a path are told: the outermost and the innermost ones.
const PATH_NAMES_MAX: usize = 8;
