//! `check`, `list` and `describe`: what is in the files, and what is wrong with them.
#![cfg(feature = "cli")]

#[path = "support/reflectd.rs"]
mod support;

use std::{fs, path::Path, process::Stdio};

use serde_json::json;
use support::{folder, protos, reflectd, run};

#[test]
fn check_prints_the_plan() {
    let folder = folder();
    let ran = run(folder.path(), &["check", "user.proto"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let expected = "\
user.UserInfo
  addUser  create User by id  User → UserId: `UserId` is a key of `User` (Value ↔ id)
  getUser  get User by id     UserId → User: `UserId` is a key of `User` (Value ↔ id)

2 methods, 2 answered, 0 unimplemented
";
    assert_eq!(ran.stdout, expected);
}

#[test]
fn check_prints_the_plan_as_one_json_document() {
    let folder = folder();
    let ran = run(folder.path(), &["check", "--json", "user.proto"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = json!({ "methods": [
        {
            "path": "/user.UserInfo/addUser",
            "kind": "unary",
            "answered_by": "store",
            "op": "create",
            "resource": "user.User",
            "key": "id",
            "reason": "User → UserId: `UserId` is a key of `User` (Value ↔ id)",
            "fix": null,
        },
        {
            "path": "/user.UserInfo/getUser",
            "kind": "unary",
            "answered_by": "store",
            "op": "get",
            "resource": "user.User",
            "key": "id",
            "reason": "UserId → User: `UserId` is a key of `User` (Value ↔ id)",
            "fix": null,
        },
    ], "diagnostics": []});
    assert_eq!(document, expected);
}

#[test]
fn what_nothing_answers_has_a_fix_that_fixes_it() {
    let folder = folder();
    let unclear = "syntax = \"proto3\"; package a; message T { string id = 1; }\n\
                   message Key { string id = 1; }\n\
                   service S { rpc Frobnicate(T) returns (Key); rpc Flow(stream T) returns (T); }";
    fs::write(folder.path().join("a.proto"), unclear).unwrap();
    let plan = |arguments: &[&str]| -> serde_json::Value {
        let arguments = [&["check", "--json", "a.proto"], arguments].concat();
        serde_json::from_str(&run(folder.path(), &arguments).stdout).unwrap()
    };
    let unbound = plan(&[]);
    let [first, flow] = unbound["methods"].as_array().unwrap().as_slice() else {
        panic!("{unbound}")
    };
    assert_eq!(flow["answered_by"], "nothing");
    if first["answered_by"] == "nothing" {
        let fix = first["fix"]
            .as_str()
            .unwrap()
            .strip_prefix("--bind ")
            .unwrap();
        assert_eq!(plan(&["--bind", fix])["methods"][0]["answered_by"], "store");
    }
}

/// Two files with errors and one without.
fn broken() -> tempfile::TempDir {
    let folder = folder();
    let two = "syntax = \"proto3\";\nmessage A {\n  Missing m = 1;\n  Gone g = 2;\n}\n";
    fs::write(folder.path().join("two.proto"), two).unwrap();
    let syntax = "syntax = \"proto3\";\nmessage B { string = 1; }\n";
    fs::write(folder.path().join("syntax.proto"), syntax).unwrap();
    folder
}

#[test]
fn errors_of_all_files_are_told_one_a_line() {
    let folder = broken();
    for command in ["check", "serve", "list"] {
        let ran = run(folder.path(), &[command, "."]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(100), ""));
        let places: Vec<String> = ran.stderr.lines().map(place).collect();
        assert_eq!(
            places,
            ["./syntax.proto:2:", "./two.proto:3:", "./two.proto:4:"],
            "{ran:?}"
        );
        assert!(
            ran.stderr.contains("Missing") && ran.stderr.contains("Gone"),
            "{ran:?}"
        );
    }
    assert!(!folder.path().join("reflectd_data").exists());
}

#[test]
fn a_missing_import_is_told_with_the_folders_as_one_would_write_them() {
    let folder = folder();
    let text = "syntax = \"proto3\";\nimport \"none.proto\";\n";
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/a.proto"), text).unwrap();
    let ran = run(folder.path(), &["check", "in/a.proto"]);
    let expected = "in/a.proto:2:8: import \"none.proto\" is not found below in, . or the \
                    folders above (give the folder that it is relative to as import path (-I))";
    assert_eq!(ran.failed(100), expected);
}

#[test]
fn with_json_the_errors_are_part_of_the_document() {
    let folder = broken();
    for (flags, methods) in [(&[][..], 0), (&["--keep-going"], 2)] {
        let arguments = [&["check", "--json", "."], flags].concat();
        let ran = run(folder.path(), &arguments);
        assert_eq!((ran.code, ran.stderr.lines().count()), (Some(100), 3));
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(document["methods"].as_array().unwrap().len(), methods);
        let told = document["diagnostics"].as_array().unwrap();
        assert_eq!(told.len(), 3);
        let second = json!({
            "severity": "error",
            "file": "./two.proto",
            "line": 3,
            "column": 3,
            "length": 7,
            "message": "name 'Missing' is not defined",
            "help": null,
        });
        assert_eq!(told[1], second);
    }
}

/// `file:line:` of a diagnostic.
fn place(line: &str) -> String {
    let parts: Vec<&str> = line.splitn(3, ':').collect();
    format!("{}:{}:", parts[0], parts[1])
}

#[test]
fn with_keep_going_the_rest_is_checked_and_the_errors_count() {
    let folder = broken();
    let ran = run(folder.path(), &["check", "--keep-going", "."]);
    assert_eq!(ran.code, Some(100));
    assert_eq!(ran.stderr.lines().count(), 3, "{ran:?}");
    assert!(ran.stdout.contains("2 methods, 2 answered"), "{ran:?}");
    let ran = run(folder.path(), &["list", "--keep-going", "."]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "user.UserInfo\n")
    );
}

#[test]
fn files_that_cannot_be_read_are_told_in_one_line() {
    let folder = folder();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("broken.binpb"), b"\xff\xff").unwrap();
    let told = |arguments: &[&str], code| run(folder.path(), arguments).failed(code).to_owned();
    let missing = told(&["usr.proto"], 1);
    assert!(missing.starts_with("error: cannot open usr.proto (did you mean user.proto?): "));
    let empty = told(&["check", "empty"], 1);
    assert_eq!(empty, "error: no .proto file in or below the folder empty");
    let root = told(&["list", "user.proto", "-I", "nowhere"], 1);
    assert!(
        root.starts_with("error: cannot use the import path nowhere: "),
        "{root}"
    );
    let set = told(&["list", "broken.binpb"], 100);
    assert!(set.starts_with("broken.binpb"), "{set}");
}

#[test]
fn limits_of_the_input_can_be_set() {
    let folder = folder();
    let ran = run(
        folder.path(),
        &["list", "user.proto", "--proto-file-bytes", "10"],
    );
    assert_eq!(ran.code, Some(100));
    assert!(ran.complaint().starts_with("user.proto"), "{ran:?}");
    let ran = run(
        folder.path(),
        &["list", "user.proto", "--proto-file-bytes", "1M"],
    );
    assert_eq!(ran.code, Some(0));
}

#[test]
fn list_names_services_or_methods() {
    let ran = run(&protos(), &["list", "user.proto", "greeter.proto"]);
    assert_eq!(ran.stdout, "greeter.Greeter\nuser.UserInfo\n");
    let ran = run(&protos(), &["list", "--methods", "user.proto"]);
    assert_eq!(ran.stdout, "user.UserInfo/addUser\nuser.UserInfo/getUser\n");
}

#[test]
fn describe_prints_the_source() {
    let describe = |symbol: &str| run(&protos(), &["describe", symbol, "user.proto"]);
    let expected = "\
// The id of a user.
message UserId {
  string Value = 1;
}
";
    for name in ["user.UserId", ".user.UserId"] {
        let ran = describe(name);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), expected));
    }
    for name in [
        "user.UserInfo/addUser",
        "/user.UserInfo/addUser",
        "user.UserInfo.addUser",
    ] {
        let ran = describe(name);
        assert!(ran.stdout.contains("rpc addUser"), "{ran:?}");
    }
}

#[test]
fn describe_knows_what_was_meant() {
    let told = |symbol: &str| {
        let ran = run(&protos(), &["describe", symbol, "user.proto"]);
        ran.failed(1).to_owned()
    };
    let meant = |typed: &str, name: &str| {
        format!("error: no symbol is named {typed:?}; did you mean {name:?}?")
    };
    assert_eq!(told("User"), meant("User", "user.User"));
    assert_eq!(told("user.UserInf"), meant("user.UserInf", "user.UserInfo"));
    assert_eq!(
        told("something.else.entirely"),
        "error: no symbol is named \"something.else.entirely\"; `reflectd list` tells the services"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder();
    // More than a pipe holds.
    let mut text = "syntax = \"proto3\"; message M {}\n".to_owned();
    for number in 0..4000 {
        text += &format!("service LongerThanUsual{number} {{ rpc Get(M) returns (M); }}\n");
    }
    fs::write(folder.path().join("many.proto"), text).unwrap();
    for arguments in [["list", "many.proto"], ["check", "many.proto"]] {
        let mut command = reflectd(folder.path(), &arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn the_projects_own_files_have_no_errors() {
    let ran = run(Path::new(env!("CARGO_MANIFEST_DIR")), &["check", "proto"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
