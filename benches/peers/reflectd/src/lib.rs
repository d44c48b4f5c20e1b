//! This library's server, with closures on dynamic messages.

use std::{
    future::{Future, pending},
    sync::Arc,
};

use peers::service::{ADD_USER, Arguments, CHUNK, CHUNKS, ECHO, GET_USER, HOLD, Users};
use reflectd::{Message, Replies, Schema, Server, Status, TlsConfig};

pub fn server(arguments: &Arguments) -> Server {
    let users = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../proto");
    let peers = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
    let files = [
        format!("{users}/user.proto"),
        format!("{peers}/peers.proto"),
    ];
    let schema = Schema::compile(files, [users, peers]).expect("the schema");
    let type_of = |name| schema.message(name).expect("a type");
    let (user, user_id, chunk) = (
        type_of("user.User"),
        type_of("user.UserId"),
        type_of("peers.Chunk"),
    );
    let users = Arc::new(Users::new(|bytes| {
        let user = Message::decode(&user, bytes.to_vec());
        user.expect("a user")
    }));
    let known = Arc::clone(&users);
    let mut builder = Server::builder(schema)
        .unary(GET_USER, move |id: Message| {
            let found = id.str("Value").map(|id| known.get(id));
            async move { found?.ok_or_else(|| Status::not_found("no such user")) }
        })
        .unary(ADD_USER, move |user: Message| {
            let added = add(&users, user);
            let mut reply = Message::new(&user_id);
            async move {
                reply.set("Value", added?)?;
                Ok(reply)
            }
        })
        .unary(ECHO, async |mut batch: Message| {
            let sequence = batch.u64("sequence")?;
            batch.set("sequence", sequence + 1)?;
            Ok(batch)
        })
        .server_streaming(CHUNKS, move |count: Message, replies: Replies<Message>| {
            let mut reply = Message::new(&chunk);
            async move {
                reply.set("data", CHUNK)?;
                send(count.u32("chunks")?, reply, replies).await
            }
        })
        .unary(HOLD, |_: Message| hold());
    if let Some((certificate, key)) = &arguments.tls {
        builder = builder.tls(TlsConfig::new(certificate, key));
    }
    builder.build().expect("a server")
}

/// Never answers, and holds nothing but this.
fn hold() -> impl Future<Output = Result<Message, Status>> + Send {
    let state = [1_u8; HELD_BYTES];
    async move {
        pending::<()>().await;
        Err(Status::internal(format!("{} bytes", state.len())))
    }
}

/// How many bytes of a stream's memory are its handler's future.
pub fn held_future_bytes() -> usize {
    size_of_val(&hold())
}

fn add(users: &Users<Message>, mut user: Message) -> Result<String, Status> {
    let mut set = Ok(());
    let id = users.add(|id| {
        set = user.set("id", id);
        user
    });
    set?;
    Ok(id)
}

/// Each message is made anew, as the peers do.
async fn send(count: u32, reply: Message, mut replies: Replies<Message>) -> Result<(), Status> {
    for _ in 0..count {
        replies.send(reply.clone()).await?;
    }
    Ok(())
}

const HELD_BYTES: usize = 100;
