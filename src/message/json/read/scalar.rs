//! Numbers, strings, bytes and enums, in the forms that JSON has for them.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::de::Unexpected;

use super::Context;
use crate::{
    message::{
        MapKey, Value,
        body::Slot,
        fit::{Misfit, fit_one},
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

type Read = Result<Option<Slot>, String>;

/// A value of a field. `None` if the field takes no such values; the value is `None` if it is the name
/// of an enum's value that is read over.
pub(super) fn read(context: Context<'_>, field: &FieldLayout, value: Scalar<'_>) -> Option<Read> {
    let fit = |value: Value| match fit_one(context.tables, field, value) {
        Ok(slot) => Ok(Some(slot)),
        Err(misfit) => Err(misfit.to_string()),
    };
    Some(match (field.field_type, value) {
        (FieldType::Bool, Scalar::Bool(value)) => fit(value.into()),
        (FieldType::String, Scalar::Text(text)) => fit(text.into()),
        (FieldType::Bytes, Scalar::Text(text)) => match bytes(text) {
            Some(bytes) => fit(bytes.into()),
            None => Err("the string is no base64".to_owned()),
        },
        (FieldType::Enum | FieldType::ClosedEnum, value) => {
            return enum_value(context, field, value);
        }
        (FieldType::Double | FieldType::Float, Scalar::Text("NaN")) => fit(f64::NAN.into()),
        (FieldType::Double | FieldType::Float, Scalar::Text("Infinity")) => {
            fit(f64::INFINITY.into())
        }
        (FieldType::Double | FieldType::Float, Scalar::Text("-Infinity")) => {
            fit(f64::NEG_INFINITY.into())
        }
        (FieldType::Bool | FieldType::String | FieldType::Bytes, _) | (_, Scalar::Bool(_)) => {
            return None;
        }
        (FieldType::Double | FieldType::Float, value) => match number(value) {
            Some(number) => fit(number.to_f64().into()),
            None => return None,
        },
        (_, value) => match integer(number(value)?) {
            Ok(number) => fit(number),
            Err(why) => Err(why),
        },
    })
}

/// A number, or a string of one.
fn number(value: Scalar<'_>) -> Option<Scalar<'_>> {
    let Scalar::Text(text) = value else {
        return Some(value);
    };
    let digits = |text: &str| text.bytes().all(|byte| !byte.is_ascii_whitespace());
    let number: serde_json::Number = serde_json::from_str(text).ok().filter(|_| digits(text))?;
    number
        .as_i64()
        .map(Scalar::Signed)
        .or_else(|| number.as_u64().map(Scalar::Unsigned))
        .or_else(|| number.as_f64().map(Scalar::Float))
}

/// A number without a fraction: `1e5` and `100000.0` are integers.
fn integer(number: Scalar<'_>) -> Result<Value, String> {
    match number {
        Scalar::Signed(value) => Ok(value.into()),
        Scalar::Unsigned(value) => Ok(value.into()),
        Scalar::Float(value) if value.fract() != 0.0 => {
            Err(Misfit::wrong_type("an integer", "a fraction").to_string())
        }
        // What is as large may have been another number before it became a double.
        Scalar::Float(value) if value > i64::MIN as f64 && value < 0.0 => Ok((value as i64).into()),
        Scalar::Float(value) if value >= 0.0 && value < u64::MAX as f64 => {
            Ok((value as u64).into())
        }
        Scalar::Float(value) => Err(format!("{value} is out of range for every integer type")),
        Scalar::Bool(_) | Scalar::Text(_) => Err("expected an integer".to_owned()),
    }
}

fn enum_value(context: Context<'_>, field: &FieldLayout, value: Scalar<'_>) -> Option<Read> {
    let values = context.tables.enum_layout(field.inner);
    let number = match value {
        Scalar::Bool(_) | Scalar::Float(_) => return None,
        Scalar::Text(name) => match values.number(name) {
            Some(number) => return Some(Ok(Some(Slot::Bits(i64::from(number) as u64)))),
            None if context.options.ignore_unknown => return Some(Ok(None)),
            None => return Some(Err(Misfit::unknown_enum_name(values, name).to_string())),
        },
        number => integer(number),
    };
    let number = match number {
        Ok(number) => number,
        Err(why) => return Some(Err(why)),
    };
    Some(match fit_one(context.tables, field, number) {
        Ok(slot) => Ok(Some(slot)),
        Err(_) if context.options.ignore_unknown => Ok(None),
        Err(misfit) => Err(misfit.to_string()),
    })
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
    let number = number(Scalar::Text(key)).and_then(|number| integer(number).ok());
    let key = match number {
        Some(Value::I64(number)) => MapKey::I64(number),
        Some(Value::U64(number)) => MapKey::U64(number),
        _ => return Err(misfit()),
    };
    crate::message::map_ref::like(field_type, key).ok_or_else(misfit)
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
