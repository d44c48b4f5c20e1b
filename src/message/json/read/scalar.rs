//! Numbers, strings, bytes and enums, in the forms that JSON has for them.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::de::{Error, Expected, Unexpected};

use super::Context;
use crate::{
    message::{
        MapKey,
        body::Slot,
        fit::{Misfit, fit_enum_number, fit_float, fit_integer},
    },
    schema::layout::{FieldLayout, FieldType},
};

/// A value of JSON that is neither null, list nor object.
#[derive(Clone, Copy)]
pub(super) enum Scalar<'j> {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'j str),
}

impl<'j> Scalar<'j> {
    pub(super) fn unexpected(self) -> Unexpected<'j> {
        match self {
            Self::Bool(value) => Unexpected::Bool(value),
            Self::Signed(value) => Unexpected::Signed(value),
            Self::Unsigned(value) => Unexpected::Unsigned(value),
            Self::Float(value) => Unexpected::Float(value),
            Self::Text(value) => Unexpected::Str(value),
        }
    }

    pub(super) fn to_f64(self) -> f64 {
        match self {
            Self::Signed(value) => value as f64,
            Self::Unsigned(value) => value as f64,
            Self::Float(value) => value,
            Self::Bool(_) | Self::Text(_) => 0.0,
        }
    }
}

/// Why a value of JSON is none of a field.
pub(super) enum Fault {
    /// The field takes no such values.
    WrongType,
    Why(String),
}

impl From<Misfit> for Fault {
    fn from(misfit: Misfit) -> Self {
        Self::Why(misfit.to_string())
    }
}

impl Fault {
    pub(super) fn into_error<E: Error>(self, given: Scalar<'_>, expected: &dyn Expected) -> E {
        match self {
            Self::WrongType => E::invalid_type(given.unexpected(), expected),
            Self::Why(why) => E::custom(why),
        }
    }
}

/// A value of a field; `None` if it is the name of an enum's value that is read over.
pub(super) fn read(
    context: Context<'_>,
    field: &FieldLayout,
    value: Scalar<'_>,
) -> Result<Option<Slot>, Fault> {
    match (field.field_type, value) {
        (FieldType::String, Scalar::Text(text)) => Ok(Some(Slot::Text(text.to_owned()))),
        (FieldType::Bytes, Scalar::Text(text)) => match bytes(text) {
            Some(bytes) => Ok(Some(Slot::Bytes(bytes.into()))),
            None => Err(Fault::Why("the string is no base64".to_owned())),
        },
        (number, value) if number.is_number() => Ok(bits(context, field, value)?.map(Slot::Bits)),
        _ => Err(Fault::WrongType),
    }
}

/// The same of a field of numbers, in their form in memory.
#[inline]
pub(super) fn bits(
    context: Context<'_>,
    field: &FieldLayout,
    value: Scalar<'_>,
) -> Result<Option<u64>, Fault> {
    let bits = match (field.field_type, value) {
        (FieldType::Bool, Scalar::Bool(value)) => value.into(),
        (FieldType::Enum | FieldType::ClosedEnum, value) => {
            return enum_value(context, field, value);
        }
        (FieldType::Bool, _) | (_, Scalar::Bool(_)) => return Err(Fault::WrongType),
        (FieldType::Double, value) => double(value)?.to_bits(),
        (FieldType::Float, value) => fit_float(double(value)?.into())?.to_bits().into(),
        (integral, value) => fit_integer(integral, integer(number(value)?)?)?,
    };
    Ok(Some(bits))
}

fn double(value: Scalar<'_>) -> Result<f64, Fault> {
    match value {
        Scalar::Float(value) => Ok(value),
        Scalar::Text("NaN") => Ok(f64::NAN),
        Scalar::Text("Infinity") => Ok(f64::INFINITY),
        Scalar::Text("-Infinity") => Ok(f64::NEG_INFINITY),
        value => Ok(number(value)?.to_f64()),
    }
}

/// A number, or a string of one.
#[inline]
fn number(value: Scalar<'_>) -> Result<Scalar<'_>, Fault> {
    match value {
        Scalar::Text(text) => number_of(text).ok_or(Fault::WrongType),
        number => Ok(number),
    }
}

fn number_of(text: &str) -> Option<Scalar<'_>> {
    // What is written most often; a sign of plus and zeros in front are no JSON.
    let digits = text.strip_prefix('-').unwrap_or(text);
    if matches!(digits.as_bytes(), [b'1'..=b'9', ..])
        && let Ok(number) = text.parse()
    {
        return Some(Scalar::Signed(number));
    }
    let digits = |text: &str| text.bytes().all(|byte| !byte.is_ascii_whitespace());
    let number: serde_json::Number = serde_json::from_str(text).ok().filter(|_| digits(text))?;
    number
        .as_i64()
        .map(Scalar::Signed)
        .or_else(|| number.as_u64().map(Scalar::Unsigned))
        .or_else(|| number.as_f64().map(Scalar::Float))
}

/// A number without a fraction: `1e5` and `100000.0` are integers.
#[inline]
fn integer(number: Scalar<'_>) -> Result<i128, Fault> {
    match number {
        Scalar::Signed(value) => Ok(value.into()),
        Scalar::Unsigned(value) => Ok(value.into()),
        Scalar::Float(value) => whole(value).map_err(Fault::Why),
        Scalar::Bool(_) | Scalar::Text(_) => Err(Fault::WrongType),
    }
}

fn whole(value: f64) -> Result<i128, String> {
    // What is as large may have been another number before it became a double.
    let is_exact = value > i64::MIN as f64 && value < u64::MAX as f64;
    match value.fract() == 0.0 {
        false => Err(Misfit::wrong_type("an integer", "a fraction").to_string()),
        true if is_exact => Ok(value as i128),
        true => Err(format!("{value} is out of range for every integer type")),
    }
}

fn enum_value(
    context: Context<'_>,
    field: &FieldLayout,
    value: Scalar<'_>,
) -> Result<Option<u64>, Fault> {
    let values = context.tables.enum_layout(field.inner);
    let ignored = context.options.ignore_unknown;
    let fitted = match value {
        Scalar::Bool(_) | Scalar::Float(_) => return Err(Fault::WrongType),
        Scalar::Text(name) => {
            let named = values.number(name);
            named.ok_or_else(|| Misfit::unknown_enum_name(values, name))
        }
        number => {
            let closed = field.field_type == FieldType::ClosedEnum;
            fit_enum_number(values, closed, integer(number)?)
        }
    };
    match fitted {
        Ok(number) => Ok(Some(i64::from(number) as u64)),
        Err(_) if ignored => Ok(None),
        Err(misfit) => Err(misfit.into()),
    }
}

/// The key of a map's entry.
pub(super) fn key(field_type: FieldType, key: &str) -> Result<MapKey, String> {
    let misfit = || {
        format!(
            "{key:?} is no key of type {}",
            format!("{field_type:?}").to_lowercase()
        )
    };
    match field_type {
        FieldType::String => return Ok(MapKey::String(key.to_owned())),
        FieldType::Bool => {
            return match key {
                "true" => Ok(MapKey::Bool(true)),
                "false" => Ok(MapKey::Bool(false)),
                _ => Err(misfit()),
            };
        }
        _ => {}
    }
    let number = number_of(key).and_then(|number| integer(number).ok());
    let bits = number.and_then(|number| fit_integer(field_type, number).ok());
    let bits = bits.ok_or_else(misfit)?;
    Ok(MapKey::of_bits(field_type, bits))
}

/// Base64 of either alphabet, with or without padding.
fn bytes(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
    let decoded = match text.contains(['-', '_']) {
        true => URL_SAFE.decode(text),
        false => STANDARD.decode(text),
    };
    decoded.ok()
}
