//! The `reflectd` program, run as a shell would run it.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

/// What a run that has ended wrote.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// What it wrote to standard error, which must be one line.
    pub fn complaint(&self) -> &str {
        let lines: Vec<&str> = self.stderr.lines().collect();
        match lines.as_slice() {
            [line] => line,
            _ => panic!("not one line: {self:?}"),
        }
    }

    /// What it complained about, which must be all it wrote.
    pub fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        self.complaint()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The program in a folder, with none of the caller's settings.
pub fn reflectd(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reflectd"));
    command.current_dir(folder).args(arguments);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("REFLECTD_") || name == "RUST_LOG" || name == "NO_COLOR" {
            command.env_remove(&*name);
        }
    }
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = reflectd(folder, arguments);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(command.output()));
    let output = ended
        .recv_timeout(PATIENCE)
        .expect("the program ends by itself");
    output.unwrap().into()
}

/// The project's `proto/` folder.
pub fn protos() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("proto")
}

/// A folder of its own for a test, with `user.proto` in it.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        protos().join("user.proto"),
        folder.path().join("user.proto"),
    )
    .unwrap();
    folder
}

/// A server that runs; killed when it is dropped.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Its first line.
    pub ready: Value,
}

impl Running {
    /// Starts a server and waits until it says that it answers.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self {
            child,
            stdout,
            ready: Value::Null,
        };
        running.ready = running.event();
        assert_eq!(running.ready["event"], "ready");
        running
    }

    /// Its first address.
    pub fn address(&self) -> SocketAddr {
        self.ready["listen"][0].as_str().unwrap().parse().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it writes.
    pub fn event(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        match serde_json::from_str(&line) {
            Ok(event) => event,
            Err(_) => {
                let mut stderr = String::new();
                let _ = self.child.kill();
                if let Some(errors) = &mut self.child.stderr {
                    errors.read_to_string(&mut stderr).unwrap();
                }
                panic!("no event: {line:?}, standard error: {stderr}");
            }
        }
    }

    /// Sends it a signal: `TERM`, `INT`.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let mut ran = Ran {
            code: None,
            stdout: String::new(),
            stderr: String::new(),
        };
        self.stdout.read_to_string(&mut ran.stdout).unwrap();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut ran.stderr).unwrap();
        }
        ran.code = self.child.wait().unwrap().code();
        ran
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Longer than any run that is not a server takes.
const PATIENCE: Duration = Duration::from_secs(60);
