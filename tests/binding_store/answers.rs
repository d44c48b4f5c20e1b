//! What a call is told: by nobody, by a handler of the user's, by a store that fails.

use std::sync::Arc;

use reflectd::{
    Message, Server,
    binding::Plan,
    store::{MemoryStore, Store, StoreError},
};
use serde_json::json;

use crate::{
    ABORTED, Api, DATA_LOSS, Disturbed, RESOURCE_EXHAUSTED, UNAVAILABLE, UNIMPLEMENTED, WRAPPED,
    compile, error, support::TestServer,
};

#[tokio::test]
async fn what_nothing_answers_says_why_and_what_would() {
    let api = Api::start(WRAPPED, &[]).await;
    let refused = api.call("wrapped.Users/SuspendUser", json!({})).await;
    let message = "wrapped.Users/SuspendUser is not answered: its name has no verb that tells what \
                   it does with `User`; --bind wrapped.Users/SuspendUser=get:wrapped.User would \
                   bind it";
    assert_eq!(refused, error(UNIMPLEMENTED, message));
}

#[tokio::test]
async fn a_handler_of_ones_own_goes_before_the_plan() {
    let schema = compile("proto/user.proto");
    let plan = Plan::infer(&schema, &[]).unwrap();
    let builder = Server::builder(schema.clone()).unary(
        "/user.UserInfo/getUser",
        |mut id: Message| async move {
            id.clear_all();
            Err::<Message, _>(reflectd::Status::aborted("mine"))
        },
    );
    let store = Arc::new(MemoryStore::new());
    let builder = plan.bind(builder, store).await.unwrap();
    let api = Api::serve(schema, TestServer::start(builder).await).await;
    let mine = api
        .call("user.UserInfo/getUser", json!({"Value": "0"}))
        .await;
    assert_eq!(mine, error(ABORTED, "mine"));
    let added = api.call("user.UserInfo/addUser", json!({})).await;
    assert_eq!(added, Ok(json!({"Value": "0"})));
}

#[tokio::test]
async fn a_store_that_fails_is_told_by_code_and_words() {
    let store = Arc::new(Disturbed::default());
    let api = Api::on("proto/user.proto", Arc::clone(&store) as Arc<dyn Store>).await;
    for (failure, code, message) in [
        (
            StoreError::unavailable("no disk"),
            UNAVAILABLE,
            "the store: no disk",
        ),
        (
            StoreError::full("no room"),
            RESOURCE_EXHAUSTED,
            "the store: no room",
        ),
        (
            StoreError::corrupt("odd bytes"),
            DATA_LOSS,
            "the store: odd bytes",
        ),
        (
            StoreError::unavailable("no answer").with_unknown_outcome(),
            UNAVAILABLE,
            "the store: no answer; the change may have been made nevertheless",
        ),
    ] {
        *store.failure.lock().unwrap() = Some(failure);
        let failed = api.call("user.UserInfo/addUser", json!({})).await;
        assert_eq!(failed, error(code, message));
    }
}
