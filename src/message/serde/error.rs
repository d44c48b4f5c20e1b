//! Why a Rust value and a message do not fit each other.

use std::fmt;

use serde::{de, ser};

use crate::message::{
    fit::Misfit,
    path::{Path, Segment},
};

/// Why a Rust value could not become a message, or a message no Rust value.
///
/// The text begins with the message type and the path of the value within it:
/// `shop.Order.lines[2].amount: 300 is out of range for int32`.
pub struct SerdeError {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    message_type: String,
    path: Path,
    kind: Kind,
    /// Whether the type itself does not fit, whatever the message holds.
    structural: bool,
    /// Whether the probe has put off the field that this came from.
    put_off: bool,
}

#[derive(Debug)]
enum Kind {
    MissingField(&'static str),
    /// A missing field that the message type does not have at all.
    NoSuchField {
        name: String,
        nearest: Option<String>,
    },
    Misfit(Misfit),
    Other(String),
}

impl SerdeError {
    /// Where in the message it is, `lines[2].amount`; empty for the message itself.
    pub fn path(&self) -> String {
        self.inner.path.to_string()
    }

    /// An error of shape: it comes from the types, not from what the message holds.
    pub(super) fn structural(text: impl Into<String>) -> Self {
        Self::new(Kind::Other(text.into()), true)
    }

    /// An error of what the message, or the value, holds.
    pub(super) fn of_value(text: impl Into<String>) -> Self {
        Self::new(Kind::Other(text.into()), false)
    }

    pub(super) fn no_such_field(name: &str, nearest: Option<&str>) -> Self {
        let (name, nearest) = (name.to_owned(), nearest.map(str::to_owned));
        Self::new(Kind::NoSuchField { name, nearest }, true)
    }

    /// The field that serde missed, if that is what this is about and it is of the value that is
    /// being read, not of one inside it.
    pub(super) fn missing_field_here(&self) -> Option<&'static str> {
        match self.inner.kind {
            Kind::MissingField(name) if self.inner.path.is_empty() => Some(name),
            _ => None,
        }
    }

    pub(super) fn is_structural(&self) -> bool {
        self.inner.structural
    }

    /// The same error, which the types alone do not cause.
    pub(super) fn not_structural(mut self) -> Self {
        self.inner.structural = false;
        self
    }

    pub(super) fn is_put_off(&self) -> bool {
        self.inner.put_off
    }

    pub(super) fn set_put_off(&mut self) {
        self.inner.put_off = true;
    }

    pub(super) fn in_field(self, name: &str) -> Self {
        self.within(Segment::field(name))
    }

    /// For an error of a oneof: the name of the oneof, unless a member is named already.
    pub(super) fn in_oneof(self, name: &str) -> Self {
        if self.inner.path.is_empty() {
            self.in_field(name)
        } else {
            self
        }
    }

    pub(super) fn within(mut self, segment: Segment) -> Self {
        self.inner.path.push(segment);
        self
    }

    pub(super) fn in_message(mut self, message_type: &str) -> Self {
        message_type.clone_into(&mut self.inner.message_type);
        self
    }

    fn new(kind: Kind, structural: bool) -> Self {
        Self {
            inner: Box::new(Inner {
                message_type: String::new(),
                path: Path::default(),
                kind,
                structural,
                put_off: false,
            }),
        }
    }
}

impl From<Misfit> for SerdeError {
    fn from(misfit: Misfit) -> Self {
        let structural = !misfit.is_out_of_range();
        Self::new(Kind::Misfit(misfit), structural)
    }
}

impl fmt::Display for SerdeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message_type = &self.inner.message_type;
        let path = self.path();
        match (message_type.is_empty(), path.is_empty()) {
            (true, true) => {}
            (false, false) => write!(f, "{message_type}.{path}: ")?,
            _ => write!(f, "{message_type}{path}: ")?,
        }
        match &self.inner.kind {
            Kind::MissingField(name) => write!(f, "missing field `{name}`"),
            Kind::NoSuchField { name, nearest } => {
                write!(f, "the message has no field `{name}`")?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
            Kind::Misfit(misfit) => misfit.fmt(f),
            Kind::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for SerdeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SerdeError {}

impl ser::Error for SerdeError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::of_value(text.to_string())
    }
}

/// What serde reports about types is structural; what it reports about values, and what a type's
/// own code says, is not.
impl de::Error for SerdeError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::of_value(text.to_string())
    }

    fn invalid_type(given: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::structural(format!("invalid type: {given}, expected {expected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let expected = list(expected);
        Self::structural(format!("unknown variant `{variant}`, expected {expected}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let expected = list(expected);
        Self::structural(format!("unknown field `{field}`, expected {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::MissingField(field), true)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::structural(format!("duplicate field `{field}`"))
    }
}

fn list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [name] => format!("`{name}`"),
        [names @ .., last] => {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("{} or `{last}`", names.join(", "))
        }
    }
}
