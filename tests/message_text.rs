//! protobuf's text format: what is written can be read, and how deep.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/random_message.rs"]
mod random_message;

use fixtures::{everything, legacy};
use proptest::prelude::*;
use random_message::{Random, random_message};
use reflectd::Message;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// On one line and on many.
    #[test]
    fn round_trips(seed: u64, which in 0..3_usize) {
        let ty = [everything("Everything"), everything("WellKnown"), legacy("Legacy")][which].clone();
        let message = Message::from(random_message(ty.descriptor(), &mut Random(seed), 2));
        for text in [message.to_text(), message.to_string()] {
            prop_assert_eq!(&Message::from_text(&ty, &text).unwrap(), &message, "{}", text);
        }
    }
}

/// A hundred thousand levels are refused on a small stack, wherever the brackets seem to be hidden.
#[test]
fn nesting_stops_at_a_hundred() {
    let ty = everything("Everything");
    let nested = |depth: usize| format!("{}{}", "child {".repeat(depth), "}".repeat(depth));
    let message = Message::from_text(&ty, &nested(99)).unwrap();
    Message::decode(&ty, message.encode_to_bytes()).unwrap();
    for before in [
        "",
        "# '\n",
        "# \\\"\\\n",
        "# \"\\\n",
        "string: 'it\\'s' # it's\n",
    ] {
        for depth in [101, 100_000] {
            let error = Message::from_text(&ty, &format!("{before}{}", nested(depth)));
            assert_eq!(
                error.unwrap_err().to_string(),
                "the text is no `everything.Everything`: it nests deeper than 100 levels"
            );
        }
    }
    let brackets_in_strings = format!("string: \"{}\" # {}", "{".repeat(1000), "[".repeat(50));
    Message::from_text(&ty, &brackets_in_strings).unwrap();
    assert!(Message::from_text(&ty, "no_such: 1").is_err());
}
