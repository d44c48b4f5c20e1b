//! Deletes.

use std::sync::{Arc, atomic::Ordering};

use reflectd::store::Store;
use serde_json::json;

use crate::{Api, DATA_LOSS, Disturbed, NOT_FOUND, WRAPPED, error};

#[tokio::test]
async fn what_is_deleted_is_gone_and_its_number_not_given_again() {
    let api = Api::start(WRAPPED, &[]).await;
    let (create, delete) = ("wrapped.Users/CreateUser", "wrapped.Users/DeleteUser");
    api.call(create, json!({"user": {}})).await.unwrap();
    let deleted = api.call(delete, json!({"id": "0"})).await;
    assert_eq!(deleted, Ok(json!({"success": true})));
    let none = || error(NOT_FOUND, r#"no wrapped.User with id "0""#);
    assert_eq!(api.call(delete, json!({"id": "0"})).await, none());
    assert_eq!(api.user("0").await, none());
    let next = api.call(create, json!({"user": {}})).await;
    assert_eq!(next, Ok(json!({"user": {"id": "1"}})));
}

#[tokio::test]
async fn a_damaged_row_is_named_and_can_be_deleted() {
    let store = Arc::new(Disturbed::default());
    let api = Api::on(WRAPPED, Arc::clone(&store) as Arc<dyn Store>).await;
    let created = api.call("wrapped.Users/CreateUser", json!({"user": {"id": "ada"}}));
    created.await.unwrap();
    store.damaged.store(true, Ordering::SeqCst);
    let message = r#"wrapped.User with id "ada": the store: odd bytes"#;
    assert_eq!(api.user("ada").await, error(DATA_LOSS, message));
    let delete = "wrapped.Users/DeleteUser";
    let deleted = api.call(delete, json!({"id": "ada"})).await;
    assert_eq!(deleted, Ok(json!({"success": true})));
    let again = api.call(delete, json!({"id": "ada"})).await;
    assert_eq!(again, error(NOT_FOUND, r#"no wrapped.User with id "ada""#));
}
