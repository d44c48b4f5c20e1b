//! Port 0, and a shutdown that lets calls in flight finish.
//!
//! ```console
//! $ cargo run --example shutdown     # Ctrl-C stops it
//! ```

use std::time::Duration;

use reflectd::{Schema, Server, Status};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"])?;
    let server = Server::builder(schema)
        .unary("/greeter.Greeter/Greet", greet_slowly)
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

async fn greet_slowly(person: Person) -> Result<Greeting, Status> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(Greeting {
        text: format!("Sorry to keep you waiting, {}", person.name),
    })
}
