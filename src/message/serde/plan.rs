//! Whether a Rust type can be read from a message type at all, found out before any message comes.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
};

use serde::de::DeserializeOwned;

use crate::{
    message::{
        Message,
        serde::{SerdeError, de::MessageDeserializer},
    },
    schema::{Field, MessageType},
};

/// Tries to read `T` from a message type: from a message in which every field is set to its
/// default, every list and map has one element and every sub-message is there.
///
/// # Errors
/// If the shape of `T` cannot fit: a field that the message lacks, a string where it has a number,
/// an enum without a variant for the default. What a type's own code says about a default value
/// (that `""` is no date) does not count.
pub(crate) fn check_deserialize<T: DeserializeOwned>(
    message_type: &MessageType,
) -> Result<(), SerdeError> {
    let message = Message::new(message_type);
    let probe = Probe::default();
    for _ in 0..ATTEMPTS_MAX {
        probe.visits.set(0);
        let tried = T::deserialize(MessageDeserializer::probing(message.as_ref(), &probe));
        match tried {
            Err(error) if error.is_structural() => {
                return Err(error.in_message(message_type.full_name()));
            }
            Err(error) if error.is_put_off() => {}
            _ if probe.next_round() => {}
            _ => break,
        }
    }
    Ok(())
}

/// What one check remembers over its attempts.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// Fields whose value a type refused, by full name. One refusal ends an attempt, so in the next
    /// one they come after their siblings.
    put_off: RefCell<HashSet<String>>,
    /// Which member the enums that stand for a oneof get: an attempt for each.
    round: Cell<usize>,
    rounds: Cell<usize>,
    /// Full names of the messages that the attempt is inside of.
    inside: RefCell<Vec<String>>,
    /// Messages seen in this attempt.
    visits: Cell<usize>,
}

impl Probe {
    /// Whether the attempt should go into a message: not for ever into types that contain
    /// themselves.
    pub(super) fn goes_into(&self, message_type: &MessageType) -> bool {
        let inside = self.inside.borrow();
        let same = inside
            .iter()
            .filter(|name| *name == message_type.full_name());
        same.count() < REPETITIONS_MAX && self.visits.get() < VISITS_MAX
    }

    pub(super) fn enter(&self, message_type: &MessageType) {
        self.visits.set(self.visits.get() + 1);
        self.inside
            .borrow_mut()
            .push(message_type.full_name().to_owned());
    }

    pub(super) fn leave(&self) {
        self.inside.borrow_mut().pop();
    }

    pub(super) fn is_put_off(&self, field: &Field) -> bool {
        self.put_off.borrow().contains(field.full_name())
    }

    /// Notes that reading the field ended the attempt. The innermost field that has not been put
    /// off yet is the one that is.
    pub(super) fn put_off(&self, field: &Field, mut error: SerdeError) -> SerdeError {
        if !error.is_structural() && !error.is_put_off() {
            let name = field.full_name().to_owned();
            if self.put_off.borrow_mut().insert(name) {
                error.set_put_off();
            }
        }
        error
    }

    /// The member of a oneof that this round is about.
    pub(super) fn choose<'f>(&self, members: &'f [Field]) -> Option<&'f Field> {
        self.rounds.set(self.rounds.get().max(members.len()));
        members.get(self.round.get() % members.len().max(1))
    }

    fn next_round(&self) -> bool {
        self.round.set(self.round.get() + 1);
        self.round.get() < self.rounds.get()
    }
}

/// How often a message type is entered within itself: twice, so that a list of a type in itself is
/// tried with one element.
const REPETITIONS_MAX: usize = 2;

/// Messages of one attempt: types that contain each other in many ways would take for ever.
const VISITS_MAX: usize = 10_000;

/// Attempts of one check: one for each field that is put off and each member of the largest oneof.
const ATTEMPTS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, path::Path, sync::LazyLock};

    use serde::{Deserialize, de::DeserializeOwned};

    use super::check_deserialize;
    use crate::Schema;

    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos/message");
        Schema::compile([folder.join("everything.proto")], [folder]).expect("the fixture compiles")
    });

    fn check<T: DeserializeOwned>(name: &str) -> Result<(), String> {
        let name = format!("everything.{name}");
        let message_type = SCHEMA.message(&name).expect("the fixture has it");
        check_deserialize::<T>(&message_type).map_err(|error| error.to_string())
    }

    /// A struct in which what is deep inside is checked like what is at the top.
    macro_rules! with {
        ($($field:ident: $type:ty),+) => {{
            #[derive(Deserialize)]
            #[expect(dead_code, reason = "only its type is checked")]
            struct With {
                $($field: $type,)+
            }
            check::<With>("Everything")
        }};
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its type is checked")]
    struct Inner<T> {
        zip_code: T,
    }

    /// Refuses its default.
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Date;

    impl TryFrom<String> for Date {
        type Error = &'static str;

        fn try_from(text: String) -> Result<Self, Self::Error> {
            if text.is_empty() {
                Err("an empty string is no date")
            } else {
                Ok(Self)
            }
        }
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its type is checked")]
    struct Tree<T> {
        children: Vec<Self>,
        child: Option<Box<Self>>,
        inner: Option<Inner<T>>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its type is checked")]
    enum Contact<T> {
        PhoneNumber(i64),
        Visit(Inner<T>),
        Nobody,
    }

    #[derive(Deserialize)]
    enum Active {
        Active,
    }

    #[test]
    fn what_fits() {
        assert_eq!(
            with!(string: String, maybe_int32: Option<i32>, int32: i8),
            Ok(())
        );
        assert_eq!(
            with!(maybe_string: String, inner: Inner<i32>),
            Ok(()),
            "they may be set"
        );
        assert_eq!(
            with!(by_int32: HashMap<i32, Inner<u8>>, strings: Vec<String>),
            Ok(())
        );
        assert_eq!(with!(string: Date, maybe_string: Option<Date>), Ok(()));
        assert_eq!(
            with!(bytes: [u8; 16], string: char),
            Ok(()),
            "only their default does not fit"
        );
        assert_eq!(with!(contact: Contact<i32>), Ok(()));
        assert_eq!(
            with!(maybe_status: Option<Active>, statuses: Vec<Active>),
            Ok(())
        );
        assert_eq!(check::<Tree<i32>>("Everything"), Ok(()));
        assert_eq!(check::<()>("Everything"), Ok(()));
        assert_eq!(check::<serde_json::Value>("Shape"), Ok(()));
    }

    #[test]
    fn what_does_not() {
        for (checked, expected) in [
            (
                with!(strng: String),
                "everything.Everything: the message has no field `strng`; did you mean `string`?",
            ),
            (
                with!(string: i32),
                "everything.Everything.string: invalid type: string \"\", expected i32",
            ),
            (
                with!(inner: Option<Inner<String>>),
                "everything.Everything.inner.zipCode: invalid type: integer `0`, expected a string",
            ),
            (
                with!(inners: Vec<Inner<String>>),
                "everything.Everything.inners[0].zipCode: invalid type: integer `0`, expected a string",
            ),
            (
                with!(by_int32: HashMap<String, Inner<bool>>),
                "everything.Everything.by_int32[0].zipCode: invalid type: integer `0`, \
                 expected a boolean",
            ),
            (
                check::<Tree<String>>("Everything"),
                "everything.Everything.children[0].inner.zipCode: invalid type: integer `0`, \
                 expected a string",
            ),
            (
                with!(status: Active),
                "everything.Everything.status: unknown variant `STATUS_UNSPECIFIED`, \
                 expected `Active`",
            ),
        ] {
            assert_eq!(checked, Err(expected.to_owned()));
        }
    }

    /// A value that its type refuses hides nothing that comes after it, however deep it is.
    #[test]
    fn what_does_not_behind_a_refused_default() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its type is checked")]
        struct Nested {
            maybe_string: Option<Date>,
            string: Date,
            bool: String,
        }
        assert_eq!(
            with!(string: Date, children: Vec<Nested>, int32: Inner<i32>),
            Err(
                "everything.Everything.children[0].bool: invalid type: boolean `false`, \
                 expected a string"
                    .to_owned()
            )
        );
        assert_eq!(
            with!(string: Date, child: Option<Box<Inner<Date>>>, nope: i32),
            Err("everything.Everything.child: the message has no field `zip_code`".to_owned())
        );
    }

    /// Each member of a oneof is tried, the last as well as the first.
    #[test]
    fn what_does_not_in_a_oneof() {
        assert_eq!(
            with!(contact: Option<Contact<String>>),
            Err(
                "everything.Everything.visit.zipCode: invalid type: integer `0`, \
                 expected a string"
                    .to_owned()
            )
        );
        assert_eq!(
            with!(email: Option<String>, visit: Option<Inner<String>>),
            Err(
                "everything.Everything.visit.zipCode: invalid type: integer `0`, \
                 expected a string"
                    .to_owned()
            )
        );
        assert_eq!(
            with!(contact: Active),
            Err(
                "everything.Everything.email: unknown variant `email`, expected `Active`"
                    .to_owned()
            )
        );
    }

    /// Types that contain each other in every way end the check, not the machine.
    #[test]
    fn types_without_end() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its type is checked")]
        struct Endless {
            child: Box<Self>,
        }
        assert_eq!(check::<Endless>("Everything"), Ok(()));
    }

    /// What a `google.protobuf.Value` holds is known only when it comes.
    #[test]
    fn json_is_not_judged() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its type is checked")]
        struct Loose {
            value: Inner<u8>,
            r#struct: Inner<u8>,
            list: Vec<u8>,
        }
        assert_eq!(check::<Loose>("WellKnown"), Ok(()));
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its type is checked")]
        struct Strict {
            value: Inner<u8>,
            timestamp: String,
            duration: bool,
        }
        assert_eq!(
            check::<Strict>("WellKnown"),
            Err(
                "everything.WellKnown.duration: invalid type: string \"0s\", \
                 expected a boolean"
                    .to_owned()
            )
        );
    }
}
