//! Messages as bytes: what a proxy, a recorder or a fault injector works with.
//!
//! ```console
//! $ cargo run --example raw
//! $ grpcurl -plaintext -import-path proto -proto user.proto \
//!     -d '{"id":"7","name":"Ann"}' 127.0.0.1:10010 user.UserInfo/addUser
//! ```

use reflectd::{Call, RawMessage, Replies, Schema, Server, Status, Streaming};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let schema = Schema::compile(["proto/user.proto"], ["proto"])?;
    let server = Server::builder(schema)
        // One method, whatever its kind, undecoded.
        .raw("/user.UserInfo/addUser", echo)
        // Every other call, even of methods that no schema has.
        .fallback(refuse)
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server.serve().await;
    Ok(())
}

/// `User` and `UserId` both have a string as field 1, so a user's bytes can be read as a user id.
async fn echo(
    _: Call,
    mut requests: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    while let Some(request) = requests.message().await? {
        replies.send(request).await?;
    }
    Ok(())
}

async fn refuse(
    call: Call,
    _: Streaming<RawMessage>,
    _: Replies<RawMessage>,
) -> Result<(), Status> {
    Err(Status::unavailable(format!(
        "{} is not answered today",
        call.path()
    )))
}
