//! What is wrong with the files is told whole: every error, with its line, and how to mend it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot write its files has failed"
)]

#[path = "support/tree.rs"]
mod tree;

use reflectd::{Schema, schema::Severity};
use tree::{told, tree};

/// What is told about these files, and which of them load all the same.
#[track_caller]
fn assert_told(files: &[(&str, &str)], expected: &str, loaded: &[&str]) {
    let folder = tree(files);
    let (schema, diagnostics) = Schema::builder()
        .files([folder.path()])
        .build_keep_going()
        .unwrap();
    assert_eq!(told(&diagnostics, folder.path()), expected.trim());
    let names: Vec<String> = schema.files().map(|file| file.name().to_owned()).collect();
    let loaded: Vec<&str> = loaded.to_vec();
    assert_eq!(names, loaded);
}

#[test]
fn every_syntax_error_of_a_file_is_told_once() {
    assert_told(
        &[(
            "syntax.proto",
            "syntax = \"proto3\";
message A {
  int32 a 1;
  message B { string s = 1; }
  string b = 2
  string c = 3;
  enum E { X = 0; Y; }
  option (o) = { a: { b: 1 } } oops;
}
service S {
  rpc Get(A) return (A);
  rpc Set(A) returns (A) {}
}
message C { oneof o { string x } }
message D { int32 d = 1; ",
        )],
        "
syntax.proto:3:11: expected '=', but found '1'
syntax.proto:6:3: expected ';' or '[', but found 'string'
syntax.proto:7:20: expected '=', but found ';'
syntax.proto:8:32: expected ';', but found 'oops'
syntax.proto:11:14: expected 'returns', but found 'return'
syntax.proto:14:32: expected '=', but found '}'
syntax.proto:15:25: expected a message field, oneof, reserved range, enum, message, option or '}', but reached end of file
",
        &[],
    );
}

#[test]
fn without_its_syntax_a_file_is_not_told_off_for_another() {
    for (statement, expected) in [
        (
            "syntax = \"proto3\" package a;",
            "syntax.proto:1:19: expected ';', but found 'package'",
        ),
        (
            "sytnax = \"proto3\";",
            "syntax.proto:1:1: expected 'enum', 'extend', 'import', 'message', 'option', 'service', \
             'package' or ';', but found 'sytnax'",
        ),
    ] {
        let text = format!("{statement} message A {{ int32 a = 1; }}");
        assert_told(&[("syntax.proto", &text)], expected, &[]);
    }
}

#[test]
fn a_name_that_is_reserved_is_not_used() {
    assert_told(
        &[(
            "reserved.proto",
            "syntax = \"proto3\"; message User { reserved \"mail\", \"age\"; string mail = 1; \
             message Age { reserved \"years\"; int32 years = 1; } Age other = 2; } \
             enum Color { NONE = 0; RED = 1; reserved \"RED\", \"BLUE\"; }",
        )],
        "
reserved.proto: the name 'Age.years' is used, and reserved
reserved.proto: the name 'Color.RED' is used, and reserved
reserved.proto: the name 'User.mail' is used, and reserved
",
        &[],
    );
}

#[test]
fn what_statements_mean_is_told_of_all_of_them() {
    assert_told(
        &[
            (
                "meaning.proto",
                "syntax = \"proto2\";
message A {
  int32 unlabelled = 1;
  optional int32 zero = 0;
  optional bytes b = 2 [default = 5];
  optional int32 huge = 4294967296;
  oneof empty {}
  map<double, A> m = 3;
}",
            ),
            (
                "three.proto",
                "syntax = \"proto3\"; message A { required int32 a = 1; optional group G = 2 {} }",
            ),
            ("four.proto", "syntax = \"proto4\";"),
            (
                "entry.proto",
                "syntax = \"proto3\";\nmessage M {\n  message E { option map_entry = true; }\n}",
            ),
        ],
        "
entry.proto:3:22: the option map_entry cannot be set (write a field of type map<Key, Value>)
four.proto:1:10: unknown syntax 'proto4' (possible values are 'proto2' and 'proto3')
meaning.proto:3:3: a field of proto2 must be optional, repeated or required (a file of proto3 begins with syntax = \"proto3\";)
meaning.proto:4:25: message numbers must be between 1 and 536870911
meaning.proto:5:35: expected value to be a string, but found '5'
meaning.proto:6:25: message numbers must be between 1 and 536870911
meaning.proto:8:7: a map field key type must be an integer, boolean or string
three.proto:1:32: required fields are not allowed in proto3 syntax
three.proto:1:54: groups are not allowed in proto3 syntax
",
        &[],
    );
}

#[test]
fn every_unknown_name_and_clash_is_told() {
    assert_told(
        &[
            (
                "names.proto",
                "syntax = \"proto3\";
package names;
message A {
  Foo foo = 1;
  int32 bar = 1;
  /* é */ Bar x = 3;
  map<string, Nope> m = 4;
  reserved 6, 8 to 10;
  int32 six = 6; int32 nineteen = 19000;
}
enum E { E0 = 0; E1 = 1; E2 = 1; }
service S { rpc M(Foo) returns (E); }
extend A { int32 z = 5; }",
            ),
            (
                "twice.proto",
                "syntax = \"proto3\";
package twice;
message A {}
message A {}
enum F {}
enum G { G1 = 1; }
message B { int32 fooBar = 1; int32 foo_bar = 2; }",
            ),
            (
                "options.proto",
                "syntax = \"proto2\";
import \"google/protobuf/descriptor.proto\";
message Rule { optional int32 a = 1; }
extend google.protobuf.MessageOptions { optional Rule rule = 50000; }
message M {
  option (rule) = { a: \"x\" };
  option (nowhere.rule) = 1;
  option deprecated = 7;
  option deprecated = true;
}",
            ),
        ],
        "
names.proto:4:3: name 'Foo' is not defined
names.proto:5:15: field number '1' is already used (it is first defined in line 4)
names.proto:6:11: name 'Bar' is not defined
names.proto:7:3: name 'Nope' is not defined
names.proto:9:15: field number '6' conflicts with reserved range '6 to 6'
names.proto:9:35: invalid field number '19000' (field numbers 19000 to 19999 are reserved)
names.proto:11:31: enum number '1' has already been used (set the 'allow_alias' option allow re-using enum numbers)
names.proto:12:19: name 'Foo' is not defined
names.proto:12:33: 'names.E' is not a message type
names.proto:13:22: message 'names.A' does not define '5' as an extension number
options.proto:6:3: invalid value of type 'Rule' for option '(rule)': expected an integer, but found '\"x\"'
options.proto:7:3: name 'nowhere.rule' is not defined
options.proto:8:3: expected a value of type 'bool' for option 'deprecated', but found '7'
options.proto:9:3: option field 'deprecated' has already been set
twice.proto:4:9: name 'twice.A' is defined twice (it is first defined in line 3)
twice.proto:5:1: enums must have at least one value
twice.proto:6:15: the first value for proto3 enums must be 0
twice.proto:7:37: camel-case name of field 'fooBar' conflicts with field 'foo_bar' (it is first defined in line 7)
",
        &["google/protobuf/descriptor.proto"],
    );
}

#[test]
fn a_broken_file_spoils_only_those_that_import_it() {
    let files = [
        ("a.proto", "syntax = \"proto3\"; message A { Nope n = 1; }"),
        (
            "b.proto",
            "syntax = \"proto3\";\nimport \"a.proto\";\nmessage B { A a = 1; }",
        ),
        (
            "c.proto",
            "syntax = \"proto3\"; import \"b.proto\"; message C {}",
        ),
        ("d.proto", "syntax = \"proto3\"; message D {}"),
    ];
    assert_told(
        &files,
        "
a.proto:1:32: name 'Nope' is not defined
b.proto:2:8: imports \"a.proto\", which has errors
c.proto:1:27: imports \"b.proto\", which has errors
",
        &["d.proto"],
    );
    // Without `keep_going` only the causes are told.
    let folder = tree(&files);
    let error = Schema::compile([folder.path()], [""; 0]).unwrap_err();
    assert!(error.is_schema());
    let diagnostics = error.diagnostics().unwrap();
    assert_eq!(
        told(diagnostics, folder.path()),
        "a.proto:1:32: name 'Nope' is not defined"
    );
}

#[test]
fn a_missing_import_names_every_root_that_was_tried() {
    let folder = tree(&[
        (
            "in/p/a.proto",
            "syntax = \"proto3\";\nimport public \"q/b.proto\";",
        ),
        ("roots/r.proto", "syntax = \"proto3\";"),
    ]);
    let error = Schema::compile([folder.path().join("in/p")], [folder.path().join("roots")]);
    let error = error.unwrap_err();
    let line = told(error.diagnostics().unwrap(), folder.path());
    let (begin, rest) = line.split_once(" below ").unwrap();
    assert_eq!(
        begin,
        "in/p/a.proto:2:15: import \"q/b.proto\" is not found"
    );
    let above: Vec<String> = folder
        .path()
        .ancestors()
        .map(|path| path.display().to_string())
        .collect();
    let (roots, help) = rest.split_once(" (").unwrap();
    assert_eq!(roots, format!("roots, in/p, in, {}", above.join(", ")));
    assert_eq!(
        help,
        "give the folder that it is relative to as import path (-I))"
    );
}

#[test]
fn import_cycles_and_repeated_imports_are_told() {
    assert_told(
        &[
            ("a.proto", "syntax = \"proto3\";\nimport \"b.proto\";"),
            ("b.proto", "syntax = \"proto3\";\nimport \"c.proto\";"),
            ("c.proto", "syntax = \"proto3\";\nimport \"a.proto\";"),
            ("self.proto", "syntax = \"proto3\";\nimport \"self.proto\";"),
            ("twice.proto", "syntax = \"proto3\";\nimport \"fine.proto\";\nimport \"fine.proto\";"),
            ("dots.proto", "syntax = \"proto3\";\nimport \"../a.proto\";"),
            ("fine.proto", "syntax = \"proto3\";"),
        ],
        "
a.proto:2:8: import cycle: a.proto -> b.proto -> c.proto -> a.proto
dots.proto:2:8: invalid import path (imports may not contain backslashes, repeated forward slashes, '.' or '..' components)
self.proto:2:8: import cycle: self.proto -> self.proto
twice.proto:3:8: import \"fine.proto\" is listed twice
",
        &["fine.proto"],
    );
}

#[test]
fn editions_are_refused_with_what_to_do() {
    assert_told(
        &[(
            "new.proto",
            "// Copyright\n  edition = \"2023\";\nmessage M { string s = 1; }",
        )],
        "new.proto:2:3: editions are not supported yet: this file has edition = \"2023\" \
         (write it with syntax = \"proto3\" or \"proto2\"; a descriptor set made of it is refused as well)",
        &[],
    );
}

#[test]
fn files_that_define_the_same_name_are_told_in_one_line() {
    let text = "syntax = \"proto3\"; package user; message User { string id = 1; } message Id {}";
    assert_told(
        &[
            ("a/user.proto", text),
            (
                "b/other.proto",
                &format!("// Another.\n{text} message New {{}}"),
            ),
        ],
        "b/other.proto:2:42: user.User is already defined in a/user.proto, as is one more of its names",
        &["a/user.proto"],
    );
}

#[test]
fn a_terminal_sees_the_line_with_the_place_underlined() {
    let folder = tree(&[(
        "a.proto",
        "syntax = \"proto3\";\nmessage A {\n\tint32 é = 1;\tNope n = 1;\n}",
    )]);
    let (_, diagnostics) = Schema::builder()
        .files([folder.path()])
        .build_keep_going()
        .unwrap();
    let path = folder.path().join("a.proto");
    let rendered = diagnostics
        .render(false)
        .replace(&path.display().to_string(), "a.proto");
    assert_eq!(
        rendered,
        "a.proto:3:8: invalid token\n3 |     int32 é = 1;    Nope n = 1;\n  |           ^\n"
    );

    let folder = tree(&[(
        "a.proto",
        "syntax = \"proto3\";\nenum E {\n  A = 0;\n\tB = 7; C = 7;\n}",
    )]);
    let (_, diagnostics) = Schema::builder()
        .files([folder.path()])
        .build_keep_going()
        .unwrap();
    let diagnostic = diagnostics.iter().next().unwrap();
    assert_eq!(diagnostic.severity(), Severity::Error);
    let place = (diagnostic.line(), diagnostic.column(), diagnostic.length());
    assert_eq!(place, (Some(4), Some(13), Some(1)));
    assert_eq!(
        diagnostic.message(),
        "enum number '7' has already been used"
    );
    assert_eq!(
        diagnostic.help(),
        Some("set the 'allow_alias' option allow re-using enum numbers")
    );
    let colored = diagnostic.render(true);
    assert!(colored.contains("               ^\u{1b}[0m"), "{colored}");
}

#[test]
fn text_from_files_cannot_steer_a_terminal() {
    let folder = tree(&[(
        "a.proto",
        "syntax = \"proto3\";\nimport \"\\033[2J\u{202e}x\";\nmessage M {}",
    )]);
    let (_, diagnostics) = Schema::builder()
        .files([folder.path()])
        .build_keep_going()
        .unwrap();
    let rendered = format!("{diagnostics}\n{}", diagnostics.render(false));
    assert!(rendered.contains("\\u{1b}[2J\\u{202e}x"), "{rendered}");
    assert!(!rendered.contains(['\u{1b}', '\u{202e}']), "{rendered}");
}

#[test]
fn a_path_that_is_not_there_is_told_with_the_nearest() {
    let folder = tree(&[("user.proto", ""), ("empty/readme.txt", "")]);
    let named = |name: &str| {
        let error = Schema::compile([folder.path().join(name)], [""; 0]).unwrap_err();
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "DIR")
    };
    assert_eq!(
        named("usr.proto"),
        "cannot open DIR/usr.proto (did you mean DIR/user.proto?): \
         No such file or directory (os error 2)"
    );
    assert_eq!(
        named("empty"),
        "no .proto file in or below the folder DIR/empty"
    );
    let nothing = Schema::builder().build().unwrap_err();
    assert!(nothing.is_configuration());
    let import_path = Schema::compile([folder.path()], [folder.path().join("user.proto")]);
    assert!(import_path.unwrap_err().is_io());
}
