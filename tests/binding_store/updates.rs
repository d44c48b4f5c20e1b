//! Updates, whole and by field mask.

use std::sync::{Arc, atomic::Ordering};

use reflectd::{
    Server,
    binding::Plan,
    store::{MemoryStore, Store},
};
use serde_json::json;

use crate::{
    ABORTED, Api, Disturbed, INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED, WRAPPED, error, merge,
    support::{self, TestServer},
};

#[tokio::test]
async fn an_update_replaces_all_or_what_its_mask_says() {
    let api = Api::start(WRAPPED, &[]).await;
    let user = json!({
        "name": "Ada", "email": "ada@example.org", "tags": ["a", "b"], "scores": {"x": 1},
        "address": {"street": "1 St James's Square", "city": "London"},
    });
    let created = api
        .call("wrapped.Users/CreateUser", json!({"user": user}))
        .await;
    let mut expected = json!({"id": "0"});
    merge(&mut expected, &user);
    assert_eq!(created, Ok(json!({"user": expected})));

    let update = "wrapped.Users/UpdateUser";
    let change =
        json!({"id": "0", "name": "Augusta", "tags": ["c"], "address": {"city": "Ockham"}});
    let masked = json!({"user": change, "updateMask": "name,email,tags,address.city"});
    expected["name"] = json!("Augusta");
    expected.as_object_mut().unwrap().remove("email");
    expected["tags"] = json!(["c"]);
    expected["address"]["city"] = json!("Ockham");
    assert_eq!(api.call(update, masked).await, Ok(expected.clone()));
    assert_eq!(api.user("0").await, Ok(expected));

    assert_eq!(
        api.call(update, json!({"user": change})).await,
        Ok(change.clone())
    );
    api.call(update, json!({"user": {"id": "0", "name": "Ada"}}))
        .await
        .unwrap();
    let unset = json!({"user": {"id": "0"}, "updateMask": "address.city"});
    assert_eq!(
        api.call(update, unset).await,
        Ok(json!({"id": "0", "name": "Ada"})),
        "a path into what neither has does not make it present"
    );
    let all = json!({"user": {"id": "0", "email": "x"}, "updateMask": "*"});
    let replaced = json!({"id": "0", "email": "x"});
    assert_eq!(api.call(update, all).await, Ok(replaced.clone()));
    assert_eq!(api.user("0").await, Ok(replaced));
}

#[tokio::test]
async fn an_update_that_cannot_be_made_changes_nothing() {
    let api = Api::start(WRAPPED, &[]).await;
    let update = "wrapped.Users/UpdateUser";
    let created = api.call("wrapped.Users/CreateUser", json!({"user": {"name": "Ada"}}));
    created.await.unwrap();
    for (request, code, message) in [
        (
            json!({"user": {"id": "5"}}),
            NOT_FOUND,
            r#"no wrapped.User with id "5""#,
        ),
        (
            json!({"user": {"id": "5"}, "updateMask": "name"}),
            NOT_FOUND,
            r#"no wrapped.User with id "5""#,
        ),
        (
            json!({"user": {"name": "x"}}),
            INVALID_ARGUMENT,
            "`id` of wrapped.User is not set",
        ),
        (
            json!({}),
            INVALID_ARGUMENT,
            "`user` of wrapped.UpdateUserRequest is not set",
        ),
        (
            json!({"user": {"id": "0"}, "updateMask": "name,address.zip"}),
            INVALID_ARGUMENT,
            "the field mask has the path `address.zip`, but wrapped.Address has no field `zip`",
        ),
        (
            json!({"user": {"id": "5"}, "updateMask": "address.zip"}),
            INVALID_ARGUMENT,
            "the field mask has the path `address.zip`, but wrapped.Address has no field `zip`",
        ),
        (
            json!({"user": {"id": "0"}, "updateMask": "scores.x"}),
            INVALID_ARGUMENT,
            "the field mask has the path `scores.x`, but wrapped.User has no field `scores.x`",
        ),
        (
            json!({"user": {"id": "0"}, "allowMissing": true}),
            UNIMPLEMENTED,
            "`allow_missing` of wrapped.UpdateUserRequest is not understood by the store binding; \
             leave it unset",
        ),
    ] {
        assert_eq!(api.call(update, request).await, error(code, message));
    }
    assert_eq!(api.user("0").await, Ok(json!({"id": "0", "name": "Ada"})));
}

#[tokio::test]
async fn a_mask_of_any_length_and_depth_is_answered() {
    let text = "syntax = \"proto3\"; package m; import \"google/protobuf/field_mask.proto\";
                service Nodes {
                  rpc CreateNode(Node) returns (Node);
                  rpc UpdateNode(UpdateNodeRequest) returns (Node);
                }
                message Node { string id = 1; Node next = 2; }
                message UpdateNodeRequest {
                  Node node = 1; google.protobuf.FieldMask update_mask = 2;
                }";
    let schema = support::schema(&[("m.proto", text)]);
    let plan = Plan::infer(&schema, &[]).unwrap();
    let builder = plan.bind(
        Server::builder(schema.clone()),
        Arc::new(MemoryStore::new()),
    );
    let api = Api::serve(schema, TestServer::start(builder.await.unwrap()).await).await;
    let node = json!({"id": "a"});
    api.call("m.Nodes/CreateNode", node.clone()).await.unwrap();
    let update = |mask: String| json!({"node": node, "updateMask": mask});
    for mask in ["next.".repeat(100) + "id", "next.id,".repeat(999) + "id"] {
        let updated = api.call("m.Nodes/UpdateNode", update(mask)).await;
        assert_eq!(updated, Ok(node.clone()));
    }
    for (mask, message) in [
        (
            "next.".repeat(300_000) + "id",
            "the field mask has a path that leads through more than 100 messages",
        ),
        (
            "next.id,".repeat(1000) + "id",
            "the field mask has 1001 paths; it may have at most 1000",
        ),
    ] {
        let refused = api.call("m.Nodes/UpdateNode", update(mask)).await;
        assert_eq!(refused, error(INVALID_ARGUMENT, message));
    }
}

#[tokio::test]
async fn an_update_starts_anew_when_another_was_faster() {
    let store = Arc::new(Disturbed::default());
    let api = Api::on(WRAPPED, Arc::clone(&store) as Arc<dyn Store>).await;
    let created = api.call("wrapped.Users/CreateUser", json!({"user": {"name": "Ada"}}));
    created.await.unwrap();
    let update = json!({"user": {"id": "0", "email": "e"}, "updateMask": "email"});

    store.disturbances.store(3, Ordering::SeqCst);
    let updated = api.call("wrapped.Users/UpdateUser", update.clone()).await;
    assert_eq!(updated, Ok(json!({"id": "0", "name": "Ada", "email": "e"})));
    assert_eq!(store.disturbances.load(Ordering::SeqCst), 0);

    store.disturbances.store(1000, Ordering::SeqCst);
    let updated = api.call("wrapped.Users/UpdateUser", update).await;
    let message = r#"wrapped.User with id "0" is being changed by many calls at once; try again"#;
    assert_eq!(updated, error(ABORTED, message));
}
