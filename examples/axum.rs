//! gRPC and plain HTTP on one port: the server as a service of an axum router.
//!
//! ```console
//! $ cargo run --example axum
//! $ curl http://127.0.0.1:10010/about
//! $ grpcurl -plaintext -d '{"Value":"7"}' 127.0.0.1:10010 user.UserInfo/getUser
//! ```

use axum::{Router, routing::get};
use reflectd::{Message, Schema, Server, Status};
use serde::Serialize;
use tokio::net::TcpListener;

#[derive(Serialize)]
struct User {
    id: String,
    name: String,
    description: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let schema = Schema::compile(["proto/user.proto"], ["proto"])?;
    let grpc = Server::builder(schema)
        .unary("/user.UserInfo/getUser", get_user)
        .build()?
        .into_service();
    let router = Router::new()
        .route("/about", get(async || "User information, by gRPC.\n"))
        .fallback_service(grpc);

    let listener = TcpListener::bind(address).await?;
    println!("listening on {:?}", [listener.local_addr()?]);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn get_user(id: Message) -> Result<User, Status> {
    let id = id.str("Value")?;
    Ok(User {
        name: format!("user {id}"),
        id: id.to_owned(),
        description: String::new(),
    })
}
