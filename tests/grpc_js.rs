//! Node's @grpc/grpc-js as the client: gRPC in JavaScript, with HTTP/2 by nghttp2.

#[path = "support/authority.rs"]
mod authority;
#[path = "support/echo.rs"]
mod echo;
#[path = "support/tools.rs"]
mod tools;

use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn grpc_js_finds_all_in_order() {
    let Some(modules) = tools::grpc_js() else {
        return;
    };
    let mut client = Command::new("node");
    client.arg("tests/clients/grpc_js_client.js");
    client.env("NODE_PATH", modules.join("node_modules"));
    echo::Servers::start().await.pass(client, CASES).await;
}

const CASES: &[&str] = &[
    "reflection",
    "unary",
    "serverStreaming",
    "clientStreaming",
    "bidiStreaming",
    "unknownMethods",
    "statuses",
    "longStatusMessages",
    "errorDetails",
    "metadata",
    "deadlines",
    "cancellation",
    "compression",
    "largeMessages",
    "concurrentCalls",
    "keepalive",
    "tls",
    "mutualTls",
    "health",
];
