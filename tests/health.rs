//! `grpc.health.v1.Health`, asked through a socket.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod support;

use std::{collections::HashMap, time::Duration};

use prost::Message;
use reflectd::{Schema, Server, ServerBuilder, ServingStatus};
use support::{CallStream, Client, TestServer, schema};

#[tokio::test]
async fn check_tells_the_whole_and_each_service() {
    let server = TestServer::start(two_services()).await;
    let client = server.client().await;
    for service in ["", "shop.Orders", "shop.Stock"] {
        assert_eq!(check(&client, service).await, Ok(SERVING), "{service:?}");
    }

    server.health().set("shop.Stock", ServingStatus::NotServing);
    assert_eq!(check(&client, "shop.Stock").await, Ok(NOT_SERVING));
    assert_eq!(check(&client, "shop.Orders").await, Ok(SERVING));
    assert_eq!(check(&client, "").await, Ok(SERVING));

    assert_eq!(check(&client, "shop.orders").await, Err(NOT_FOUND));
    server
        .health()
        .set("anything at all", ServingStatus::Serving);
    assert_eq!(check(&client, "anything at all").await, Ok(SERVING));
    server.health().clear("anything at all");
    assert_eq!(check(&client, "anything at all").await, Err(NOT_FOUND));
}

#[tokio::test]
async fn list_tells_all_and_no_more_than_a_hundred() {
    let server = TestServer::start(two_services()).await;
    let client = server.client().await;
    server.health().set("shop.Stock", ServingStatus::NotServing);
    let listed = client.unary(LIST, "").await.message();
    let statuses = ListResponse::decode(listed).unwrap().statuses;
    let expected = [
        ("", SERVING),
        ("shop.Orders", SERVING),
        ("shop.Stock", NOT_SERVING),
    ];
    let expected = expected.map(|(service, status)| (service.to_owned(), CheckResponse { status }));
    assert_eq!(statuses, HashMap::from(expected));

    for number in 3..100 {
        server
            .health()
            .set(format!("shop.Service{number}"), ServingStatus::Serving);
    }
    let listed = client.unary(LIST, "").await.message();
    assert_eq!(ListResponse::decode(listed).unwrap().statuses.len(), 100);
    server.health().set("one.too.Many", ServingStatus::Serving);
    client.unary(LIST, "").await.error(RESOURCE_EXHAUSTED);
}

#[tokio::test]
async fn watch_tells_the_status_at_once_and_each_change_once() {
    let server = TestServer::start(two_services()).await;
    let client = server.client().await;
    let mut watch = watch(&client, "shop.Orders").await;
    assert_eq!(next(&mut watch).await, Some(SERVING));

    server.health().set("shop.Orders", ServingStatus::Serving);
    server.health().set("shop.Stock", ServingStatus::NotServing);
    server
        .health()
        .set("shop.Orders", ServingStatus::NotServing);
    assert_eq!(next(&mut watch).await, Some(NOT_SERVING));

    server.health().set("", ServingStatus::NotServing);
    server.health().clear("shop.Orders");
    assert_eq!(next(&mut watch).await, Some(SERVICE_UNKNOWN));
    assert_silent(&mut watch).await;
}

#[tokio::test]
async fn watch_of_an_unknown_service_waits_for_it() {
    let server = TestServer::start(two_services()).await;
    let client = server.client().await;
    let mut watch = watch(&client, "shop.Later").await;
    assert_eq!(next(&mut watch).await, Some(SERVICE_UNKNOWN));
    assert_silent(&mut watch).await;
    server.health().set("shop.Later", ServingStatus::Serving);
    assert_eq!(next(&mut watch).await, Some(SERVING));
}

#[tokio::test]
async fn after_a_shut_down_all_is_not_serving_for_good_and_watches_go_on() {
    let server = TestServer::start(two_services()).await;
    let client = server.client().await;
    let mut watch = watch(&client, "shop.Orders").await;
    assert_eq!(next(&mut watch).await, Some(SERVING));

    server.health().shut_down();
    assert_eq!(next(&mut watch).await, Some(NOT_SERVING));
    server.health().set("shop.Orders", ServingStatus::Serving);
    assert_silent(&mut watch).await;
    assert_eq!(check(&client, "shop.Orders").await, Ok(NOT_SERVING));
    assert_eq!(check(&client, "").await, Ok(NOT_SERVING));
}

#[tokio::test]
async fn watches_learn_of_the_end_and_do_not_hold_it_up() {
    let server = TestServer::start(two_services().drain_timeout(Duration::from_secs(15))).await;
    let client = server.client().await;
    server.health().set("shop.Stock", ServingStatus::NotServing);
    let mut orders = watch(&client, "shop.Orders").await;
    let mut stock = watch(&client, "shop.Stock").await;
    let mut unknown = watch(&client, "shop.Later").await;
    assert_eq!(next(&mut orders).await, Some(SERVING));
    assert_eq!(next(&mut stock).await, Some(NOT_SERVING));
    assert_eq!(next(&mut unknown).await, Some(SERVICE_UNKNOWN));

    let took = server.stop().await;
    assert!(
        took < Duration::from_secs(5),
        "the watches held it up for {took:?}"
    );
    assert_eq!(next(&mut orders).await, Some(NOT_SERVING));
    for mut watch in [orders, stock, unknown] {
        assert_eq!(next(&mut watch).await, None);
        assert_eq!(watch.end().await.code(), UNAVAILABLE);
    }
}

#[tokio::test]
async fn it_can_be_left_out() {
    let server = TestServer::start(two_services().without_health()).await;
    let client = server.client().await;
    assert_eq!(check(&client, "").await, Err(UNIMPLEMENTED));
}

#[tokio::test]
async fn what_the_user_answers_is_the_users() {
    let builder = two_services()
        .schema(official())
        .unary_sync(CHECK, |_: ()| {
            Ok(reflectd::Response::new(reflectd::RawMessage::new(
                CheckResponse { status: 0 }.encode_to_vec(),
            )))
        });
    let server = TestServer::start(builder).await;
    let client = server.client().await;
    assert_eq!(check(&client, "").await, Ok(0));
    client.unary(LIST, "").await.message();
    let mut watch = watch(&client, "").await;
    assert_eq!(next(&mut watch).await, Some(SERVING));
}

#[tokio::test]
async fn a_schema_may_hold_a_copy_or_something_else_of_the_name() {
    let with_copy = TestServer::start(two_services().schema(official())).await;
    let client = with_copy.client().await;
    assert_eq!(check(&client, "").await, Ok(SERVING));

    let strange = schema(&[(
        "strange.proto",
        r#"
        syntax = "proto3";
        package grpc.health.v1;
        message HealthCheckRequest { bytes service = 7; }
        message HealthCheckResponse {}
        service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
        "#,
    )]);
    let with_strange = TestServer::start(Server::builder(strange)).await;
    let client = with_strange.client().await;
    assert_eq!(check(&client, "").await, Err(UNIMPLEMENTED));
    let mut watch = watch(&client, "").await;
    assert_eq!(next(&mut watch).await, Some(SERVING));
}

fn two_services() -> ServerBuilder {
    Server::builder(schema(&[(
        "shop.proto",
        r#"
        syntax = "proto3";
        package shop;
        message Nothing {}
        service Orders { rpc Count(Nothing) returns (Nothing); }
        service Stock { rpc Count(Nothing) returns (Nothing); }
        "#,
    )]))
}

/// What users have who copied the file into their own tree.
fn official() -> Schema {
    let text = include_str!("../proto/grpc/health/v1/health.proto");
    schema(&[("grpc/health/v1/health.proto", text)])
}

async fn check(client: &Client, service: &str) -> Result<i32, u32> {
    let reply = client.unary(CHECK, request(service)).await;
    match reply.code() {
        0 => Ok(CheckResponse::decode(reply.message()).unwrap().status),
        code => Err(code),
    }
}

async fn watch(client: &Client, service: &str) -> CallStream {
    let mut watch = client.stream(WATCH).await;
    watch.send(request(service)).await;
    watch.close();
    watch
}

fn request(service: &str) -> Vec<u8> {
    let service = service.to_owned();
    CheckRequest { service }.encode_to_vec()
}

async fn next(watch: &mut CallStream) -> Option<i32> {
    let message = watch.next().await?;
    Some(CheckResponse::decode(message).unwrap().status)
}

/// Nothing comes, and the call goes on.
async fn assert_silent(watch: &mut CallStream) {
    let silence = Duration::from_millis(100);
    let next = tokio::time::timeout(silence, next(watch)).await;
    assert!(next.is_err(), "{next:?} came");
}

/// The messages, read and written by somebody else's code.
#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ListResponse {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, CheckResponse>,
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;

const NOT_FOUND: u32 = 5;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const UNAVAILABLE: u32 = 14;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const LIST: &str = "/grpc.health.v1.Health/List";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
