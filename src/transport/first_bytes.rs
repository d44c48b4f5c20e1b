//! Which protocol a client speaks, by its first bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a client's first bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The HTTP/2 preface (RFC 9113, 3.4).
    Http2,
    /// A request line of HTTP/1.1.
    Http1,
    /// A TLS handshake record (RFC 8446, 5.1).
    Tls,
    /// Nothing that is known here.
    Unknown,
}

/// A socket whose first bytes were read already; it gives them out again.
pub(super) struct Rewound<Io> {
    first: Bytes,
    io: Io,
}

/// Reads until it is clear what the client speaks.
///
/// # Errors
/// Of the socket; the end before that is one, too.
pub(super) async fn sniff<Io: AsyncRead + Unpin>(
    mut io: Io,
) -> io::Result<(Protocol, Rewound<Io>)> {
    let mut first = BytesMut::with_capacity(FIRST_READ_BYTES);
    loop {
        if io.read_buf(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(protocol) = judge(&first) {
            let first = first.freeze();
            return Ok((protocol, Rewound { first, io }));
        }
    }
}

/// `None`: it takes more bytes to tell.
fn judge(first: &[u8]) -> Option<Protocol> {
    if first.starts_with(&[TLS_HANDSHAKE]) {
        return Some(Protocol::Tls);
    }
    if first.starts_with(PREFACE) {
        return Some(Protocol::Http2);
    }
    if HTTP1_METHODS.iter().any(|method| first.starts_with(method)) {
        return Some(Protocol::Http1);
    }
    let may_become = |known: &[u8]| known.starts_with(first);
    let open = may_become(PREFACE) || HTTP1_METHODS.iter().any(|method| may_become(method));
    (!open).then_some(Protocol::Unknown)
}

impl<Io: AsyncRead + Unpin> AsyncRead for Rewound<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..count]);
        self.first.advance(count);
        if self.first.is_empty() {
            // Even an empty part keeps the whole buffer.
            self.first = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Rewound<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// RFC 9113, 3.4.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// RFC 9110, 9.3, and PATCH.
const HTTP1_METHODS: [&[u8]; 9] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
];

/// ContentType handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// The preface, SETTINGS and a small request fit in.
const FIRST_READ_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_as_early_as_it_can_be() {
        let cases: [(&[u8], usize, Protocol); 6] = [
            (PREFACE, 24, Protocol::Http2),
            (b"POST / HTTP/1.1", 5, Protocol::Http1),
            (b"PUT / HTTP/1.1", 4, Protocol::Http1),
            (b"\x16\x03\x01", 1, Protocol::Tls),
            (b"PRIVATE", 4, Protocol::Unknown),
            (b"INVALID CONNECTION PREFACE\r\n", 1, Protocol::Unknown),
        ];
        for (bytes, needed, protocol) in cases {
            for count in 1..=bytes.len() {
                let expected = (count >= needed).then_some(protocol);
                assert_eq!(judge(&bytes[..count]), expected, "{:?}", &bytes[..count]);
            }
        }
    }
}
