//! Whether a value fits a field, and the form in which it is kept.

use std::{collections::BTreeMap, fmt};

use prost_reflect::Kind;

use crate::{
    Schema,
    limits::MESSAGE_NESTING_MAX,
    message::{MapKey, Message, Value, body::Slot},
    schema::layout::{Cardinality, EnumLayout, FieldInfo, FieldLayout, FieldType, Layout, Tables},
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
    TooDeep,
}

impl Misfit {
    pub(super) fn wrong_type(expected: impl Into<String>, given: impl Into<String>) -> Self {
        Self::WrongType {
            expected: expected.into(),
            given: given.into(),
        }
    }

    pub(super) fn unknown_enum_name(values: &EnumLayout, name: &str) -> Self {
        let proto = values.descriptor.enum_descriptor_proto();
        let nearest = Schema::nearest(name, proto.value.iter().map(|value| value.name()));
        Self::UnknownEnumValue {
            enum_type: values.descriptor.full_name().to_owned(),
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
            Self::TooDeep => {
                write!(f, "messages nest deeper than {MESSAGE_NESTING_MAX} levels")
            }
        }
    }
}

/// A value for the whole field: one value, a list or a map.
pub(super) fn fit(
    tables: &Tables,
    layout: &Layout,
    slot: u16,
    value: Value,
) -> Result<Slot, Misfit> {
    let field = layout.field(slot);
    match (field.cardinality, value) {
        (Cardinality::Map, Value::Map(entries)) => {
            let entry = tables.layout(field.inner);
            let entries: Result<BTreeMap<_, _>, Misfit> = entries
                .into_iter()
                .map(|(key, value)| {
                    Ok((
                        fit_key(tables, entry, key)?,
                        fit_value(tables, entry, value)?,
                    ))
                })
                .collect();
            Ok(Slot::Map(entries?))
        }
        (Cardinality::List, Value::List(items)) => {
            let items = items.into_iter().map(|item| fit_one(tables, field, item));
            match field.field_type.is_number() {
                true => {
                    let bits = items.map(|item| item.map(|item| item.bits()));
                    Ok(Slot::Numbers(bits.collect::<Result<_, _>>()?))
                }
                false => Ok(Slot::Values(items.collect::<Result<_, _>>()?)),
            }
        }
        (Cardinality::One, value) => fit_one(tables, field, value),
        (_, value) => Err(Misfit::wrong_type(
            declared(layout.info(slot)),
            given(&value),
        )),
    }
}

/// One value, or one element of a list or a map.
pub(super) fn fit_one(tables: &Tables, field: &FieldLayout, value: Value) -> Result<Slot, Misfit> {
    match (field.field_type, value) {
        (FieldType::Bool, Value::Bool(value)) => Ok(Slot::Bits(value.into())),
        (FieldType::String, Value::String(value)) => Ok(Slot::Text(value)),
        (FieldType::Bytes, Value::Bytes(value)) => Ok(Slot::Bytes(value)),
        (FieldType::Enum | FieldType::ClosedEnum, value) => {
            let closed = field.field_type == FieldType::ClosedEnum;
            let number = fit_enum(tables.enum_layout(field.inner), closed, &value)?;
            Ok(Slot::Bits(i64::from(number) as u64))
        }
        (FieldType::Message | FieldType::Group, Value::Message(value)) => {
            let given = value.message_type();
            let same_pool = std::ptr::eq(&raw const **given.tables(), tables);
            match same_pool && given.index() == field.inner {
                true => fit_message(value),
                false => {
                    let expected = tables.descriptor(field.inner).full_name();
                    Err(wrong_message(expected, given.full_name()))
                }
            }
        }
        (FieldType::Double, value) => Ok(Slot::Bits(fit_double(value)?.to_bits())),
        (FieldType::Float, value) => Ok(Slot::Bits(fit_float(value)?.to_bits().into())),
        (field_type, value) => match integer(&value) {
            Some(number) if field_type.is_number() && field_type != FieldType::Bool => {
                fit_integer(field_type, number).map(Slot::Bits)
            }
            _ => Err(Misfit::wrong_type(type_name(tables, field), given(&value))),
        },
    }
}

/// What nests as deep as it may goes into no other message.
fn fit_message(value: Message) -> Result<Slot, Misfit> {
    if value.height() < MESSAGE_NESTING_MAX {
        return Ok(Slot::Message(Box::new(value.into_body())));
    }
    // What is known of its depth is the most that it was.
    let again = Message::decode(value.message_type(), value.encode_to_bytes());
    match again {
        Ok(again) if again.height() < MESSAGE_NESTING_MAX => {
            Ok(Slot::Message(Box::new(again.into_body())))
        }
        _ => Err(Misfit::TooDeep),
    }
}

/// The key of an entry of a map field.
pub(super) fn fit_key(tables: &Tables, entry: &Layout, key: MapKey) -> Result<MapKey, Misfit> {
    let field = entry.field(0);
    let expected = || format!("a map key of type {}", type_name(tables, field));
    match fit_one(tables, field, Value::from(key)) {
        Ok(Slot::Text(key)) => Ok(MapKey::String(key)),
        Ok(fitted) => Ok(MapKey::of_bits(field.field_type, fitted.bits())),
        Err(Misfit::WrongType { given, .. }) => Err(Misfit::wrong_type(expected(), given)),
        Err(other) => Err(other),
    }
}

/// The value of an entry of a map field.
pub(super) fn fit_value(tables: &Tables, entry: &Layout, value: Value) -> Result<Slot, Misfit> {
    fit_one(tables, entry.field(1), value)
}

impl Slot {
    /// The number it is.
    pub(super) fn bits(&self) -> u64 {
        match self {
            Self::Bits(bits) => *bits,
            _ => 0,
        }
    }
}

/// The type of a field as the file declares it: `int32`, `repeated string`, `map<string, a.B>`.
pub(super) fn declared(field: &FieldInfo) -> String {
    let kind = field.kind();
    match field.map_entry() {
        Some(entry) => {
            let key = kind_name(&entry.map_entry_key_field().kind());
            let value = kind_name(&entry.map_entry_value_field().kind());
            format!("map<{key}, {value}>")
        }
        None if field.is_list() => format!("repeated {}", kind_name(&kind)),
        None => kind_name(&kind),
    }
}

pub(super) fn kind_name(kind: &Kind) -> String {
    crate::schema::Kind::from(kind.clone()).to_string()
}

/// The type of a field's values, as the file names it.
pub(super) fn type_name(tables: &Tables, field: &FieldLayout) -> String {
    match field.field_type {
        FieldType::Message | FieldType::Group => {
            tables.descriptor(field.inner).full_name().to_owned()
        }
        FieldType::Enum | FieldType::ClosedEnum => {
            let values = tables.enum_layout(field.inner);
            values.descriptor.full_name().to_owned()
        }
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Enums take a number, or the name of one of their values.
fn fit_enum(values: &EnumLayout, closed: bool, value: &Value) -> Result<i32, Misfit> {
    let number = match value {
        Value::String(given) => {
            let named = values.number(given);
            return named.ok_or_else(|| Misfit::unknown_enum_name(values, given));
        }
        Value::Enum(number) => Some((*number).into()),
        _ => integer(value),
    };
    match number {
        Some(number) => fit_enum_number(values, closed, number),
        None => {
            let expected = format!("a value of enum `{}`", values.descriptor.full_name());
            Err(Misfit::wrong_type(expected, given(value)))
        }
    }
}

/// A closed enum takes only the numbers it names; an open one keeps any.
pub(super) fn fit_enum_number(
    values: &EnumLayout,
    closed: bool,
    number: i128,
) -> Result<i32, Misfit> {
    let name = || values.descriptor.full_name().to_owned();
    let fitted = i32::try_from(number).map_err(|_| Misfit::OutOfRange {
        value: number.to_string(),
        expected: format!("enum `{}`", name()),
    })?;
    if closed && values.name(fitted).is_none() {
        return Err(Misfit::UnknownEnumValue {
            enum_type: name(),
            value: number.to_string(),
            nearest: None,
        });
    }
    Ok(fitted)
}

/// Doubles take every float, and integers that a double holds exactly.
fn fit_double(value: Value) -> Result<f64, Misfit> {
    match value {
        Value::F64(value) => Ok(value),
        Value::F32(value) => Ok(value.into()),
        value => match integer(&value) {
            Some(number) if number.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS => Ok(number as f64),
            Some(number) => Err(inexact(number, "double")),
            None => Err(Misfit::wrong_type("double", given(&value))),
        },
    }
}

/// Floats take a double as the nearest float, and integers that a float holds exactly.
pub(super) fn fit_float(value: Value) -> Result<f32, Misfit> {
    match value {
        Value::F32(value) => Ok(value),
        Value::F64(value) => {
            let nearest = value as f32;
            if nearest.is_infinite() && value.is_finite() {
                return Err(Misfit::OutOfRange {
                    value: value.to_string(),
                    expected: "float".to_owned(),
                });
            }
            Ok(nearest)
        }
        value => match integer(&value) {
            Some(number) if number.unsigned_abs() <= 1 << f32::MANTISSA_DIGITS => Ok(number as f32),
            Some(number) => Err(inexact(number, "float")),
            None => Err(Misfit::wrong_type("float", given(&value))),
        },
    }
}

/// Integer fields take every integer type whose value is in their range.
#[inline]
pub(super) fn fit_integer(field_type: FieldType, number: i128) -> Result<u64, Misfit> {
    let fitted = match field_type {
        FieldType::Int32 | FieldType::Sint32 | FieldType::Sfixed32 => {
            i32::try_from(number).map(|number| i64::from(number) as u64)
        }
        FieldType::Int64 | FieldType::Sint64 | FieldType::Sfixed64 => {
            i64::try_from(number).map(|number| number as u64)
        }
        FieldType::Uint32 | FieldType::Fixed32 => u32::try_from(number).map(u64::from),
        _ => u64::try_from(number),
    };
    fitted.map_err(|_| Misfit::OutOfRange {
        value: number.to_string(),
        expected: format!("{field_type:?}").to_lowercase(),
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

fn wrong_message(expected: &str, given: &str) -> Misfit {
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
