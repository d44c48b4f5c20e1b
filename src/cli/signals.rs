//! The signals that end a server, and one that must not.

use std::io;

/// Listens for the signals; from the moment it exists they no longer end the process by themselves.
#[derive(Debug)]
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    #[cfg(unix)]
    Terminate,
    Interrupt,
}

impl Received {
    pub(super) fn name(self) -> &'static str {
        match self {
            #[cfg(unix)]
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// With what a shell says that a signal ended a process: 128 and its number.
    pub(super) fn exit_code(self) -> i32 {
        match self {
            #[cfg(unix)]
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}

/// From now on a write beyond the limit on the size of files (`ulimit -f`) fails as one to a full disk
/// does. SIGXFSZ would end the process unless it is handled. Needs a runtime.
#[cfg(unix)]
pub(super) fn outlive_file_size_limit() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let number = rustix::process::Signal::XFSZ.as_raw();
    // The handler stays when nobody listens any more.
    signal(SignalKind::from_raw(number)).map(drop)
}

#[cfg(not(unix))]
pub(super) fn outlive_file_size_limit() -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
impl Signals {
    /// Needs a runtime.
    pub(super) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.terminate.recv() => Received::Terminate,
            _ = self.interrupt.recv() => Received::Interrupt,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    pub(super) async fn next(&mut self) -> Received {
        // Without a handler for Ctrl-C the system ends the process by itself.
        match tokio::signal::ctrl_c().await {
            Ok(()) => Received::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}
