//! From a socket to the protocol that its client speaks.

use std::{
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::timeout,
};

use super::{
    connection,
    first_bytes::{Protocol, Rewound, sniff},
    listener::Service,
    shutdown::Shutdown,
};
use crate::{gateway, limits, rpc::Peer};

/// Serves a client that has just connected, whatever it speaks.
pub(super) async fn serve<Io>(io: Io, peer: Peer, service: Service, shutdown: Shutdown)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let sniffed = tokio::select! {
        () = shutdown.is_too_late() => return,
        sniffed = timeout(service.connection_limits.handshake_timeout, sniff(io)) => sniffed,
    };
    let (protocol, io) = match sniffed {
        Ok(Ok(sniffed)) => sniffed,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "the client went without a word"),
        Err(_) => return tracing::debug!(%peer, "the client was silent; the connection is closed"),
    };
    #[cfg(feature = "tls")]
    if service.tls.is_some() {
        // In a box, as all that most connections do not need: their task is as large as the largest of
        // what they may come to.
        return Box::pin(serve_tls(protocol, io, peer, service, shutdown)).await;
    }
    match protocol {
        Protocol::Tls => {
            if service.hints.is_due() {
                tracing::warn!(%peer, "a client speaks TLS, and this port does not: serve it with \
                    --tls-cert and --tls-key, or let the client speak plaintext (grpcurl -plaintext)");
            }
            refuse(io, TLS_ALERT).await;
        }
        protocol => serve_http(protocol, io, peer, service, shutdown).await,
    }
}

#[cfg(feature = "tls")]
async fn serve_tls<Io>(
    protocol: Protocol,
    io: Rewound<Io>,
    peer: Peer,
    service: Service,
    shutdown: Shutdown,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Some(tls) = &service.tls else { return };
    if protocol != Protocol::Tls {
        if service.hints.is_due() {
            tracing::warn!(%peer, "a client speaks plaintext, and this port speaks TLS only: let \
                the client speak TLS (grpcurl without -plaintext), or serve without --tls-cert");
        }
        let answer = match protocol {
            Protocol::Http1 => HTTP1_WANTS_TLS,
            _ => GOAWAY_WANTS_TLS,
        };
        return refuse(io, answer).await;
    }
    let handshake_timeout = service.connection_limits.handshake_timeout;
    let shaken = Box::pin(async {
        let accepted = tls.accept(io).await?;
        let sniffed = sniff(accepted.stream).await?;
        std::io::Result::Ok((sniffed, accepted.identity, accepted.chose_h2))
    });
    let shaken = tokio::select! {
        () = shutdown.is_too_late() => return,
        shaken = timeout(handshake_timeout, shaken) => shaken,
    };
    let ((protocol, stream), identity, chose_h2) = match shaken {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => {
            if service.hints.is_due() {
                tracing::info!(%peer, %error, "a TLS handshake failed");
            }
            return;
        }
        Err(_) => return tracing::debug!(%peer, "the TLS handshake took too long"),
    };
    // RFC 9113, 3.2: over TLS, HTTP/2 is chosen by ALPN; and who has chosen it speaks nothing else.
    let protocol = match (protocol, chose_h2) {
        (Protocol::Http2, true) | (Protocol::Http1, false) => protocol,
        _ => Protocol::Unknown,
    };
    let peer = Peer { identity, ..peer };
    serve_http(protocol, stream, peer, service, shutdown).await;
}

async fn serve_http<Io>(
    protocol: Protocol,
    mut io: Rewound<Io>,
    peer: Peer,
    service: Service,
    mut shutdown: Shutdown,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match protocol {
        Protocol::Http2 => {
            let within = connection::serve(&mut io, &service, peer, shutdown.clone()).await;
            // Until here the server waits for the connection.
            tokio::select! {
                () = Box::pin(close(io, within)) => {}
                () = shutdown.is_stopped() => {}
            }
        }
        Protocol::Http1 => {
            let timeout = service.connection_limits.header_timeout;
            let http = gateway::GrpcService::new(service.router, service.budget);
            tokio::select! {
                () = shutdown.is_too_late() => {}
                () = Box::pin(gateway::serve_http1(io, http, peer, timeout)) => {}
            }
        }
        Protocol::Tls | Protocol::Unknown => refuse(io, GOAWAY_BAD_PREFACE).await,
    }
}

/// Says why and closes.
async fn refuse<Io: AsyncRead + AsyncWrite + Unpin>(mut io: Io, answer: &[u8]) {
    let written = timeout(limits::CLOSE_TIMEOUT, io.write_all(answer)).await;
    if let Ok(Ok(())) = written {
        Box::pin(close(io, limits::CLOSE_TIMEOUT)).await;
    }
}

/// Closes in order, and takes what the client still sends: a socket that is closed with unread bytes, or
/// to which more comes, resets the connection, and the client may never see the last of what it was sent.
async fn close<Io: AsyncRead + AsyncWrite + Unpin>(io: Io, within: Duration) {
    let (reading, mut writing) = split(io);
    let closed = async {
        let mut closing = pin!(writing.shutdown());
        let mut reading = pin!(read_rest(reading));
        // While the one has no room, the other goes on.
        tokio::select! {
            _ = &mut closing => reading.await,
            () = &mut reading => drop(timeout(limits::CLOSE_TIMEOUT, closing).await),
        }
    };
    // Whether it works or not, the connection ends here.
    let _ = timeout(within, closed).await;
}

/// A client that still reads gives windows back: it is not silent.
async fn read_rest(mut io: impl AsyncRead + Unpin) {
    let mut buffer = vec![0; CLOSE_BUFFER_BYTES];
    let mut left = limits::CLOSE_READ_BYTES;
    while let Ok(Ok(read @ 1..)) = timeout(limits::CLOSE_TIMEOUT, io.read(&mut buffer)).await
        && read <= left
    {
        left -= read;
    }
}

/// What is told now and then: a client that is wrong is wrong many times a second.
#[derive(Debug)]
pub(crate) struct Occasionally {
    start: Instant,
    /// Milliseconds after `start`.
    next: AtomicU64,
}

impl Default for Occasionally {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            next: AtomicU64::new(0),
        }
    }
}

impl Occasionally {
    /// `true` for one caller every ten seconds.
    pub(super) fn is_due(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let later = now.saturating_add(HINT_INTERVAL_MS);
        now >= next
            && self
                .next
                .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

const CLOSE_BUFFER_BYTES: usize = 8 * 1024;

const HINT_INTERVAL_MS: u64 = Duration::from_secs(10).as_millis() as u64;

/// An alert record: fatal, protocol_version (RFC 8446, 6).
const TLS_ALERT: &[u8] = &[21, 3, 1, 0, 2, 2, 70];

/// Empty SETTINGS, and GOAWAY with PROTOCOL_ERROR (RFC 9113, 3.4 and 6.8).
const GOAWAY_BAD_PREFACE: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01";

/// The same with INADEQUATE_SECURITY, and what to do.
#[cfg(feature = "tls")]
const GOAWAY_WANTS_TLS: &[u8] =
    b"\0\0\0\x04\0\0\0\0\0\0\0\x1c\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cthis port speaks TLS";

#[cfg(feature = "tls")]
const HTTP1_WANTS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 27\r\nconnection: close\r\n\r\nThis port speaks TLS only.\n";
