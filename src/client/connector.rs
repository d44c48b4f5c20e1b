//! From an endpoint to a socket that a server has greeted us on.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::Notify,
    time::Instant,
};
use tokio_util::io::InspectReader;

#[cfg(feature = "tls")]
use super::tls::ClientTlsSession;
use super::{
    endpoint::{Endpoint, Target},
    race::{Running, first},
};
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

/// Connects to an endpoint. A name is resolved anew, and its addresses are tried in turn; one that
/// says nothing does not keep the next one waiting for long.
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
    let addresses = lookup_host((host, port)).await?;
    let connected = connect_first(addresses).await?;
    let socket =
        connected.ok_or_else(|| io::Error::other(format!("the name {host:?} has no address")))?;
    socket.set_nodelay(true)?;
    find_silence(&socket, tcp)?;
    Ok(socket)
}

/// Connects to the addresses, the next one when one has failed or has not answered yet ("Connection
/// Attempt Delay", RFC 8305, 5), and takes the first that is connected; `None`: there is no address.
async fn connect_first(
    addresses: impl Iterator<Item = SocketAddr>,
) -> io::Result<Option<TcpStream>> {
    let mut addresses = addresses.fuse();
    let mut running: Vec<Running<'_, io::Result<TcpStream>>> = Vec::new();
    let mut failed = None;
    loop {
        let next = addresses.next().map(|address| {
            running.push(Box::pin(TcpStream::connect(address)));
            Instant::now() + limits::CLIENT_CONNECT_DELAY
        });
        if running.is_empty() {
            return failed.map_or(Ok(None), Err);
        }
        match first(&mut running, next).await {
            None => {}
            Some(Ok(socket)) => return Ok(Some(socket)),
            Some(Err(error)) => failed = Some(error),
        }
    }
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

    /// Whether the server may want TLS of who speaks without it: those that do end the connection
    /// without a word, or tell in HTTP/1.1 what is wrong.
    pub(super) fn is_of_tls(&self) -> bool {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(bytes.as_slice(), b"" | b"HTTP/1")
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
    use tokio::time::timeout;

    use super::*;

    /// A listener that is full: who connects to it hears nothing.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_address_that_says_nothing_does_not_keep_the_next_one_waiting() {
        let full = tokio::net::TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = full.listen(1).unwrap();
        let silent = full.local_addr().unwrap();
        let mut waiting = Vec::new();
        let short = Duration::from_millis(100);
        while let Ok(connected) = timeout(short, TcpStream::connect(silent)).await {
            waiting.push(connected.unwrap());
        }
        let refusing = {
            let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            closed.local_addr().unwrap()
        };
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wanted = good.local_addr().unwrap();
        let addresses = [silent, refusing, wanted].into_iter();
        let connected = timeout(Duration::from_secs(5), connect_first(addresses)).await;
        let socket = connected.expect("it waits").unwrap().unwrap();
        assert_eq!(socket.peer_addr().unwrap(), wanted);
        let refused = connect_first([refusing].into_iter()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect_first([].into_iter()).await.unwrap().is_none());
    }

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
