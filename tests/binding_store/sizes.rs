//! What is stored can be sent.

use std::sync::Arc;

use reflectd::{Server, binding::Plan, store::MemoryStore};
use serde_json::json;

use crate::{Api, NOT_FOUND, RESOURCE_EXHAUSTED, WRAPPED, compile, ids, support::TestServer};

#[tokio::test]
async fn what_is_stored_can_be_sent_and_what_cannot_be_sent_is_not_stored() {
    let (create, list) = ("wrapped.Users/CreateUser", "wrapped.Users/ListUsers");
    for (send_bytes_max, id) in [
        (1 << 16, "1a".repeat(1024)),
        (1 << 16, "x".into()),
        (200, "x".into()),
    ] {
        let schema = compile(WRAPPED);
        let builder = Server::builder(schema.clone()).send_bytes_max(send_bytes_max);
        let plan = Plan::infer(&schema, &[]).unwrap();
        let builder = plan.bind(builder, Arc::new(MemoryStore::new())).await;
        let api = Api::serve(schema, TestServer::start(builder.unwrap()).await).await;
        let user = |name_bytes| json!({"user": {"id": id, "name": "x".repeat(name_bytes)}});

        // The longest that is stored, by halves; what is refused leaves nothing behind.
        let (mut fits, mut refused) = (0, send_bytes_max);
        api.call(create, json!({"user": {"id": "zz"}}))
            .await
            .unwrap();
        while refused - fits > 1 {
            let half = usize::midpoint(fits, refused);
            match api.call(create, user(half)).await {
                Ok(_) => {
                    fits = half;
                    api.user(&id).await.unwrap();
                    let page = api.call(list, json!({"pageSize": 1})).await.unwrap();
                    assert_eq!(ids(&page), [id.as_str()], "{half}");
                    let update = json!({"user": {"id": id, "email": "e"}, "updateMask": "email"});
                    let _ = api.call("wrapped.Users/UpdateUser", update).await;
                    api.user(&id).await.unwrap();
                    let delete = api.call("wrapped.Users/DeleteUser", json!({"id": id}));
                    delete.await.unwrap();
                }
                Err((code, message)) => {
                    refused = half;
                    assert_eq!(code, RESOURCE_EXHAUSTED, "{message}");
                    assert_eq!(api.user(&id).await.unwrap_err().0, NOT_FOUND);
                }
            }
        }
        assert!(
            fits + 4 * id.len() + 60 > send_bytes_max,
            "{fits} of {send_bytes_max}"
        );
    }
}
