//! Where `Message` and prost-reflect are known to differ.

use prost_reflect::{
    DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value as Reflected,
    prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

use crate::schema;

/// Where `Message` differs, and why it is right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// prost-reflect keeps a number that a closed enum does not name as the field's value. "If a
    /// closed enum field is parsed with an unrecognized value, it is placed in the unknown field set"
    /// (<https://protobuf.dev/programming-guides/enum/>), and no setter takes one. As a member of a
    /// oneof it unsets the others there, and here it does not.
    ClosedEnum,
    /// prost-reflect reads an entry of a map whatever wire type its key says, be it the end of a group.
    /// An entry is a message, and has a length like any other.
    MapWireType,
    /// prost-reflect does not write -0.0 in a field without presence and in a map, because it is equal to 0.0, and
    /// says that it is not set. Only 0.0 is the default: "-0.0 is not treated as default"
    /// (Required `FloatFieldNegativeZero` of the suite).
    NegativeZero,
    /// prost-reflect writes a Duration whose seconds and nanos differ in sign, and a Timestamp whose
    /// nanos are out of range. Protobuf's conformance suite wants both refused (Required
    /// `DurationProtoNanosWrongSign`, `TimestampProtoNanoTooLarge`, `TimestampProtoNegativeNanos`).
    TimeOutOfRange,
    /// prost-reflect refuses an `Any` that is `{}`. The suite wants it taken (Required
    /// `JsonInput.AnyWithNoType`), and so is one without a type written.
    AnyWithoutType,
    /// prost-reflect takes a field that stands twice in JSON, and the last one counts. The suite
    /// wants it refused (Recommended `FieldNameDuplicate`).
    FieldTwice,
    /// prost-reflect writes the largest `float` with more digits than it has, and does not read it.
    LargestFloat,
    /// Nesting ends at 100 messages here, also in JSON, and what an `Any` holds may only take so much
    /// memory; prost-reflect has neither limit, and that of serde_json beneath it, of 128 brackets.
    Limit,
    /// prost-reflect takes doubles that no integer type has, 1.8446744073709552e19, for the largest
    /// integer there is.
    LargeInteger,
    /// prost-reflect takes `"inf"` for an infinite float, and a number in quotes that is too large for
    /// one; in JSON these are `"Infinity"` and out of range.
    FloatText,
    /// prost-reflect refuses integers in quotes with an exponent, `"1e5"`. The suite wants them taken
    /// (Required `Int32FieldQuotedExponentialValue`).
    QuotedExponent,
}

/// What only prost-reflect decodes.
pub(crate) fn known_if_undecoded(error: &str) -> Option<Difference> {
    let wrong_type = error.contains(": expected a length, got ");
    wrong_type.then_some(Difference::MapWireType)
}

/// What differs by what is in a message.
pub(crate) fn known_in(theirs: &DynamicMessage) -> Option<Difference> {
    let fields = theirs.descriptor();
    let mut fields = fields.fields().map(|field| {
        let value = theirs.get_field(&field);
        if !field.supports_presence() && is_negative_zero(&value) {
            return Some(Difference::NegativeZero);
        }
        let has = theirs.has_field(&field);
        has.then(|| known_in_value(&value, &field.kind())).flatten()
    });
    let mut extensions = theirs.extensions();
    fields.find_map(|known| known).or_else(|| {
        extensions.find_map(|(extension, value)| known_in_value(value, &extension.kind()))
    })
}

fn known_in_value(value: &Reflected, kind: &Kind) -> Option<Difference> {
    match (value, kind) {
        (Reflected::EnumNumber(number), kind) => match schema::Kind::from(kind.clone()) {
            schema::Kind::Enum(kind) if kind.is_closed() => {
                let named = kind.values().any(|value| value.number() == *number);
                (!named).then_some(Difference::ClosedEnum)
            }
            _ => None,
        },
        (Reflected::Message(message), _) => known_in(message),
        (Reflected::List(items), kind) => items.iter().find_map(|item| known_in_value(item, kind)),
        (Reflected::Map(entries), Kind::Message(entry)) => {
            let kind = entry.map_entry_value_field().kind();
            let mut values = entries.values();
            values.find_map(|value| match is_negative_zero(value) {
                true => Some(Difference::NegativeZero),
                false => known_in_value(value, &kind),
            })
        }
        _ => None,
    }
}

/// What differs by what is not in a message any more: a number that was a member's of a oneof and had
/// no name, before another member was set.
pub(crate) fn known_on_the_wire(
    descriptor: &MessageDescriptor,
    encoded: &[u8],
) -> Option<Difference> {
    let unnamed = has_unnamed_member(descriptor, &mut { encoded });
    unnamed.unwrap_or(false).then_some(Difference::ClosedEnum)
}

/// Reads a message, a group with its end; `None` where it cannot be read.
fn has_unnamed_member(descriptor: &MessageDescriptor, bytes: &mut &[u8]) -> Option<bool> {
    let mut found = false;
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(bytes).ok()?;
        let field = descriptor.get_field(number);
        let extension = || Some(descriptor.get_extension(number)?.kind());
        let kind = field.as_ref().map(|field| field.kind()).or_else(extension);
        match (wire_type, kind) {
            (WireType::EndGroup, _) => break,
            (WireType::StartGroup, Some(Kind::Message(inner))) => {
                found |= has_unnamed_member(&inner, bytes)?;
            }
            (WireType::LengthDelimited, Some(Kind::Message(inner))) => {
                let length = decode_varint(bytes).ok()?;
                let (mut own, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
                found |= has_unnamed_member(&inner, &mut own)?;
                *bytes = rest;
            }
            (WireType::Varint, Some(kind @ Kind::Enum(_))) => {
                let value = Reflected::EnumNumber(decode_varint(bytes).ok()? as i32);
                let is_member = field.is_some_and(|field| field.containing_oneof().is_some());
                found |= is_member && known_in_value(&value, &kind).is_some();
            }
            _ => skip_field(wire_type, number, bytes, DecodeContext::default()).ok()?,
        }
    }
    Some(found)
}

fn is_negative_zero(value: &Reflected) -> bool {
    match value {
        Reflected::F32(value) => value.to_bits() == (-0.0_f32).to_bits(),
        Reflected::F64(value) => value.to_bits() == (-0.0_f64).to_bits(),
        _ => false,
    }
}

/// Why JSON may be taken, by what prost-reflect says against it.
pub(crate) fn known_if_taken(theirs: &str) -> Option<Difference> {
    if theirs.contains("expected '@type' field") {
        Some(Difference::AnyWithoutType)
    } else if theirs.contains("float value out of range") {
        Some(Difference::LargestFloat)
    } else if theirs.contains("invalid digit found in string") {
        Some(Difference::QuotedExponent)
    } else if theirs.contains("recursion limit exceeded") {
        Some(Difference::Limit)
    } else {
        None
    }
}

/// Why JSON may be refused, by the reason that was given.
pub(crate) fn known_if_refused(ours: &str) -> Option<Difference> {
    if ours.contains("nests deeper than") || ours.contains("too much memory") {
        Some(Difference::Limit)
    } else if is_unnamed_number(ours) {
        Some(Difference::ClosedEnum)
    } else if ours.contains(r#"invalid type: string "inf""#)
        || ours.contains(r#"invalid type: string "-inf""#)
        || ours.contains(" is out of range for float")
    {
        Some(Difference::FloatText)
    } else if ours.contains("is out of range for every integer type") {
        Some(Difference::LargeInteger)
    } else if ours.contains("twice") || ours.contains("duplicate") {
        Some(Difference::FieldTwice)
    } else {
        None
    }
}

/// Whether an enum lacks a number, and not a name.
fn is_unnamed_number(ours: &str) -> bool {
    let (what, _) = ours
        .split_once(" is not a value of enum ")
        .unwrap_or_default();
    what.ends_with(|last: char| last.is_ascii_digit())
}

/// Why JSON may be written, by what prost-reflect says against it.
pub(crate) fn known_if_written(theirs: &str) -> Option<Difference> {
    theirs
        .contains("message '' not found")
        .then_some(Difference::AnyWithoutType)
        .or_else(|| {
            let no_url = theirs.contains("unsupported type url ''");
            no_url.then_some(Difference::AnyWithoutType)
        })
}

/// Why a message may be no JSON, by the reason that was given.
pub(crate) fn known_if_unwritten(ours: &str) -> Option<Difference> {
    if ours.contains("nests deeper than") || ours.contains("too much memory") {
        Some(Difference::Limit)
    } else if ours.contains("is out of range for a timestamp")
        || ours.contains("is out of range for a duration")
    {
        Some(Difference::TimeOutOfRange)
    } else {
        None
    }
}
