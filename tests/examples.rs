//! Every example runs and does what its first lines say, as grpcurl sees it.
//!
//! `cargo test` builds the examples first; `cargo test --test examples` alone takes those that are there.

#[cfg(all(feature = "cli", unix))]
#[path = "support/reflectd.rs"]
mod reflectd;
#[path = "support/tools.rs"]
mod tools;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

#[cfg(all(feature = "cli", unix))]
use reflectd::Running;

/// A running example, ended when dropped.
struct Example {
    child: Child,
    address: String,
}

impl Example {
    fn start(name: &str) -> Self {
        let program = program(name);
        let mut child = Command::new(&program)
            .arg("127.0.0.1:0")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on [")
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or_else(|| panic!("{name} said {line:?}"))
            .to_owned();
        Self { child, address }
    }

    /// What grpcurl prints, white space folded: stdout if the call succeeds, else stderr.
    fn call(&self, grpcurl: &Path, flags: &[&str], data: &str, method: &str) -> String {
        let output = Command::new(grpcurl)
            .args(["-plaintext", "-import-path", "proto"])
            .args([
                "-proto",
                "user.proto",
                "-proto",
                "greeter.proto",
                "-max-time",
                "10",
            ])
            .args(flags)
            .args(["-d", data, &self.address, method])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let said = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        String::from_utf8(said)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo has put an example.
fn program(name: &str) -> PathBuf {
    let profile = match cfg!(debug_assertions) {
        true => "debug",
        false => "release",
    };
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    tools::target().join(profile).join("examples").join(file)
}

/// Example, flags, request, method, and what must be in the answer.
const CALLS: &[(&str, &[&str], &str, &str, &str)] = &[
    (
        "axum",
        &[],
        r#"{"Value":"7"}"#,
        "user.UserInfo/getUser",
        r#"{ "id": "7", "name": "user 7" }"#,
    ),
    (
        "typed",
        &[],
        r#"{"name":"jack"}"#,
        "user.UserInfo/addUser",
        r#"{ "Value": "0" }"#,
    ),
    (
        "typed",
        &[],
        r#"{"Value":"9"}"#,
        "user.UserInfo/getUser",
        "Code: NotFound Message: no user 9",
    ),
    (
        "dynamic",
        &[],
        r#"{"name":"Ann"}"#,
        "greeter.Greeter/Greet",
        r#"{ "text": "Hello, Ann!" }"#,
    ),
    (
        "dynamic",
        &[],
        r#"{"name":"Ann"}"#,
        "greeter.Greeter/GreetRepeatedly",
        r#"{ "text": "Hello, Ann!" } { "text": "Hello again, Ann!" }"#,
    ),
    (
        "streaming",
        &[],
        r#"{"name":"Ann","times":2}"#,
        "greeter.Greeter/GreetRepeatedly",
        r#"{ "text": "Hello, Ann!" } { "text": "Hello, Ann!" }"#,
    ),
    (
        "streaming",
        &[],
        r#"{"name":"Ann"}{"name":"Bob"}"#,
        "greeter.Greeter/GreetTogether",
        r#"{ "text": "Hello, Ann and Bob!" }"#,
    ),
    (
        "streaming",
        &[],
        r#"{"name":"Ann"}{"name":"Bob"}"#,
        "greeter.Greeter/GreetEach",
        r#"{ "text": "Hello, Ann!" } { "text": "Hello, Bob!" }"#,
    ),
    (
        "metadata",
        &["-v", "-H", "x-tenant: acme"],
        r#"{"name":"Ann"}"#,
        "greeter.Greeter/Greet",
        r#"{ "text": "Hello, Ann of acme!" } Response trailers received: x-time-left: Some("#,
    ),
    (
        "metadata",
        &[],
        r#"{"name":"Ann"}"#,
        "greeter.Greeter/Greet",
        r#"Details: 1) { "@type": "type.googleapis.com/greeter.Person", "name": "Ann" }"#,
    ),
    (
        "interceptor",
        &["-v", "-H", "x-api-key: sesame"],
        r#"{"name":"Ann"}"#,
        "greeter.Greeter/Greet",
        r#"{ "text": "Hello, Ann, from Ali Baba!" } Response trailers received: x-call-number: 0"#,
    ),
    (
        "interceptor",
        &[],
        r#"{"name":"Ann"}"#,
        "greeter.Greeter/Greet",
        "Code: Unauthenticated Message: x-api-key is missing or wrong",
    ),
    (
        "blocking",
        &[],
        r#"{"name":"/no/such/folder"}"#,
        "greeter.Greeter/Greet",
        "Code: NotFound Message: /no/such/folder:",
    ),
    (
        "blocking",
        &[],
        r#"{"Value":"9"}"#,
        "user.UserInfo/getUser",
        r#"{ "id": "9" }"#,
    ),
    (
        "raw",
        &[],
        r#"{"id":"7","name":"Ann"}"#,
        "user.UserInfo/addUser",
        r#"{ "Value": "7" }"#,
    ),
    (
        "raw",
        &[],
        "{}",
        "user.UserInfo/getUser",
        "Code: Unavailable Message: /user.UserInfo/getUser is not answered today",
    ),
    (
        "store",
        &[],
        r#"{"name":"jack"}"#,
        "user.UserInfo/addUser",
        r#"{ "Value": "0" }"#,
    ),
    (
        "store",
        &[],
        r#"{"Value":"0"}"#,
        "user.UserInfo/getUser",
        r#"{ "id": "0", "name": "jack" }"#,
    ),
    (
        "shutdown",
        &[],
        r#"{"name":"Ann"}"#,
        "greeter.Greeter/Greet",
        r#"{ "text": "Sorry to keep you waiting, Ann" }"#,
    ),
];

#[test]
fn examples_do_what_they_say() {
    let Some(grpcurl) = tools::grpcurl() else {
        return;
    };
    let mut running: Option<(&str, Example)> = None;
    for (name, flags, data, method, expected) in CALLS {
        if running.as_ref().is_none_or(|(started, _)| started != name) {
            running = Some((name, Example::start(name)));
        }
        let Some((_, example)) = &running else {
            unreachable!()
        };
        let answer = example.call(grpcurl, flags, data, method);
        assert!(
            answer.contains(expected),
            "{name}: {method} {data}\n{answer}"
        );
    }
}

#[cfg(all(feature = "cli", unix))]
#[test]
fn the_client_outlives_its_server() {
    let serve = |address: &str| {
        let arguments = ["user.proto", "--store", "memory", "--listen", address];
        Running::start(reflectd::reflectd(&reflectd::protos(), &arguments))
    };
    let server = serve("127.0.0.1:0");
    let address = server.address().to_string();
    let mut client = Command::new(program("user_client"))
        .arg(format!("http://{address}"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut line = || said.next().unwrap().unwrap();
    assert_eq!(line(), "added 0: jack is strong");
    assert_eq!(line(), "found 8 friends of jack");
    assert_eq!(line(), "restart the server, then press Enter");
    server.signal("TERM");
    assert_eq!(server.wait().code, Some(0));
    // The calls begin while nobody is there.
    client.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(line(), "calling again");
    let _server = serve(&address);
    assert_eq!(line(), "added 0: jack is strong");
    assert!(client.wait().unwrap().success());
}

#[test]
fn no_example_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let suites = fs::read_to_string(folder.join("../tests/suites/run")).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What examples share.
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let called = name == "user_client" || CALLS.iter().any(|(example, ..)| *example == name);
        // The servers of the outside suites are driven by these.
        let tested = suites.contains(&format!("build {name}\n"));
        assert!(called || tested, "{name} is not run");
    }
}
