//! Lists and their pages.

use serde_json::json;

use crate::{Api, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, WRAPPED, error, ids};

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
