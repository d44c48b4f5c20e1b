//! TLS by rustls: certificates from PEM files, looked after while the server runs.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use bytes::Bytes;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{Error, limits, rpc::TlsIdentity};

/// Which certificates a server shows, and which it asks for.
///
/// The files are read again when they change: what is whole and fits together takes effect for new
/// connections; what is not is told in the log, and the certificates before it stay.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    certificates: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_auth: ClientAuth,
}

/// Whether clients must show a certificate (mutual TLS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuth {
    /// None is asked for.
    #[default]
    Off,
    /// One is asked for; a client without one is let in, one with a bad one is not.
    Optional,
    /// Nobody is let in without a good one.
    Required,
}

impl TlsConfig {
    /// The server's certificate chain and its private key, both PEM files.
    pub fn new(certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificates: certificates.into(),
            key: key.into(),
            client_ca: None,
            client_auth: ClientAuth::Off,
        }
    }

    /// Asks clients for certificates that one of the authorities in a PEM file has signed.
    #[must_use]
    pub fn client_auth(mut self, auth: ClientAuth, ca: impl Into<PathBuf>) -> Self {
        self.client_auth = auth;
        self.client_ca = Some(ca.into());
        self
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        [
            Some(&self.certificates),
            Some(&self.key),
            self.client_ca.as_ref(),
        ]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
    }

    /// Reads the files and checks that they fit together.
    fn load(&self) -> Result<ServerConfig, Error> {
        let certificates = read_certificates(&self.certificates)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            Error::configuration(format!("{}: no private key: {error}", self.key.display()))
        })?;
        let builder = ServerConfig::builder();
        let builder = match self.client_verifier()? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| {
                Error::configuration(format!(
                    "{} and {} do not go together: {error}",
                    self.certificates.display(),
                    self.key.display()
                ))
            })?;
        warn_if_readable_by_all(&self.key);
        config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
        Ok(config)
    }

    fn client_verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
        let (Some(file), false) = (&self.client_ca, self.client_auth == ClientAuth::Off) else {
            return Ok(None);
        };
        let wrong = |error: &dyn fmt::Display| {
            Error::configuration(format!("{}: no usable authority: {error}", file.display()))
        };
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(file)? {
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        let builder = WebPkiClientVerifier::builder(Arc::new(roots));
        let builder = match self.client_auth {
            ClientAuth::Optional => builder.allow_unauthenticated(),
            ClientAuth::Off | ClientAuth::Required => builder,
        };
        builder.build().map(Some).map_err(|error| wrong(&error))
    }
}

/// A private key that others can read is none.
#[cfg_attr(not(unix), expect(unused_variables))]
fn warn_if_readable_by_all(key: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = key.metadata()
        && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o004 != 0
    {
        tracing::warn!(
            file = %key.display(),
            "every user of this machine can read the private key; chmod 600 it"
        );
    }
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |error: &dyn fmt::Display| {
        Error::configuration(format!("{}: no certificate: {error}", file.display()))
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file)
        .map_err(|error| wrong(&error))?
        .collect();
    match read {
        Ok(certificates) if certificates.is_empty() => Err(wrong(&"the file has none")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(wrong(&error)),
    }
}

/// A client that has shaken hands.
pub(super) struct Accepted<Io> {
    pub(super) stream: TlsStream<Io>,
    pub(super) identity: Option<TlsIdentity>,
    /// Whether it chose `h2` by ALPN (RFC 9113, 3.2).
    pub(super) chose_h2: bool,
}

/// The TLS half of a listener.
pub(crate) struct Tls {
    files: TlsConfig,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    pub(crate) fn new(files: TlsConfig) -> Result<Arc<Self>, Error> {
        let current = RwLock::new(Arc::new(files.load()?));
        Ok(Arc::new(Self { files, current }))
    }

    /// Shakes hands with a client (RFC 8446).
    pub(super) async fn accept<Io>(&self, io: Io) -> io::Result<Accepted<Io>>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let stream = TlsAcceptor::from(config).accept(io).await?;
        let (_, session) = stream.get_ref();
        let chose_h2 = session.alpn_protocol() == Some(ALPN_H2);
        let identity = session
            .peer_certificates()
            .map(|chain| TlsIdentity::new(chain.iter().map(|der| Bytes::copy_from_slice(der))));
        Ok(Accepted {
            stream,
            identity,
            chose_h2,
        })
    }

    /// Reads the files again whenever one of them has changed; never ends.
    pub(super) async fn look_after(&self) {
        let mut seen = self.stamps();
        loop {
            tokio::time::sleep(limits::TLS_RELOAD_INTERVAL).await;
            let stamps = self.stamps();
            if stamps == seen {
                continue;
            }
            match self.files.load() {
                Ok(config) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) =
                        Arc::new(config);
                    tracing::info!("the TLS certificates have changed and are in use");
                    seen = stamps;
                }
                // A file that is written in parts is whole the next time; until then this is said.
                Err(error) => {
                    tracing::error!(%error, "the TLS files have changed, but cannot be used; the \
                        certificates read before stay in use");
                    seen = stamps;
                }
            }
        }
    }

    /// When each file was last written, and its length: what tells a change without reading it.
    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let stamp = |file: &Path| {
            let metadata = file.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        self.files.files().map(stamp).collect()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";
