//! Why a command did not do what it was asked, and the exit code that says so to scripts.

use std::{
    error::{self, Error as _},
    io,
    process::ExitCode,
};

use reflectd::{Code, Error, Status, schema::Diagnostics, store::StoreError};

use super::console;

/// The exit codes. 0 is success; a second signal ends `serve` with 128 and its number, as a shell
/// would tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Success,
    /// The command could not do its work.
    Failure,
    /// What was typed makes no sense.
    Usage,
    /// The `.proto` files or the descriptor set have errors. protoc says 1 for this; a number of its
    /// own lets a script tell a wrong file from a full disk.
    Proto,
    /// A run of `bench` was not as `--fail-if` wants it.
    Threshold,
    /// A signal ended `bench` early: 128 and its number, as a shell tells it.
    Signal(u8),
    /// A call, or the question what can be called, ended with this code. 64 and its number are
    /// grpcurl's for a call; where the question fails, it exits with 1.
    Call(Code),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Threshold => 3,
            Exit::Proto => 100,
            Exit::Signal(code) => code,
            Exit::Call(code) => 64 + code.number(),
        })
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: Option<String>,
}

impl Failure {
    /// A failure told in one line: what, and how to mend it.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::with(Exit::Failure, message)
    }

    /// The arguments are wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::with(Exit::Usage, message)
    }

    /// An exit code without a word, because all is said or nobody listens.
    pub(super) fn silent(exit: Exit) -> Self {
        Self {
            exit,
            message: None,
        }
    }

    /// Tells what is wrong with the files, and sums it up where a person reads it.
    pub(super) fn proto(diagnostics: &Diagnostics) -> Self {
        console::show_diagnostics(diagnostics);
        Self::silent(Exit::Proto)
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// A failure with an exit code of its own.
    pub(super) fn with(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: Some(message.into()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.diagnostics() {
            Some(diagnostics) => Self::proto(diagnostics),
            None => Self::with(exit(&error), error.to_string()),
        }
    }
}

/// A status says why, whether a call ended with it or the question what can be called: the server's,
/// or the one that gRPC has for what the server did instead of giving one, as when a stream just ends.
fn exit(error: &Error) -> Exit {
    let status = error.source().and_then(<dyn error::Error>::downcast_ref);
    status.map_or(Exit::Failure, |status: &Status| Exit::Call(status.code()))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string())
    }
}

/// Writing to standard output: if its reader has gone (`reflectd list … | head -1`), it has what it
/// wanted.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(Exit::Success),
            _ => Self::new(format!("cannot write to standard output: {error}")),
        }
    }
}
