//! A client: one channel, calls from several functions at once, and a server that is restarted in
//! between.
//!
//! ```console
//! $ cargo run -- serve proto/user.proto --store memory   # in another terminal
//! $ cargo run --example user_client
//! ```

use std::{io, time::Duration};

use reflectd::{
    Schema, Status,
    client::{Channel, Client},
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

#[derive(Deserialize, Serialize)]
struct User {
    id: String,
    name: String,
    description: String,
}

/// The field is `Value` in the file; its snake_case form is found too.
#[derive(Clone, Deserialize, Serialize)]
struct UserId {
    value: String,
}

const ADD: &str = "/user.UserInfo/addUser";
const GET: &str = "/user.UserInfo/getUser";
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is asked for may be asked for again where a connection is lost half-way; what is added may not,
/// because nobody knows whether it was.
const RETRIES: &str = r#"{"methodConfig": [{
    "name": [{"service": "user.UserInfo", "method": "getUser"}],
    "retryPolicy": {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
    }
}]}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "http://127.0.0.1:10010".to_owned());
    let channel = Channel::builder(&address)
        .timeout(TIMEOUT)
        .service_config(RETRIES)
        .connect()
        .await?;
    let schema = Schema::compile(["proto/user.proto"], ["proto"])?;
    let client = Client::new(channel, schema);

    println!("{}", jack(&client).await?);

    // Every clone shares the connection.
    let mut friends = JoinSet::new();
    for number in 0..8 {
        let client = client.clone();
        friends.spawn(async move { befriend(&client, number).await });
    }
    let mut found = 0;
    while let Some(friend) = friends.join_next().await {
        found += usize::from(friend??.name.starts_with("friend"));
    }
    println!("found {found} friends of jack");

    println!("restart the server, then press Enter");
    io::stdin().read_line(&mut String::new())?;
    println!("calling again");
    println!("{}", jack(&client).await?);
    Ok(())
}

async fn jack(client: &Client) -> Result<String, Status> {
    let id = add(client, "jack", "strong").await?;
    let user = get(client, id).await?;
    Ok(format!(
        "added {}: {} is {}",
        user.id, user.name, user.description
    ))
}

async fn befriend(client: &Client, number: u32) -> Result<User, Status> {
    let id = add(client, &format!("friend {number}"), "of jack").await?;
    get(client, id).await
}

async fn add(client: &Client, name: &str, description: &str) -> Result<UserId, Status> {
    let user = User {
        id: String::new(),
        name: name.to_owned(),
        description: description.to_owned(),
    };
    // Where nobody is there yet, it waits; no longer than the timeout of the channel.
    client.call(ADD).wait_for_ready().unary(user).await
}

async fn get(client: &Client, id: UserId) -> Result<User, Status> {
    client.call(GET).wait_for_ready().unary(id).await
}
