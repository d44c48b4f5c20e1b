//! Methods that are answered from a store, called through a socket.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod answers;
mod creates;
mod deletes;
mod disturbed;
mod etags;
mod lists;
mod model;
mod resource_names;
mod schema_guard;
mod shared_types;
mod sizes;
#[path = "../support/mod.rs"]
mod support;
mod updates;

use std::{path::Path, sync::Arc};

use disturbed::Disturbed;
use reflectd::{
    Message, Schema, Server,
    binding::{Bind, Plan},
    store::{MemoryStore, Store},
};
use serde_json::{Value, json};
use support::{Client, TestServer};

/// A server whose methods are answered from a store, and a client of it.
struct Api {
    schema: Schema,
    client: Client,
    _server: TestServer,
}

impl Api {
    async fn start(file: &str, overrides: &[Bind]) -> Self {
        Self::with(file, overrides, Arc::new(MemoryStore::new())).await
    }

    async fn on(file: &str, store: Arc<dyn Store>) -> Self {
        Self::with(file, &[], store).await
    }

    async fn with(file: &str, overrides: &[Bind], store: Arc<dyn Store>) -> Self {
        let schema = compile(file);
        let plan = Plan::infer(&schema, overrides).unwrap();
        let builder = plan.bind(Server::builder(schema.clone()), store).await;
        Self::serve(schema, TestServer::start(builder.unwrap()).await).await
    }

    async fn serve(schema: Schema, server: TestServer) -> Self {
        Self {
            schema,
            client: server.client().await,
            _server: server,
        }
    }

    /// Calls `package.Service/Method`, with JSON in and out; else the code and message.
    async fn call(&self, method: &str, request: Value) -> Result<Value, (u32, String)> {
        let path = format!("/{method}");
        let method = self.schema.method(&path).unwrap();
        let request = Message::from_json(method.input(), &request.to_string()).unwrap();
        let reply = self.client.unary(&path, request.encode_to_vec()).await;
        let status = reply.status();
        if status.code != 0 {
            return Err((status.code, status.message));
        }
        let reply = Message::decode(method.output(), reply.message()).unwrap();
        Ok(serde_json::from_str(&reply.to_json().unwrap()).unwrap())
    }

    async fn user(&self, id: &str) -> Result<Value, (u32, String)> {
        let got = self.call("wrapped.Users/GetUser", json!({"userId": id}));
        got.await.map(|mut got| got["user"].take())
    }
}

fn compile(file: &str) -> Schema {
    Schema::compile([Path::new(file)], [""; 0]).unwrap()
}

fn user(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name})
}

fn ids(list: &Value) -> Vec<String> {
    let users = list["users"].as_array().unwrap().iter();
    users
        .map(|user| user["id"].as_str().unwrap().to_owned())
        .collect()
}

fn merge(into: &mut Value, from: &Value) {
    let entries = from.as_object().unwrap().clone();
    into.as_object_mut().unwrap().extend(entries);
}

fn error(code: u32, message: &str) -> Result<Value, (u32, String)> {
    Err((code, message.to_owned()))
}

const WRAPPED: &str = "tests/fixtures/binding/wrapped.proto";

const INVALID_ARGUMENT: u32 = 3;
const NOT_FOUND: u32 = 5;
const ALREADY_EXISTS: u32 = 6;
const RESOURCE_EXHAUSTED: u32 = 8;
const ABORTED: u32 = 10;
const UNIMPLEMENTED: u32 = 12;
const UNAVAILABLE: u32 = 14;
const DATA_LOSS: u32 = 15;
