//! The grpcurl line of the banner is there to be copied, so it has to work.
#![cfg(all(feature = "cli", unix))]

#[path = "support/reflectd.rs"]
mod support;
#[path = "support/tools.rs"]
mod tools;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command},
};

use support::{folder, reflectd};

#[test]
fn the_line_to_copy_works() {
    let Some(grpcurl) = tools::grpcurl() else {
        return;
    };
    let folder = folder();
    fs::write(folder.path().join("library.proto"), LIBRARY).unwrap();
    fs::write(folder.path().join("legacy.proto"), LEGACY).unwrap();
    for (arguments, call, reply) in [
        (
            vec!["user.proto"],
            "user.UserInfo/addUser",
            r#"{ "Value": "0" }"#,
        ),
        (
            vec!["user.proto", "--no-reflection"],
            "user.UserInfo/addUser",
            r#"{ "Value": "0" }"#,
        ),
        (
            vec!["library.proto"],
            "library.Library/CreateBook",
            r#"{ "id": "0", "title": "some title", "binding": "PAPER", "year": 1 }"#,
        ),
        (
            vec!["legacy.proto"],
            "legacy.Items/AddItem",
            r#"{ "id": "0", "name": "Ada", "a": 1, "b": "1", "last": true }"#,
        ),
    ] {
        let (line, mut server) = start(folder.path(), &arguments);
        assert!(line.ends_with(call), "{line}");
        let said = shell(folder.path(), &line, grpcurl);
        assert_eq!(said, reply, "{line}");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}

#[test]
fn where_nothing_is_added_the_services_are_listed() {
    let Some(grpcurl) = tools::grpcurl() else {
        return;
    };
    let greeter = support::protos().join("greeter.proto");
    let folder = folder();
    let (line, mut server) = start(folder.path(), &[greeter.to_str().unwrap()]);
    let said = shell(folder.path(), &line, grpcurl);
    assert!(said.contains("greeter.Greeter"), "{line}: {said}");
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Starts a server; the line to copy is what follows `try`.
fn start(folder: &Path, arguments: &[&str]) -> (String, Child) {
    let more = ["--listen", "0", "--store", "memory", "--log-format", "text"];
    let mut server = reflectd(folder, &[arguments, &more].concat())
        .spawn()
        .expect("the program is there");
    let stdout = server.stdout.take().expect("it is a pipe");
    let line = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("try   ").map(str::to_owned));
    (line.expect("the banner has a line to copy"), server)
}

/// What a line says when it is pasted into a shell, blanks made one.
fn shell(folder: &Path, line: &str, grpcurl: &Path) -> String {
    let arguments = line.strip_prefix("grpcurl").expect("a line for grpcurl");
    let output = Command::new("sh")
        .args(["-c", &format!("'{}'{arguments}", grpcurl.display())])
        .current_dir(folder)
        .output()
        .expect("there is a shell");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("grpcurl speaks UTF-8");
    let words: Vec<&str> = said.split_whitespace().collect();
    words.join(" ")
}

/// A wrapper, an enum, a oneof, a map and a list.
const LIBRARY: &str = r#"
syntax = "proto3";
package library;
service Library { rpc CreateBook(CreateBookRequest) returns (Book); }
message CreateBookRequest { Book book = 1; }
message Book {
  string id = 1;
  string title = 2;
  repeated string authors = 3;
  map<string, string> labels = 4;
  enum Binding { UNKNOWN = 0; PAPER = 1; }
  Binding binding = 5;
  oneof published { int32 year = 6; string date = 7; }
}
"#;

/// Required fields behind more than fit on a line.
const LEGACY: &str = r#"
syntax = "proto2";
package legacy;
service Items { rpc AddItem(Item) returns (Item); }
message Item {
  optional string id = 1;
  optional string name = 2;
  optional int32 a = 3;
  optional int64 b = 4;
  optional int32 c = 5;
  required bool last = 6;
}
"#;
