//! Interceptors: every call shows an API key, and is timed.
//!
//! ```console
//! $ cargo run --example interceptor
//! $ grpcurl -plaintext -H 'x-api-key: sesame' -d '{"name":"Ann"}' 127.0.0.1:10010 greeter.Greeter/Greet
//! $ grpcurl -plaintext -d '{"name":"Ann"}' 127.0.0.1:10010 greeter.Greeter/Greet
//! ```

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use reflectd::{AccessLog, Call, CallEnd, Message, Metadata, Schema, Server, Status};

/// Who the key belongs to; the handler finds it with the call.
#[derive(Clone)]
struct Customer(&'static str);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"])?;
    let server = Server::builder(schema)
        .unary("/greeter.Greeter/Greet", greet)
        // Asked in this order, before any message is read.
        .before(number)
        .before(authenticate)
        // Told of every call, however it ended; these two say the same in different ways.
        .after(|end: &CallEnd<'_>| {
            let (path, code) = (end.call().path(), end.code());
            eprintln!("{path:?}: {code} after {:?}", end.duration());
        })
        .access_log(AccessLog::Errors)
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server.serve().await;
    Ok(())
}

/// A plain one: what it needs is at hand.
fn number(call: &Call) -> Result<(), Status> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let number = CALLS.fetch_add(1, Ordering::Relaxed);
    let mut trailers = Metadata::new();
    trailers
        .append("x-call-number", &number.to_string())
        .map_err(|error| Status::internal(error.to_string()))?;
    call.add_trailers(trailers);
    Ok(())
}

/// An async one may ask somebody else.
async fn authenticate(call: Call) -> Result<(), Status> {
    // Probes and grpcurl get in without a key.
    if call.path().starts_with("/grpc.") {
        return Ok(());
    }
    let key = call.metadata().text("x-api-key").unwrap_or_default();
    let customer = look_up(key)
        .await
        .ok_or_else(|| Status::unauthenticated("x-api-key is missing or wrong"))?;
    call.set_extension(customer);
    Ok(())
}

/// In earnest a database would be asked, for the hash of the key.
async fn look_up(key: &str) -> Option<Customer> {
    tokio::task::yield_now().await;
    (key == "sesame").then_some(Customer("Ali Baba"))
}

async fn greet(call: Call, person: Message) -> Result<BTreeMap<&'static str, String>, Status> {
    let name = person
        .str("name")
        .map_err(|error| Status::internal(error.to_string()))?;
    let customer: Option<Customer> = call.extension();
    let host = customer.map_or("nobody", |customer| customer.0);
    Ok(BTreeMap::from([(
        "text",
        format!("Hello, {name}, from {host}!"),
    )]))
}
