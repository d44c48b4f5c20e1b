//! Where a client connects to: TLS and who is trusted, Unix sockets, and ports that speak something
//! else.

#![cfg(all(unix, feature = "tls"))]

mod support;

use std::{fs, path::PathBuf};

use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use reflectd::{
    ClientAuth, RawMessage, Schema, Server, ServerBuilder, Status, TlsConfig,
    client::{Channel, ChannelBuilder, Client, ClientTls},
};
use support::{TestServer, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A folder with an authority, `ca.pem`, and what it signed: `server`, `client`.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.file("ca.pem"), ca.pem()).unwrap();
        for (name, usage) in [
            ("server", ExtendedKeyUsagePurpose::ServerAuth),
            ("client", ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let mut params = CertificateParams::new(vec!["our.test".to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().unwrap();
            let signed = params.signed_by(&key, &ca).unwrap();
            fs::write(folder.file(&format!("{name}.pem")), signed.pem()).unwrap();
            fs::write(folder.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn server(&self) -> TlsConfig {
        TlsConfig::new(self.file("server.pem"), self.file("server.key"))
    }

    /// Trusts the authority, and expects the name that it vouches for.
    fn client(&self) -> ClientTls {
        let tls = ClientTls::new().ca(self.file("ca.pem"));
        tls.server_name("our.test")
    }
}

fn schema() -> Schema {
    Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap()
}

fn builder() -> ServerBuilder {
    Server::builder(schema()).unary(GREET, async |message: RawMessage| Ok(message))
}

async fn greet(channel: ChannelBuilder) -> Result<RawMessage, Status> {
    let client = Client::new(channel.lazy().unwrap(), schema());
    soon("a greeting", client.unary(GREET, RawMessage::new("hello"))).await
}

/// Why it could not be connected to.
async fn complaint(channel: ChannelBuilder) -> String {
    greet(channel).await.unwrap_err().message().to_owned()
}

#[tokio::test]
async fn a_server_is_known_by_its_certificate() {
    let certificates = Certificates::new();
    let server = TestServer::start(builder().tls(certificates.server())).await;
    let channel = || Channel::builder(&format!("https://{}", server.address()));
    let trusted = channel().tls(certificates.client());
    assert_eq!(greet(trusted).await.unwrap().bytes, "hello");
    let skipped = channel().tls(ClientTls::new().insecure_skip_verify());
    assert_eq!(greet(skipped).await.unwrap().bytes, "hello");
    let others = Certificates::new();
    let stranger = channel().tls(others.client());
    assert!(
        complaint(stranger)
            .await
            .contains("invalid peer certificate")
    );
    let other_name = certificates.client().server_name("their.test");
    let said = complaint(channel().tls(other_name)).await;
    assert!(said.contains("not valid for name"), "{said}");
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_must_not_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key_file) = (folder.path().join("own.pem"), folder.path().join("own.key"));
    for (is_ca, works) in [
        (IsCa::Ca(rcgen::BasicConstraints::Unconstrained), false),
        (IsCa::ExplicitNoCa, true),
    ] {
        let mut params = CertificateParams::new(vec!["our.test".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        let tls = TlsConfig::new(&file, &key_file);
        let server = TestServer::start(builder().tls(tls)).await;
        let trusted = ClientTls::new().ca(&file).server_name("our.test");
        let channel = Channel::builder(&format!("https://{}", server.address()));
        match greet(channel.tls(trusted)).await {
            Ok(reply) => assert!(works && reply.bytes == "hello"),
            Err(status) => {
                let said = status.message();
                assert!(!works && said.contains("CA:FALSE"), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_must() {
    let certificates = Certificates::new();
    let tls = certificates.server();
    let tls = tls.client_auth(ClientAuth::Required, certificates.file("ca.pem"));
    let server = TestServer::start(builder().tls(tls)).await;
    let channel = || Channel::builder(&format!("https://{}", server.address()));
    let (certificate, key) = (
        certificates.file("client.pem"),
        certificates.file("client.key"),
    );
    let known = certificates.client().identity(&certificate, &key);
    assert_eq!(greet(channel().tls(known)).await.unwrap().bytes, "hello");
    let nobody = complaint(channel().tls(certificates.client())).await;
    assert!(nobody.to_lowercase().contains("certificate"), "{nobody}");
    // Files that are no certificates are told before anything is connected.
    let none = certificates.client().identity(&key, &certificate);
    let error = channel().tls(none).lazy().unwrap_err().to_string();
    assert!(error.contains("client.key: no certificate"), "{error}");
}

#[tokio::test]
async fn calls_are_made_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let server = builder().build().unwrap().bind_unix(&path).unwrap();
    tokio::spawn(server.serve());
    for form in ["unix:", "unix://"] {
        let channel = Channel::builder(&format!("{form}{}", path.display()));
        assert_eq!(greet(channel).await.unwrap().bytes, "hello");
    }
}

#[tokio::test]
async fn who_takes_one_port_for_the_other_is_told_which_to_use() {
    let certificates = Certificates::new();
    let over_tls = TestServer::start(builder().tls(certificates.server())).await;
    let plain = TestServer::start(builder()).await;
    let said = complaint(Channel::builder(&format!("http://{}", over_tls.address()))).await;
    assert!(said.contains("use https:// (--tls)"), "{said}");
    let channel = Channel::builder(&format!("https://{}", plain.address()));
    let said = complaint(channel.tls(certificates.client())).await;
    assert!(said.contains("use http:// (--plaintext)"), "{said}");
}

/// A port that answers these bytes to whatever comes.
async fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut some = [0; 24];
            let _ = socket.read(&mut some).await;
            let _ = socket.write_all(bytes).await;
            let _ = socket.shutdown().await;
            // Until the client has closed: what it has not read must not be lost to a reset.
            while socket.read(&mut some).await.is_ok_and(|count| count > 0) {}
        }
    });
    address.to_string()
}

#[tokio::test]
async fn ports_that_speak_something_else_are_told_apart() {
    let certificates = Certificates::new();
    for (bytes, tls, said) in [
        // As Go's and nginx's TLS ports answer plaintext.
        (
            &b"\x15\x03\x01\x00\x02\x02\x46"[..],
            false,
            "use https:// (--tls)",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false, "HTTP/1.1"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", false, "does not speak HTTP/2"),
        (b"", false, "closed the connection"),
        // SETTINGS, as a plaintext gRPC port greets everybody.
        (b"\0\0\0\x04\0\0\0\0\0", true, "use http:// (--plaintext)"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            true,
            "use http:// (--plaintext)",
        ),
    ] {
        let address = answering(bytes).await;
        let channel = match tls {
            false => Channel::builder(&format!("http://{address}")),
            true => Channel::builder(&format!("https://{address}")).tls(certificates.client()),
        };
        let complaint = complaint(channel).await;
        assert!(complaint.contains(said), "{complaint}");
    }
}

const GREET: &str = "/greeter.Greeter/Greet";
