//! Creates, and finding what was created.

use reflectd::limits;
use serde_json::json;

use crate::{ABORTED, ALREADY_EXISTS, Api, INVALID_ARGUMENT, NOT_FOUND, error};

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
