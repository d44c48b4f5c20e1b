//! Methods that are answered from a store, called through a socket.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod support;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use proptest::{prelude::*, test_runner::TestRunner};
use reflectd::{
    Message, Schema, Server,
    binding::{Bind, Plan},
    limits,
    store::{
        Batch, Changes, Health, KeyRange, MemoryStore, Page, Precondition, Revision, Row, Store,
        StoreError, StoreFuture,
    },
};
use serde_json::{Value, json};
use support::{Client, TestServer};
use tokio::sync::watch;

#[tokio::test]
async fn what_was_added_is_found_and_nothing_else() {
    let api = Api::start("proto/user.proto", &[]).await;
    let add = "user.UserInfo/addUser";
    let get = "user.UserInfo/getUser";
    for expected in ["0", "1"] {
        let id = api.call(add, json!({"name": "Ada"})).await;
        assert_eq!(id, Ok(json!({"Value": expected})));
    }
    let ada = json!({"id": "1", "name": "Ada"});
    assert_eq!(api.call(get, json!({"Value": "1"})).await, Ok(ada));
    let none = api.call(get, json!({"Value": "7"})).await;
    assert_eq!(none, error(NOT_FOUND, r#"no user.User with id "7""#));
    let unset = api.call(get, json!({})).await;
    assert_eq!(
        unset,
        error(
            INVALID_ARGUMENT,
            "`Value` of user.UserId is not set; it is the key of the user.User that is meant"
        )
    );
    let long = "x".repeat(limits::RESOURCE_KEY_BYTES + 1);
    let long = api.call(get, json!({"Value": long})).await;
    assert_eq!(
        long,
        error(
            INVALID_ARGUMENT,
            "`Value` has 2049 bytes; a key has at most 2048"
        )
    );
}

#[tokio::test]
async fn a_key_of_ones_own_is_kept_and_not_counted_again() {
    let api = Api::start("proto/user.proto", &[]).await;
    let add = "user.UserInfo/addUser";
    for own in ["1", "anna"] {
        let id = api.call(add, json!({"id": own, "name": "Anna"})).await;
        assert_eq!(id, Ok(json!({"Value": own})));
    }
    let again = api.call(add, json!({"id": "anna", "name": "Other"})).await;
    assert_eq!(
        again,
        error(ALREADY_EXISTS, r#"user.User with id "anna" exists already"#)
    );
    let anna = api.call("user.UserInfo/getUser", json!({"Value": "anna"}));
    assert_eq!(anna.await, Ok(json!({"id": "anna", "name": "Anna"})));
    for expected in ["0", "2"] {
        let id = api.call(add, json!({})).await;
        assert_eq!(id, Ok(json!({"Value": expected})), "1 is taken");
    }
}

#[tokio::test]
async fn a_create_does_not_look_for_a_free_number_for_ever() {
    let api = Api::start("proto/user.proto", &[]).await;
    let add = "user.UserInfo/addUser";
    for own in 0..=limits::CREATE_ATTEMPTS_MAX {
        api.call(add, json!({"id": own.to_string()})).await.unwrap();
    }
    let message = "the next 1000 numbers are all taken as keys of user.User; try again, and those \
                   behind them are tried";
    assert_eq!(api.call(add, json!({})).await, error(ABORTED, message));
    let again = api.call(add, json!({})).await;
    assert_eq!(again, Ok(json!({"Value": "1001"})));
}

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
async fn lists_are_in_the_order_of_keys_and_come_in_pages() {
    let api = Api::start(WRAPPED, &[]).await;
    let list = "wrapped.Users/ListUsers";
    for _ in 0..12 {
        let create = api.call("wrapped.Users/CreateUser", json!({"user": {}}));
        create.await.unwrap();
    }
    for id in ["b", "a10", "a9"] {
        let create = api.call("wrapped.Users/CreateUser", json!({"user": {"id": id}}));
        create.await.unwrap();
    }
    let numbers = (0..12).map(|number| number.to_string());
    let expected: Vec<String> = numbers
        .chain(["a9", "a10", "b"].map(str::to_owned))
        .collect();
    assert_eq!(ids(&api.call(list, json!({})).await.unwrap()), expected);
    for size in [1, 4, 5, 15, 16, 1_000_000] {
        let mut found = Vec::new();
        let mut token = json!("");
        loop {
            let request = json!({"pageSize": size, "pageToken": token});
            let page = api.call(list, request).await.unwrap();
            let on_page = ids(&page);
            assert!(on_page.len() <= size);
            found.extend(on_page);
            let Some(next) = page.get("nextPageToken") else {
                break;
            };
            token = next.clone();
        }
        assert_eq!(found, expected, "in pages of {size}");
    }
    for (request, message) in [
        (
            json!({"pageSize": -1}),
            "`page_size` is -1; it must not be negative",
        ),
        (
            json!({"pageToken": "ä"}),
            "`page_token` is none that this list gave",
        ),
    ] {
        let refused = api.call(list, request).await;
        assert_eq!(refused, error(INVALID_ARGUMENT, message));
    }
    let filtered = api.call(list, json!({"filter": "name = x"})).await;
    let message = "`filter` of wrapped.ListUsersRequest is not understood by the store binding; \
                   leave it unset";
    assert_eq!(filtered, error(UNIMPLEMENTED, message));
}

#[tokio::test]
async fn a_list_never_outgrows_a_message() {
    let bind = "wrapped.Users/SearchUsers=list:wrapped.User"
        .parse()
        .unwrap();
    let api = Api::start(WRAPPED, &[bind]).await;
    let name = "x".repeat(700_000);
    for _ in 0..9 {
        let create = api.call("wrapped.Users/CreateUser", json!({"user": {"name": name}}));
        create.await.unwrap();
    }
    let first = api
        .call("wrapped.Users/ListUsers", json!({}))
        .await
        .unwrap();
    assert_eq!(
        ids(&first),
        ["0", "1", "2", "3", "4"],
        "five fit into 4 MiB"
    );
    let request = json!({"pageToken": first["nextPageToken"]});
    let second = api.call("wrapped.Users/ListUsers", request).await.unwrap();
    assert_eq!(ids(&second), ["5", "6", "7", "8"]);
    assert_eq!(second.get("nextPageToken"), None);
    let whole = api.call("wrapped.Users/SearchUsers", json!({})).await;
    let message = "all wrapped.User together are more than 4194304 bytes, the longest message that \
                   is sent; give the request `page_size` and `page_token` and the reply \
                   `next_page_token`, and they come in pages";
    assert_eq!(whole, error(RESOURCE_EXHAUSTED, message));
}

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

#[tokio::test]
async fn integers_count_from_one_and_required_fields_are_required() {
    let api = Api::start("tests/fixtures/binding/numbers.proto", &[]).await;
    let add = "numbers.Products/ProductAdd";
    let missing = api.call(add, json!({"name": "nail"})).await;
    assert_eq!(
        missing,
        error(
            INVALID_ARGUMENT,
            "`unit` of numbers.Product is required and not set"
        )
    );
    // The number of the call that failed is not given again.
    for expected in [2, 3] {
        let id = api.call(add, json!({"name": "nail", "unit": "kg"})).await;
        assert_eq!(id, Ok(json!({"value": expected})));
    }
    // Requests of other types cannot tell 0 from "not set": it is no key, with presence or without.
    let zero = api.call(add, json!({"productId": 0, "unit": "kg"})).await;
    assert_eq!(zero, Ok(json!({"value": 4})));
    let get = api.call("numbers.Products/ProductGet", json!({"value": 0}));
    assert_eq!(get.await.unwrap_err().0, INVALID_ARGUMENT);
    let last = api
        .call(add, json!({"productId": u32::MAX, "unit": "kg"}))
        .await;
    assert_eq!(last, Ok(json!({"value": u32::MAX})));
    let put = "numbers.Products/put_product";
    let replaced = api.call(put, json!({"productId": 2, "unit": "t"})).await;
    assert_eq!(replaced, Ok(json!({})));
    let removed = api.call("numbers.Products/remove_product", json!(3)).await;
    assert_eq!(removed, Ok(json!(true)));
    let rest = api
        .call("numbers.Products/ProductList", json!({}))
        .await
        .unwrap();
    let rest: Vec<_> = rest["product"].as_array().unwrap().iter().collect();
    let expected = [
        json!({"productId": 2, "unit": "t"}),
        json!({"productId": 4, "unit": "kg"}),
        json!({"productId": u32::MAX, "unit": "kg"}),
    ];
    assert_eq!(rest, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn resource_names_are_put_together_below_their_parents() {
    let api = Api::start("tests/fixtures/binding/library.proto", &[]).await;
    let create = "library.Library/CreateBook";
    let shelf = api.call(
        "library.Library/CreateShelf",
        json!({"shelf": {"theme": "x"}}),
    );
    assert_eq!(shelf.await, Ok(json!({"name": "shelves/0", "theme": "x"})));
    for (request, name) in [
        (
            json!({"parent": "shelves/0", "book": {}}),
            "shelves/0/books/0",
        ),
        (
            json!({"parent": "shelves/1", "book": {}, "bookId": "emma"}),
            "shelves/1/books/emma",
        ),
        (
            json!({"parent": "shelves/1", "book": {"name": "shelves/1/books/9"}}),
            "shelves/1/books/9",
        ),
        (
            json!({"parent": "shelves/1", "book": {}, "bookId": "10"}),
            "shelves/1/books/10",
        ),
        (
            json!({"parent": "shelves/10", "book": {}}),
            "shelves/10/books/1",
        ),
    ] {
        assert_eq!(api.call(create, request).await, Ok(json!({"name": name})));
    }
    let listed = api
        .call("library.Library/ListBooks", json!({"parent": "shelves/1"}))
        .await;
    let names = [
        "shelves/1/books/9",
        "shelves/1/books/10",
        "shelves/1/books/emma",
    ];
    let names = names.map(|name| json!({"name": name}));
    assert_eq!(listed, Ok(json!({"books": names})));
    for (request, code, message) in [
        (json!({"book": {}}), INVALID_ARGUMENT, "`parent` is not set"),
        (
            json!({"parent": "shelves/0", "book": {}, "bookId": "a/b"}),
            INVALID_ARGUMENT,
            r#"the id is "a/b"; it must have no slash"#,
        ),
        (
            json!({"parent": "shelves/0", "book": {"name": "emma"}}),
            INVALID_ARGUMENT,
            r#"`name` is "emma"; it must be "shelves/0/books/" and an id"#,
        ),
        (
            json!({"parent": "shelves/1", "book": {}, "bookId": "emma"}),
            ALREADY_EXISTS,
            r#"library.Book with name "shelves/1/books/emma" exists already"#,
        ),
    ] {
        assert_eq!(api.call(create, request).await, error(code, message));
    }
}

#[tokio::test]
async fn a_name_that_is_put_together_is_no_longer_than_others() {
    let api = Api::start("tests/fixtures/binding/library.proto", &[]).await;
    let create = "library.Library/CreateBook";
    let message =
        |name: &str, length: usize| format!("`{name}` has {length} bytes; a key has at most 2048");
    let below = |bytes: usize| format!("shelves/{}", "x".repeat(bytes - "shelves/".len()));
    let room = limits::RESOURCE_KEY_BYTES - "/books/".len();
    for request in [
        json!({"parent": below(room), "book": {}}),
        json!({"parent": "shelves/1", "book": {}, "bookId": below(room).replace('/', ".")}),
        json!({"parent": below(room - 3), "book": {}, "bookId": "emma"}),
    ] {
        let (code, told) = api.call(create, request).await.unwrap_err();
        assert_eq!(code, INVALID_ARGUMENT);
        assert!(told.starts_with("`name` has 20"), "{told}");
        assert!(told.ends_with("a key has at most 2048"), "{told}");
    }
    let longest = json!({"parent": below(room - 4), "book": {}, "bookId": "emma"});
    let longest = api.call(create, longest).await.unwrap();
    assert_eq!(
        api.call("library.Library/GetBook", longest.clone()).await,
        Ok(longest)
    );
    for request in [
        ("library.Library/ListBooks", json!({"parent": below(2049)})),
        (create, json!({"parent": below(2049), "book": {}})),
    ] {
        let refused = api.call(request.0, request.1).await;
        assert_eq!(refused, error(INVALID_ARGUMENT, &message("parent", 2049)));
    }
}

#[tokio::test]
async fn a_parent_that_is_no_name_has_nothing_below_it() {
    let api = Api::start("tests/fixtures/binding/library.proto", &[]).await;
    let create = "library.Library/CreateBook";
    for parent in [
        "-",
        "shelves/-",
        "shelves/1/",
        "/shelves/1",
        "shelves//1",
        "shelves/\0",
        "a\n",
    ] {
        let message = format!(
            "`parent` is {parent:?}; it must be names with single slashes between them, none of \
             them `-`, and without control characters"
        );
        let created = api
            .call(create, json!({"parent": parent, "book": {}}))
            .await;
        assert_eq!(created, error(INVALID_ARGUMENT, &message));
        let (code, told) = api
            .call("library.Library/ListBooks", json!({"parent": parent}))
            .await
            .unwrap_err();
        match parent.contains('-') {
            true => assert_eq!(code, UNIMPLEMENTED, "{told}"),
            false => assert_eq!((code, told), (INVALID_ARGUMENT, message)),
        }
    }
}

#[tokio::test]
async fn a_list_below_a_parent_leaves_out_what_is_further_below() {
    let api = Api::start("tests/fixtures/binding/library.proto", &[]).await;
    let nested = (1..20).map(|shelf| format!("shelves/1/books/{shelf}"));
    let parents = nested.chain(["shelves/1".to_owned()]).cycle().take(100);
    for (number, parent) in parents.enumerate() {
        let book = json!({"parent": parent, "book": {}, "bookId": number.to_string()});
        api.call("library.Library/CreateBook", book).await.unwrap();
    }
    for (page_size, parent) in [(0, "shelves/1"), (1, "shelves/1"), (3, "shelves/1/books/2")] {
        let (mut found, mut token) = (Vec::new(), json!(""));
        while token != Value::Null {
            let request = json!({"parent": parent, "pageSize": page_size, "pageToken": token});
            let page = api
                .call("library.Library/ListBooks", request)
                .await
                .unwrap();
            found.extend(page["books"].as_array().cloned().unwrap_or_default());
            token = page["nextPageToken"].clone();
        }
        let first = if parent == "shelves/1" { 19 } else { 1 };
        let expected = (first..100).step_by(20);
        let expected = expected.map(|number| json!({"name": format!("{parent}/books/{number}")}));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{page_size}");
    }
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

#[tokio::test]
async fn a_token_of_one_parents_list_is_none_of_anothers() {
    let api = Api::start("tests/fixtures/binding/library.proto", &[]).await;
    for _ in 0..2 {
        let create = json!({"parent": "shelves/1", "book": {}});
        let created = api.call("library.Library/CreateBook", create).await;
        created.unwrap();
    }
    let list =
        |parent: &str, token: &Value| json!({"parent": parent, "pageSize": 1, "pageToken": token});
    let page = api
        .call("library.Library/ListBooks", list("shelves/1", &json!("")))
        .await;
    let request = list("shelves/10", &page.unwrap()["nextPageToken"]);
    let refused = api.call("library.Library/ListBooks", request).await;
    assert_eq!(
        refused,
        error(INVALID_ARGUMENT, "`page_token` is none that this list gave")
    );
}

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

/// What a model of the users says that a call is answered with.
#[derive(Default)]
struct Model {
    users: BTreeMap<String, String>,
    counted: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Create(Option<String>, String),
    Get(String),
    Update(String, String),
    Delete(String),
    List,
}

impl Model {
    /// The calls of a step, and what they must be answered with.
    fn step(&mut self, step: Step) -> (&'static str, Value, Result<Value, u32>) {
        match step {
            Step::Create(id, name) => {
                let request = json!({"user": {"id": id.clone().unwrap_or_default(), "name": name}});
                let id = id.unwrap_or_else(|| self.count());
                let taken = self.users.contains_key(&id);
                let user = user(&id, &name);
                self.users.entry(id).or_insert(name);
                let expected = if taken {
                    Err(ALREADY_EXISTS)
                } else {
                    Ok(json!({"user": user}))
                };
                ("wrapped.Users/CreateUser", request, expected)
            }
            Step::Get(id) => {
                let found = self
                    .users
                    .get(&id)
                    .map(|name| json!({"user": user(&id, name)}));
                (
                    "wrapped.Users/GetUser",
                    json!({"userId": id}),
                    found.ok_or(NOT_FOUND),
                )
            }
            Step::Update(id, name) => {
                let expected = match self.users.get_mut(&id) {
                    Some(old) => {
                        old.clone_from(&name);
                        Ok(user(&id, &name))
                    }
                    None => Err(NOT_FOUND),
                };
                let request = json!({"user": {"id": id, "name": name}, "fields": "name"});
                ("wrapped.Users/PatchUser", request, expected)
            }
            Step::Delete(id) => {
                let deleted = self.users.remove(&id).map(|_| json!({"success": true}));
                (
                    "wrapped.Users/DeleteUser",
                    json!({"id": id}),
                    deleted.ok_or(NOT_FOUND),
                )
            }
            Step::List => {
                let mut users: Vec<_> = self.users.iter().collect();
                // Numbers by value, and before all letters.
                users.sort_by_key(|(id, _)| (id.parse().unwrap_or(u64::MAX), id.as_str()));
                let users: Vec<_> = users.iter().map(|(id, name)| user(id, name)).collect();
                let all = if users.is_empty() {
                    json!({})
                } else {
                    json!({"users": users})
                };
                ("wrapped.Users/ListUsers", json!({}), Ok(all))
            }
        }
    }

    fn count(&mut self) -> String {
        loop {
            let id = self.counted.to_string();
            self.counted += 1;
            if !self.users.contains_key(&id) {
                return id;
            }
        }
    }
}

#[test]
fn any_sequence_of_calls_is_answered_as_a_map_would() {
    let id = || "[0-3a]|1[01]";
    let step = prop_oneof![
        3 => (prop::option::of(id()), "[a-z]{1,3}").prop_map(|(id, name)| Step::Create(id, name)),
        2 => id().prop_map(Step::Get),
        2 => (id(), "[a-z]{1,3}").prop_map(|(id, name)| Step::Update(id, name)),
        2 => id().prop_map(Step::Delete),
        1 => Just(Step::List),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(48));
    let steps = prop::collection::vec(step, 1..60);
    let outcome = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let api = Api::start(WRAPPED, &[]).await;
            let mut model = Model::default();
            for step in steps {
                let (method, request, expected) = model.step(step.clone());
                let found = api.call(method, request).await.map_err(|(code, _)| code);
                prop_assert_eq!(found, expected, "{:?}", step);
            }
            Ok(())
        })
    });
    outcome.unwrap();
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
    let api = Api::serve(users(was), TestServer::start(builder).await).await;
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

/// A service of users whose file ends with `messages`.
fn users(messages: &str) -> Schema {
    let text = format!(
        "syntax = \"proto3\"; package u;
         service Users {{ rpc CreateUser(User) returns (User); }}
         {messages}"
    );
    support::schema(&[("u.proto", &text)])
}

async fn bind(
    messages: &str,
    store: &Arc<dyn Store>,
) -> Result<reflectd::ServerBuilder, reflectd::Error> {
    let schema = users(messages);
    let plan = Plan::infer(&schema, &[]).unwrap();
    plan.bind(Server::builder(schema), Arc::clone(store)).await
}

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

/// A store in which other callers are faster, or which fails.
#[derive(Debug, Default)]
struct Disturbed {
    store: MemoryStore,
    /// How many of the next reads are followed by somebody else's write of the same row.
    disturbances: AtomicUsize,
    failure: std::sync::Mutex<Option<StoreError>>,
    /// Whether no row can be read.
    damaged: AtomicBool,
}

impl Store for Disturbed {
    fn get(&self, key: &[u8]) -> StoreFuture<'_, Option<Row>> {
        if self.damaged.load(Ordering::SeqCst) {
            return StoreFuture::ready(Err(StoreError::corrupt("odd bytes")));
        }
        let found = self.store.get(key).now().unwrap();
        let one_less = |left: usize| left.checked_sub(1);
        if let Ok(Some(row)) = &found
            && self
                .disturbances
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                .is_ok()
        {
            let key = Bytes::copy_from_slice(key);
            let batch = Batch::new().put(key, row.value.clone(), Precondition::None);
            self.store.commit(batch).now().unwrap().unwrap();
        }
        StoreFuture::ready(found)
    }

    fn scan(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> StoreFuture<'_, Page> {
        self.store.scan(range, after, limit)
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Revision> {
        match self.failure.lock().unwrap().take() {
            Some(failure) => StoreFuture::boxed(async move { Err(failure) }),
            None => self.store.commit(batch),
        }
    }

    fn next(&self, name: &str) -> StoreFuture<'_, u64> {
        self.store.next(name)
    }

    fn changes(&self, prefix: Bytes, after: Revision) -> Changes {
        self.store.changes(prefix, after)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.store.health()
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
