//! Python's grpcio as the client: gRPC's C core, which half of the world's clients stand on.

#[path = "support/authority.rs"]
mod authority;
#[path = "support/echo.rs"]
mod echo;
#[path = "support/tools.rs"]
mod tools;

use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn grpcio_finds_all_in_order() {
    let Some(python) = tools::grpcio() else {
        return;
    };
    let mut client = Command::new(python);
    client.arg("tests/clients/grpcio_client.py");
    echo::Servers::start().await.pass(client, CASES).await;
}

const CASES: &[&str] = &[
    "reflection",
    "unary",
    "server_streaming",
    "client_streaming",
    "bidi_streaming",
    "unknown_methods",
    "statuses",
    "long_status_messages",
    "error_details",
    "metadata",
    "deadlines",
    "cancellation",
    "compression",
    "large_messages",
    "concurrent_calls",
    "pings_of_bandwidth_probes",
    "keepalive",
    "tls",
    "mutual_tls",
    "health",
];
