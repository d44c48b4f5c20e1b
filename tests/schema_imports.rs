//! Imports are found without being told where, and each file is one file however it is reached.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot write its files has failed"
)]

#[path = "support/tree.rs"]
mod tree;

use std::path::Path;

use prost::Message;
use reflectd::{Schema, schema::Diagnostics};
use tree::{told, tree};

fn names(schema: &Schema) -> Vec<String> {
    schema.files().map(|file| file.name().to_owned()).collect()
}

fn keep_going(folder: &Path) -> (Schema, Diagnostics) {
    Schema::builder()
        .files([folder])
        .build_keep_going()
        .unwrap()
}

/// `syntax = "proto3"; import …; message Name {}`
fn file(package: &str, imports: &[&str], message: &str) -> String {
    let imports: String = imports
        .iter()
        .map(|import| format!("import \"{import}\";\n"))
        .collect();
    format!("syntax = \"proto3\";\npackage {package};\n{imports}message {message} {{}}\n")
}

#[test]
fn the_root_is_the_folder_above_below_which_the_imports_are() {
    let folder = tree(&[
        (
            "src/protos/shop/v1/cart.proto",
            &file(
                "shop.v1",
                &["shop/v1/item.proto", "common/money.proto"],
                "Cart",
            ),
        ),
        (
            "src/protos/shop/v1/item.proto",
            &file("shop.v1", &["common/money.proto"], "Item"),
        ),
        (
            "src/protos/common/money.proto",
            &file("common", &[], "Money"),
        ),
    ]);
    let cart = folder.path().join("src/protos/shop/v1/cart.proto");
    let schema = Schema::compile([cart], [""; 0]).unwrap();
    let expected = [
        "common/money.proto",
        "shop/v1/item.proto",
        "shop/v1/cart.proto",
    ];
    assert_eq!(names(&schema), expected);
    // Only what was named is served.
    let messages: Vec<_> = schema
        .messages()
        .map(|message| message.full_name().to_owned())
        .collect();
    assert_eq!(messages, ["shop.v1.Cart"]);
    // A file without imports is named by its package.
    let money = folder.path().join("src/protos/common/money.proto");
    assert_eq!(
        names(&Schema::compile([money], [""; 0]).unwrap()),
        ["common/money.proto"]
    );
}

#[test]
fn import_paths_come_first_and_in_their_order() {
    let folder = tree(&[
        ("a.proto", &file("a", &["lib/x.proto"], "A")),
        ("lib/x.proto", &file("own", &[], "Own")),
        ("first/lib/x.proto", &file("first", &[], "First")),
        ("second/lib/x.proto", &file("second", &[], "Second")),
    ]);
    let at = |name: &str| folder.path().join(name);
    let compile = |roots: &[&str]| {
        let roots: Vec<_> = roots.iter().map(|root| at(root)).collect();
        let schema = Schema::compile([at("a.proto")], roots).unwrap();
        schema.file("lib/x.proto").unwrap().package().to_owned()
    };
    assert_eq!(compile(&[]), "own");
    assert_eq!(compile(&["first", "second"]), "first");
    assert_eq!(compile(&["second", "first"]), "second");
}

#[test]
fn an_import_that_no_root_has_is_the_one_named_file_with_its_longest_tail() {
    let folder = tree(&[
        (
            "core/v1/generated.proto",
            &file(
                "k8s.core",
                &["k8s.io/apimachinery/meta/v1/generated.proto"],
                "Pod",
            ),
        ),
        (
            "apps/v1/generated.proto",
            &file("k8s.apps", &["k8s.io/api/core/v1/generated.proto"], "App"),
        ),
        ("meta/v1/generated.proto", &file("k8s.meta", &[], "Meta")),
    ]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert_eq!(
        told(&diagnostics, folder.path()),
        "apps/v1/generated.proto:3:8: note: took core/v1/generated.proto for import \
         \"k8s.io/api/core/v1/generated.proto\", which no import root has\n\
         core/v1/generated.proto:3:8: note: took meta/v1/generated.proto for import \
         \"k8s.io/apimachinery/meta/v1/generated.proto\", which no import root has"
    );
    assert_eq!(schema.notes(), &diagnostics);
    assert_eq!(
        names(&schema),
        [
            "k8s.io/apimachinery/meta/v1/generated.proto",
            "k8s.io/api/core/v1/generated.proto",
            "apps/v1/generated.proto",
        ]
    );
    // Two that fit equally well are none.
    let folder = tree(&[
        ("a/x/t.proto", &file("a", &[], "A")),
        ("b/x/t.proto", &file("b", &[], "B")),
        ("c/c.proto", &file("c", &["far/x/t.proto"], "C")),
    ]);
    let (_, diagnostics) = keep_going(folder.path());
    let line = told(&diagnostics, folder.path());
    assert!(
        line.starts_with("c/c.proto:3:8: import \"far/x/t.proto\" is not found below c, "),
        "{line}"
    );
    assert!(
        line.ends_with(
            "(2 files could be meant, as a/x/t.proto, b/x/t.proto: choose by an import path (-I))"
        ),
        "{line}"
    );
}

#[test]
fn the_built_in_google_protobuf_files_win_over_copies() {
    // Newer copies hold what the parser does not know.
    let copy =
        "edition = \"2024\"; package google.protobuf; message Timestamp { reserved nothing; }";
    let folder = tree(&[
        ("google/protobuf/timestamp.proto", copy),
        (
            "a.proto",
            &file("a", &["google/protobuf/timestamp.proto"], "A"),
        ),
        ("stray/timestamp.proto", copy),
    ]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert_eq!(
        told(&diagnostics, folder.path()),
        "google/protobuf/timestamp.proto: note: the built-in google/protobuf/timestamp.proto is used in place of this copy\n\
         stray/timestamp.proto: note: the built-in google/protobuf/timestamp.proto is used in place of this copy"
    );
    assert_eq!(
        names(&schema),
        ["google/protobuf/timestamp.proto", "a.proto"]
    );
    assert!(
        schema
            .message("google.protobuf.Timestamp")
            .unwrap()
            .field_by_number(1)
            .is_some()
    );
}

#[test]
fn other_built_in_files_fill_in_for_what_is_not_there() {
    let folder = tree(&[("a.proto", &file("a", &["google/rpc/status.proto"], "A"))]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert_eq!(names(&schema)[1..], ["google/rpc/status.proto", "a.proto"]);

    let folder = tree(&[
        (
            "a.proto",
            &file(
                "a",
                &["google/rpc/status.proto", "google/rpc/code.proto"],
                "A",
            ),
        ),
        (
            "google/rpc/status.proto",
            &file("google.rpc", &["google/rpc/code.proto"], "Status"),
        ),
    ]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert_eq!(
        names(&schema),
        [
            "google/rpc/code.proto",
            "google/rpc/status.proto",
            "a.proto"
        ]
    );
    assert!(
        schema
            .message("google.rpc.Status")
            .unwrap()
            .field_by_number(1)
            .is_none()
    );
}

#[test]
fn a_file_that_is_imported_by_two_names_is_one_file() {
    let folder = tree(&[
        ("shop/common.proto", &file("shop", &[], "Common")),
        ("shop/near.proto", &file("shop", &["common.proto"], "Near")),
        ("far.proto", &file("far", &["shop/common.proto"], "Far")),
        (
            "both.proto",
            &file("both", &["shop/near.proto", "shop/common.proto"], "Both"),
        ),
    ]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert_eq!(
        names(&schema),
        [
            "shop/common.proto",
            "far.proto",
            "shop/near.proto",
            "both.proto"
        ]
    );
    let near = schema.file("shop/near.proto").unwrap();
    assert_eq!(
        near.dependencies().collect::<Vec<_>>(),
        ["shop/common.proto"]
    );
}

#[test]
fn folders_with_a_file_of_the_same_name_each_import_their_own() {
    let folder = tree(&[
        ("one/common.proto", &file("one", &[], "Common")),
        ("one/main.proto", &file("one", &["common.proto"], "Main")),
        ("two/common.proto", &file("two", &[], "Common")),
        ("two/main.proto", &file("two", &["common.proto"], "Main")),
    ]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let of = |message: &str| {
        let file = schema.file_containing_symbol(message).unwrap();
        let dependency = file.dependencies().next().unwrap();
        schema.file(&dependency).unwrap().package().to_owned()
    };
    assert_eq!(
        (of("one.Main"), of("two.Main")),
        ("one".to_owned(), "two".to_owned())
    );
}

#[test]
fn of_two_versions_of_a_file_the_first_is_taken_and_the_second_told() {
    let folder = tree(&[
        ("a/lib/x.proto", &file("lib", &[], "X")),
        ("a/a.proto", &file("a", &["lib/x.proto"], "A")),
        (
            "b/lib/x.proto",
            "syntax = \"proto3\"; package lib; message X { string more = 1; }",
        ),
        ("b/b.proto", &file("b", &["lib/x.proto"], "B")),
        ("c/lib/x.proto", &file("lib", &[], "X")),
        ("c/c.proto", &file("c", &["lib/x.proto"], "C")),
    ]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert_eq!(
        told(&diagnostics, folder.path()),
        "b/lib/x.proto: is a second, different lib/x.proto: the first is a/lib/x.proto \
         (name one of them only, or compile them apart)"
    );
    assert_eq!(names(&schema).len(), 4);
}

#[test]
fn an_import_that_differs_from_folder_to_folder_is_the_first_with_a_warning() {
    let folder = tree(&[
        ("a/lib/x.proto", &file("lib", &[], "X")),
        ("a/a.proto", &file("a", &["lib/x.proto"], "A")),
        (
            "b/lib/x.proto",
            "syntax = \"proto3\"; package lib; message X { string more = 1; }",
        ),
        ("b/b.proto", &file("b", &["lib/x.proto"], "B")),
    ]);
    let named = ["b/b.proto", "a/a.proto"].map(|name| folder.path().join(name));
    let schema = Schema::compile(named, [""; 0]).unwrap();
    let root = folder.path().display();
    assert_eq!(
        schema.notes().to_string(),
        format!(
            "{root}/b/lib/x.proto: warning: {root}/a/lib/x.proto is taken for lib/x.proto in place of this file"
        )
    );
    assert_eq!(names(&schema), ["lib/x.proto", "a.proto", "b.proto"]);
}

#[test]
fn a_chain_of_public_imports_is_followed_to_its_end() {
    let public = |package: &str, import: &str, message: &str| {
        format!(
            "syntax = \"proto3\"; package {package}; import public \"{import}\"; message {message} {{}}"
        )
    };
    let user = "syntax = \"proto3\"; import \"one.proto\"; message U { one.M a = 1; two.M b = 2; three.M c = 3; four.M d = 4; }";
    let folder = tree(&[
        ("user.proto", user),
        ("one.proto", &public("one", "two.proto", "M")),
        ("two.proto", &public("two", "three.proto", "M")),
        ("three.proto", &public("three", "four.proto", "M")),
        ("four.proto", &file("four", &["five.proto"], "M")),
        ("five.proto", &file("five", &[], "M")),
    ]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert!(diagnostics.is_empty(), "{diagnostics}");
    // Nobody sees how the pool was told.
    let user = schema.file("user.proto").unwrap();
    assert_eq!(user.dependencies().collect::<Vec<_>>(), ["one.proto"]);
    let proto = prost_types::FileDescriptorProto::decode(user.descriptor_bytes()).unwrap();
    assert_eq!(proto.dependency, ["one.proto"]);
    assert!(
        schema
            .describe("user.proto")
            .unwrap()
            .contains("import \"one.proto\";\n\n")
    );
}

#[test]
fn a_broken_file_leaves_no_extensions_behind() {
    let extending = |message: &str, field: &str| {
        format!(
            "syntax = \"proto2\"; import \"base.proto\"; extend base.Base {{ optional {field} }} message {message} {{}}"
        )
    };
    let folder = tree(&[
        (
            "base.proto",
            "syntax = \"proto2\"; package base; message Base { extensions 100 to 200; } message B2 {} message B3 {}",
        ),
        ("broken.proto", &extending("Broken", "Nope gone = 100;")),
        ("whole.proto", &extending("Whole", "int32 there = 101;")),
    ]);
    let (schema, diagnostics) = keep_going(folder.path());
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
    assert_eq!(schema.extension_numbers("base.Base"), Some(vec![101]));
}

#[test]
fn the_result_does_not_depend_on_the_order_of_arguments() {
    let folder = tree(&[
        ("a/lib/x.proto", &file("lib", &[], "X")),
        ("a/a.proto", &file("a", &["lib/x.proto"], "A")),
        ("b/b.proto", &file("b", &["a.proto", "nope.proto"], "B")),
        (
            "b/lib/x.proto",
            &file("lib", &["google/protobuf/any.proto"], "X"),
        ),
        ("c/broken.proto", "message { }"),
    ]);
    let mut paths: Vec<_> = ["a/lib/x.proto", "a/a.proto", "b", "c/broken.proto", "a"]
        .iter()
        .map(|path| folder.path().join(path))
        .collect();
    let compile = |paths: &[std::path::PathBuf]| {
        let (schema, diagnostics) = Schema::builder().files(paths).build_keep_going().unwrap();
        let bytes: Vec<_> = schema.files().map(|file| file.descriptor_bytes()).collect();
        (names(&schema), bytes, diagnostics)
    };
    let first = compile(&paths);
    assert_eq!(first.2.errors().count(), 3, "{}", first.2);
    for _ in 0..paths.len() {
        paths.rotate_left(1);
        paths.swap(1, 3);
        assert_eq!(compile(&paths), first);
    }
}

#[test]
fn a_file_that_is_named_twice_is_compiled_once() {
    let folder = tree(&[("p/user.proto", &file("user", &[], "User"))]);
    let at = |name: &str| folder.path().join(name);
    let paths = [at("p/user.proto"), at("p/../p/./user.proto"), at("p")];
    let schema = Schema::compile(paths, [""; 0]).unwrap();
    assert_eq!(names(&schema), ["user.proto"]);
    assert_eq!(schema.messages().count(), 1);
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_circles_of_them_end() {
        // As Bazel and Nix lay out their trees: links to files that lie elsewhere.
        let folder = tree(&[
            ("store/1", &file("lib", &[], "X")),
            ("store/2", &file("main", &["lib/x.proto"], "Main")),
            ("tree/lib/README", ""),
        ]);
        let at = |name: &str| folder.path().join(name);
        symlink(at("store/1"), at("tree/lib/x.proto")).unwrap();
        symlink(at("store/2"), at("tree/main.proto")).unwrap();
        symlink(at("tree"), at("tree/lib/again")).unwrap();
        symlink(at("tree/lib"), at("tree/second")).unwrap();
        let schema = Schema::compile([at("tree")], [""; 0]).unwrap();
        assert_eq!(names(&schema), ["lib/x.proto", "main.proto"]);

        let (_, diagnostics) = Schema::builder()
            .files([at("tree")])
            .untrusted(true)
            .build_keep_going()
            .unwrap();
        let refused = "is a symbolic link, and links are not followed in untrusted files";
        assert_eq!(
            told(&diagnostics, folder.path()),
            format!("tree/lib/x.proto: {refused}\ntree/main.proto: {refused}")
        );
    }

    #[test]
    fn untrusted_files_import_nothing_from_outside_of_what_was_named() {
        let folder = tree(&[
            ("secret/s.proto", &file("secret", &[], "S")),
            ("in/up.proto", &file("up", &["secret/s.proto"], "Up")),
            ("in/link.proto", &file("link", &["linked/s.proto"], "Link")),
            ("in/fine.proto", &file("fine", &["sub/x.proto"], "Fine")),
            ("in/sub/x.proto", &file("sub", &[], "X")),
        ]);
        let at = |name: &str| folder.path().join(name);
        symlink(at("secret"), at("in/linked")).unwrap();
        let build = |untrusted: bool| {
            let builder = Schema::builder().files([at("in")]).untrusted(untrusted);
            let (schema, diagnostics) = builder.build_keep_going().unwrap();
            assert_eq!(
                diagnostics.errors().count(),
                if untrusted { 2 } else { 0 },
                "{diagnostics}"
            );
            schema.messages().count()
        };
        assert_eq!((build(false), build(true)), (5, 2));
    }
}
