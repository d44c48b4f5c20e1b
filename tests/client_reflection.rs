//! A client that asks the server what its services look like: both versions, imports, extensions, and
//! servers that mean no good.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "support/reflection_messages.rs"]
mod messages;
mod support;

use std::time::Duration;

use bytes::Bytes;
use messages::{FileDescriptorResponse, MessageRequest as Ask, MessageResponse, Request, Response};
use prost::Message as _;
use prost_types::FileDescriptorProto;
use reflectd::{
    Call, Code, Error, Metadata, RawMessage, Replies, Schema, Server, ServerBuilder, Status,
    Streaming,
    client::{Channel, Client},
};
use support::{TestServer, schema, soon};

const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// A service, what it imports, and an extension that it does not import.
fn shop() -> Schema {
    schema(&[
        (
            "shop/shop.proto",
            "syntax = \"proto2\"; package shop; import \"shop/item.proto\"; \
             service Shop { rpc Sell(Item) returns (Item); }",
        ),
        (
            "shop/item.proto",
            "syntax = \"proto2\"; package shop; import \"google/protobuf/timestamp.proto\"; \
             message Item { optional string name = 1; extensions 100 to 200; \
             optional google.protobuf.Timestamp since = 2; }",
        ),
        (
            "shop/more.proto",
            "syntax = \"proto2\"; package shop; import \"shop/item.proto\"; \
             extend Item { optional int32 price = 101; }",
        ),
        (
            "other.proto",
            "syntax = \"proto3\"; service Other { rpc Do(Thing) returns (Thing); } message Thing {}",
        ),
    ])
}

fn server() -> ServerBuilder {
    Server::builder(shop()).unary("/shop.Shop/Sell", async |item: RawMessage| Ok(item))
}

async fn channel(server: &TestServer) -> Channel {
    let address = format!("http://{}", server.address());
    soon("a connection", Channel::connect(&address))
        .await
        .unwrap()
}

fn names(schema: &Schema) -> Vec<String> {
    let mut names: Vec<_> = schema.files().map(|file| file.name().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_schema_comes_from_either_version_with_imports_and_extensions() {
    let old = |call: &Call| match call.path() {
        V1 => Err(Status::unimplemented("this server is old")),
        _ => Ok(()),
    };
    for builder in [server(), server().before(old)] {
        let server = TestServer::start(builder).await;
        let channel = channel(&server).await;
        let services = channel.reflect().services().await.unwrap();
        assert_eq!(
            services[..3],
            [
                "Other",
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection"
            ]
        );

        let all = channel.reflect().schema().await.unwrap();
        for service in &services {
            let known = all.services().any(|known| known.full_name() == service);
            assert!(known, "{service}");
        }
        let schema = channel
            .reflect()
            .symbol("shop.Shop")
            .schema()
            .await
            .unwrap();
        assert_eq!(
            names(&schema),
            [
                "google/protobuf/timestamp.proto",
                "shop/item.proto",
                "shop/more.proto",
                "shop/shop.proto"
            ]
        );
        assert_eq!(schema.extension_numbers("shop.Item"), Some(vec![101]));

        let client = Client::new(channel, schema);
        let method = client.schema().method("/shop.Shop/Sell").unwrap();
        let json = r#"{"name":"x","[shop.price]":3}"#;
        let item = reflectd::Message::from_json(method.input(), json).unwrap();
        let sold: reflectd::Message = client.unary("/shop.Shop/Sell", item).await.unwrap();
        assert_eq!(sold.to_json().unwrap(), json);
    }
}

#[tokio::test]
async fn who_does_not_tell_is_told_of_with_what_to_do() {
    let refuse = |call: &Call| match (call.path(), call.metadata().text("x-key")) {
        (V1, None) => Err(Status::unauthenticated("x-key is missing")),
        _ => Ok(()),
    };
    let off = TestServer::start(server().without_reflection()).await;
    let locked = TestServer::start(server().before(refuse)).await;
    let (off, locked) = (channel(&off).await, channel(&locked).await);

    let error = off.reflect().services().await.unwrap_err();
    assert!(error.is_reflection());
    assert!(error.to_string().contains("(--proto)"), "{error}");
    let error = locked.reflect().schema().await.unwrap_err();
    assert!(error.to_string().contains("(--reflect-header)"), "{error}");
    assert_eq!(status(&error).code(), Code::Unauthenticated);
    let mut metadata = Metadata::new();
    metadata.append("x-key", "sesame").unwrap();
    let reflect = locked.reflect().metadata(metadata).symbol("shop.Shp");
    let error = reflect.schema().await.unwrap_err();
    assert!(error.is_reflection());
    assert!(
        error.to_string().contains("did you mean \"shop.Shop\"?"),
        "{error}"
    );
}

fn status(error: &Error) -> &Status {
    let source = std::error::Error::source(error).unwrap();
    source.downcast_ref().unwrap()
}

async fn lie(
    answer: fn(Ask) -> Vec<Bytes>,
    mut questions: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    while let Some(question) = questions.message().await? {
        let question = Request::decode(question.bytes).unwrap();
        let files = answer(question.message_request.unwrap());
        replies.send(response(files)).await?;
    }
    Ok(())
}

fn response(files: Vec<Bytes>) -> RawMessage {
    let response = Response {
        message_response: Some(MessageResponse::Files(FileDescriptorResponse {
            file_descriptor_proto: files,
        })),
        ..Response::default()
    };
    RawMessage::new(Bytes::from(response.encode_to_vec()))
}

/// A server whose reflection answers as `answer` does.
async fn lying(answer: fn(Ask) -> Vec<Bytes>) -> TestServer {
    let lie = move |questions: Streaming<RawMessage>, replies: Replies<RawMessage>| {
        lie(answer, questions, replies)
    };
    TestServer::start(
        Server::builder(Schema::built_in())
            .bidi(V1, lie)
            .bidi(V1ALPHA, lie),
    )
    .await
}

fn file(name: &str, imports: &[String], padding: usize) -> Bytes {
    let file = FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("x".repeat(padding)),
        dependency: imports.to_vec(),
        ..FileDescriptorProto::default()
    };
    file.encode_to_vec().into()
}

#[tokio::test]
async fn a_server_that_never_ends_is_left() {
    // Each file imports another one.
    let endless = lying(|ask| match ask {
        Ask::FileByFilename(name) => vec![file(&name, &[format!("{name}x")], 0)],
        _ => vec![file("a", &["b".to_owned()], 0)],
    });
    // Each answer is as long as it may be.
    let heavy = lying(|ask| match ask {
        Ask::FileByFilename(name) => vec![file(&name, &[format!("{name}x")], 3 << 20)],
        _ => vec![file("a", &["b".to_owned()], 0)],
    });
    // One file imports, one by one, more than there may be.
    let wide = lying(|ask| match ask {
        Ask::FileByFilename(name) => vec![file(&name, &[], 0)],
        _ => {
            let imports: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
            vec![file("a", &imports, 0)]
        }
    });
    for (server, told) in [
        (endless.await, "more than 100 deep"),
        (heavy.await, "more than 67108864 bytes of files"),
        (wide.await, "more than 10000 files"),
    ] {
        let channel = channel(&server).await;
        let schema = channel.reflect().symbol("a.B").schema();
        let error = soon("an error", schema).await.unwrap_err();
        assert!(
            error.is_reflection() && error.to_string().contains(told),
            "{error}"
        );
    }
}

/// Answers so many questions, and no more.
async fn fall_silent(
    answers: usize,
    mut questions: Streaming<RawMessage>,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    for _ in 0..answers {
        let _ = questions.message().await?;
        let files = vec![file("a", &["b".to_owned()], 0)];
        replies.send(response(files)).await?;
    }
    std::future::pending().await
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left() {
    for answers in [0, 1] {
        let silent = move |questions: Streaming<RawMessage>, replies: Replies<RawMessage>| {
            fall_silent(answers, questions, replies)
        };
        let builder = Server::builder(Schema::built_in()).bidi(V1, silent);
        let server = TestServer::start(builder).await;
        let reflect = channel(&server).await.reflect().symbol("a.B");
        let reflect = reflect.answer_timeout(Duration::from_millis(100));
        let error = soon("an error", reflect.schema()).await.unwrap_err();
        assert!(error.is_reflection());
        assert_eq!(status(&error).code(), Code::DeadlineExceeded);
        assert!(error.to_string().contains("--reflect-timeout"), "{error}");
    }
}

#[tokio::test]
async fn files_that_make_no_sense_are_no_schema() {
    let garbage = lying(|_| vec![Bytes::from_static(b"\xff\xff")]).await;
    let error = channel(&garbage)
        .await
        .reflect()
        .symbol("a.B")
        .schema()
        .await;
    assert!(error.unwrap_err().is_reflection());
    // An import that the server does not send.
    let other = lying(|_| vec![file("a", &["b".to_owned()], 0)]).await;
    let error = channel(&other).await.reflect().symbol("a.B").schema().await;
    let error = error.unwrap_err();
    assert!(
        error.is_schema() && error.to_string().contains('b'),
        "{error}"
    );
}
