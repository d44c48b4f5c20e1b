//! How names in Rust and names in a `.proto` file find each other.

use crate::{
    message::serde::{SerdeError, well_known::WellKnown},
    schema::{EnumType, EnumValue, Field, MessageType, Oneof},
};

/// What a field of a struct stands for.
pub(super) enum Member {
    Field(Field),
    /// The struct's field is an enum that stands for all members of a oneof.
    Oneof(Oneof),
}

/// What `name` stands for in a message type.
///
/// An exact name in the file wins; otherwise it may be the JSON name, or either name in
/// snake_case.
///
/// # Errors
/// If two fields of the message could be meant.
pub(super) fn member(message_type: &MessageType, name: &str) -> Result<Option<Member>, SerdeError> {
    if let Some(field) = message_type.field(name) {
        return Ok(Some(Member::Field(field)));
    }
    if let Some(alias) = WellKnown::field_alias(message_type, name) {
        return Ok(message_type.field(alias).map(Member::Field));
    }
    let mut fields = message_type.fields().filter(|field| {
        field.json_name() == name
            || is_snake_case_of(name, field.name())
            || is_snake_case_of(name, field.json_name())
    });
    match (fields.next(), fields.next()) {
        (Some(one), Some(other)) => Err(ambiguous("field", name, one.name(), other.name())),
        (Some(field), None) => Ok(Some(Member::Field(field))),
        (None, _) => Ok(message_type
            .oneofs()
            .find(|oneof| oneof.name() == name || is_snake_case_of(name, oneof.name()))
            .map(Member::Oneof)),
    }
}

/// The oneof of which all fields of a message type are members.
pub(super) fn only_oneof(message_type: &MessageType) -> Option<Oneof> {
    let oneof = message_type.oneofs().next()?;
    let members = oneof.fields().len();
    (members == message_type.fields().len()).then_some(oneof)
}

/// The member of a oneof that a Rust enum's variant stands for: `PhoneNumber` ↔ `phone_number`.
///
/// # Errors
/// If two members could be meant.
pub(super) fn oneof_member(oneof: &Oneof, variant: &str) -> Result<Option<Field>, SerdeError> {
    let ranked = oneof
        .fields()
        .filter_map(|field| Some((member_rank(variant, &field)?, field)));
    best(variant, ranked, |field| {
        (field.number().into(), field.name())
    })
}

/// The variant that stands for a oneof's member, if there is one.
pub(super) fn variant_of_member(
    variants: &'static [&'static str],
    member: &Field,
) -> Option<&'static str> {
    variants
        .iter()
        .filter_map(|variant| Some((member_rank(variant, member)?, *variant)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, variant)| variant)
}

/// The value of a protobuf enum that a Rust enum's variant stands for: `Active` ↔
/// `STATUS_ACTIVE`.
///
/// # Errors
/// If values with different numbers could be meant.
pub(super) fn enum_value(kind: &EnumType, variant: &str) -> Result<Option<EnumValue>, SerdeError> {
    let type_name = kind.descriptor().name();
    let ranked = kind
        .values()
        .filter_map(|value| Some((value_rank(variant, value.name(), type_name)?, value)));
    best(variant, ranked, |value| {
        (value.number().into(), value.name())
    })
}

/// The variant that stands for an enum value's number, if there is one.
pub(super) fn variant_of_value(
    variants: &'static [&'static str],
    kind: &EnumType,
    number: i32,
) -> Option<&'static str> {
    let type_name = kind.descriptor().name();
    let values: Vec<_> = kind
        .values()
        .filter(|value| value.number() == number)
        .collect();
    variants
        .iter()
        .filter_map(|variant| {
            let rank = |value: &EnumValue| value_rank(variant, value.name(), type_name);
            Some((values.iter().filter_map(rank).min()?, *variant))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, variant)| variant)
}

/// The lower, the closer; `None` if the variant does not stand for the member.
fn member_rank(variant: &str, member: &Field) -> Option<u8> {
    if variant == member.name() || variant == member.json_name() {
        Some(0)
    } else {
        letters(variant).eq(letters(member.name())).then_some(1)
    }
}

/// The lower, the closer; `None` if the variant does not stand for the value. By protobuf's style
/// every value begins with the name of its enum, since values share their scope.
fn value_rank(variant: &str, value: &str, type_name: &str) -> Option<u8> {
    if variant == value {
        return Some(0);
    }
    if letters(variant).eq(letters(value)) {
        return Some(1);
    }
    let mut rest = letters(value);
    let prefixed = letters(type_name).all(|letter| rest.next() == Some(letter));
    (prefixed && letters(variant).eq(rest)).then_some(2)
}

/// The one of lowest rank, where none of another identity has the same.
fn best<T>(
    variant: &str,
    ranked: impl Iterator<Item = (u8, T)>,
    identity: impl Fn(&T) -> (i64, &str),
) -> Result<Option<T>, SerdeError> {
    let mut best: Option<(u8, T)> = None;
    let mut rival: Option<(u8, T)> = None;
    for (rank, candidate) in ranked {
        match &best {
            Some((lowest, _)) if rank > *lowest => {}
            Some((lowest, known)) if rank == *lowest => {
                if identity(known).0 != identity(&candidate).0 {
                    rival = Some((rank, candidate));
                }
            }
            _ => best = Some((rank, candidate)),
        }
    }
    match (best, rival) {
        (Some((rank, one)), Some((rival_rank, other))) if rank == rival_rank => Err(ambiguous(
            "variant",
            variant,
            identity(&one).1,
            identity(&other).1,
        )),
        (best, _) => Ok(best.map(|(_, found)| found)),
    }
}

fn ambiguous(what: &str, name: &str, one: &str, other: &str) -> SerdeError {
    SerdeError::structural(format!(
        "{what} `{name}` could be `{one}` or `{other}`: \
         name the one that is meant with #[serde(rename = \"…\")]"
    ))
}

/// A name without case and underscores.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .filter(|byte| *byte != b'_')
        .map(|byte| byte.to_ascii_lowercase())
}

/// Whether `snake` is `name` in snake_case: `http_url` of `HTTPUrl` and of `httpUrl`.
fn is_snake_case_of(snake: &str, name: &str) -> bool {
    let mut rest = snake.bytes();
    let mut previous = b'_';
    let mut following = name.bytes().skip(1);
    let written = name.bytes().all(|byte| {
        let next = following.next();
        let new_word = byte.is_ascii_uppercase()
            && previous != b'_'
            && (!previous.is_ascii_uppercase()
                || next.is_some_and(|next| next.is_ascii_lowercase()));
        previous = byte;
        (!new_word || rest.next() == Some(b'_')) && rest.next() == Some(byte.to_ascii_lowercase())
    });
    written && rest.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::{is_snake_case_of, value_rank};

    #[test]
    fn snake_case() {
        for (snake, name) in [
            ("value", "Value"),
            ("user_id", "userId"),
            ("user_id", "UserID"),
            ("http_url", "HTTPUrl"),
            ("user_id", "user_id"),
            ("user_id", "User_Id"),
            ("sha256_sum", "sha256Sum"),
        ] {
            assert!(is_snake_case_of(snake, name), "{snake} of {name}");
        }
        for (snake, name) in [
            ("values", "Value"),
            ("valu", "Value"),
            ("userid", "userId"),
            ("Value", "value"),
            ("", "a"),
        ] {
            assert!(!is_snake_case_of(snake, name), "{snake} of {name}");
        }
    }

    #[test]
    fn enum_values_with_and_without_the_prefix_of_their_type() {
        for (variant, value, rank) in [
            ("STATUS_ACTIVE", "STATUS_ACTIVE", Some(0)),
            ("StatusActive", "STATUS_ACTIVE", Some(1)),
            ("Active", "STATUS_ACTIVE", Some(2)),
            ("ACTIVE", "STATUS_ACTIVE", Some(2)),
            ("active", "Active", Some(1)),
            ("InUse", "IN_USE", Some(1)),
            ("Act", "STATUS_ACTIVE", None),
            ("Status", "STATUS_ACTIVE", None),
        ] {
            assert_eq!(
                value_rank(variant, value, "Status"),
                rank,
                "{variant} {value}"
            );
        }
    }
}
