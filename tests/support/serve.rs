//! A `reflectd serve` of its own process, ended without mercy when dropped.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A running server that has told its address.
pub struct Serve {
    child: Child,
    address: String,
    /// Kept open: a server that cannot write its events would notice.
    _stdout: BufReader<std::process::ChildStdout>,
}

impl Serve {
    /// Serves from memory on a free port.
    pub fn memory(arguments: &[&str]) -> Self {
        Self::start(Self::command(arguments).args(["--store", "memory"]))
    }

    /// Serves `proto/user.proto` from a data folder on a free port.
    pub fn redb(data: &Path) -> Self {
        Self::start(Self::command(&["proto/user.proto"]).arg("--data").arg(data))
    }

    /// `reflectd serve --listen 127.0.0.1:0 …`, from the project's folder, not started yet.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reflectd"));
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    }

    /// Starts a command and waits until it is ready.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("reflectd runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it prints text");
        let ready: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("no ready line: {line:?}"));
        assert_eq!(ready["event"], "ready", "{line}");
        let address = ready["listen"][0].as_str().expect("an address").to_owned();
        Self {
            child,
            address,
            _stdout: stdout,
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn socket_address(&self) -> SocketAddr {
        self.address.parse().expect("an address with a port")
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let killed = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(killed.is_ok_and(|status| status.success()));
    }

    /// Waits for its end; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it can be waited for").code()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
