//! Handlers that block, and handlers that answer at once.
//!
//! ```console
//! $ cargo run --example blocking
//! $ grpcurl -plaintext -d '{"name":"proto"}' 127.0.0.1:10010 greeter.Greeter/Greet
//! ```

use std::collections::BTreeMap;

use reflectd::{Schema, Server, Status};

type Fields = BTreeMap<String, serde_json::Value>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let greeter = Schema::compile(["proto/greeter.proto"], ["proto"])?;
    let users = Schema::compile(["proto/user.proto"], ["proto"])?;
    let server = Server::builder(greeter)
        // Reading a folder may take its time: it runs on a thread of its own.
        .blocking("/greeter.Greeter/Greet", |person: Fields| {
            let folder = person
                .get("name")
                .and_then(|name| name.as_str())
                .unwrap_or_default();
            let entries = std::fs::read_dir(folder)
                .map_err(|error| Status::not_found(format!("{folder}: {error}")))?;
            let text = format!("{folder} has {} entries", entries.count());
            Ok(Fields::from([("text".to_owned(), text.into())]))
        })
        // A server may serve several schemas. No future is made for this one.
        .schema(users)
        .unary_sync("/user.UserInfo/getUser", |id: Fields| {
            Ok(Fields::from([("id".to_owned(), id["Value"].clone())]))
        })
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server.serve().await;
    Ok(())
}
