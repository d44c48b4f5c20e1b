//! Unix sockets: a path in the place of an address.

use std::{
    io,
    os::unix::{fs::FileTypeExt, net::UnixStream as BlockingStream},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// A listening Unix socket; its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl UnixSocket {
    /// Listens at a path. The file of a server that is gone is replaced; one that answers is not.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Somebody may have removed it, or bound another in its place: then that is theirs.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a path is a socket at which nobody listens.
fn is_stale(path: &Path) -> bool {
    let is_socket = path
        .metadata()
        .is_ok_and(|metadata| metadata.file_type().is_socket());
    let answers = BlockingStream::connect(path);
    is_socket && answers.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
