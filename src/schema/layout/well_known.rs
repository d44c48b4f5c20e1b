//! The types of google/protobuf that have a JSON of their own.

/// What a message type is in JSON (<https://protobuf.dev/programming-guides/json/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonForm {
    /// An object of its fields.
    Object,
    /// An object without fields: Empty. In an Any it stands under `value`, as those below do.
    Empty,
    /// An object of the fields of what it holds, and `@type`.
    Any,
    /// A string: Timestamp, Duration and FieldMask.
    Text,
    /// The scalar in its field `value`.
    Wrapper,
    /// An object, whatever is in it.
    Struct,
    /// Anything.
    Value,
    /// A list of anything.
    ListValue,
}

impl JsonForm {
    pub(super) fn of(full_name: &str) -> Self {
        match full_name.strip_prefix("google.protobuf.") {
            Some("Empty") => Self::Empty,
            Some("Any") => Self::Any,
            Some("Timestamp" | "Duration" | "FieldMask") => Self::Text,
            Some(
                "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
                | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue",
            ) => Self::Wrapper,
            Some("Struct") => Self::Struct,
            Some("Value") => Self::Value,
            Some("ListValue") => Self::ListValue,
            _ => Self::Object,
        }
    }
}
