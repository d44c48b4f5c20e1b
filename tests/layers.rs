//! What a room may touch: reads the `use` lines of `src/` and fails on an arrow that runs the wrong
//! way.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// For each room, the rooms it may use. What is not listed (`error`, `limits`) everyone may.
const ALLOWED: &[(&str, &[&str])] = &[
    ("schema", &[]),
    ("message", &["schema"]),
    ("grpc", &[]),
    ("http2", &["grpc"]),
    ("store", &[]),
    ("rpc", &["schema", "message", "grpc", "http2"]),
    ("gateway", &["grpc", "http2", "rpc"]),
    ("transport", &["grpc", "http2", "rpc", "gateway"]),
    ("client", &["schema", "message", "grpc", "rpc"]),
    ("service", &["schema", "message", "grpc", "rpc", "server"]),
    (
        "binding",
        &["schema", "message", "grpc", "rpc", "store", "server"],
    ),
    (
        "server",
        &[
            "schema",
            "message",
            "grpc",
            "rpc",
            "service",
            "transport",
            "gateway",
        ],
    ),
];

/// Rooms that every file may name.
const SHARED: &[&str] = &["error", "limits"];

/// Crates that only some files may name: the crate, and the paths below `src/` that may.
const CRATES: &[(&str, &[&str])] = &[
    ("protox", &["schema/"]),
    // Beyond schema and message: the public conversions of handlers, and the oracles of fuzzing.
    (
        "prost_reflect",
        &["schema/", "message/", "rpc/conversion.rs", "fuzzing/"],
    ),
    ("h2", &["client/"]),
    ("hyper", &["gateway/"]),
    ("rustls", &["transport/tls", "client/"]),
    ("redb", &["store/redb"]),
    ("clap", &["cli/"]),
    ("miette", &["schema/", "cli/"]),
];

/// The rooms without sockets, files, clocks or a runtime.
const SANS_IO: &[&str] = &["schema/", "message/", "grpc/", "http2/"];

const IO: &[&str] = &[
    "tokio",
    "std::net",
    "std::fs",
    // A time that is given may be looked at.
    "Instant::now",
    "SystemTime",
];

/// Where files are read.
const READS_FILES: &[&str] = &["schema/source"];

struct Source {
    /// Below `src/`, with `/`.
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                sources.push(Source {
                    path: below,
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// The lines that are code, and no comment or test.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[cfg(test)]")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// The names right after each `crate::` in the code; `use crate::{…}` groups included.
fn rooms_used(text: &str) -> Vec<String> {
    let code: String = code(text).collect::<Vec<_>>().join("\n");
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(first_names(group)),
            None => rooms.push(name(rest)),
        }
    }
    rooms
}

/// The first name of each entry of a `{…}` group.
fn first_names(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    let mut entry = String::new();
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(std::mem::take(&mut entry).trim())),
            _ => {}
        }
        if depth == 0 && character != ',' {
            entry.push(character);
        }
    }
    names.push(name(entry.trim()));
    names.retain(|name| !name.is_empty());
    names
}

fn name(path: &str) -> String {
    path.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn room_of(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

#[test]
fn arrows_between_rooms_run_one_way() {
    let rooms: Vec<&str> = ALLOWED.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let room = room_of(&source.path);
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == room) else {
            continue;
        };
        for used in rooms_used(&source.text) {
            let is_room = rooms.contains(&used.as_str());
            if is_room && used != room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("src/{} uses crate::{used}", source.path));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "rooms that may not know each other:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_folder_is_a_known_room() {
    for source in sources() {
        let room = room_of(&source.path);
        let known = ALLOWED.iter().any(|(name, _)| *name == room)
            || SHARED.contains(&room)
            || ["lib", "main", "cli", "client", "docs", "fuzzing"].contains(&room);
        assert!(
            known,
            "src/{} is in no room that this test knows",
            source.path
        );
    }
}

#[test]
fn the_command_line_uses_the_public_api_only() {
    for source in sources()
        .iter()
        .filter(|source| room_of(&source.path) == "cli")
    {
        for used in rooms_used(&source.text) {
            assert_eq!(
                used, "cli",
                "src/{} reaches inside the library",
                source.path
            );
        }
    }
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, places) in CRATES {
            let may = places.iter().any(|place| source.path.starts_with(place));
            let names = code(&source.text).any(|line| names_crate(line, name));
            if names && !may {
                wrong.push(format!("src/{} names {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `name::` stands in a line as a path of its own.
fn names_crate(line: &str, name: &str) -> bool {
    let pattern = format!("{name}::");
    line.match_indices(&pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn sans_io_rooms_touch_neither_sockets_nor_clocks() {
    let mut wrong = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !source.path.ends_with("tests.rs") && !source.path.contains("/tests/"))
    {
        let sans_io = SANS_IO.iter().any(|room| source.path.starts_with(room));
        let reads_files = READS_FILES
            .iter()
            .any(|place| source.path.starts_with(place));
        for io in IO.iter().filter(|io| **io != "std::fs" || !reads_files) {
            if sans_io && code(&source.text).any(|line| line.contains(io)) {
                wrong.push(format!("src/{} names {io}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_file_asks_for_the_syntax() {
    // Reading a descriptor set looks at the raw field before there is anything to ask.
    let may = |path: &str| path == "schema/features.rs" || path == "schema/descriptor_set.rs";
    for source in sources().iter().filter(|source| !may(&source.path)) {
        let asks = code(&source.text).any(|line| line.contains(".syntax()"));
        assert!(
            !asks,
            "src/{} asks for syntax(); ask schema::Features",
            source.path
        );
    }
}

/// Codes "never generated by the library" (grpc/grpc, doc/statuscodes.md): they are the application's.
#[test]
fn the_codes_of_applications_are_left_to_them() {
    const CODES: [(&str, &str); 7] = [
        ("invalid_argument", "InvalidArgument"),
        ("not_found", "NotFound"),
        ("already_exists", "AlreadyExists"),
        ("failed_precondition", "FailedPrecondition"),
        ("aborted", "Aborted"),
        ("out_of_range", "OutOfRange"),
        ("data_loss", "DataLoss"),
    ];
    // What is answered from a store, health and reflection are applications; a log only reads, and so
    // does who asks somebody else's reflection.
    const MAY: [&str; 5] = [
        "binding/",
        "service/",
        "client/reflection",
        "grpc/code.rs",
        "rpc/access_log.rs",
    ];
    for source in sources() {
        let may = MAY.iter().any(|place| source.path.starts_with(place));
        for (function, variant) in CODES.iter().filter(|_| !may) {
            let names = [format!("Status::{function}("), format!("Code::{variant}")];
            let named = |line: &str| names.iter().any(|name| line.contains(name));
            let line = code(&source.text).find(|line| named(line));
            assert_eq!(line, None, "in src/{}", source.path);
        }
    }
}

#[test]
fn the_reader_of_use_lines_reads_them() {
    let text = "use crate::{\n    grpc::{Status, Code},\n    rpc::Call,\n    Error,\n};\nuse crate::store;\n// use crate::cli;\nlet x = crate::schema::y;";
    assert_eq!(
        rooms_used(text),
        ["grpc", "rpc", "Error", "store", "schema"]
    );
    assert!(names_crate("use h2::server;", "h2"));
    assert!(!names_crate("use crate::http2::h2::x; my_h2::y", "h2"));
}
