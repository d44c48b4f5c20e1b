//! Where the servers of the outside suites listen, and how they say so.

use std::{error::Error, path::PathBuf, process};

use clap::Parser;
use reflectd::{Schema, Server, ServerBuilder, TlsConfig};
use serde_json::json;

/// Where to listen, and with which certificate.
#[derive(Parser)]
pub(super) struct Endpoint {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The certificate chain to show, PEM; without one, plaintext
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl Endpoint {
    /// Serves what `service` adds to the builder. Prints a line of JSON when calls are answered, as
    /// `reflectd serve` does.
    pub(super) async fn serve(
        self,
        schema: Schema,
        service: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Result<(), Box<dyn Error>> {
        let mut builder = service(Server::builder(schema.clone()));
        if let (Some(cert), Some(key)) = (self.tls_cert, self.tls_key) {
            builder = builder.tls(TlsConfig::new(cert, key));
        }
        let server = builder.build()?.bind(("127.0.0.1", self.port)).await?;
        let services = schema.services().map(|service| service.full_name());
        let methods = schema
            .methods()
            .map(|method| json!({ "path": method.path(), "kind": method.kind().as_str() }));
        let ready = json!({
            "event": "ready",
            "listen": server.local_addresses(),
            "services": services.collect::<Vec<_>>(),
            "methods": methods.collect::<Vec<_>>(),
            "store": null,
            "data": null,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": process::id(),
        });
        println!("{ready}");
        server.serve().await;
        Ok(())
    }
}
