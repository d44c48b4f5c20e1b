//! The types of google/protobuf/*.proto that have a form of their own in Rust.

use serde_json::{Map, Number, Value as Json};

use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{FieldError, Message, MessageRef, Value, serde::SerdeError},
    schema::{Kind, MessageType},
};

/// How a well-known type appears in Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WellKnown {
    /// A string as in JSON, or a struct of `seconds` and `nanos`.
    Timestamp,
    Duration,
    /// A string as in JSON, or a struct of `paths`.
    FieldMask,
    /// The scalar in `value`.
    Wrapper,
    /// Whatever serde_json::Value can hold.
    Json,
}

impl WellKnown {
    pub(super) fn of(message_type: &MessageType) -> Option<Self> {
        let name = message_type.full_name().strip_prefix("google.protobuf.")?;
        match name {
            "Timestamp" => Some(Self::Timestamp),
            "Duration" => Some(Self::Duration),
            "FieldMask" => Some(Self::FieldMask),
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
            | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue" => Some(Self::Wrapper),
            "Struct" | "Value" | "ListValue" => Some(Self::Json),
            _ => None,
        }
    }

    /// The names under which serde knows the fields of `std::time::Duration` and `SystemTime`.
    pub(super) fn field_alias(message_type: &MessageType, name: &str) -> Option<&'static str> {
        match (name, Self::of(message_type)?) {
            ("secs", Self::Duration) | ("secs_since_epoch", Self::Timestamp) => Some("seconds"),
            ("nanos_since_epoch", Self::Timestamp) => Some("nanos"),
            _ => None,
        }
    }
}

/// The JSON string of a Timestamp, Duration or FieldMask; `None` for other types.
pub(in crate::message) fn to_text(message: MessageRef<'_>) -> Result<Option<String>, SerdeError> {
    let read = |field: FieldError| SerdeError::structural(field.to_string());
    match WellKnown::of(message.message_type()) {
        Some(WellKnown::Timestamp) => {
            let timestamp = prost_types::Timestamp {
                seconds: message.i64("seconds").map_err(read)?,
                nanos: message.i32("nanos").map_err(read)?,
            };
            check_timestamp(&timestamp)?;
            Ok(Some(timestamp.to_string()))
        }
        Some(WellKnown::Duration) => {
            let duration = prost_types::Duration {
                seconds: message.i64("seconds").map_err(read)?,
                nanos: message.i32("nanos").map_err(read)?,
            };
            check_duration(&duration)?;
            Ok(Some(duration.to_string()))
        }
        Some(WellKnown::FieldMask) => {
            let paths = message.list("paths").map_err(read)?;
            let paths: Result<Vec<_>, _> = paths
                .iter()
                .filter_map(super::super::ValueRef::as_str)
                .map(camel_case_path)
                .collect();
            Ok(Some(paths?.join(",")))
        }
        _ => Ok(None),
    }
}

/// A Timestamp, Duration or FieldMask from its JSON string; `None` for other types.
pub(in crate::message) fn from_text(
    message_type: &MessageType,
    text: &str,
) -> Result<Option<Message>, SerdeError> {
    let malformed = |form: &str| SerdeError::of_value(format!("`{text}` is not {form}"));
    let (seconds, nanos) = match WellKnown::of(message_type) {
        Some(WellKnown::Timestamp) => {
            let parsed = is_rfc3339(text).then(|| text.parse().ok()).flatten();
            let timestamp: prost_types::Timestamp =
                parsed.ok_or_else(|| malformed("an RFC 3339 timestamp"))?;
            check_timestamp(&timestamp)?;
            (timestamp.seconds, timestamp.nanos)
        }
        Some(WellKnown::Duration) => {
            let duration: prost_types::Duration = text
                .parse()
                .map_err(|_| malformed("a duration in seconds, like `1.5s`"))?;
            check_duration(&duration)?;
            (duration.seconds, duration.nanos)
        }
        Some(WellKnown::FieldMask) => {
            let paths = text.split(',').filter(|path| !path.is_empty());
            if text.contains('_') {
                return Err(malformed(
                    "a field mask: JSON has its paths in lowerCamelCase",
                ));
            }
            let paths: Vec<_> = paths.map(snake_case_path).collect();
            return build(message_type, [("paths", paths.into())]).map(Some);
        }
        _ => return Ok(None),
    };
    build(
        message_type,
        [("seconds", seconds.into()), ("nanos", nanos.into())],
    )
    .map(Some)
}

/// What a `google.protobuf.Value`, `Struct` or `ListValue` holds.
///
/// A number without a fraction becomes an integer where a double is exact, so that integer fields
/// can be read from it.
pub(super) fn to_json(message: MessageRef<'_>) -> Result<Json, SerdeError> {
    json_below(message, MESSAGE_NESTING_MAX)
        .map_err(|error| SerdeError::structural(error.to_string()))?
        .ok_or_else(too_deep)
}

/// A `google.protobuf.Value`, `Struct` or `ListValue` that holds a JSON value, itself one of at
/// most `levels` messages inside each other.
pub(super) fn from_json(
    message_type: &MessageType,
    json: Json,
    levels: usize,
) -> Result<Message, SerdeError> {
    let levels = levels.checked_sub(1).ok_or_else(too_deep)?;
    let mut message = Message::new(message_type);
    match (message_type.name(), json) {
        ("Struct", Json::Object(object)) => {
            let value_type = map_value_type(message_type, "fields")?;
            for (key, value) in object {
                let value = from_json(&value_type, value, levels)?;
                message.insert("fields", key, value).map_err(definition)?;
            }
        }
        ("ListValue", Json::Array(array)) => {
            let value_type = inner_type(message_type, "values")?;
            for value in array {
                let value = from_json(&value_type, value, levels)?;
                message.push("values", value).map_err(definition)?;
            }
        }
        ("Struct", other) => return Err(wrong_json("a map or a struct", &other)),
        ("ListValue", other) => return Err(wrong_json("a list", &other)),
        (_, json) => {
            let (field, value) = value_kind(message_type, json, levels)?;
            message.set(field, value).map_err(definition)?;
        }
    }
    Ok(message)
}

/// `None` if the message nests deeper than `levels`.
fn json_below(message: MessageRef<'_>, levels: usize) -> Result<Option<Json>, FieldError> {
    let Some(levels) = levels.checked_sub(1) else {
        return Ok(None);
    };
    match message.message_type().name() {
        "Struct" => {
            let mut object = Map::new();
            for (key, value) in message.map("fields")? {
                let value = value.as_message().map(|value| json_below(value, levels));
                let Some(value) = value.transpose()?.flatten() else {
                    return Ok(None);
                };
                object.insert(key.to_string(), value);
            }
            Ok(Some(Json::Object(object)))
        }
        "ListValue" => {
            let mut array = Vec::new();
            for value in message.list("values")? {
                let value = value.as_message().map(|value| json_below(value, levels));
                let Some(value) = value.transpose()?.flatten() else {
                    return Ok(None);
                };
                array.push(value);
            }
            Ok(Some(Json::Array(array)))
        }
        _ => kind_of_value(message, levels),
    }
}

fn kind_of_value(value: MessageRef<'_>, levels: usize) -> Result<Option<Json>, FieldError> {
    let Some(kind) = value.which_oneof("kind")? else {
        return Ok(Some(Json::Null));
    };
    Ok(match kind.name() {
        "number_value" => Some(json_number(value.f64(kind)?)),
        "string_value" => Some(Json::from(value.str(kind)?)),
        "bool_value" => Some(Json::from(value.bool(kind)?)),
        "struct_value" | "list_value" => match value.message(kind)? {
            Some(inner) => json_below(inner, levels)?,
            None => Some(Json::Null),
        },
        _ => Some(Json::Null),
    })
}

fn json_number(number: f64) -> Json {
    let exact = number.fract() == 0.0 && number.abs() <= (1_u64 << f64::MANTISSA_DIGITS) as f64;
    if exact && !(number == 0.0 && number.is_sign_negative()) {
        return Json::from(number as i64);
    }
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

/// The member of `google.protobuf.Value` that holds a JSON value.
fn value_kind(
    value_type: &MessageType,
    json: Json,
    levels: usize,
) -> Result<(&'static str, Value), SerdeError> {
    Ok(match json {
        Json::Null => ("null_value", Value::Enum(0)),
        Json::Bool(value) => ("bool_value", value.into()),
        Json::Number(value) => {
            let value = value.as_f64().unwrap_or(f64::NAN);
            ("number_value", value.into())
        }
        Json::String(value) => ("string_value", value.into()),
        Json::Array(_) => {
            let inner = inner_type(value_type, "list_value")?;
            ("list_value", from_json(&inner, json, levels)?.into())
        }
        Json::Object(_) => {
            let inner = inner_type(value_type, "struct_value")?;
            ("struct_value", from_json(&inner, json, levels)?.into())
        }
    })
}

fn inner_type(message_type: &MessageType, field: &str) -> Result<MessageType, SerdeError> {
    match message_type.field(field).map(|field| field.kind()) {
        Some(Kind::Message(inner)) => Ok(inner),
        _ => Err(SerdeError::structural(format!(
            "the schema has its own `{}`, without a message `{field}`",
            message_type.full_name()
        ))),
    }
}

fn map_value_type(message_type: &MessageType, field: &str) -> Result<MessageType, SerdeError> {
    let entry = inner_type(message_type, field)?;
    inner_type(&entry, "value")
}

fn build<const N: usize>(
    message_type: &MessageType,
    fields: [(&str, Value); N],
) -> Result<Message, SerdeError> {
    let mut message = Message::new(message_type);
    for (field, value) in fields {
        message.set(field, value).map_err(definition)?;
    }
    Ok(message)
}

/// A schema may define google.protobuf types of its own; then they may not fit.
#[expect(clippy::needless_pass_by_value, reason = "it is a `map_err` function")]
fn definition(error: FieldError) -> SerdeError {
    SerdeError::structural(error.to_string())
}

fn wrong_json(expected: &str, given: &Json) -> SerdeError {
    let given = match given {
        Json::Null => "null",
        Json::Bool(_) => "a bool",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    };
    SerdeError::structural(format!("expected {expected}, got {given}"))
}

pub(super) fn too_deep() -> SerdeError {
    SerdeError::of_value(format!("it nests deeper than {MESSAGE_NESTING_MAX} levels"))
}

/// timestamp.proto: from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
fn check_timestamp(timestamp: &prost_types::Timestamp) -> Result<(), SerdeError> {
    let seconds = -62_135_596_800..=253_402_300_799;
    if seconds.contains(&timestamp.seconds) && (0..=NANOS_MAX).contains(&timestamp.nanos) {
        Ok(())
    } else {
        Err(SerdeError::of_value(format!(
            "{} s {} ns is out of range for a timestamp (years 1 to 9999)",
            timestamp.seconds, timestamp.nanos
        )))
    }
}

/// duration.proto: ±10,000 years, seconds and nanoseconds of the same sign.
fn check_duration(duration: &prost_types::Duration) -> Result<(), SerdeError> {
    let prost_types::Duration { seconds, nanos } = *duration;
    let opposed = seconds.signum() * i64::from(nanos.signum()) < 0;
    if seconds.unsigned_abs() <= 315_576_000_000
        && (-NANOS_MAX..=NANOS_MAX).contains(&nanos)
        && !opposed
    {
        Ok(())
    } else {
        Err(SerdeError::of_value(format!(
            "{seconds} s {nanos} ns is out of range for a duration (10,000 years)"
        )))
    }
}

/// Whether a text has the form of RFC 3339, 5.6, as JSON has it: `1972-01-01T10:00:20.021Z`, with `T`
/// and `Z` in upper case, or an offset like `+01:00`. What the numbers say is for the parser.
fn is_rfc3339(text: &str) -> bool {
    let like = |text: &str, form: &str| {
        text.len() == form.len()
            && text
                .bytes()
                .zip(form.bytes())
                .all(|(byte, form)| match form {
                    b'0' => byte.is_ascii_digit(),
                    form => byte == form,
                })
    };
    let Some((time, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let fraction = rest.strip_prefix('.').map_or(0, |digits| {
        let digits = digits.bytes().take_while(u8::is_ascii_digit);
        1 + digits.count()
    });
    let offset = &rest[fraction..];
    like(time, "0000-00-00T00:00:00")
        && fraction != 1
        && (offset == "Z" || like(offset, "+00:00") || like(offset, "-00:00"))
}

/// `user_name.first` → `userName.first`, as JSON writes the paths of a FieldMask.
fn camel_case_path(path: &str) -> Result<String, SerdeError> {
    let mut camel = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(next) = chars.next() {
        let upper = match next {
            '_' => chars.next().filter(char::is_ascii_lowercase),
            _ if next.is_ascii_uppercase() => None,
            _ => {
                camel.push(next);
                continue;
            }
        };
        let Some(upper) = upper else {
            return Err(SerdeError::of_value(format!(
                "the path `{path}` is not in snake_case and cannot be a JSON string"
            )));
        };
        camel.push(upper.to_ascii_uppercase());
    }
    Ok(camel)
}

fn snake_case_path(path: &str) -> String {
    let mut snake = String::with_capacity(path.len());
    for next in path.chars() {
        if next.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(next.to_ascii_lowercase());
    }
    snake
}

const NANOS_MAX: i32 = 999_999_999;
