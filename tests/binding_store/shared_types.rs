//! A type in several resources, of which each may hold another version of it.

use std::sync::Arc;

use reflectd::{
    Error, Schema, Server, ServerBuilder,
    binding::Plan,
    store::{Batch, MemoryStore, Precondition, Store, metadata_key},
};
use serde_json::json;

use crate::{
    Api,
    support::{self, TestServer},
};

#[tokio::test]
async fn a_type_that_is_another_in_each_of_two_resources_is_compared_with_both() {
    for (one, other) in [("A", "B"), ("B", "A")] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        serve_and_create("string x = 1;", &[one, other], one, &store).await;
        serve_and_create("string y = 2;", &[other], other, &store).await;
        let both = [one, other];
        refuse(
            "string x = 1; int32 y = 2;",
            &both,
            &store,
            "`y`, was string",
        )
        .await;
        refuse(
            "int32 x = 1; string y = 2;",
            &both,
            &store,
            "`x`, was string",
        )
        .await;
        // Nobody has them any more, but rows do, and what was recorded of them must not hide it.
        for _ in 0..2 {
            let _ = bind_holders("string z = 3;", &both, &store).await.unwrap();
            refuse("int32 x = 1;", &both, &store, "`x`, was string").await;
            refuse("int32 y = 2;", &both, &store, "`y`, was string").await;
        }
    }
}

#[tokio::test]
async fn versions_of_a_type_that_contradict_each_other_are_both_kept() {
    for (one, other) in [("A", "B"), ("B", "A")] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        serve_and_create("string x = 1;", &[one], one, &store).await;
        serve_and_create("int32 x = 1;", &[other], other, &store).await;
        let both = [one, other];
        // None of them is read, so that nothing is misread.
        serve_and_create("string z = 3;", &both, one, &store).await;
        for _ in 0..2 {
            refuse("string x = 1;", &both, &store, "`x`, was int32").await;
            refuse("int32 x = 1;", &both, &store, "`x`, was string").await;
            refuse("int32 z = 3;", &[one], &store, "`z`, was string").await;
            let _ = bind_holders("bool w = 4;", &both, &store).await.unwrap();
        }
    }
}

#[tokio::test]
async fn types_that_earlier_versions_recorded_twice_are_compared_with_both() {
    for (one, other) in [("A", "B"), ("B", "A")] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        for (name, more) in [(one, r#","2":{"name":"y","type":"string"}"#), (other, "")] {
            let record = format!(
                r#"{{"format":1,"key":1,"messages":{{
                    "u.{name}":{{"1":{{"name":"id","type":"string"}},"2":{{"name":"t","type":"u.T"}}}},
                    "u.T":{{"1":{{"name":"x","type":"string"}}{more}}}}},"enums":{{}}}}"#
            );
            let resource = metadata_key(&format!("resource/u.{name}"));
            let row = format!("\x01u.{name}\0x");
            let batch = Batch::new().put(resource, record, Precondition::None).put(
                row,
                &b"\x0a\x01x"[..],
                Precondition::None,
            );
            store.commit(batch).await.unwrap();
        }
        let both = [one, other];
        for _ in 0..2 {
            refuse(
                "string x = 1; int32 z = 2;",
                &both,
                &store,
                "`y`, was string",
            )
            .await;
            // This records them as today's version does.
            let _ = bind_holders("string x = 1;", &both, &store).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_field_that_became_required_while_a_resource_was_away_is_required_when_it_is_back() {
    for (change, told) in [
        ("required string x = 1;", "`x`, is required now"),
        (
            "optional string x = 1; required string y = 2;",
            "`y`, is new and required",
        ),
    ] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        serve_and_create("optional string x = 1;", &["A", "B"], "A", &store).await;
        let _ = bind_holders(change, &["B"], &store).await.unwrap();
        refuse(change, &["A", "B"], &store, told).await;
    }
    // What others got meanwhile is not in the rows of who was away.
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    serve_and_create("string x = 1;", &["A", "B"], "A", &store).await;
    let _ = bind_holders("string x = 1; string y = 2;", &["B"], &store)
        .await
        .unwrap();
    let now = "string x = 1; int32 y = 2;";
    let _ = bind_holders(now, &["A", "B"], &store).await.unwrap();
}

/// Resources `A` and `B` that hold a message `T`, of which those in `served` have methods.
fn holders(fields: &str, served: &[&str]) -> Schema {
    let syntax = match fields.contains("required") || fields.contains("optional") {
        true => "proto2",
        false => "proto3",
    };
    let optional = if syntax == "proto2" { "optional " } else { "" };
    let resource =
        |name: &&str| format!("message {name} {{ {optional}string id = 1; {optional}T t = 2; }}\n");
    let service =
        |name: &&str| format!("service {name}s {{ rpc Create{name}({name}) returns ({name}); }}\n");
    let resources: String = ["A", "B"].iter().map(resource).collect();
    let services: String = served.iter().map(service).collect();
    let text = format!(
        "syntax = \"{syntax}\"; package u;\nmessage T {{ {fields} }}\n{resources}{services}"
    );
    support::schema(&[("u.proto", &text)])
}

async fn bind_holders(
    fields: &str,
    served: &[&str],
    store: &Arc<dyn Store>,
) -> Result<ServerBuilder, Error> {
    let schema = holders(fields, served);
    let plan = Plan::infer(&schema, &[]).unwrap();
    plan.bind(Server::builder(schema), Arc::clone(store)).await
}

/// Serves holders, and has one created.
async fn serve_and_create(fields: &str, served: &[&str], name: &str, store: &Arc<dyn Store>) {
    let builder = bind_holders(fields, served, store).await.unwrap();
    let server = TestServer::start(builder).await;
    let api = Api::serve(holders(fields, served), server).await;
    let method = format!("u.{name}s/Create{name}");
    api.call(&method, json!({})).await.unwrap();
}

async fn refuse(fields: &str, served: &[&str], store: &Arc<dyn Store>, told: &str) {
    let error = bind_holders(fields, served, store).await.unwrap_err();
    assert!(error.is_configuration());
    let said = error.to_string();
    assert_eq!(said.matches(told).count(), 1, "{said}");
}
