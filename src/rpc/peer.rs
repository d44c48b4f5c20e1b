//! Who is at the other end of a connection.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;

/// Who is at the other end of a call's connection.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Peer {
    /// The client's address; `None` on sockets that have none.
    pub address: Option<SocketAddr>,
    /// Who the client is by its certificate, where it has shown one.
    pub identity: Option<TlsIdentity>,
}

/// What a client has proved by mutual TLS. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    chain: std::sync::Arc<[Bytes]>,
}

impl Peer {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            address: Some(address),
            identity: None,
        }
    }
}

impl TlsIdentity {
    #[cfg(feature = "tls")]
    pub(crate) fn new(chain: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            chain: chain.into_iter().collect(),
        }
    }

    /// The client's certificates (X.509, DER), its own first. They were verified against the
    /// authorities of the server's configuration.
    pub fn certificates(&self) -> &[Bytes] {
        &self.chain
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => address.fmt(f),
            None => f.write_str("local"),
        }
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsIdentity({} certificates)", self.chain.len())
    }
}
