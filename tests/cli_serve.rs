//! `serve`: what it says when it starts, and why it does not.
#![cfg(feature = "cli")]

#[path = "support/reflectd.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use support::{Running, folder, reflectd, run};

#[test]
fn the_first_line_says_that_calls_are_answered() {
    let folder = folder();
    let server = Running::start(reflectd(folder.path(), &["user.proto", "--listen", "0"]));
    let ready = server.ready.to_string();
    TcpStream::connect(server.address()).unwrap();
    assert_eq!(
        server.ready["services"],
        serde_json::json!(["user.UserInfo"])
    );
    assert_eq!(
        server.ready["methods"][0]["path"], "/user.UserInfo/addUser",
        "{ready}"
    );
    assert_eq!(server.ready["methods"][0]["op"], "create", "{ready}");
    assert_eq!(server.ready["store"], "redb");
    assert_eq!(server.ready["data"], "./reflectd_data");
    assert_eq!(server.ready["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(server.ready["pid"], server.id());
    assert!(folder.path().join("reflectd_data/format").exists());
}

#[test]
fn the_first_line_begins_with_event_and_addresses() {
    let folder = folder();
    let mut command = reflectd(
        folder.path(),
        &["user.proto", "--listen", "0", "--store", "memory"],
    );
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.starts_with("{\"event\":\"ready\",\"listen\":[\"127.0.0.1:"),
        "{line}"
    );
}

#[test]
fn a_memory_store_leaves_no_folder() {
    let folder = folder();
    let arguments = ["user.proto", "--listen", "0", "--store", "memory"];
    let server = Running::start(reflectd(folder.path(), &arguments));
    assert!(server.ready["data"].is_null());
    assert!(!folder.path().join("reflectd_data").exists());
}

#[test]
fn workers_are_told_and_there_is_one_for_each_core() {
    let folder = folder();
    let arguments = ["user.proto", "--listen", "0", "--store", "memory"];
    let server = Running::start(reflectd(folder.path(), &arguments));
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(server.ready["workers"], cores);
    let arguments = [&arguments[..], &["--workers", "3"]].concat();
    let server = Running::start(reflectd(folder.path(), &arguments));
    assert_eq!(server.ready["workers"], 3);
    // It is ready when it listens; the threads come a moment later.
    let started = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        threads_named(server.id(), "reflectd-") == 3
    });
    assert!(started || cfg!(not(target_os = "linux")));
    let told = "error: \"0\" is no value for --workers: how many threads serve connections is a \
                number from 1 to 1024; see `reflectd serve --help`";
    let ran = run(folder.path(), &["user.proto", "--workers", "0"]);
    assert_eq!(ran.failed(2), told);
}

fn threads_named(process: u32, begin: &str) -> usize {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let names = threads.into_iter().flatten().map(|thread| {
        let name = thread.unwrap().path().join("comm");
        fs::read_to_string(name).unwrap_or_default()
    });
    names.filter(|name| name.starts_with(begin)).count()
}

#[test]
fn people_get_a_banner() {
    let folder = folder();
    let arguments = [
        "user.proto",
        "--listen",
        "0",
        "--store",
        "memory",
        "--log-format",
        "text",
    ];
    let mut child = reflectd(folder.path(), &arguments).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let banner: Vec<String> = lines
        .map(|line| line.unwrap())
        .take_while(|line| !line.starts_with("stop"))
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let banner = banner.join("\n");
    assert!(banner.starts_with("reflectd "), "{banner}");
    assert!(banner.contains("answers on 127.0.0.1:"), "{banner}");
    assert!(banner.contains("addUser  create User by id"), "{banner}");
    assert!(banner.contains("data  in memory"), "{banner}");
    let call = "try   grpcurl -plaintext -d '{\"name\": \"Ada\", \"description\": \"some description\"}' \
                127.0.0.1:";
    assert!(banner.contains(call), "{banner}");
    // Not a terminal: no colours.
    assert!(!banner.contains('\x1b'), "{banner}");
}

#[test]
fn a_port_in_use_is_told() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(
        folder.path(),
        &["user.proto", "--listen", &address, "--store", "memory"],
    );
    let told = ran.failed(1);
    assert!(told.starts_with(&format!(
        "error: cannot listen on {address}: the port is in use; "
    )));
}

#[test]
fn an_address_that_cannot_be_had_is_told() {
    let folder = folder();
    let listen = |address| {
        let ran = run(
            folder.path(),
            &["user.proto", "--store", "memory", "--listen", address],
        );
        ran.failed(1).to_owned()
    };
    let elsewhere = listen("192.0.2.1:1");
    assert!(
        elsewhere.contains("this machine does not have that address"),
        "{elsewhere}"
    );
    let nowhere = listen("nowhere.invalid:1");
    let expected = "error: cannot listen on nowhere.invalid:1: no address is known for";
    assert!(nowhere.starts_with(expected), "{nowhere}");
}

#[test]
fn plaintext_for_other_machines_is_told() {
    let folder = folder();
    let arguments = ["user.proto", "--listen", ":0", "--store", "memory"];
    let mut command = reflectd(folder.path(), &arguments);
    let mut child = command.spawn().unwrap();
    let mut told = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut told).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.starts_with("warning: 0.0.0.0:"), "{told}");
    assert!(told.contains("without TLS"), "{told}");
}

#[test]
fn two_servers_cannot_share_a_data_folder() {
    let folder = folder();
    let first = Running::start(reflectd(folder.path(), &["user.proto", "--listen", "0"]));
    let ran = run(folder.path(), &["user.proto", "--listen", "0"]);
    let expected = format!(
        "error: data folder ./reflectd_data is in use by another process (id {}); stop it or \
         choose another with --data",
        first.id()
    );
    assert_eq!(ran.failed(1), expected);
    drop(first);
    Running::start(reflectd(folder.path(), &["user.proto", "--listen", "0"]));
}

#[test]
fn a_folder_with_something_else_in_it_is_not_taken_for_data() {
    let folder = folder();
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::write(folder.path().join("photos/cat.jpg"), b"cat").unwrap();
    let ran = run(
        folder.path(),
        &["user.proto", "--listen", "0", "--data", "photos"],
    );
    let told = ran.failed(1);
    assert!(told.contains("is not a data folder"), "{told}");
    assert!(told.contains("--data"), "{told}");
}

#[test]
fn files_without_a_service_are_nothing_to_serve() {
    let folder = folder();
    fs::write(
        folder.path().join("types.proto"),
        "syntax = \"proto3\"; message A {}",
    )
    .unwrap();
    let ran = run(folder.path(), &["types.proto", "--listen", "0"]);
    assert!(
        ran.failed(1)
            .starts_with("error: there is nothing to serve: ")
    );
    assert!(!folder.path().join("reflectd_data").exists());
}

#[test]
fn a_server_does_not_need_its_standard_output() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let listen = address.to_string();
    let arguments = ["user.proto", "--listen", &listen, "--store", "memory"];
    let mut command = reflectd(folder.path(), &arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let connected = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        TcpStream::connect(address).is_ok()
    });
    assert!(connected);
    assert!(child.try_wait().unwrap().is_none(), "it has ended");
    child.kill().unwrap();
    child.wait().unwrap();
}
