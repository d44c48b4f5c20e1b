//! What is typed: help, exit code 2, one line for what is wrong, environment variables.
#![cfg(feature = "cli")]

#[path = "support/reflectd.rs"]
mod support;

use std::fs;

use support::{Running, folder, reflectd, run};

#[test]
fn without_arguments_there_is_help() {
    let folder = folder();
    let ran = run(folder.path(), &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("Usage: reflectd <COMMAND>"), "{ran:?}");
    let ran = run(folder.path(), &["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for command in [
        "serve",
        "call",
        "bench",
        "check",
        "list",
        "describe",
        "completions",
    ] {
        assert!(ran.stdout.contains(command), "{ran:?}");
        let ran = run(folder.path(), &[command, "--help"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.contains("\nExamples:\n  reflectd "), "{ran:?}");
        let longest = ran.stdout.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{longest:?}");
    }
    let version = run(folder.path(), &["--version"]).stdout;
    assert_eq!(run(folder.path(), &["version"]).stdout, version);
    assert_eq!(version, format!("reflectd {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_negative_number_is_a_wrong_value_and_no_flag() {
    let folder = folder();
    let typed = ["user.proto", "--message-receive-bytes", "-1"];
    let told = "error: \"-1\" is no value for --message-receive-bytes: sizes are bytes or, for \
                example, 512KiB, 16MiB, 1GiB; see `reflectd serve --help`";
    assert_eq!(run(folder.path(), &typed).failed(2), told);
    let told = "error: `reflectd check` has no flag -1; see `reflectd check --help`";
    assert_eq!(
        run(folder.path(), &["check", "user.proto", "-1"]).failed(2),
        told
    );
}

/// What is typed, and what is told of it.
const WRONG: &[(&str, &str)] = &[
    (
        "serv user.proto",
        "error: \"serv\" is neither a command nor a file or folder here; did you mean serve?",
    ),
    (
        "protos",
        "error: \"protos\" is neither a command nor a file or folder here; see `reflectd --help`",
    ),
    (
        "bench localhost:1 a.B/c -n many",
        "error: \"many\" is no value for --total: it wants a whole number, 1 or more; see \
             `reflectd bench --help`",
    ),
    (
        "bench localhost:1 a.B/c -c 0",
        "error: \"0\" is no value for --concurrency: it wants a whole number from 1 to 100000; \
             see `reflectd bench --help`",
    ),
    (
        "user.proto --lisen 0",
        "error: `reflectd serve` has no flag --lisen; did you mean --listen?",
    ),
    (
        "check user.proto --store memory",
        "error: `reflectd check` has no flag --store; see `reflectd check --help`",
    ),
    (
        "user.proto --store disk",
        "error: \"disk\" is no value for --store: it wants redb or memory; see `reflectd serve \
             --help`",
    ),
    (
        "user.proto --listen here",
        "error: \"here\" is no value for --listen: it wants ADDRESS:PORT, for example \
             127.0.0.1:10010; port 0 takes a free one; see `reflectd serve --help`",
    ),
    (
        "user.proto --listen",
        "error: --listen <ADDRESS:PORT> wants a value; see `reflectd serve --help`",
    ),
    (
        "user.proto --drain-timeout soon",
        "error: \"soon\" is no value for --drain-timeout: times are seconds or, for example, \
             500ms, 30s, 2m; see `reflectd serve --help`",
    ),
    (
        "user.proto --message-receive-bytes 4MB",
        "error: \"4MB\" is no value for --message-receive-bytes: sizes are bytes or, for \
             example, 512KiB, 16MiB, 1GiB; see `reflectd serve --help`",
    ),
    (
        "describe",
        "error: no input: name the address of a server (HOST:PORT), or .proto files, folders of \
             them or descriptor sets, for example `reflectd list localhost:10010`",
    ),
    (
        "describe user.User",
        "error: \"user.User\" is neither a file or folder here nor the address of a server, \
             which is HOST:PORT, http://…, https://… or unix:PATH",
    ),
    (
        "bench localhost:1 a.B/C -rate 5",
        "error: `reflectd bench` has no flag -rate; did you mean --rps?",
    ),
    (
        "--keep-going check user.proto",
        "error: `check` is a command, and the command comes first: `reflectd check …`; a file \
             of that name is ./check",
    ),
    (
        "serve",
        "error: no input: name .proto files, folders of them or descriptor sets, for example \
             `reflectd serve user.proto`",
    ),
];

#[test]
fn wrong_arguments_are_told_in_one_line() {
    let folder = folder();
    for (typed, told) in WRONG {
        let arguments: Vec<&str> = typed.split(' ').collect();
        assert_eq!(run(folder.path(), &arguments).failed(2), *told, "{typed}");
    }
}

#[test]
fn a_binding_that_does_not_fit_is_a_wrong_argument() {
    let folder = folder();
    let bind = |bind: &str| run(folder.path(), &["check", "user.proto", "--bind", bind]);
    let told = bind("addUser").failed(2).to_owned();
    assert!(
        told.starts_with("error: \"addUser\" is no value for --bind: there is no `=`"),
        "{told}"
    );
    let told = bind("UserInfo/adUser=create:User").failed(2).to_owned();
    assert!(
        told.contains("has no method `adUser`; did you mean `addUser`?"),
        "{told}"
    );
}

#[test]
fn every_command_can_be_left_out_before_a_file() {
    let folder = folder();
    fs::create_dir(folder.path().join("protos")).unwrap();
    fs::copy(
        folder.path().join("user.proto"),
        folder.path().join("protos/user.proto"),
    )
    .unwrap();
    for typed in [
        "user.proto --listen 0 --store memory",
        "--store memory --listen 0 user.proto",
        "protos --store memory --listen 0",
        "--store memory --listen 0 -- ./protos",
    ] {
        let arguments: Vec<&str> = typed.split(' ').collect();
        let server = Running::start(reflectd(folder.path(), &arguments));
        assert_eq!(server.ready["store"], "memory", "{typed}");
    }
}

#[test]
fn a_file_that_is_named_like_a_command_needs_its_folder() {
    let folder = folder();
    fs::create_dir(folder.path().join("list")).unwrap();
    fs::copy(
        folder.path().join("user.proto"),
        folder.path().join("list/user.proto"),
    )
    .unwrap();
    assert_eq!(run(folder.path(), &["list"]).code, Some(2));
    let arguments = ["./list", "--listen", "0", "--store", "memory"];
    Running::start(reflectd(folder.path(), &arguments));
}

#[test]
fn flags_have_environment_variables_and_win_over_them() {
    let folder = folder();
    let mut command = reflectd(folder.path(), &["user.proto", "--listen", "0"]);
    command
        .env("REFLECTD_STORE", "memory")
        .env("REFLECTD_LISTEN", "no address");
    // The variable is not read where the flag is there.
    let server = Running::start(command);
    assert_eq!(server.ready["store"], "memory");

    let mut command = reflectd(folder.path(), &["user.proto"]);
    let ran = command.env("REFLECTD_STORE", "disk").output().unwrap();
    let told = "error: \"disk\" is no value for REFLECTD_STORE: it wants redb or memory; see \
                `reflectd serve --help`";
    assert_eq!(support::Ran::from(ran).failed(2), told);

    let mut command = reflectd(folder.path(), &["check", "user.proto"]);
    let json = command.env("REFLECTD_JSON", "1").output().unwrap().stdout;
    assert!(json.starts_with(b"{"));
    let mut command = reflectd(folder.path(), &["check", "user.proto"]);
    let table = command.env("REFLECTD_JSON", "").output().unwrap().stdout;
    assert!(table.starts_with(b"user.UserInfo"));
}

#[test]
fn variables_that_are_set_to_nothing_count_as_unset() {
    let folder = folder();
    let arguments = ["user.proto", "--listen", "127.0.0.1:0"];
    let mut command = reflectd(folder.path(), &arguments);
    for name in [
        "REFLECTD_IMPORT_PATH",
        "REFLECTD_STORE",
        "REFLECTD_TLS_CERT",
        "REFLECTD_DATA",
    ] {
        command.env(name, "");
    }
    assert_eq!(Running::start(command).ready["store"], "redb");
}

#[test]
fn the_last_of_several_values_counts() {
    let folder = folder();
    let arguments = [
        "user.proto",
        "--listen",
        "0",
        "--listen",
        "[::1]:0",
        // As it is called elsewhere.
        "-port",
        "127.0.0.2:0",
        "-p",
        "127.0.0.3:0",
        "--store",
        "redb",
        "--store",
        "memory",
    ];
    let ready = Running::start(reflectd(folder.path(), &arguments))
        .ready
        .clone();
    assert_eq!(ready["store"], "memory");
    // But for those that may be repeated.
    assert_eq!(ready["listen"].as_array().unwrap().len(), 4);
}
