//! No input panics, overflows the stack, hangs, or takes memory without bound.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot write its files has failed"
)]

#[path = "support/tree.rs"]
mod tree;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use prost_reflect::DynamicMessage;
use reflectd::{Schema, schema::Diagnostics};
use tree::{told, tree};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/schema");

/// What is told about one file.
fn compile(text: &[u8]) -> (Schema, Diagnostics) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.proto"), text).unwrap();
    Schema::builder()
        .files([folder.path().join("a.proto")])
        .import_paths([FIXTURES])
        .build_keep_going()
        .unwrap()
}

fn first_line(text: &[u8]) -> String {
    let (_, diagnostics) = compile(text);
    let line = diagnostics.iter().next().unwrap().to_string();
    line.split_once("/a.proto:").unwrap().1.to_owned()
}

#[test]
fn nesting_is_capped_before_the_recursive_parsers_see_it() {
    let nested = |levels: usize, open: &str, close: &str| {
        let head = "syntax = \"proto2\";\nimport \"options.proto\";\nmessage M { option (shop.options.audit) = ";
        format!(
            "{head}{{ {}{} }}; }}",
            open.repeat(levels),
            close.repeat(levels)
        )
    };
    // What is let through is parsed and printed.
    let (schema, diagnostics) = compile(nested(90, "parent { ", "}").as_bytes());
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert!(schema.describe("M").unwrap().contains("parent"));
    for (open, close) in [("parent { ", "}"), ("parent <", ">"), ("reviewers: [", "]")] {
        let line = first_line(nested(400_000, open, close).as_bytes());
        assert!(line.ends_with("nests deeper than 100 brackets"), "{line}");
    }
    let messages = format!(
        "syntax = \"proto3\"; {}{}",
        "message A {".repeat(50),
        "}".repeat(50)
    );
    assert!(first_line(messages.as_bytes()).contains("nested at most 31 levels deep"));
    for unclosed in [
        "{",
        "message A {",
        "option (a) = {",
        "[",
        "service S { rpc A(",
        "\"",
        "/*",
        "#",
    ] {
        compile(unclosed.repeat(100_000).as_bytes());
    }
}

#[test]
fn what_is_no_text_is_told() {
    assert_eq!(
        first_line(b"syntax = \"proto3\";\nmessage M { // caf\xe9\n}"),
        "2:19: byte 0xe9 is not UTF-8 (save the file as UTF-8)"
    );
    let (schema, diagnostics) = compile(b"\xef\xbb\xbfsyntax = \"proto3\"; message M {}");
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert!(schema.message("M").is_some());
    assert_eq!(first_line(b"\0"), "1:1: invalid token");
}

#[test]
fn sizes_and_numbers_of_files_are_capped() {
    let text = "syntax = \"proto3\"; // some forty bytes long";
    let folder = tree(&[
        ("a.proto", text),
        ("b.proto", text),
        ("c.proto", "syntax = \"proto3\";"),
    ]);
    let builder = || Schema::builder().files([folder.path()]);
    let (schema, diagnostics) = builder().file_bytes_max(40).build_keep_going().unwrap();
    assert_eq!(
        told(&diagnostics, folder.path()).lines().next().unwrap(),
        "a.proto: has 43 bytes, and at most 40 are read of one file (raise the limit if the file is meant)"
    );
    assert_eq!((diagnostics.len(), schema.files().count()), (2, 1));
    let error = builder()
        .total_bytes_max(80)
        .build_keep_going()
        .unwrap_err();
    assert_eq!(
        told(error.diagnostics().unwrap(), folder.path()),
        "b.proto: all files up to this one have more than 80 bytes (raise the limit if all of them are meant)"
    );
    let error = builder().files_max(2).build_keep_going().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("more than 2 .proto files were named"),
        "{error}"
    );
    let importing = tree(&[
        ("a.proto", "syntax = \"proto3\"; import \"b.proto\";"),
        ("b.proto", "syntax = \"proto3\";"),
    ]);
    let error = Schema::builder()
        .files([importing.path().join("a.proto")])
        .files_max(1)
        .build()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("b.proto: more than 1 files are needed"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_without_opening_them() {
    let folder = tree(&[("a.proto", "syntax = \"proto3\"; import \"pipe.proto\";")]);
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path().join("pipe.proto"))
        .status();
    assert!(made.unwrap().success());
    let refused = "is not a regular file: folders can be named, pipes and devices cannot";
    for paths in [
        vec![folder.path().to_owned()],
        vec![folder.path().join("a.proto")],
    ] {
        let (_, diagnostics) = Schema::builder().files(paths).build_keep_going().unwrap();
        let lines = told(&diagnostics, folder.path());
        assert!(lines.contains(&format!("pipe.proto: {refused}")), "{lines}");
    }
    let (_, diagnostics) = Schema::builder()
        .files(["/dev/zero"])
        .build_keep_going()
        .unwrap();
    assert_eq!(diagnostics.to_string(), format!("/dev/zero: {refused}"));
    let set = Schema::builder()
        .descriptor_set_file("/dev/zero")
        .build()
        .unwrap_err();
    assert!(set.to_string().ends_with(refused), "{set}");
}

#[test]
fn many_errors_take_neither_long_nor_much_to_tell() {
    let began = Instant::now();
    let types: String = (1..20_000)
        .map(|n| format!("  Nope{n} f{n} = {n};\n"))
        .collect();
    let (_, diagnostics) =
        compile(format!("syntax = \"proto3\";\nmessage M {{\n{types}}}").as_bytes());
    assert_eq!(diagnostics.len(), 201);
    let more = diagnostics.iter().find(|entry| entry.line().is_none());
    assert_eq!(more.unwrap().message(), "has 20799 more errors");
    let syntax = "message M { int32 a 1; }\n".repeat(20_000);
    let (_, diagnostics) = compile(syntax.as_bytes());
    assert!(
        (2..=201).contains(&diagnostics.len()),
        "{}",
        diagnostics.len()
    );
    compile(
        "syntax = \"proto3\"; import \"x\";"
            .repeat(10_000)
            .as_bytes(),
    );
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_long_chain_of_imports_is_followed_without_recursion() {
    let folder = tempfile::tempdir().unwrap();
    let last = 3_000;
    for n in 0..=last {
        let import = if n < last {
            format!("import \"f{}.proto\";", n + 1)
        } else {
            String::new()
        };
        let text = format!("syntax = \"proto3\"; {import} message M{n} {{}}");
        fs::write(folder.path().join(format!("f{n}.proto")), text).unwrap();
    }
    let progress = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&progress);
    let schema = Schema::builder()
        .files([folder.path().join("f0.proto")])
        .on_progress(move |now| seen.lock().unwrap().push((now.done(), now.total())))
        .build()
        .unwrap();
    assert_eq!(schema.files().count(), last + 1);
    let progress = progress.lock().unwrap();
    assert!(progress.is_sorted(), "never backwards");
    assert_eq!(progress.last(), Some(&(last + 1, last + 1)));
}

#[test]
fn diamonds_of_public_imports_are_refused_before_they_take_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..60 {
        let imports: String = (0..n)
            .map(|m| format!("import public \"f{m:02}.proto\";\n"))
            .collect();
        let text = format!("syntax = \"proto3\"; package p{n};\n{imports}message M {{}}");
        fs::write(folder.path().join(format!("f{n:02}.proto")), text).unwrap();
    }
    let (schema, diagnostics) = Schema::builder()
        .files([folder.path()])
        .build_keep_going()
        .unwrap();
    assert!(schema.files().count() > 15, "{diagnostics}");
    let line = told(&diagnostics, folder.path());
    assert!(
        line.contains(".proto: has too many chains of public imports below it"),
        "{line}"
    );
}

/// Uses all that a schema has: what was let in must not panic later.
fn exercise(schema: &Schema) {
    let bytes = [0x0a, 0x02, 0x08, 0x01, 0x10, 0x01, 0x1a, 0x00];
    let ours = |name: &str| !name.starts_with("google/");
    for file in schema.files().filter(|file| ours(file.name())) {
        let _ = (schema.describe(file.name()), file.descriptor_bytes());
    }
    for message in schema.descriptor_pool().all_messages() {
        let _ = message
            .extensions()
            .map(|extension| extension.number())
            .max();
        if let Ok(message) = DynamicMessage::decode(message, &bytes[..]) {
            let _ = (message.to_text_format(), serde_json::to_string(&message));
        }
    }
}

proptest! {
    // More with PROPTEST_CASES.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damaged_text_panics(
        name in prop::sample::select(vec!["rich2.proto", "rich3.proto", "options.proto"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..6_usize, damage()), 1..6),
    ) {
        let mut text = fs::read(Path::new(FIXTURES).join(name)).unwrap();
        for (at, removed, inserted) in damage {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted);
        }
        let (schema, diagnostics) = compile(&text);
        exercise(&schema);
        prop_assert!(!diagnostics.to_string().contains("defect"), "{diagnostics}");
    }

    #[test]
    fn no_damaged_descriptor_set_panics(seed in any::<u64>(), rate in 1..40_u64) {
        let schema = Schema::compile([FIXTURES], [""; 0]).unwrap();
        let mut damage = Damage { state: seed | 1, rate };
        let mut set = Vec::new();
        for file in schema.files() {
            let bytes = damage.message(&file.descriptor_bytes(), 0);
            prost::encoding::bytes::encode(1, &bytes, &mut set);
        }
        if let Ok((schema, diagnostics)) =
            Schema::builder().descriptor_set_bytes(set).build_keep_going()
        {
            exercise(&schema);
            prop_assert!(!diagnostics.to_string().contains("defect"), "{diagnostics}");
        }
    }

    #[test]
    fn no_bytes_panic_as_a_descriptor_set(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Schema::from_descriptor_set(bytes);
    }
}

/// What is put into a text: bytes, or words that mean something where they land.
fn damage() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        ";",
        "=",
        "\"",
        "'",
        "//",
        "/*",
        "*/",
        "#",
        "-",
        ".",
        "0",
        "536870912",
        "99999999999999999999",
        "1e999",
        "inf",
        "message ",
        "enum ",
        "oneof ",
        "extend ",
        "group ",
        "option ",
        "reserved ",
        "extensions ",
        "max",
        "optional ",
        "repeated ",
        "map<string, ",
        "import \"rich3.proto\";",
        "syntax = \"proto3\";",
        "package google.protobuf;",
        "é",
        "\\",
        "\\777",
        "string FileOptions = 1;",
        "[packed = true]",
        "stream ",
        "option map_entry = true;",
    ];
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    prop_oneof![
        4 => prop::sample::select(words),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

/// Damages messages on the wire so that they stay messages.
struct Damage {
    state: u64,
    /// How many thousandths of the fields are changed.
    rate: u64,
}

impl Damage {
    fn message(&mut self, bytes: &[u8], depth: usize) -> Vec<u8> {
        use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

        let mut out = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let Ok((tag, wire_type)) = decode_key(&mut rest) else {
                return bytes.to_vec();
            };
            let struck = self.next() % 1_000 < self.rate;
            let times = if struck { self.next() % 3 } else { 1 };
            let tag = if struck && self.next().is_multiple_of(4) {
                (self.next() % 20) as u32 + 1
            } else {
                tag
            };
            let mut value = Vec::new();
            match wire_type {
                WireType::Varint => {
                    let Ok(number) = decode_varint(&mut rest) else {
                        return bytes.to_vec();
                    };
                    encode_varint(if struck { self.number() } else { number }, &mut value);
                }
                WireType::LengthDelimited => {
                    let Ok(length) = decode_varint(&mut rest) else {
                        return bytes.to_vec();
                    };
                    let Some((inner, behind)) = rest.split_at_checked(length as usize) else {
                        return bytes.to_vec();
                    };
                    rest = behind;
                    let inner = match struck && self.next().is_multiple_of(2) {
                        true => self.text(inner),
                        false if depth < 8 => self.message(inner, depth + 1),
                        false => inner.to_vec(),
                    };
                    encode_varint(inner.len() as u64, &mut value);
                    value.extend(inner);
                }
                _ => return bytes.to_vec(),
            }
            for _ in 0..times {
                encode_key(tag, wire_type, &mut out);
                out.extend_from_slice(&value);
            }
        }
        out
    }

    fn number(&mut self) -> u64 {
        let numbers = [
            0,
            1,
            2,
            3,
            10,
            11,
            14,
            19_000,
            536_870_911,
            536_870_912,
            i32::MAX as u64,
            u64::MAX,
        ];
        numbers[self.next() as usize % numbers.len()]
    }

    fn text(&mut self, original: &[u8]) -> Vec<u8> {
        let texts = [
            "",
            ".",
            "..",
            "key",
            "value",
            "M",
            ".shop.v2.Item",
            ".shop.v2.Item.Kind",
            "google",
            "protobuf",
            "google.protobuf",
            "FileOptions",
            "proto2",
            "proto3",
            "editions",
            "\\x\u{e9}",
            "\\777",
            "nan",
            ".google.protobuf.FieldOptions",
            "options.proto",
            "google/protobuf/descriptor.proto",
            "1",
        ];
        match self.next() % 4 {
            0 => original[..original.len() / 2].to_vec(),
            _ => texts[self.next() as usize % texts.len()]
                .as_bytes()
                .to_vec(),
        }
    }

    /// xorshift64.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 11
    }
}
