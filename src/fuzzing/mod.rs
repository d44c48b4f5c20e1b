//! What fuzzing runs: for each target a plain function that takes any bytes and holds what it makes
//! of them against an oracle, a round trip or a bound.
//!
//! The bodies are inside the crate because most of what they test is private and is to stay so: this
//! module is there for `cargo fuzz`, which compiles with `--cfg fuzzing`, and for `cargo test`, which
//! replays the kept inputs of `fuzz/corpus` through the same functions. No user's build has it.

mod differential;
mod grpc;
mod http2;
mod message;
mod schema;

pub use grpc::{length_prefixed, metadata, percent, timeout};
pub use http2::{hpack_decode, http2_session};
pub use message::{json_decode, message_decode, message_differential, message_round_trip};
pub use schema::{descriptor_set, schema_compile};

/// A target: the name of its program in `fuzz/fuzz_targets` and of its folder in `fuzz/corpus`, and
/// what is run.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("length_prefixed", length_prefixed),
    ("metadata", metadata),
    ("timeout", timeout),
    ("percent", percent),
    ("hpack_decode", hpack_decode),
    ("http2_session", http2_session),
    ("message_decode", message_decode),
    ("message_round_trip", message_round_trip),
    ("message_differential", message_differential),
    ("json_decode", json_decode),
    ("schema_compile", schema_compile),
    ("descriptor_set", descriptor_set),
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::TARGETS;

    fn names(folder: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_target_has_a_program_and_a_corpus() {
        let mut targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        targets.sort_unstable();
        assert_eq!(names("fuzz/corpus"), targets);
        let programs: Vec<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
        assert_eq!(names("fuzz/fuzz_targets"), programs);
    }

    #[test]
    fn every_kept_input_passes() {
        for (target, run) in TARGETS {
            let folder = format!("fuzz/corpus/{target}");
            let inputs = names(&folder);
            assert!(!inputs.is_empty(), "{folder} is empty");
            for input in inputs {
                // Shown if the test fails.
                eprintln!("{folder}/{input}");
                let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join(&folder)
                    .join(input);
                run(&fs::read(path).unwrap());
            }
        }
    }
}
