//! Lists and their pages.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use reflectd::limits;
use serde_json::{Value, json};

use crate::{
    Api, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, WRAPPED, error, ids,
};

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
            "`page_token` is none that this list gave, or one of an earlier version",
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
async fn a_token_is_good_for_the_list_that_gave_it_only() {
    let api = Api::start("tests/fixtures/binding/library.proto", &[]).await;
    for _ in 0..3 {
        let shelf = api.call("library.Library/CreateShelf", json!({"shelf": {}}));
        shelf.await.unwrap();
        let book = json!({"parent": "shelves/0", "book": {}});
        api.call("library.Library/CreateBook", book).await.unwrap();
    }
    let shelves = |token: &str| {
        let request = json!({"pageSize": 1, "pageToken": token});
        api.call("library.Library/ListShelves", request)
    };
    let page = shelves("").await.unwrap();
    let token = page["nextPageToken"].as_str().unwrap();
    shelves(token).await.unwrap();
    let books = json!({"parent": "shelves/0", "pageSize": 1, "pageToken": token});
    let none = error(
        INVALID_ARGUMENT,
        "`page_token` is none that this list gave, or one of an earlier version",
    );
    assert_eq!(api.call("library.Library/ListBooks", books).await, none);
    let mut tampered = token.to_owned();
    let first = if token.starts_with('A') { "B" } else { "A" };
    tampered.replace_range(..1, first);
    for token in [
        &tampered,
        &token[1..],
        &format!("{token}AAAA"),
        "AA",
        "A",
        "%",
    ] {
        assert_eq!(shelves(token).await, none, "{token}");
    }
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_what_stays_while_others_come_and_go() {
    let api = Arc::new(Api::start(WRAPPED, &[]).await);
    let staying: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    for id in &staying {
        let create = api.call("wrapped.Users/CreateUser", json!({"user": {"id": id}}));
        create.await.unwrap();
    }
    let (writer, stop) = (Arc::clone(&api), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut round = 0;
        while !stopped.load(Ordering::SeqCst) {
            let id = format!("k{}x", round % 97);
            round += 1;
            let user = json!({"user": {"id": id}});
            // One in two is still there when its turn comes again.
            let _ = writer.call("wrapped.Users/CreateUser", user).await;
            if round % 2 == 0 {
                let delete = writer.call("wrapped.Users/DeleteUser", json!({"id": id}));
                delete.await.unwrap();
            }
        }
        round
    });
    for size in [1, 3, 7, 1, 3, 7] {
        let (mut found, mut token) = (Vec::new(), json!(""));
        while token != Value::Null {
            let request = json!({"pageSize": size, "pageToken": token});
            let page = api.call("wrapped.Users/ListUsers", request).await.unwrap();
            found.extend(page.get("users").map(|_| ids(&page)).unwrap_or_default());
            token = page["nextPageToken"].clone();
        }
        assert!(
            found.iter().is_sorted_by_key(|id| order_of(id)),
            "{found:?}"
        );
        found.retain(|id| !id.ends_with('x'));
        assert_eq!(found, staying);
    }
    stop.store(true, Ordering::SeqCst);
    assert!(writing.await.unwrap() > 20, "nothing was written meanwhile");
}

/// `k7` before `k7x` before `k10`.
fn order_of(id: &str) -> (u32, bool) {
    let number = id.trim_start_matches('k').trim_end_matches('x');
    (number.parse().unwrap(), id.ends_with('x'))
}

#[tokio::test]
async fn keys_of_any_characters_are_told_apart_and_found() {
    let api = Api::start(WRAPPED, &[]).await;
    let long = "é".repeat(limits::RESOURCE_KEY_BYTES / 2);
    let keys = [
        "\0", "\0\0", "\u{1}", "a/b", "a//b", "/", "..", " ", "a b", "%00", "\n", "ä", "日本",
        "🦀", "0", "00", "0\u{1}1", "1", "01", "-1", "*", "-", &long,
    ];
    for key in keys {
        let user = json!({"user": {"id": key, "name": format!("name of {key:?}")}});
        api.call("wrapped.Users/CreateUser", user).await.unwrap();
    }
    let listed = ids(&api
        .call("wrapped.Users/ListUsers", json!({}))
        .await
        .unwrap());
    assert_eq!(
        BTreeSet::from_iter(listed.iter().map(String::as_str)),
        BTreeSet::from(keys)
    );
    assert_eq!(listed.len(), keys.len());
    for key in keys {
        let name = format!("name of {key:?}");
        assert_eq!(api.user(key).await, Ok(json!({"id": key, "name": name})));
        let delete = api.call("wrapped.Users/DeleteUser", json!({"id": key}));
        delete.await.unwrap();
        assert_eq!(api.user(key).await.unwrap_err().0, NOT_FOUND);
    }
}
