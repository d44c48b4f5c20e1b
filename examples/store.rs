//! Methods without code: the schema says what they mean, a store keeps the rows.
//!
//! ```console
//! $ cargo run --example store
//! $ grpcurl -plaintext -d '{"name":"jack"}' 127.0.0.1:10010 user.UserInfo/addUser
//! $ grpcurl -plaintext -d '{"Value":"0"}' 127.0.0.1:10010 user.UserInfo/getUser
//! ```

use std::sync::Arc;

use reflectd::{Schema, Server, binding::Plan, store::MemoryStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let schema = Schema::compile(["proto/user.proto"], [""; 0])?;
    let plan = Plan::infer(&schema, &[])?;
    for method in plan.methods() {
        eprintln!(
            "{}: {} ({})",
            method.path(),
            method.answered_by().as_str(),
            method.reason()
        );
    }
    // Handlers of your own may stand beside: register them on the builder first.
    let server = plan
        .bind(Server::builder(schema), Arc::new(MemoryStore::new()))
        .await?
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server.serve().await;
    Ok(())
}
