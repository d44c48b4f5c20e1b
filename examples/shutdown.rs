//! Port 0, and a shutdown that lets calls in flight finish.
//!
//! ```console
//! $ cargo run --example shutdown     # Ctrl-C stops it
//! ```

use std::time::Duration;

use reflectd::{Schema, Server, Status};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"])?;
    let server = Server::builder(schema)
        .unary(
            "/greeter.Greeter/Greet",
            |mut fields: serde_json::Map<_, serde_json::Value>| async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                fields.retain(|name, _| name == "name");
                let name = fields
                    .remove("name")
                    .ok_or(Status::invalid_argument("no name"))?;
                Ok(serde_json::json!({ "text": format!("Sorry to keep you waiting, {name}") }))
            },
        )
        .drain_timeout(Duration::from_secs(5))
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server
        .serve_with_shutdown(async {
            // Without a handler for Ctrl-C there is no orderly end; serve until killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await;
    println!("all calls have ended");
    Ok(())
}
