//! Metadata both ways, deadlines, and errors with details.
//!
//! ```console
//! $ cargo run --example metadata
//! $ grpcurl -plaintext -v -H 'x-tenant: acme' -d '{"name":"Ann"}' 127.0.0.1:10010 greeter.Greeter/Greet
//! $ grpcurl -plaintext -d '{}' 127.0.0.1:10010 greeter.Greeter/Greet
//! ```

use reflectd::{Call, Message, Metadata, Response, Schema, Server, Status};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"])?;
    let server = Server::builder(schema)
        .unary("/greeter.Greeter/Greet", greet)
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server.serve().await;
    Ok(())
}

/// serde's maps do as well as structs.
type Greeting = std::collections::BTreeMap<String, String>;

async fn greet(call: Call, person: Message) -> Result<Response<Greeting>, Status> {
    let tenant = call.metadata().text("x-tenant").ok_or_else(|| {
        Status::unauthenticated("the metadata has no x-tenant")
            // Any encoded message can be a detail; here the request itself.
            .with_detail_bytes(
                "type.googleapis.com/greeter.Person",
                person.encode_to_bytes(),
            )
    })?;
    let name = person.str("name")?;
    let text = format!("Hello, {name} of {tenant}!");

    let mut headers = Metadata::new();
    let mut trailers = Metadata::new();
    for (metadata, name, value) in [
        (&mut headers, "x-peer", call.peer().to_string()),
        (
            &mut trailers,
            "x-time-left",
            format!("{:?}", call.time_left()),
        ),
    ] {
        metadata.append(name, &value)?;
    }
    let greeting = Greeting::from([("text".to_owned(), text)]);
    Ok(Response::new(greeting)
        .with_metadata(headers)
        .with_trailers(trailers))
}
