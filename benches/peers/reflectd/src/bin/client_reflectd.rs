//! This project's client, with dynamic messages: the reply is decoded and a field of it compared.

use peers::{Load, REQUEST};
use reflectd::{
    Message, Schema,
    client::{Channel, Client},
};

fn main() {
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../proto");
    let schema = Schema::compile([format!("{proto}/user.proto")], [proto]).expect("the schema");
    let method = schema.method(GET_USER).expect("the method");
    let id = Message::decode(method.input(), REQUEST).expect("a message");
    let connect = move |address: String| {
        let schema = schema.clone();
        async move {
            let channel = Channel::connect(&address).await.expect("a connection");
            Client::new(channel, schema)
        }
    };
    Load::from_arguments().run(connect, move |client| call(client, id.clone()));
}

async fn call(client: Client, id: Message) -> bool {
    let user: Result<Message, _> = client.unary(GET_USER, id).await;
    user.is_ok_and(|user| user.str("name").is_ok_and(|name| name == "jack"))
}

const GET_USER: &str = "/user.UserInfo/getUser";

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
