//! Symbols are printed as proto source, comments included, that compiles to the same descriptors.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot compile its files has failed"
)]

#[path = "support/tree.rs"]
mod tree;

use std::{fs, path::Path};

use prost_reflect::{DynamicMessage, ReflectMessage, text_format::FormatOptions};
use prost_types::FileDescriptorProto;
use reflectd::Schema;
use tree::tree;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/schema");

fn fixtures() -> Schema {
    Schema::compile([FIXTURES], [FIXTURES]).unwrap()
}

/// A file's descriptor in text format, custom options by name.
fn descriptor(schema: &Schema, name: &str) -> String {
    let pool = schema.descriptor_pool();
    let kind = pool.get_message_by_name("google.protobuf.FileDescriptorProto");
    let kind = kind.unwrap_or_else(|| FileDescriptorProto::default().descriptor());
    let bytes = schema.file(name).unwrap().descriptor_bytes();
    let message = DynamicMessage::decode(kind, bytes).unwrap();
    message.to_text_format_with_options(&FormatOptions::new().pretty(true))
}

/// Asserts that two texts are the same, telling the first lines that differ.
#[track_caller]
fn similar(actual: &str, expected: &str) {
    let mut lines = actual.lines().zip(expected.lines()).enumerate();
    if let Some((line, (actual, expected))) = lines.find(|(_, (a, b))| a != b) {
        panic!("line {}:\n  is {actual}\nnot {expected}", line + 1);
    }
    assert_eq!(actual.lines().count(), expected.lines().count());
}

#[test]
fn what_is_printed_compiles_to_the_same_descriptors() {
    let schema = fixtures();
    for name in ["options.proto", "rich2.proto", "rich3.proto"] {
        let printed = schema.describe(name).unwrap();
        let folder = tree(&[(name, &printed)]);
        let path = folder.path().join(name);
        let again = Schema::compile([&path], [folder.path(), Path::new(FIXTURES)]);
        let again = again.unwrap_or_else(|error| panic!("{error}\n{printed}"));
        similar(&descriptor(&again, name), &descriptor(&schema, name));
        // And once more: the comments are where they were.
        similar(&again.describe(name).unwrap(), &printed);
    }
}

#[test]
fn the_whole_of_a_file_reads_as_expected() {
    let printed = fixtures().describe("rich2.proto").unwrap();
    let path = format!("{FIXTURES}/rich2.printed");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    similar(&printed, &fs::read_to_string(path).unwrap());
}
