//! TLS and Unix sockets, with grpcurl as the client.

#![cfg(unix)]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/reflectd.rs"]
mod reflectd;
#[path = "support/tools.rs"]
mod tools;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
};

use authority::Authority;
use rcgen::ExtendedKeyUsagePurpose;
use reflectd::{Running, protos};

fn serve(arguments: &[&str]) -> Running {
    let demo = ["user.proto", "--store", "memory"];
    Running::start(reflectd::reflectd(&protos(), &[&demo, arguments].concat()))
}

fn call(tool: &Path, flags: &[&str], address: &str) -> String {
    let output = Command::new(tool)
        .args(flags)
        .args(["-max-time", "10", "-connect-timeout", "5"])
        .args(["-d", r#"{"name":"ann"}"#, address, "user.UserInfo/addUser"])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said)
        .unwrap()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn calls_are_answered_over_tls_and_new_certificates_are_taken() {
    let Some(tool) = tools::grpcurl() else { return };
    let ours = Authority::new();
    ours.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    let (cert, key, ca) = (
        ours.file("server.pem"),
        ours.file("server.key"),
        ours.file("ca.pem"),
    );
    let server = serve(&[
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ]);
    let address = format!("localhost:{}", server.address().port());
    assert_eq!(
        call(tool, &["-cacert", &ca], &address),
        r#"{ "Value": "0" }"#
    );
    let said = call(tool, &["-plaintext"], &address);
    // As quickly as it is refused, grpcurl takes itself for connected, or does not.
    let refused = ["Failed to dial", "code = Unavailable"];
    assert!(refused.iter().any(|text| said.contains(text)), "{said}");
    assert!(
        call(tool, &[], &address).contains("certificate"),
        "nobody vouches for it"
    );

    // What does not fit together changes nothing.
    fs::write(&key, "no key").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(6_000));
    assert_eq!(
        call(tool, &["-cacert", &ca], &address),
        r#"{ "Value": "1" }"#
    );
    // Another authority's certificate takes the place of the first.
    let theirs = Authority::new();
    theirs.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    fs::copy(theirs.file("server.key"), &key).unwrap();
    fs::copy(theirs.file("server.pem"), &cert).unwrap();
    let mut answer = String::new();
    for _ in 0..40 {
        std::thread::sleep(std::time::Duration::from_millis(500));
        answer = call(tool, &["-cacert", &theirs.file("ca.pem")], &address);
        if answer.contains("Value") {
            break;
        }
    }
    assert_eq!(answer, r#"{ "Value": "2" }"#);
    assert!(!call(tool, &["-cacert", &ca], &address).contains("Value"));
}

#[test]
fn clients_show_certificates_where_they_must() {
    let Some(tool) = tools::grpcurl() else { return };
    let ours = Authority::new();
    ours.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    ours.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
    let theirs = Authority::new();
    theirs.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
    let (cert, key, ca) = (
        ours.file("server.pem"),
        ours.file("server.key"),
        ours.file("ca.pem"),
    );
    let (good, good_key) = (ours.file("client.pem"), ours.file("client.key"));
    let (bad, bad_key) = (theirs.file("client.pem"), theirs.file("client.key"));
    let none = ["-cacert", &ca];
    let good = [&none[..], &["-cert", &good, "-key", &good_key]].concat();
    let bad = [&none[..], &["-cert", &bad, "-key", &bad_key]].concat();
    for (when, lets_none_in) in [("required", false), ("optional", true)] {
        let tls = ["--tls-cert", &cert, "--tls-key", &key, "--client-ca", &ca];
        let auth = ["--listen", "127.0.0.1:0", "--client-auth", when];
        let server = serve(&[&tls[..], &auth].concat());
        let address = format!("localhost:{}", server.address().port());
        assert!(call(tool, &good, &address).contains("Value"), "{when}");
        assert!(!call(tool, &bad, &address).contains("Value"), "{when}");
        assert_eq!(
            call(tool, &none, &address).contains("Value"),
            lets_none_in,
            "{when}"
        );
    }
}

#[test]
fn tls_files_that_do_not_fit_are_told_at_once() {
    let ours = Authority::new();
    ours.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    ours.sign("other", ExtendedKeyUsagePurpose::ServerAuth);
    let cert = ours.file("server.pem");
    for (key, complaint) in [
        ("other.key", "do not go together"),
        ("none.key", "no private key"),
    ] {
        let key = ours.file(key);
        let arguments = ["user.proto", "--store", "memory", "--listen", "127.0.0.1:0"];
        let tls = ["--tls-cert", &cert, "--tls-key", &key];
        let ran = reflectd::run(&protos(), &[&arguments[..], &tls].concat());
        assert!(ran.failed(1).contains(complaint), "{ran:?}");
    }
}

#[test]
fn calls_are_answered_on_a_unix_socket() {
    let Some(tool) = tools::grpcurl() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reflectd.sock");
    let listen = format!("unix:{}", path.display());
    let address = format!("unix://{}", path.display());
    for round in 0..2 {
        // The second round finds the file that the first one, killed, has left.
        assert_eq!(path.exists(), round == 1);
        let server = serve(&["--listen", &listen]);
        assert_eq!(server.ready["listen"][0], listen.as_str());
        assert_eq!(call(tool, &["-plaintext"], &address), r#"{ "Value": "0" }"#);
        let second = ["user.proto", "--store", "memory", "--listen", &listen];
        let ran = reflectd::run(&protos(), &second);
        assert!(ran.failed(1).contains("a server answers there"), "{ran:?}");
    }
}

#[test]
fn who_takes_one_port_for_the_other_is_told_which_flag_to_use() {
    let Some(tool) = tools::grpcurl() else { return };
    let ours = Authority::new();
    ours.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    let (cert, key) = (ours.file("server.pem"), ours.file("server.key"));
    let listen = ["--listen", "127.0.0.1:0"];

    let tls = serve(&[&listen[..], &["--tls-cert", &cert, "--tls-key", &key]].concat());
    let address = tls.address();
    let mut socket = TcpStream::connect(address).unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.ends_with("\r\n\r\nThis port speaks TLS only.\n"),
        "{answer}"
    );
    // Once is enough: the second client in ten seconds is not told of.
    call(tool, &["-plaintext"], &address.to_string());
    tls.signal("TERM");
    let log = tls.wait().stderr;
    assert!(
        log.contains("can read the private key; chmod 600 it"),
        "{log}"
    );
    assert_eq!(log.matches("a client speaks plaintext").count(), 1, "{log}");
    assert!(log.contains("serve without --tls-cert"), "{log}");

    let plaintext = serve(&listen);
    call(tool, &["-insecure"], &plaintext.address().to_string());
    plaintext.signal("TERM");
    let log = plaintext.wait().stderr;
    assert!(
        log.contains("a client speaks TLS, and this port does not"),
        "{log}"
    );
    assert!(log.contains("--tls-cert and --tls-key"), "{log}");
}
