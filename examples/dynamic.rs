//! Handlers on dynamic messages, for services whose types are known only at run time.
//!
//! ```console
//! $ cargo run --example dynamic
//! $ grpcurl -plaintext -d '{"name":"Ann"}' 127.0.0.1:10010 greeter.Greeter/Greet
//! $ grpcurl -plaintext -d '{"name":"Ann"}' 127.0.0.1:10010 greeter.Greeter/GreetRepeatedly
//! ```

use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use reflectd::{Message, Replies, Schema, Server, Status};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"])?;
    let greeting = schema
        .message("greeter.Greeting")
        .ok_or("greeter.proto has a Greeting")?;

    let server = Server::builder(schema)
        // reflectd's own message: getters and setters that say what does not fit.
        .unary("/greeter.Greeter/Greet", move |person: Message| {
            let mut reply = Message::new(&greeting);
            async move {
                let text = format!("Hello, {}!", person.str("name")?);
                reply.set("text", text)?;
                Ok(reply)
            }
        })
        // prost-reflect's message, for code that has it already.
        .server_streaming("/greeter.Greeter/GreetRepeatedly", repeat)
        .build()?
        .bind(address)
        .await?;
    println!("listening on {:?}", server.local_addresses());
    server.serve().await;
    Ok(())
}

async fn repeat(
    person: DynamicMessage,
    mut replies: Replies<DynamicMessage>,
) -> Result<(), Status> {
    let pool = person.descriptor().parent_pool().clone();
    let greeting = pool.get_message_by_name("greeter.Greeting");
    let greeting = greeting.ok_or_else(|| Status::internal("there is no Greeting"))?;
    let name = person
        .get_field_by_name("name")
        .ok_or_else(|| Status::internal("there is no name"))?;
    for word in ["Hello", "Hello again"] {
        let text = format!("{word}, {}!", name.as_str().unwrap_or_default());
        let mut reply = DynamicMessage::new(greeting.clone());
        reply
            .try_set_field_by_name("text", Value::String(text))
            .map_err(|error| Status::internal(error.to_string()))?;
        replies.send(reply).await?;
    }
    Ok(())
}
