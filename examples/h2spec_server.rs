//! The server that h2spec tests: a gRPC server with one path, `/h2spec`, that answers any request
//! with a text, because h2spec speaks no gRPC.
//!
//! ```console
//! $ cargo run --example h2spec_server -- --port 10000
//! $ curl --http2-prior-knowledge -d anything http://127.0.0.1:10000/h2spec
//! ```

#[path = "suites/endpoint.rs"]
mod endpoint;

use std::error::Error;

use clap::Parser;
use reflectd::Schema;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = endpoint::Endpoint::parse();
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"])?;
    let service = |builder: reflectd::ServerBuilder| builder.text("/h2spec", "not empty\n");
    endpoint.serve(schema, service).await
}
