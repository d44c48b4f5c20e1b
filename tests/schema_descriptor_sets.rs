//! Descriptor sets keep the bytes that were read, and one that nobody's compiler wrote is refused.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot make its sets has failed"
)]

#[path = "support/tree.rs"]
mod tree;

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, MessageOptions, OneofDescriptorProto, UninterpretedOption,
    descriptor_proto::ReservedRange,
    field_descriptor_proto::{Label, Type},
};
use reflectd::Schema;
use tree::{told, tree};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/schema");

/// The files of a schema as a set, with all that the plain descriptors drop.
fn set_of(schema: &Schema) -> Vec<u8> {
    let mut set = Vec::new();
    for file in schema.files() {
        let bytes = file.descriptor_bytes();
        prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, &mut set);
        prost::encoding::encode_varint(bytes.len() as u64, &mut set);
        set.extend_from_slice(&bytes);
    }
    set
}

#[test]
fn a_set_gives_back_the_bytes_that_were_read_and_describes_them_the_same() {
    let schema = Schema::compile([FIXTURES], [""; 0]).unwrap();
    let again = Schema::from_descriptor_set(set_of(&schema)).unwrap();
    assert!(again.files().count() >= 4);
    for file in schema.files() {
        let other = again.file(file.name()).unwrap();
        assert_eq!(
            other.descriptor_bytes(),
            file.descriptor_bytes(),
            "{}",
            file.name()
        );
    }
    // Sets hold no comments unless they are asked for.
    let text = schema.describe("shop.v2.Item.inner_by_number").unwrap();
    assert_eq!(
        again.describe("shop.v2.Item.inner_by_number").unwrap(),
        text
    );
    assert_eq!(again.services().len(), 1);
}

#[test]
fn unknown_fields_and_comments_of_a_set_survive() {
    let mut file = plain_file();
    file.source_code_info = Some(prost_types::SourceCodeInfo {
        location: vec![prost_types::source_code_info::Location {
            path: vec![4, 0],
            span: vec![1, 0, 2, 1],
            leading_comments: Some(" From the set.\n".to_owned()),
            ..Default::default()
        }],
    });
    let mut bytes = file.encode_to_vec();
    prost::encoding::string::encode(1234, &"unknown here".to_owned(), &mut bytes);
    let mut set = Vec::new();
    prost::encoding::bytes::encode(1, &bytes, &mut set);
    let schema = Schema::from_descriptor_set(set).unwrap();
    assert_eq!(
        schema.file("plain.proto").unwrap().descriptor_bytes(),
        bytes
    );
    assert!(
        schema
            .describe("plain.M")
            .unwrap()
            .starts_with("// From the set.\nmessage M {\n")
    );
}

#[test]
fn sets_and_files_can_import_each_other() {
    let folder = tree(&[(
        "a.proto",
        "syntax = \"proto3\"; import \"plain.proto\"; message A { plain.M m = 1; }",
    )]);
    let set = FileDescriptorSet {
        file: vec![plain_file()],
    }
    .encode_to_vec();
    let path = folder.path().join("set.binpb");
    std::fs::write(&path, set).unwrap();
    let schema = Schema::builder()
        .files([folder.path()])
        .descriptor_set_file(&path)
        .build()
        .unwrap();
    assert_eq!(schema.files().count(), 2);
    let missing = Schema::builder()
        .descriptor_set_file(folder.path().join("nope"))
        .build();
    assert!(missing.unwrap_err().is_io());
}

/// What is told of a set with this one file.
#[track_caller]
fn assert_refused(change: impl FnOnce(&mut FileDescriptorProto), expected: &str) {
    let mut file = plain_file();
    change(&mut file);
    let set = FileDescriptorSet { file: vec![file] }.encode_to_vec();
    let error = Schema::from_descriptor_set(set).unwrap_err();
    let lines = told(error.diagnostics().unwrap(), "/nowhere".as_ref());
    assert_eq!(
        lines.replace("<descriptor set>: plain.proto", "_"),
        expected
    );
}

#[test]
fn a_syntax_that_is_not_known_never_reaches_the_pool() {
    assert_refused(
        |file| file.syntax = Some("proto4".to_owned()),
        "_ has the unknown syntax \"proto4\"",
    );
    assert_refused(
        |file| file.syntax = Some("editions".to_owned()),
        "_ is written with an edition, and editions are not supported yet \
         (write it with syntax = \"proto3\" or \"proto2\")",
    );
    // `edition = 1000` (EDITION_2023), without a syntax.
    let mut bytes = FileDescriptorProto {
        syntax: None,
        ..plain_file()
    }
    .encode_to_vec();
    prost::encoding::int32::encode(14, &1000, &mut bytes);
    let mut set = Vec::new();
    prost::encoding::bytes::encode(1, &bytes, &mut set);
    let error = Schema::from_descriptor_set(set).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("plain.proto is written with an edition"),
        "{error}"
    );
}

#[test]
fn imports_that_a_set_lacks_are_told() {
    assert_refused(
        |file| file.dependency.push("far.proto".to_owned()),
        "_ imports \"far.proto\", which the set does not hold \
         (write the set with its imports (protoc --include_imports))",
    );
    assert_refused(
        |file| file.dependency.push("plain.proto".to_owned()),
        "<descriptor set>: import cycle: plain.proto -> plain.proto",
    );
    assert_refused(
        |file| file.message_type[0].field[0].type_name = Some(".plain.Nope".to_owned()),
        "_: name '.plain.Nope' is not defined",
    );
}

#[test]
fn what_no_compiler_writes_about_names_and_fields_is_refused() {
    assert_refused(
        |file| file.package = Some("a..b".to_owned()),
        "_ \"\" is no name",
    );
    assert_refused(
        |file| file.message_type[0].name = Some("M\u{1b}[2J".to_owned()),
        "_ \"M\\u{1b}[2J\" is no name",
    );
    assert_refused(
        |file| file.message_type[0].options = Some(map_entry()),
        "_ a map entry has one key and one value, in M",
    );
    assert_refused(
        |file| {
            file.message_type[0].field =
                vec![field("key", 1, Type::Float), field("value", 2, Type::Int32)];
            file.message_type[0].options = Some(map_entry());
        },
        "_ a map entry is not a key and a value, in M",
    );
    assert_refused(
        |file| {
            let mut data = field("data", 5, Type::Bytes);
            data.default_value = Some("\\xé".to_owned());
            file.message_type[0].field.push(data);
        },
        "_ field data has a default that is not escaped, in M",
    );
}

#[test]
fn what_no_compiler_writes_about_the_rest_is_refused() {
    assert_refused(
        |file| {
            let range = ReservedRange {
                start: Some(5),
                end: Some(i32::MIN),
            };
            file.message_type[0].reserved_range.push(range);
        },
        "_ 5 to -2147483648 is no range of numbers, in M",
    );
    assert_refused(
        |file| {
            let oneof = OneofDescriptorProto {
                name: Some("o".to_owned()),
                options: None,
            };
            file.message_type[0].oneof_decl.push(oneof);
        },
        "_ oneof o has no field, in M",
    );
    assert_refused(
        |file| file.message_type[0].field[0].r#type = Some(99),
        "_ field m has the unknown type 99, in M",
    );
    assert_refused(
        |file| {
            file.options = Some(prost_types::FileOptions {
                uninterpreted_option: vec![UninterpretedOption::default()],
                ..Default::default()
            });
        },
        "_ options are not interpreted",
    );
    assert_refused(
        |file| {
            file.enum_type.push(EnumDescriptorProto {
                name: Some("E".to_owned()),
                ..Default::default()
            })
        },
        "_: enums must have at least one value",
    );
}

#[test]
fn a_file_cannot_redefine_what_options_are() {
    assert_refused(
        |file| {
            file.package = Some("google.protobuf".to_owned());
            file.message_type[0].name = Some("FileOptions".to_owned());
            file.message_type[0].field[0].type_name =
                Some(".google.protobuf.FileOptions".to_owned());
        },
        "_: google.protobuf.FileOptions is already defined in <built-in google/protobuf/descriptor.proto>",
    );
    assert_refused(
        |file| {
            file.package = Some("google".to_owned());
            file.message_type[0].name = Some("protobuf".to_owned());
            file.message_type[0].field.clear();
        },
        "_: name 'google.protobuf' is already defined in file 'google/protobuf/descriptor.proto'",
    );
}

#[test]
fn what_is_no_set_is_told() {
    let told = |bytes: &[u8]| {
        Schema::from_descriptor_set(bytes.to_vec())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(told(b""), "<descriptor set>: holds no file");
    assert_eq!(
        told(b"\x12\x00"),
        "<descriptor set>: is not a FileDescriptorSet"
    );
    assert_eq!(
        told(b"\x0a\xff\x01abc"),
        "<descriptor set>: is not a FileDescriptorSet: the bytes are cut short"
    );
    assert!(
        told(b"\x0a\x02\x0a\x7f")
            .starts_with("<descriptor set>: file 1 of the set cannot be decoded: ")
    );
}

fn map_entry() -> MessageOptions {
    MessageOptions {
        map_entry: Some(true),
        ..Default::default()
    }
}

/// `package plain; message M { M m = 1; }`
fn plain_file() -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some("plain.proto".to_owned()),
        package: Some("plain".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto {
            name: Some("M".to_owned()),
            field: vec![FieldDescriptorProto {
                name: Some("m".to_owned()),
                number: Some(1),
                label: Some(Label::Optional as i32),
                r#type: Some(Type::Message as i32),
                type_name: Some(".plain.M".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional as i32),
        r#type: Some(kind as i32),
        ..Default::default()
    }
}
