//! Rows are not misread after the schema has changed.

use std::sync::Arc;

use reflectd::{
    Error, Schema, Server, ServerBuilder,
    binding::Plan,
    store::{Batch, KeyRange, MemoryStore, Precondition, Store, metadata_key},
};
use serde_json::json;

use crate::{
    Api,
    support::{self, TestServer},
};

#[tokio::test]
async fn rows_are_not_misread_after_the_schema_changed() {
    let was = "message User { string id = 1; string name = 2; Role role = 3; Home home = 4; }
               message Home { string street = 1; }
               enum Role { NONE = 0; ADMIN = 1; }";
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let _ = bind(was, &store).await.unwrap();
    // Nothing is stored yet: anything may change.
    let other = "message User { int64 id = 1; string title = 2; }";
    let _ = bind(other, &store).await.unwrap();
    let builder = bind(was, &store).await.unwrap();
    let api = Api::serve(users("proto3", was), TestServer::start(builder).await).await;
    api.call("u.Users/CreateUser", json!({})).await.unwrap();

    let added = was.replace("Home home = 4;", "Home home = 4; string email = 5;");
    let _ = bind(&added, &store).await.unwrap();
    let removed = was.replace("Home home = 4;", "");
    let _ = bind(&removed, &store).await.unwrap();
    let renamed = was.replace("string name = 2", "string title = 2");
    let _ = bind(&renamed, &store).await.unwrap();
    for (change, to, told) in [
        (
            "string name = 2",
            "int32 name = 2",
            "u.User: field 2, `title`, was string, and is int32 now",
        ),
        (
            "string id = 1; string name = 2",
            "string id = 2; string title = 1",
            "u.User: `id` had the number 1, and has 2 now\n  \
             u.User: `title` had the number 2, and has 1 now",
        ),
        (
            "string id = 1; string name = 2",
            "string code = 1; string name = 2",
            "u.User: the key was `id`, and is `name` now",
        ),
        (
            "string street = 1",
            "repeated string street = 1",
            "u.Home: field 1, `street`, was string, and is repeated string now",
        ),
        (
            "ADMIN = 1",
            "GUEST = 1; ADMIN = 2",
            "u.Role: `ADMIN` had the number 1, and has 2 now",
        ),
        (
            "Home home = 4",
            "string mail = 4",
            "u.User: field 4, `home`, was u.Home, and is string now",
        ),
        (
            "Home home = 4",
            "int32 email = 5",
            "u.User: field 5, `email`, was string, and is int32 now",
        ),
    ] {
        let error = bind(&was.replace(change, to), &store).await.unwrap_err();
        assert!(error.is_configuration());
        let expected = format!(
            "the store holds rows that this schema would misread:\n  {told}\nPut it back as it \
             was and add what is new under numbers that were never used, or start with another, \
             empty data folder."
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn rows_that_could_not_be_read_any_more_are_not_served() {
    let was = "message User {
                 optional string id = 1; optional string name = 2; required string mail = 3;
                 optional group Home = 4 { optional string street = 1; }
               }";
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let builder = bind_proto2(was, &store).await.unwrap();
    let api = Api::serve(users("proto2", was), TestServer::start(builder).await).await;
    let user = api.call("u.Users/CreateUser", json!({"mail": "m"}));
    user.await.unwrap();
    for (change, to, told) in [
        (
            "optional group Home = 4 { optional string street = 1; }",
            "message Home { optional string street = 1; } optional Home home = 4;",
            "field 4, `home`, was a group, and is a message with its length before it now",
        ),
        (
            "optional string name",
            "required string name",
            "field 2, `name`, is required now, and rows that were written before may not have it; \
             make it optional again",
        ),
        (
            "optional string name",
            "required string title",
            "field 2, `title`, is required now, and rows that were written before may not have \
             it; make it optional again",
        ),
        (
            "required string mail = 3;",
            "required string mail = 3; required string phone = 5;",
            "field 5, `phone`, is new and required, and rows that were written before do not have \
             it; make it optional",
        ),
    ] {
        let error = bind_proto2(&was.replace(change, to), &store).await;
        let told = format!("misread:\n  u.User: {told}\nPut it back as it was");
        let error = error.unwrap_err().to_string();
        assert!(error.contains(&told), "{error}");
    }
    // What is required no longer may be missing from now on.
    let optional = was.replace("required string mail = 3;", "");
    let _ = bind_proto2(&optional, &store).await.unwrap();
    let error = bind_proto2(was, &store).await.unwrap_err().to_string();
    assert!(error.contains("`mail`, is required now"), "{error}");
}

#[tokio::test]
async fn a_message_does_not_become_an_enum() {
    let was = "message User { string id = 1; Role role = 2; } message Role { int32 number = 1; }";
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let builder = bind(was, &store).await.unwrap();
    let api = Api::serve(users("proto3", was), TestServer::start(builder).await).await;
    api.call("u.Users/CreateUser", json!({})).await.unwrap();
    let now = was.replace(
        "message Role { int32 number = 1; }",
        "enum Role { NONE = 0; }",
    );
    let error = bind(&now, &store).await.unwrap_err().to_string();
    assert!(
        error.contains("u.Role was a message, and is an enum now"),
        "{error}"
    );
}

#[tokio::test]
async fn what_earlier_versions_recorded_is_read() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let record = r#"{"format":1,"key":1,"messages":{"u.Home":{"1":{"name":"street","type":"string"}},
        "u.User":{"1":{"name":"id","type":"string"},"2":{"name":"home","type":"u.Home"}}},"enums":{}}"#;
    let batch = Batch::new()
        .put(metadata_key("resource/u.User"), record, Precondition::None)
        .put(
            &b"\x01u.User\0ada"[..],
            &b"\x0a\x03ada"[..],
            Precondition::None,
        );
    store.commit(batch).await.unwrap();
    let was = "message User { string id = 1; Home home = 2; } message Home { string street = 1; }";
    for _ in 0..2 {
        let misread = was.replace("string street", "int32 street");
        let error = bind(&misread, &store).await.unwrap_err().to_string();
        let told = "u.Home: field 1, `street`, was string, and is int32 now";
        assert!(error.contains(told), "{error}");
        // This records it as today's version does.
        let _ = bind(was, &store).await.unwrap();
    }
    let newer = r#"{"format":3,"key":1,"messages":{},"enums":{}}"#;
    let batch = Batch::new().put(metadata_key("resource/u.User"), newer, Precondition::None);
    store.commit(batch).await.unwrap();
    let error = bind(was, &store).await.unwrap_err().to_string();
    assert!(
        error.contains("the rows of u.User have format 3"),
        "{error}"
    );
}

#[tokio::test]
async fn a_resource_that_is_away_while_its_types_change_is_not_misread_when_it_is_back() {
    let both = "message User { string id = 1; Home home = 2; } message Home { string street = 1; }
                message Shop { string id = 1; Home home = 2; }";
    let shops = "service Shops { rpc CreateShop(Shop) returns (Shop); }";
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let text = format!("{both} {shops}");
    let builder = bind(&text, &store).await.unwrap();
    let api = Api::serve(users("proto3", &text), TestServer::start(builder).await).await;
    let shop = json!({"home": {"street": "x"}});
    api.call("u.Shops/CreateShop", shop).await.unwrap();
    // Nobody serves shops, and no user has a home.
    let changed = both.replace("string street", "int32 street");
    let _ = bind(&changed, &store).await.unwrap();
    let builder = bind(&changed, &store).await.unwrap();
    let api = Api::serve(users("proto3", &changed), TestServer::start(builder).await).await;
    let user = api.call("u.Users/CreateUser", json!({"home": {"street": 7}}));
    user.await.unwrap();

    let error = bind(&format!("{changed} {shops}"), &store)
        .await
        .unwrap_err();
    let told = "u.Home: field 1, `street`, was string, and is int32 now";
    assert!(error.to_string().contains(told), "{error}");
}

#[tokio::test]
async fn types_that_many_resources_hold_are_recorded_once() {
    let (few, many) = (recorded_bytes(50).await, recorded_bytes(400).await);
    assert!(
        many < 10 * few,
        "{few} bytes, and {many} for eight times as many"
    );
}

/// What is recorded of so many resources, each of which holds the next.
async fn recorded_bytes(resources: usize) -> usize {
    let resource = |number| {
        let next = (number + 1) % resources;
        format!(
            "message R{number} {{ string id = 1; R{next} next = 2; }}
             service S{number} {{ rpc CreateR{number}(R{number}) returns (R{number}); }}"
        )
    };
    let text: String = (0..resources).map(resource).collect();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let user = "message User { string id = 1; }";
    let _ = bind(&format!("{user} {text}"), &store).await.unwrap();
    let (mut bytes, mut after) = (0, None);
    loop {
        let range = KeyRange::prefix(metadata_key(""));
        let page = store.scan(&range, after.as_deref(), 1000).await.unwrap();
        bytes += page
            .rows
            .iter()
            .map(|(_, row)| row.value.len())
            .sum::<usize>();
        match page.next {
            Some(next) => after = Some(next),
            None => return bytes,
        }
    }
}

/// A service of users whose file ends with `messages`.
fn users(syntax: &str, messages: &str) -> Schema {
    let text = format!(
        "syntax = \"{syntax}\"; package u;
         service Users {{ rpc CreateUser(User) returns (User); }}
         {messages}"
    );
    support::schema(&[("u.proto", &text)])
}

async fn bind(messages: &str, store: &Arc<dyn Store>) -> Result<ServerBuilder, Error> {
    bind_users(users("proto3", messages), store).await
}

async fn bind_proto2(messages: &str, store: &Arc<dyn Store>) -> Result<ServerBuilder, Error> {
    bind_users(users("proto2", messages), store).await
}

async fn bind_users(schema: Schema, store: &Arc<dyn Store>) -> Result<ServerBuilder, Error> {
    let plan = Plan::infer(&schema, &[]).unwrap();
    plan.bind(Server::builder(schema), Arc::clone(store)).await
}
