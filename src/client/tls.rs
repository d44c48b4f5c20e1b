//! TLS for clients, by rustls.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, OtherError,
    RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::Error;

/// Whom a client trusts, and who it says it is. By default: the authorities that the operating
/// system trusts, and nobody.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    server_name: Option<String>,
    insecure: bool,
}

impl ClientTls {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in a PEM file, and no others.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Shows a certificate (mutual TLS): chain and private key, PEM files.
    #[must_use]
    pub fn identity(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((certificates.into(), key.into()));
        self
    }

    /// The name that the server's certificate must have, if it is not the host that is connected to.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Takes any certificate of the server: whoever is in between can read and change everything.
    #[must_use]
    pub fn insecure_skip_verify(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// Reads the files.
    pub(super) fn load(&self) -> Result<ClientTlsSession, Error> {
        let builder = ClientConfig::builder();
        let builder = match self.insecure {
            true => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate::new())),
            false => builder.with_root_certificates(self.roots()?),
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => {
                let chain = read_certificates(certificates)?;
                let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
                    Error::configuration(format!("{}: no private key: {error}", key.display()))
                })?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|error| {
                        let (certificates, key) = (certificates.display(), key.display());
                        Error::configuration(format!(
                            "{certificates} and {key} do not go together: {error}"
                        ))
                    })?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(ClientTlsSession {
            connector: Arc::new(config).into(),
            server_name: self.server_name.clone(),
        })
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        if let Some(file) = &self.ca {
            for certificate in read_certificates(file)? {
                roots.add(certificate).map_err(|error| {
                    Error::configuration(format!(
                        "{}: no usable authority: {error}",
                        file.display()
                    ))
                })?;
            }
            return Ok(roots);
        }
        let native = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(native.certs);
        if added == 0 {
            return Err(Error::configuration(
                "the operating system trusts no authority (are its CA certificates installed?); \
                 name one (--cacert)",
            ));
        }
        Ok(roots)
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

/// What the connections of a channel have in common.
#[derive(Clone)]
pub(super) struct ClientTlsSession {
    connector: TlsConnector,
    server_name: Option<String>,
}

impl fmt::Debug for ClientTlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTlsSession")
    }
}

impl ClientTlsSession {
    /// Shakes hands; the server must choose h2 (RFC 9113, 3.2).
    pub(super) async fn connect(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let stream = self.connector.connect(name, socket).await.map_err(told)?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(b"h2") {
            return Err(io::Error::other(
                "the server does not speak h2 over TLS (ALPN)",
            ));
        }
        Ok(stream)
    }
}

/// Says what to do about the commonest mistake.
fn told(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => io::Error::new(
            error.kind(),
            "the server does not speak TLS on this port: use http:// (--plaintext)",
        ),
        // That is what a plaintext port of this library answers, too.
        Some(rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)) => io::Error::new(
            error.kind(),
            "the server speaks another version of TLS, or none on this port: \
             then use http:// (--plaintext)",
        ),
        Some(rustls::Error::InvalidCertificate(wrong)) => io::Error::new(
            error.kind(),
            format!(
                "invalid peer certificate: {} (--cacert names whom to trust, --servername what the certificate must say, \
                 --insecure takes any)",
                why_invalid(wrong)
            ),
        ),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => io::Error::new(
            error.kind(),
            "the server hung up on the TLS handshake; if it speaks no TLS, use http:// (--plaintext)",
        ),
        _ => error,
    }
}

/// What is wrong with a certificate, in words: rustls has them for a part of the errors only.
fn why_invalid(error: &CertificateError) -> String {
    let why = match error {
        CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYetContext { .. }
        | CertificateError::NotValidForNameContext { .. }
        | CertificateError::InvalidPurposeContext { .. } => return error.to_string(),
        CertificateError::Expired => "it has expired",
        CertificateError::NotValidYet => "it is not valid yet",
        CertificateError::NotValidForName => "it is for another name",
        CertificateError::InvalidPurpose => "it is not for servers",
        CertificateError::UnknownIssuer => "nobody who is trusted has signed it (UnknownIssuer)",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::Revoked => "it has been revoked",
        // Of what webpki finds nothing but the name can be seen here.
        CertificateError::Other(OtherError(other)) if other.to_string() == "CaUsedAsEndEntity" => {
            "it is an authority's (CA:TRUE, as `openssl req -x509` makes them), and a server must \
             show one that is not: make it with -addext basicConstraints=critical,CA:FALSE"
        }
        CertificateError::Other(OtherError(other)) => {
            return format!("it cannot be verified ({other})");
        }
        _ => return format!("it cannot be verified ({error})"),
    };
    why.to_owned()
}

/// Believes every server.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl AnyCertificate {
    fn new() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
