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
