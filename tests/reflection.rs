//! `grpc.reflection`, v1 and v1alpha, asked through a socket.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "support/reflection_messages.rs"]
mod messages;
mod support;

use bytes::Bytes;
use messages::{
    ExtensionNumberResponse, ExtensionRequest, MessageRequest as Ask, MessageResponse, Request,
    Response,
};
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use reflectd::{Schema, Server, ServerBuilder};
use support::{CallStream, Client, TestServer, schema};

#[tokio::test]
async fn services_are_listed_sorted_with_the_built_in_ones() {
    let server = TestServer::start(shop()).await;
    let client = server.client().await;
    let everything = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "shop.Orders",
        "shop.Stock",
    ];
    for path in [V1, V1ALPHA] {
        assert_eq!(services(&client, path).await, everything, "{path}");
    }
}

#[tokio::test]
async fn every_kind_of_symbol_leads_to_its_file() {
    let server = TestServer::start(shop()).await;
    let client = server.client().await;
    for path in [V1, V1ALPHA] {
        let mut stream = client.stream(path).await;
        for (symbols, file) in [
            (
                "shop.Orders shop.Orders.Place shop.Order shop.Order.id shop.Order.paid_with \
                 shop.Order.card shop.Order.Cash shop.Order.Cash.cents shop.Order.State \
                 shop.Order.SHIPPED shop.Size shop.LARGE .shop.Order",
                ORDERS.0,
            ),
            (
                "shop.label shop.first shop.Scope.nested shop.Open",
                OPTIONS.0,
            ),
            ("shop.Stock.Add shop.Item.since", STOCK.0),
            (
                "google.protobuf.Timestamp.nanos",
                "google/protobuf/timestamp.proto",
            ),
            ("grpc.health.v1.Health.Watch", "grpc/health/v1/health.proto"),
            (
                "grpc.reflection.v1alpha.ErrorResponse",
                "grpc/reflection/v1alpha/reflection.proto",
            ),
        ] {
            for symbol in symbols.split_whitespace() {
                let files = files(&mut stream, Ask::FileContainingSymbol(symbol.to_owned())).await;
                assert_eq!(name(&files[0]), file, "{symbol}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_in_band_and_the_stream_goes_on() {
    let server = TestServer::start(shop()).await;
    let mut stream = server.client().await.stream(V1).await;
    let extension = |containing_type: &str, extension_number| {
        Ask::FileContainingExtension(ExtensionRequest {
            containing_type: containing_type.to_owned(),
            extension_number,
        })
    };
    for question in [
        Ask::FileByFilename("orders.proto".to_owned()),
        Ask::FileByFilename(String::new()),
        Ask::FileContainingSymbol("shop".to_owned()),
        Ask::FileContainingSymbol("shop.order".to_owned()),
        Ask::FileContainingSymbol("shop.Order.".to_owned()),
        Ask::FileContainingSymbol("shop.Order.State.OPEN".to_owned()),
        Ask::FileContainingSymbol(String::new()),
        extension("shop.Open", 102),
        extension("shop.Open", -1),
        extension("shop.Closed", 101),
        Ask::AllExtensionNumbersOfType("shop.Closed".to_owned()),
    ] {
        let response = ask(&mut stream, question.clone()).await;
        let Some(MessageResponse::Error(error)) = response.message_response else {
            panic!("{question:?}: {response:?}");
        };
        assert_eq!(error.error_code, NOT_FOUND, "{question:?}");
    }
    assert_eq!(
        name(&files(&mut stream, Ask::FileByFilename(ORDERS.0.to_owned())).await[0]),
        ORDERS.0
    );
    stream.close();
    let end = stream.end().await;
    assert_eq!((end.code(), end.messages.len()), (0, 0));
}

#[tokio::test]
async fn a_request_without_a_question_ends_the_stream() {
    let server = TestServer::start(shop()).await;
    let client = server.client().await;
    for path in [V1, V1ALPHA] {
        let mut stream = client.stream(path).await;
        ask(&mut stream, Ask::ListServices(String::new())).await;
        stream.send(Request::default().encode_to_vec()).await;
        assert!(
            stream
                .end()
                .await
                .error(INVALID_ARGUMENT)
                .contains("list_services")
        );
    }
}

#[tokio::test]
async fn extensions_of_all_files() {
    let more = schema(&[
        OPTIONS,
        (
            "more.proto",
            r#"
            syntax = "proto2";
            package more;
            import "shop/options.proto";
            extend shop.Open { optional int32 third = 110; }
            "#,
        ),
    ]);
    let server = TestServer::start(shop().schema(more)).await;
    let mut stream = server.client().await.stream(V1).await;
    for (of, numbers) in [
        ("shop.Open", &[101, 110, 120, 150][..]),
        ("shop.Order", &[]),
        ("google.protobuf.MessageOptions", &[50001]),
    ] {
        let question = Ask::AllExtensionNumbersOfType(of.to_owned());
        let expected = MessageResponse::ExtensionNumbers(ExtensionNumberResponse {
            base_type_name: of.to_owned(),
            extension_number: numbers.to_vec(),
        });
        assert_eq!(
            ask(&mut stream, question).await.message_response,
            Some(expected)
        );
    }
    for (extension_number, file) in [(101, OPTIONS.0), (150, OPTIONS.0), (110, "more.proto")] {
        let question = Ask::FileContainingExtension(ExtensionRequest {
            containing_type: "shop.Open".to_owned(),
            extension_number,
        });
        assert_eq!(name(&files(&mut stream, question).await[0]), file);
    }
}

#[tokio::test]
async fn a_file_comes_first_then_all_it_imports_and_none_twice() {
    let server = TestServer::start(shop()).await;
    let client = server.client().await;
    let mut stream = client.stream(V1).await;
    let question = || Ask::FileByFilename(ORDERS.0.to_owned());
    let first = files(&mut stream, question()).await;
    let names: Vec<_> = first.iter().map(name).collect();
    let all = [
        ORDERS.0,
        "google/protobuf/timestamp.proto",
        OPTIONS.0,
        STOCK.0,
        "google/protobuf/descriptor.proto",
    ];
    assert_eq!(names, all);
    // What came is whole: a client can build it.
    let file = first
        .iter()
        .map(|file| FileDescriptorProto::decode(file.clone()).unwrap())
        .collect();
    DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file }).unwrap();

    let again = files(&mut stream, question()).await;
    assert_eq!(
        again,
        first[..1],
        "what is asked for is always sent, its imports once a stream"
    );
    let other_stream = files(&mut client.stream(V1).await, question()).await;
    assert_eq!(other_stream, first);
}

#[tokio::test]
async fn the_request_and_its_host_are_repeated() {
    let server = TestServer::start(shop()).await;
    let mut stream = server.client().await.stream(V1ALPHA).await;
    let extension = ExtensionRequest {
        containing_type: "shop.Open".to_owned(),
        extension_number: -7,
    };
    for question in [
        Ask::FileByFilename("a".to_owned()),
        Ask::FileContainingSymbol(ORDERS.0.to_owned()),
        Ask::FileContainingExtension(extension),
        Ask::AllExtensionNumbersOfType("☺".to_owned()),
        Ask::ListServices("*".to_owned()),
        Ask::ListServices(String::new()),
    ] {
        let request = Request {
            host: "shop.example".to_owned(),
            message_request: Some(question),
        };
        stream.send(request.encode_to_vec()).await;
        let response = Response::decode(stream.next().await.unwrap()).unwrap();
        assert_eq!(response.valid_host, "shop.example");
        assert_eq!(response.original_request, Some(request));
    }
}

#[tokio::test]
async fn custom_options_survive_from_source() {
    let schema = schema(&[ORDERS, OPTIONS, STOCK]);
    let server = TestServer::start(Server::builder(schema.clone())).await;
    let mut stream = server.client().await.stream(V1).await;
    let served = files(&mut stream, Ask::FileByFilename(ORDERS.0.to_owned())).await;
    assert_eq!(served[0], schema.file(ORDERS.0).unwrap().descriptor_bytes());

    let mut pool = DescriptorPool::new();
    let mut set = Vec::new();
    for file in served.iter().rev() {
        // FileDescriptorSet.file = 1; as bytes, since prost's own types drop custom options.
        prost::encoding::bytes::encode(1, file, &mut set);
    }
    pool.decode_file_descriptor_set(&*set).unwrap();
    let options = pool.get_message_by_name("shop.Order").unwrap().options();
    let label = pool.get_extension_by_name("shop.label").unwrap();
    assert_eq!(options.get_extension(&label).as_str(), Some("an order"));
}

#[tokio::test]
async fn descriptors_are_served_as_they_were_read() {
    // message M { option (50001) = "x"; }, encoded as no encoder here would do it: the name last, a
    // number in two bytes where one would do, and a field that no descriptor.proto has.
    let message = b"\x3a\x06\x8a\xb5\x18\x02hi\x0a\x01M";
    let mut file = b"\x62\x06proto3\x12\x01p\x22".to_vec();
    file.push(u8::try_from(message.len()).unwrap());
    file.extend_from_slice(message);
    file.extend_from_slice(b"\xfa\x3f\x83\x00odd\x0a\x07m.proto");
    assert_eq!(
        FileDescriptorProto::decode(&*file).unwrap().name(),
        "m.proto"
    );
    let mut set = Vec::new();
    prost::encoding::bytes::encode(1, &file, &mut set);

    let schema = Schema::from_descriptor_set(set).unwrap();
    let server = TestServer::start(Server::builder(schema)).await;
    let mut stream = server.client().await.stream(V1).await;
    let served = files(&mut stream, Ask::FileContainingSymbol("p.M".to_owned())).await;
    assert_eq!(served, [Bytes::from(file)]);
}

#[tokio::test]
async fn copies_of_the_built_in_files_do_not_clash() {
    let copies = schema(&[
        (
            "grpc/reflection/v1/reflection.proto",
            include_str!("../proto/grpc/reflection/v1/reflection.proto"),
        ),
        (
            "grpc/health/v1/health.proto",
            // Older than List.
            r#"
            syntax = "proto3";
            package grpc.health.v1;
            message HealthCheckRequest { string service = 1; }
            message HealthCheckResponse {
              enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; }
              ServingStatus status = 1;
            }
            service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
            "#,
        ),
    ]);
    let health = copies
        .file("grpc/health/v1/health.proto")
        .unwrap()
        .descriptor_bytes();
    let server = TestServer::start(shop().schema(copies)).await;
    let client = server.client().await;
    assert_eq!(services(&client, V1).await.len(), 5);
    let mut stream = client.stream(V1).await;
    let served = files(
        &mut stream,
        Ask::FileContainingSymbol("grpc.health.v1.Health".to_owned()),
    )
    .await;
    assert_eq!(served, [health]);
    // Of a name there is one file, and this symbol is not in it.
    let question = Ask::FileContainingSymbol("grpc.health.v1.HealthListRequest".to_owned());
    let response = ask(&mut stream, question).await;
    assert!(
        matches!(response.message_response, Some(MessageResponse::Error(_))),
        "{response:?}"
    );
}

#[tokio::test]
async fn it_can_be_left_out() {
    let server = TestServer::start(shop().without_reflection()).await;
    let client = server.client().await;
    for path in [V1, V1ALPHA] {
        let mut stream = client.stream(path).await;
        stream.close();
        assert_eq!(stream.end().await.code(), UNIMPLEMENTED);
    }
}

fn shop() -> ServerBuilder {
    Server::builder(schema(&[ORDERS, OPTIONS, STOCK]))
}

async fn services(client: &Client, path: &str) -> Vec<String> {
    let mut stream = client.stream(path).await;
    let response = ask(&mut stream, Ask::ListServices(String::new())).await;
    let Some(MessageResponse::Services(services)) = response.message_response else {
        panic!("{response:?}");
    };
    services
        .service
        .into_iter()
        .map(|service| service.name)
        .collect()
}

async fn files(stream: &mut CallStream, question: Ask) -> Vec<Bytes> {
    let response = ask(stream, question).await;
    match response.message_response {
        Some(MessageResponse::Files(files)) => files.file_descriptor_proto,
        _ => panic!("{response:?}"),
    }
}

async fn ask(stream: &mut CallStream, question: Ask) -> Response {
    let request = Request {
        host: String::new(),
        message_request: Some(question),
    };
    stream.send(request.encode_to_vec()).await;
    let response = stream.next().await.expect("each request has a response");
    Response::decode(response).unwrap()
}

fn name(file: &Bytes) -> String {
    let file = FileDescriptorProto::decode(file.clone()).unwrap();
    file.name().to_owned()
}

const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

const INVALID_ARGUMENT: u32 = 3;
const NOT_FOUND: i32 = 5;
const UNIMPLEMENTED: u32 = 12;

const ORDERS: (&str, &str) = (
    "shop/orders.proto",
    include_str!("protos/reflection/shop/orders.proto"),
);

const OPTIONS: (&str, &str) = (
    "shop/options.proto",
    include_str!("protos/reflection/shop/options.proto"),
);

const STOCK: (&str, &str) = (
    "shop/stock.proto",
    include_str!("protos/reflection/shop/stock.proto"),
);
