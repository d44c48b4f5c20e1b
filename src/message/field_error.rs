//! Why a field could not be read or set.

use std::fmt;

use crate::{
    Schema,
    message::fit::{Misfit, declared},
    schema::{
        Field,
        layout::{FieldInfo, Layout},
    },
};

/// Why a field could not be read or set: there is no such field, or its type is another one.
pub struct FieldError {
    kind: Box<Kind>,
}

enum Kind {
    UnknownField {
        message_type: String,
        field: String,
        nearest: Option<String>,
    },
    UnknownOneof {
        message_type: String,
        oneof: String,
    },
    ForeignField {
        message_type: String,
        field: String,
    },
    WrongType {
        field: String,
        declared: String,
        wanted: String,
    },
    Misfit {
        field: String,
        misfit: Misfit,
    },
}

impl FieldError {
    /// The message type has no such field or oneof.
    pub fn is_unknown_field(&self) -> bool {
        matches!(
            *self.kind,
            Kind::UnknownField { .. } | Kind::UnknownOneof { .. }
        )
    }

    /// The [`Field`] handle is of another message type or another schema.
    pub fn is_foreign_field(&self) -> bool {
        matches!(*self.kind, Kind::ForeignField { .. })
    }

    /// The field's type is not the one asked for or given.
    pub fn is_wrong_type(&self) -> bool {
        match &*self.kind {
            Kind::WrongType { .. } => true,
            Kind::Misfit { misfit, .. } => !misfit.is_out_of_range(),
            _ => false,
        }
    }

    /// The type fits, but the value is out of its range or no value of its enum, or messages would nest
    /// too deep.
    pub fn is_out_of_range(&self) -> bool {
        matches!(&*self.kind, Kind::Misfit { misfit, .. } if misfit.is_out_of_range())
    }

    pub(super) fn unknown_name(layout: &Layout, name: &str) -> Self {
        let fields = layout.infos.iter().filter(|info| !info.is_extension());
        let nearest = Schema::nearest(name, fields.map(|info| &*info.name));
        Self::from_kind(Kind::UnknownField {
            message_type: layout.descriptor.full_name().to_owned(),
            field: format!("`{name}`"),
            nearest: nearest.map(str::to_owned),
        })
    }

    pub(super) fn unknown_number(layout: &Layout, number: u32) -> Self {
        Self::from_kind(Kind::UnknownField {
            message_type: layout.descriptor.full_name().to_owned(),
            field: format!("with number {number}"),
            nearest: None,
        })
    }

    pub(super) fn unknown_oneof(layout: &Layout, name: &str) -> Self {
        Self::from_kind(Kind::UnknownOneof {
            message_type: layout.descriptor.full_name().to_owned(),
            oneof: name.to_owned(),
        })
    }

    pub(super) fn foreign(layout: &Layout, field: &Field) -> Self {
        Self::from_kind(Kind::ForeignField {
            message_type: layout.descriptor.full_name().to_owned(),
            field: field.full_name().to_owned(),
        })
    }

    /// `wanted` ends the sentence "it cannot …".
    pub(super) fn wrong_type(field: &FieldInfo, wanted: impl Into<String>) -> Self {
        Self::from_kind(Kind::WrongType {
            field: field.full_name().to_owned(),
            declared: declared(field),
            wanted: wanted.into(),
        })
    }

    pub(super) fn misfit(field: &FieldInfo, misfit: Misfit) -> Self {
        Self::from_kind(Kind::Misfit {
            field: field.full_name().to_owned(),
            misfit,
        })
    }

    fn from_kind(kind: Kind) -> Self {
        Self {
            kind: Box::new(kind),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            Kind::UnknownField {
                message_type,
                field,
                nearest,
            } => {
                write!(f, "`{message_type}` has no field {field}")?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
            Kind::UnknownOneof {
                message_type,
                oneof,
            } => {
                write!(f, "`{message_type}` has no oneof `{oneof}`")
            }
            Kind::ForeignField {
                message_type,
                field,
            } => write!(
                f,
                "the handle of field `{field}` is not of this `{message_type}`: \
                 it was looked up in another message type or another schema"
            ),
            Kind::WrongType {
                field,
                declared,
                wanted,
            } => {
                write!(f, "field `{field}` has type {declared}: it cannot {wanted}")
            }
            Kind::Misfit { field, misfit } => write!(f, "field `{field}`: {misfit}"),
        }
    }
}

impl fmt::Debug for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for FieldError {}
