//! How long a server lets calls take, whatever their clients say.

mod support;

use std::{future::pending, time::Duration};

use reflectd::{Call, RawMessage, Replies, Schema, Server, ServerBuilder, Status};
use support::TestServer;

const GREET: &str = "/greeter.Greeter/Greet";
const REPEATEDLY: &str = "/greeter.Greeter/GreetRepeatedly";

/// A server that answers with how many seconds are left, rounded up.
fn builder() -> ServerBuilder {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    Server::builder(schema)
        .unary(GREET, async |call: Call, _: RawMessage| {
            if call.metadata().text("x-wait").is_some() {
                pending::<()>().await;
            }
            Ok(seconds_left(&call))
        })
        .server_streaming(REPEATEDLY, tell_seconds)
}

async fn tell_seconds(
    call: Call,
    _: RawMessage,
    mut replies: Replies<RawMessage>,
) -> Result<(), Status> {
    replies.send(seconds_left(&call)).await
}

fn seconds_left(call: &Call) -> RawMessage {
    let left = call.time_left().map(|left| left.as_secs_f64().ceil());
    RawMessage::new(left.map_or_else(|| "without end".to_owned(), |left| left.to_string()))
}

#[tokio::test]
async fn the_server_bounds_the_deadlines_of_unary_calls() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (max, default, asked, left) in [
        (None, None, "", "without end"),
        (None, None, "2H", "7200"),
        (seconds(500), None, "", "500"),
        (seconds(500), None, "2H", "500"),
        (seconds(500), None, "300S", "300"),
        (None, seconds(400), "", "400"),
        (None, seconds(400), "2H", "7200"),
        (seconds(500), seconds(400), "", "400"),
        (seconds(500), seconds(400), "450S", "450"),
        (seconds(500), seconds(600), "", "500"),
    ] {
        let mut builder = builder();
        if let Some(max) = max {
            builder = builder.max_timeout(max);
        }
        if let Some(default) = default {
            builder = builder.default_timeout(default);
        }
        let server = TestServer::start(builder).await;
        let client = server.client().await;
        let call = |path| match asked {
            "" => client.call(path),
            asked => client.call(path).header("grpc-timeout", asked),
        };
        let told = call(GREET).unary("").await.message();
        assert_eq!(told, left, "{max:?} {default:?} {asked:?}");
        // Streams are as long as their clients say: some are meant to last.
        let asked = match asked {
            "" => "without end",
            "2H" => "7200",
            seconds => seconds.trim_end_matches('S'),
        };
        assert_eq!(call(REPEATEDLY).unary("").await.message(), asked);
    }
}

#[tokio::test]
async fn a_bound_ends_calls_as_a_deadline_does() {
    let short = Duration::from_millis(20);
    for builder in [
        builder().max_timeout(short),
        builder().default_timeout(short),
    ] {
        let server = TestServer::start(builder).await;
        let client = server.client().await;
        let reply = client.call(GREET).header("x-wait", "1").unary("").await;
        assert_eq!(reply.error(4), "the deadline passed");
        // One whose request never comes, too.
        let reply = client.stream(GREET).await.end().await;
        assert_eq!(reply.error(4), "the deadline passed");
    }
}
