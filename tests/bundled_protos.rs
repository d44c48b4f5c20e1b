//! The bundled `.proto` files say exactly what the originals say, and custom options build on them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its files has failed"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use protox::Compiler;

/// Has its own README.md, which says where the originals come from.
const FIXTURES: &str = "tests/fixtures/bundled";

/// A file in `FIXTURES` that builds on the bundled ones.
const CUSTOM_OPTIONS: &str = "custom_options.proto";

/// Names, numbers, types, labels, defaults, JSON names, options, ranges, services, and the order of
/// all of them. No difference is excepted.
#[test]
fn every_bundled_file_has_the_descriptor_of_its_original() {
    let (pool, mut originals) = originals();
    originals.remove(CUSTOM_OPTIONS);
    assert_eq!(bundled_files(), Vec::from_iter(originals.keys().cloned()));

    let ours = compile(&["proto"], originals.keys());
    let differences: Vec<_> = originals
        .iter()
        .flat_map(|(name, original)| differences(name, original, &file(&pool, &ours, name)))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn custom_options_of_every_kind_are_compiled_as_protoc_does() {
    let (pool, originals) = originals();
    let original = &originals[CUSTOM_OPTIONS];
    let custom_options = original.keys().filter(|path| path.contains("options.("));
    assert!(custom_options.count() > 0);

    let ours = compile(&[FIXTURES, "proto"], [CUSTOM_OPTIONS]);
    let ours = file(&pool, &ours, CUSTOM_OPTIONS);
    let differences = differences(CUSTOM_OPTIONS, original, &ours);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Every value of a descriptor by its path, `message_type[0].field[1].name`.
type Entries = BTreeMap<String, String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The descriptors that make.py wrote, by file name, and a pool of them. Both sides of a comparison
/// are read with that pool, so that no field or extension of either is unknown.
fn originals() -> (DescriptorPool, BTreeMap<String, Entries>) {
    let bytes = fs::read(root().join(FIXTURES).join("originals.pb")).unwrap();
    let pool = DescriptorPool::decode(bytes.as_slice()).unwrap();
    let set = decode(&pool, "google.protobuf.FileDescriptorSet", &bytes);
    let files = set.get_field_by_name("file").unwrap();
    let files = files.as_list().unwrap();
    let files = files
        .iter()
        .map(|file| entries(file.as_message().unwrap()))
        .map(|file| (file["name"].clone(), file))
        .collect();
    (pool, files)
}

/// The import names of the files below `proto/google` and `proto/grpc`, sorted.
fn bundled_files() -> Vec<String> {
    let proto = root().join("proto");
    let mut folders: Vec<PathBuf> = vec![proto.join("google"), proto.join("grpc")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&proto).unwrap();
                files.push(name.to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    files.sort();
    files
}

fn compile<N: AsRef<Path>>(roots: &[&str], files: impl IntoIterator<Item = N>) -> DescriptorPool {
    let mut compiler = Compiler::new(roots.iter().map(|path| root().join(path))).unwrap();
    if let Err(error) = compiler.open_files(files) {
        panic!("{error:?}");
    }
    compiler.descriptor_pool()
}

fn decode(pool: &DescriptorPool, message: &str, bytes: &[u8]) -> DynamicMessage {
    let message = pool.get_message_by_name(message).unwrap();
    DynamicMessage::decode(message, bytes).unwrap()
}

/// What the file `name` of `files` says, positions and comments left out, as `pool` reads it.
fn file(pool: &DescriptorPool, files: &DescriptorPool, name: &str) -> Entries {
    let bytes = files.get_file_by_name(name).unwrap().encode_to_vec();
    let mut file = decode(pool, "google.protobuf.FileDescriptorProto", &bytes);
    file.clear_field_by_name("source_code_info");
    entries(&file)
}

fn entries(message: &DynamicMessage) -> Entries {
    let mut entries = Entries::new();
    let message = Value::Message(message.clone());
    collect(String::new(), &message, &mut entries);
    entries
}

fn collect(at: String, value: &Value, entries: &mut Entries) {
    match value {
        Value::Message(message) => {
            let unknown = message.unknown_fields().count();
            assert_eq!(unknown, 0, "unknown fields in {at}");
            let prefix = if at.is_empty() { "" } else { "." };
            for (field, value) in message.fields() {
                let name = field.name();
                collect(format!("{at}{prefix}{name}"), value, entries);
            }
            for (extension, value) in message.extensions() {
                let name = extension.full_name();
                collect(format!("{at}{prefix}({name})"), value, entries);
            }
            // An entry of its own, so that a message without fields still counts.
            entries.insert(at, String::new());
        }
        Value::List(list) => {
            for (index, value) in list.iter().enumerate() {
                collect(format!("{at}[{index}]"), value, entries);
            }
        }
        Value::String(text) => drop(entries.insert(at, text.clone())),
        value => drop(entries.insert(at, format!("{value:?}"))),
    }
}

fn differences(name: &str, original: &Entries, ours: &Entries) -> Vec<String> {
    let mut paths: Vec<_> = original.keys().chain(ours.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .map(|path| (path, original.get(path), ours.get(path)))
        .filter(|(_, original, ours)| original != ours)
        .map(|(path, original, ours)| format!("{name}: {path}: {original:?} became {ours:?}"))
        .collect()
}
