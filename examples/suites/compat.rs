//! What the conformance suite's runner and a server under test say to each other: one message each
//! way on standard input and output, after four bytes of its length.

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    net::SocketAddr,
    path::Path,
};

use bytes::Bytes;
use reflectd::{ClientAuth, Message, Schema, TlsConfig, schema::MessageType};
use serde::{Deserialize, Serialize};

/// How the runner wants to be served.
#[derive(Deserialize)]
pub(super) struct ServerCompatRequest {
    use_tls: bool,
    client_tls_cert: Bytes,
    message_receive_limit: u32,
    server_creds: Option<TlsCreds>,
}

#[derive(Deserialize)]
struct TlsCreds {
    cert: Bytes,
    key: Bytes,
}

#[derive(Serialize)]
struct ServerCompatResponse<'a> {
    host: String,
    port: u16,
    pem_cert: Option<&'a Bytes>,
}

/// Waits for the runner to say what it wants.
pub(super) fn asked(schema: &Schema) -> Result<ServerCompatRequest, Box<dyn Error>> {
    let mut length = [0; 4];
    io::stdin().read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length).try_into()?];
    io::stdin().read_exact(&mut bytes)?;
    let message_type = message_type(schema, "ServerCompatRequest")?;
    Ok(Message::decode(&message_type, bytes)?.deserialize()?)
}

/// Says where the server listens, and by which certificate it is known.
pub(super) fn answer(
    schema: &Schema,
    asked: &ServerCompatRequest,
    address: SocketAddr,
) -> Result<(), Box<dyn Error>> {
    let creds = asked.server_creds.as_ref().filter(|_| asked.use_tls);
    let answer = ServerCompatResponse {
        host: address.ip().to_string(),
        port: address.port(),
        pem_cert: creds.map(|creds| &creds.cert),
    };
    let message_type = message_type(schema, "ServerCompatResponse")?;
    let bytes = Message::from_serialize(&message_type, &answer)?.encode_to_vec();
    let mut output = io::stdout();
    output.write_all(&u32::try_from(bytes.len())?.to_be_bytes())?;
    output.write_all(&bytes)?;
    Ok(output.flush()?)
}

impl ServerCompatRequest {
    /// The longest message, in bytes, where the runner sets a limit.
    pub(super) fn receive_bytes_max(&self) -> Option<usize> {
        let limit = usize::try_from(self.message_receive_limit).ok();
        limit.filter(|bytes| *bytes > 0)
    }

    /// The certificates, written to files in a folder; none where TLS is not wanted.
    pub(super) fn tls(&self, folder: &Path) -> Result<Option<TlsConfig>, Box<dyn Error>> {
        if !self.use_tls {
            return Ok(None);
        }
        let creds = self.server_creds.as_ref().ok_or("TLS without creds")?;
        let file = |name: &str, bytes: &Bytes| {
            let path = folder.join(name);
            fs::write(&path, bytes).map(|()| path)
        };
        let tls = TlsConfig::new(file("cert", &creds.cert)?, file("key", &creds.key)?);
        if self.client_tls_cert.is_empty() {
            return Ok(Some(tls));
        }
        let clients = file("clients", &self.client_tls_cert)?;
        Ok(Some(tls.client_auth(ClientAuth::Required, clients)))
    }
}

fn message_type(schema: &Schema, name: &str) -> Result<MessageType, String> {
    let name = format!("connectrpc.conformance.v1.{name}");
    schema
        .message(&name)
        .ok_or_else(|| format!("there is no {name}"))
}

/// Done when the runner has seen enough.
#[cfg(unix)]
pub(super) fn terminated() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut signals = signal(SignalKind::terminate())?;
    Ok(async move {
        signals.recv().await;
    })
}

/// Where there is no SIGTERM, the runner ends the process.
#[cfg(not(unix))]
pub(super) fn terminated() -> io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}
