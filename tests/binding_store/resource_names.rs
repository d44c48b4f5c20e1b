//! Resource names: `shelves/7/books/1`.

use reflectd::limits;
use serde_json::{Value, json};

use crate::{ALREADY_EXISTS, Api, INVALID_ARGUMENT, UNIMPLEMENTED, error};

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
        error(
            INVALID_ARGUMENT,
            "`page_token` is none that this list gave, or one of an earlier version"
        )
    );
}
