//! This project's client with bytes for messages, and a deadline.
use peers::{Load, REQUEST, REPLY};
use reflectd::{RawMessage, Schema, client::{Channel, Client}};
use std::time::Duration;

fn main() {
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    let schema = Schema::compile([format!("{proto}/user.proto")], [proto]).expect("the schema");
    let connect = move |address: String| {
        let schema = schema.clone();
        async move {
            let channel = Channel::connect(&address).await.expect("a connection");
            Client::new(channel, schema)
        }
    };
    Load::from_arguments().run(connect, call);
}

async fn call(client: Client) -> bool {
    let call = client.call("/user.UserInfo/getUser").timeout(Duration::from_secs(20)).unary::<_, RawMessage, _, _>(RawMessage::new(REQUEST));
    call.await.is_ok_and(|reply| reply.bytes == REPLY)
}
