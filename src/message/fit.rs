//! Whether a value fits a field, and the form in which it is kept.

use std::fmt;

use prost_reflect::{
    EnumDescriptor, FieldDescriptor, Kind, MapKey as ReflectedKey, MessageDescriptor,
    Value as Reflected,
};

use crate::{
    Schema,
    message::{MapKey, Value},
    schema::EnumType,
};

/// Why a value does not fit. Says nothing of the field: who asks knows it and adds it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Misfit {
    WrongType {
        expected: String,
        given: String,
    },
    OutOfRange {
        value: String,
        expected: String,
    },
    UnknownEnumValue {
        enum_type: String,
        value: String,
        nearest: Option<String>,
    },
}

impl Misfit {
    pub(super) fn wrong_type(expected: impl Into<String>, given: impl Into<String>) -> Self {
        Self::WrongType {
            expected: expected.into(),
            given: given.into(),
        }
    }

    pub(super) fn unknown_enum_name(kind: &EnumDescriptor, name: &str) -> Self {
        let values: Vec<_> = kind.values().collect();
        let nearest = Schema::nearest(name, values.iter().map(|value| value.name()));
        Self::UnknownEnumValue {
            enum_type: kind.full_name().to_owned(),
            value: format!("`{name}`"),
            nearest: nearest.map(str::to_owned),
        }
    }

    pub(super) fn is_out_of_range(&self) -> bool {
        !matches!(self, Self::WrongType { .. })
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { expected, given } => write!(f, "expected {expected}, got {given}"),
            Self::OutOfRange { value, expected } => {
                write!(f, "{value} is out of range for {expected}")
            }
            Self::UnknownEnumValue {
                enum_type,
                value,
                nearest,
            } => {
                write!(f, "{value} is not a value of enum `{enum_type}`")?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A value for the whole field: one value, a list or a map.
pub(super) fn fit(field: &FieldDescriptor, value: Value) -> Result<Reflected, Misfit> {
    match (map_entry(field), value) {
        (Some(entry), Value::Map(entries)) => {
            let value_kind = entry.map_entry_value_field().kind();
            let entries: Result<_, Misfit> = entries
                .into_iter()
                .map(|(key, value)| Ok((fit_key(&entry, key)?, fit_one(&value_kind, value)?)))
                .collect();
            Ok(Reflected::Map(entries?))
        }
        (None, Value::List(items)) if field.is_list() => {
            let kind = field.kind();
            let items: Result<_, _> = items.into_iter().map(|item| fit_one(&kind, item)).collect();
            Ok(Reflected::List(items?))
        }
        (None, value) if !field.is_list() => fit_one(&field.kind(), value),
        (_, value) => Err(Misfit::wrong_type(declared(field), given(&value))),
    }
}

/// One value, or one element of a list or a map.
pub(super) fn fit_one(kind: &Kind, value: Value) -> Result<Reflected, Misfit> {
    match (kind, value) {
        (Kind::Bool, Value::Bool(value)) => Ok(Reflected::Bool(value)),
        (Kind::String, Value::String(value)) => Ok(Reflected::String(value)),
        (Kind::Bytes, Value::Bytes(value)) => Ok(Reflected::Bytes(value)),
        (Kind::Enum(kind), value) => fit_enum(kind, &value),
        (Kind::Message(kind), Value::Message(value)) => {
            if value.message_type().descriptor() == kind {
                Ok(Reflected::Message(value.into()))
            } else {
                Err(wrong_message(kind, value.message_type().full_name()))
            }
        }
        (Kind::Double, value) => fit_double(value),
        (Kind::Float, value) => fit_float(value),
        (kind, value) => match integer(&value) {
            Some(number) => fit_integer(kind, number, &value),
            None => Err(Misfit::wrong_type(kind_name(kind), given(&value))),
        },
    }
}

/// The key of an entry of a map field.
pub(super) fn fit_key(entry: &MessageDescriptor, key: MapKey) -> Result<ReflectedKey, Misfit> {
    let kind = entry.map_entry_key_field().kind();
    let expected = || format!("a map key of type {}", kind_name(&kind));
    let value = Value::from(key);
    let key_given = given(&value);
    match fit_one(&kind, value) {
        Ok(fitted) => fitted
            .into_map_key()
            .ok_or_else(|| Misfit::wrong_type(expected(), key_given)),
        Err(Misfit::WrongType { given, .. }) => Err(Misfit::wrong_type(expected(), given)),
        Err(other) => Err(other),
    }
}

/// The entry type of a map field.
pub(super) fn map_entry(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => Some(entry),
        _ => None,
    }
}

/// The type of a field as the file declares it: `int32`, `repeated string`, `map<string, a.B>`.
pub(super) fn declared(field: &FieldDescriptor) -> String {
    if let Some(entry) = map_entry(field) {
        let key = kind_name(&entry.map_entry_key_field().kind());
        let value = kind_name(&entry.map_entry_value_field().kind());
        format!("map<{key}, {value}>")
    } else if field.is_list() {
        format!("repeated {}", kind_name(&field.kind()))
    } else {
        kind_name(&field.kind())
    }
}

pub(super) fn kind_name(kind: &Kind) -> String {
    crate::schema::Kind::from(kind.clone()).to_string()
}

/// Enums take a number, or the name of one of their values. A closed enum takes only the numbers
/// it names; an open one keeps any.
fn fit_enum(kind: &EnumDescriptor, value: &Value) -> Result<Reflected, Misfit> {
    let number = match value {
        Value::String(name) => {
            let named = kind.get_value_by_name(name);
            return match named {
                Some(named) => Ok(Reflected::EnumNumber(named.number())),
                None => Err(Misfit::unknown_enum_name(kind, name)),
            };
        }
        Value::Enum(number) => *number,
        _ => match integer(value) {
            Some(number) => i32::try_from(number).map_err(|_| Misfit::OutOfRange {
                value: number.to_string(),
                expected: format!("enum `{}`", kind.full_name()),
            })?,
            None => {
                let expected = format!("a value of enum `{}`", kind.full_name());
                return Err(Misfit::wrong_type(expected, given(value)));
            }
        },
    };
    if EnumType::new(kind.clone()).is_closed() && kind.get_value(number).is_none() {
        return Err(Misfit::UnknownEnumValue {
            enum_type: kind.full_name().to_owned(),
            value: number.to_string(),
            nearest: None,
        });
    }
    Ok(Reflected::EnumNumber(number))
}

/// Doubles take every float, and integers that a double holds exactly.
fn fit_double(value: Value) -> Result<Reflected, Misfit> {
    match value {
        Value::F64(value) => Ok(Reflected::F64(value)),
        Value::F32(value) => Ok(Reflected::F64(value.into())),
        value => match integer(&value) {
            Some(number) if number.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS => {
                Ok(Reflected::F64(number as f64))
            }
            Some(number) => Err(inexact(number, "double")),
            None => Err(Misfit::wrong_type("double", given(&value))),
        },
    }
}

/// Floats take a double as the nearest float, and integers that a float holds exactly.
fn fit_float(value: Value) -> Result<Reflected, Misfit> {
    match value {
        Value::F32(value) => Ok(Reflected::F32(value)),
        Value::F64(value) => {
            let nearest = value as f32;
            if nearest.is_infinite() && value.is_finite() {
                return Err(Misfit::OutOfRange {
                    value: value.to_string(),
                    expected: "float".to_owned(),
                });
            }
            Ok(Reflected::F32(nearest))
        }
        value => match integer(&value) {
            Some(number) if number.unsigned_abs() <= 1 << f32::MANTISSA_DIGITS => {
                Ok(Reflected::F32(number as f32))
            }
            Some(number) => Err(inexact(number, "float")),
            None => Err(Misfit::wrong_type("float", given(&value))),
        },
    }
}

/// Integer fields take every integer type whose value is in their range.
fn fit_integer(kind: &Kind, number: i128, value: &Value) -> Result<Reflected, Misfit> {
    let fitted = match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number.try_into().map(Reflected::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number.try_into().map(Reflected::I64),
        Kind::Uint32 | Kind::Fixed32 => number.try_into().map(Reflected::U32),
        Kind::Uint64 | Kind::Fixed64 => number.try_into().map(Reflected::U64),
        _ => return Err(Misfit::wrong_type(kind_name(kind), given(value))),
    };
    fitted.map_err(|_| Misfit::OutOfRange {
        value: number.to_string(),
        expected: kind_name(kind),
    })
}

fn integer(value: &Value) -> Option<i128> {
    match *value {
        Value::I32(number) => Some(number.into()),
        Value::I64(number) => Some(number.into()),
        Value::U32(number) => Some(number.into()),
        Value::U64(number) => Some(number.into()),
        _ => None,
    }
}

fn inexact(number: i128, expected: &str) -> Misfit {
    Misfit::OutOfRange {
        value: number.to_string(),
        expected: format!("the integers that a {expected} holds exactly"),
    }
}

fn wrong_message(expected: &MessageDescriptor, given: &str) -> Misfit {
    let expected = expected.full_name();
    if expected == given {
        return Misfit::wrong_type(
            format!("a message `{expected}` of this schema"),
            "one of another schema",
        );
    }
    Misfit::wrong_type(
        format!("a message `{expected}`"),
        format!("a message `{given}`"),
    )
}

fn given(value: &Value) -> String {
    match value {
        Value::Bool(_) => "a bool".to_owned(),
        Value::I32(_) | Value::I64(_) | Value::U32(_) | Value::U64(_) => "an integer".to_owned(),
        Value::F32(_) | Value::F64(_) => "a floating-point number".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Bytes(_) => "bytes".to_owned(),
        Value::Enum(_) => "an enum value".to_owned(),
        Value::Message(message) => format!("a message `{}`", message.message_type().full_name()),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
    }
}
