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

#[test]
fn each_kind_of_symbol_is_printed_by_itself() {
    let schema = fixtures();
    let print = |symbol: &str| {
        schema
            .describe(symbol)
            .unwrap_or_else(|| panic!("no {symbol}"))
    };
    assert_eq!(
        print("shop.v3.Shop"),
        "// The shop.
// In a block comment.
service Shop {
  option (shop.options.service_level) = HIGH;
  // Buys.
  rpc Buy(shop.v3.Order) returns (shop.v3.Receipt);
  rpc Watch(shop.v3.Order) returns (stream shop.v3.Receipt) {
    option deprecated = true;
    option idempotency_level = NO_SIDE_EFFECTS;
    option (shop.options.method_audit) = { owner: \"me\" };
  }
  rpc Fill(stream shop.v3.Order) returns (shop.v3.Receipt);
  rpc Talk(stream shop.v3.Order) returns (stream shop.v3.Receipt);
}
"
    );
    assert_eq!(
        print(".shop.v3.Shop.Buy"),
        "// Buys.\nrpc Buy(shop.v3.Order) returns (shop.v3.Receipt);\n"
    );
    assert_eq!(
        print("shop.v3.Order.amount"),
        "optional int32 amount = 2;\n"
    );
    assert_eq!(
        print("shop.v3.Order.times"),
        "map<string, google.protobuf.Timestamp> times = 5;\n"
    );
    assert_eq!(
        print("shop.v3.Order.payment"),
        "oneof payment {\n  string card = 6;\n  shop.v3.Receipt voucher = 7;\n}\n"
    );
    assert_eq!(print("shop.v3.STATE_PAID"), "STATE_PAID = 1;\n");
    assert_eq!(
        print("shop.v2.Item.BIG"),
        "BIG = 5 [deprecated = true, (shop.options.value_note) = \"big\"];\n"
    );
    assert_eq!(
        print("shop.v2.Item.choice"),
        "// One of these.
oneof choice {
  option (shop.options.oneof_note) = \"note\";
  string text = 12;
  shop.v2.Item.Inner inner = 13 [deprecated = true];
  group Grouped = 14 {}
}
"
    );
    assert_eq!(
        print("shop.v2.Item.Inner.in_item"),
        "extend .shop.v2.Item {\n  optional .shop.v2.Item.Inner in_item = 152;\n}\n"
    );
    assert_eq!(
        print("shop.options.audit"),
        "extend google.protobuf.MessageOptions {\n  optional shop.options.Audit audit = 50000;\n}\n"
    );
    assert!(print("shop.v2.Item.part").starts_with("// A group.\nrepeated group Part = 9 {\n"));
    assert_eq!(
        print("shop.v3"),
        "package shop.v3;\nservice shop.v3.Shop\nmessage shop.v3.Order\nmessage shop.v3.Receipt\nenum shop.v3.State\n"
    );
}

#[test]
fn what_there_is_not_is_not_printed() {
    let schema = fixtures();
    for unknown in [
        "",
        ".",
        "shop",
        "shop.v3.Nope",
        "shop.v3.Order.nope",
        "Order",
        "shop.v3.Shop.Buy.x",
    ] {
        assert_eq!(schema.describe(unknown), None, "{unknown}");
    }
}
