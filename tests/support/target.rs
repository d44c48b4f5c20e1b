//! The `reflectd` program under attack, and a well-behaved client beside the attacker.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

#[path = "attacker.rs"]
pub mod attacker;
#[path = "peer.rs"]
pub mod peer;
#[path = "reflectd.rs"]
pub mod reflectd;
#[path = "mod.rs"]
pub mod support;

use std::{
    fs::{self, File},
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use self::{
    peer::{Answer, Frame, Peer, SETTINGS, message},
    reflectd::Running,
    support::{Client, soon},
};
use tokio::{net::TcpStream, task::JoinHandle, time::interval};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore},
};

/// A server in a process of its own, whose memory can be measured.
pub struct Target {
    server: Running,
    tls: Option<Tls>,
    folder: tempfile::TempDir,
    /// What a client got as the id of the user it added: a whole request of getUser.
    pub id: Vec<u8>,
    bystander: Bystander,
    /// In KiB, before the attack.
    memory: u64,
}

impl Target {
    /// Serves `user.proto` with these arguments, and lets a client make calls from now on.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_by(arguments, None, |command| command).await
    }

    /// The same over TLS.
    pub async fn start_with_tls(arguments: &[&str]) -> Self {
        let tls = Tls::new();
        let files = ["cert.pem", "key.pem"].map(|name| tls.folder.path().join(name));
        let [cert, key] = files.each_ref().map(|path| path.to_str().unwrap());
        let arguments = [&["--tls-cert", cert, "--tls-key", key], arguments].concat();
        Self::start_by(&arguments, Some(tls), |command| command).await
    }

    /// The same, with no more open files than that.
    pub async fn start_with_files(files: usize, arguments: &[&str]) -> Self {
        Self::start_by(arguments, None, |command| {
            let mut shell = Command::new("sh");
            let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
            shell.args(["-c", &script]).arg(command.get_program());
            shell.args(command.get_args());
            shell.current_dir(command.get_current_dir().unwrap());
            shell
        })
        .await
    }

    async fn start_by(
        arguments: &[&str],
        tls: Option<Tls>,
        run: impl FnOnce(Command) -> Command,
    ) -> Self {
        let folder = reflectd::folder();
        let common = ["user.proto", "--listen", "0", "--store", "memory"];
        let arguments = [&common, arguments].concat();
        let mut command = run(reflectd::reflectd(folder.path(), &arguments));
        // Not a pipe: nobody would read it.
        command.stderr(File::create(folder.path().join("log")).unwrap());
        command.stdout(std::process::Stdio::piped());
        let server = Running::start(command);
        let client = connect(server.address(), tls.as_ref()).await;
        let id = client.unary(ADD_USER, &b"\x12\x03Ada"[..]).await.message();
        let bystander = Bystander::start(client, id.to_vec());
        bystander.makes_calls(20).await;
        // VmHWM starts anew (proc_pid_clear_refs(5)).
        fs::write(format!("/proc/{}/clear_refs", server.id()), "5").unwrap();
        let memory = memory(server.id(), "VmRSS:");
        Self {
            server,
            tls,
            folder,
            id: id.to_vec(),
            bystander,
            memory,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// A scripted client that has taken the server's settings.
    pub async fn peer(&self) -> Peer {
        let mut peer = Peer::connect(self.address()).await;
        peer.recv_until(|frame| matches!(frame, Frame::Settings { ack: false, .. }))
            .await;
        peer.send_frame(SETTINGS, 1, 0, &[]).await;
        peer
    }

    /// Adds a user with a description of so many bytes; the request of getUser that asks for it.
    pub async fn add_user(&self, bytes: usize) -> Vec<u8> {
        let mut user = vec![0x1a];
        prost::encoding::encode_varint(bytes as u64, &mut user);
        user.resize(user.len() + bytes, b'd');
        let client = connect(self.address(), self.tls.as_ref()).await;
        client.unary(ADD_USER, user).await.message().to_vec()
    }

    /// Makes a call on a scripted client's connection, which must succeed.
    pub async fn is_served(&self, peer: &mut Peer, stream: u32) -> Answer {
        peer.send_request(stream, GET_USER, &[], false).await;
        peer.send_data(stream, &message(&self.id), true).await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.status(), Some("0"), "{answer:?}");
        answer
    }

    /// Waits until the other client has made so many further calls, each of which was answered.
    pub async fn serves_others(&self, calls: usize) {
        self.bystander.makes_calls(calls).await;
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The process is alive, has not panicked, never held more than so many MiB above what it held
    /// before, and the other client has seen no error, on its old connection or on a new one.
    pub async fn survived(mut self, growth_mib: u64) {
        self.bystander.makes_calls(20).await;
        self.bystander.end().await;
        let fresh = connect(self.address(), self.tls.as_ref()).await;
        assert_eq!(fresh.unary(GET_USER, self.id.clone()).await.code(), 0);
        assert!(self.server.is_running());
        let peak = memory(self.server.id(), "VmHWM:");
        let growth = peak.saturating_sub(self.memory);
        eprintln!(
            "memory grew by {growth} KiB at the most, from {} KiB",
            self.memory
        );
        assert!(
            growth <= growth_mib * 1024,
            "{growth} KiB more than {} KiB",
            self.memory
        );
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// A certificate, and the client's trust in it.
struct Tls {
    folder: tempfile::TempDir,
    connector: TlsConnector,
}

impl Tls {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("cert.pem"), signed.cert.pem()).unwrap();
        let key = signed.signing_key.serialize_pem();
        fs::write(folder.path().join("key.pem"), key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(signed.cert.der().clone()).unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = Arc::new(config).into();
        Self { folder, connector }
    }
}

async fn connect(address: SocketAddr, tls: Option<&Tls>) -> Client {
    let Some(tls) = tls else {
        return Client::connect(address).await;
    };
    let socket = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = soon("the TLS handshake", tls.connector.connect(name, socket)).await;
    Client::over(stream.unwrap(), address).await
}

/// A client that makes one call after another, each of which must succeed.
struct Bystander {
    calls: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Bystander {
    fn start(client: Client, id: Vec<u8>) -> Self {
        let (calls, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (made, told) = (Arc::clone(&calls), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut pace = interval(Duration::from_millis(2));
            while !told.load(Ordering::Relaxed) {
                // A steady client, and one that leaves the machine to the attack.
                pace.tick().await;
                let reply = client.unary(GET_USER, id.clone()).await;
                assert_eq!(reply.code(), 0, "the bystander was not served: {reply:?}");
                made.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { calls, stop, task }
    }

    async fn makes_calls(&self, calls: usize) {
        let enough = self.calls.load(Ordering::Relaxed) + calls;
        let made = async {
            while self.calls.load(Ordering::Relaxed) < enough && !self.task.is_finished() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon("the bystander's calls", made).await;
        assert!(!self.task.is_finished(), "the bystander has failed");
    }

    async fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        soon("the bystander's end", &mut self.task).await.unwrap();
    }
}

/// A line of /proc/PID/status (proc_pid_status(5)), in KiB.
fn memory(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap().trim().strip_suffix(" kB").unwrap();
    value.parse().unwrap()
}

pub const ADD_USER: &str = "/user.UserInfo/addUser";
pub const GET_USER: &str = "/user.UserInfo/getUser";
