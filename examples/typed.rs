//! Handlers on plain Rust structs: serde is all they need.
//!
//! ```console
//! $ cargo run --example typed
//! $ grpcurl -plaintext -d '{"name":"jack"}' 127.0.0.1:10010 user.UserInfo/addUser
//! $ grpcurl -plaintext -d '{"Value":"0"}' 127.0.0.1:10010 user.UserInfo/getUser
//! ```

use std::sync::{Arc, Mutex};

use reflectd::{Schema, Server, Status};
use serde::{Deserialize, Serialize};

#[derive(Clone, Deserialize, Serialize)]
struct User {
    id: String,
    name: String,
    description: String,
}

/// The field is `Value` in the file; its snake_case form is found too.
#[derive(Deserialize, Serialize)]
struct UserId {
    value: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let users = Arc::new(Mutex::new(Vec::<User>::new()));
    let added = Arc::clone(&users);

    let schema = Schema::compile(["proto/user.proto"], ["proto"])?;
    let server = Server::builder(schema)
        .unary_sync("/user.UserInfo/addUser", move |mut user: User| {
            let mut users = added
                .lock()
                .map_err(|_| Status::internal("the lock is poisoned"))?;
            user.id = users.len().to_string();
            users.push(user);
            Ok(UserId {
                value: (users.len() - 1).to_string(),
            })
        })
        .unary("/user.UserInfo/getUser", move |id: UserId| {
            let found = users
                .lock()
                .ok()
                .and_then(|users| users.iter().find(|user| user.id == id.value).cloned());
            async move { found.ok_or_else(|| Status::not_found(format!("no user {}", id.value))) }
        })
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server.serve().await;
    Ok(())
}
