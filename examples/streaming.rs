//! All four kinds of calls, with plain serde structs.
//!
//! ```console
//! $ cargo run --example streaming
//! $ grpcurl -plaintext -d '{"name":"Ann","times":2}' 127.0.0.1:10010 greeter.Greeter/GreetRepeatedly
//! ```

use reflectd::{Replies, Schema, Server, Status, Streaming};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Person {
    name: String,
    times: u32,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
}

impl Greeting {
    fn to(name: &str) -> Self {
        Self {
            text: format!("Hello, {name}!"),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"])?;
    let server = Server::builder(schema)
        .unary("/greeter.Greeter/Greet", async |person: Person| {
            Ok(Greeting::to(&person.name))
        })
        .server_streaming("/greeter.Greeter/GreetRepeatedly", greet_repeatedly)
        .client_streaming("/greeter.Greeter/GreetTogether", greet_together)
        .bidi("/greeter.Greeter/GreetEach", greet_each)
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server.serve().await;
    Ok(())
}

async fn greet_repeatedly(person: Person, mut replies: Replies<Greeting>) -> Result<(), Status> {
    for _ in 0..person.times {
        replies.send(Greeting::to(&person.name)).await?;
    }
    Ok(())
}

async fn greet_together(mut people: Streaming<Person>) -> Result<Greeting, Status> {
    let mut names = Vec::new();
    while let Some(person) = people.message().await? {
        names.push(person.name);
    }
    Ok(Greeting::to(&names.join(" and ")))
}

async fn greet_each(
    mut people: Streaming<Person>,
    mut replies: Replies<Greeting>,
) -> Result<(), Status> {
    while let Some(person) = people.message().await? {
        replies.send(Greeting::to(&person.name)).await?;
    }
    Ok(())
}
