//! From an endpoint to a socket that a server has greeted us on.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::Notify,
};
use tokio_util::io::InspectReader;

use super::endpoint::{Endpoint, Target};
#[cfg(feature = "tls")]
use super::tls::ClientTlsSession;
use crate::limits;

/// A socket, encrypted or not.
pub(super) type Socket = Box<dyn Duplex>;

/// What HTTP/2 needs of a socket.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Duplex for Io {}

/// After how long the system finds out that the other end has gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp {
    pub(super) keepalive: Duration,
    pub(super) user_timeout: Duration,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            keepalive: limits::CLIENT_TCP_KEEPALIVE,
            user_timeout: limits::CLIENT_TCP_USER_TIMEOUT,
        }
    }
}

/// Connects to an endpoint. A name is resolved anew, and its addresses are tried in turn.
///
/// # Errors
/// The last one, if no address could be reached.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tcp: Tcp,
    #[cfg(feature = "tls")] tls: Option<&ClientTlsSession>,
) -> io::Result<(Socket, Arc<Greeting>)> {
    match &endpoint.target {
        Target::Host { host, port } => {
            let socket = connect_host(host, *port, tcp).await?;
            #[cfg(feature = "tls")]
            if endpoint.tls
                && let Some(tls) = tls
            {
                return Ok(greeted(tls.connect(host, socket).await?));
            }
            Ok(greeted(socket))
        }
        #[cfg(unix)]
        Target::Unix(path) => Ok(greeted(tokio::net::UnixStream::connect(path).await?)),
        #[cfg(not(unix))]
        Target::Unix(_) => Err(io::Error::other("this system has no Unix sockets")),
    }
}

async fn connect_host(host: &str, port: u16, tcp: Tcp) -> io::Result<TcpStream> {
    let mut failed = io::Error::other(format!("the name {host:?} has no address"));
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                find_silence(&socket, tcp)?;
                return Ok(socket);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Has the system look whether the other end is still there: a server that has gone without a word
/// is found within a minute or so, without a PING that it may not like.
fn find_silence(socket: &TcpStream, tcp: Tcp) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let keepalive = TcpKeepalive::new().with_time(tcp.keepalive);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(tcp.user_timeout))?;
    Ok(())
}

/// The first bytes of a server.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    bytes: Mutex<Vec<u8>>,
    heard: Notify,
}

/// A socket that keeps the first bytes of the server: they tell what it speaks.
fn greeted<Io: Duplex + 'static>(io: Io) -> (Socket, Arc<Greeting>) {
    let greeting = Arc::<Greeting>::default();
    let kept = Arc::clone(&greeting);
    let mut missing = GREETING_BYTES;
    let note = move |read: &[u8]| {
        let first = &read[..missing.min(read.len())];
        if !first.is_empty() {
            missing -= first.len();
            kept.note(first);
        }
    };
    (Box::new(InspectReader::new(io, note)), greeting)
}

impl Greeting {
    /// Waits for the first bytes of the server. For HTTP/2 they are its SETTINGS (RFC 9113, 3.4),
    /// and only who has sent them is a server that is up (grpc/grpc, doc/connection-backoff.md).
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
    }

    /// What the server seems to speak, if it is not HTTP/2.
    pub(super) fn complaint(&self) -> Option<&'static str> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        match bytes.as_slice() {
            [21, 3, ..] => Some(SPEAKS_TLS),
            b"HTTP/1" => Some("the server speaks HTTP/1.1 on this port, and no HTTP/2"),
            _ => None,
        }
    }

    fn note(&self, first: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(first);
        self.heard.notify_one();
    }
}

pub(super) const SPEAKS_TLS: &str = "the server speaks TLS on this port: use https:// (--tls)";

/// As many as `HTTP/1` has.
const GREETING_BYTES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_looks_after_a_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tcp = Tcp {
            user_timeout: Duration::from_secs(7),
            ..Tcp::default()
        };
        let socket = connect_host("127.0.0.1", port, tcp).await.unwrap();
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            Some(Duration::from_secs(7))
        );
    }
}
