//! Which calls are made again: retry policies, pushback, throttling, hedging (gRFC A6).

#[path = "support/peer.rs"]
mod peer;
#[path = "support/scripted_server.rs"]
mod scripted_server;

use std::time::Duration;

use reflectd::{
    Code, RawMessage, Status,
    client::{Client, ClientStreaming, Requests, Responses},
};
use scripted_server::*;
use tokio::join;

/// A client with this said of all methods, and the server's end of its connection.
async fn connected(config: &str) -> (Client, Link) {
    let server = ScriptedServer::bind().await;
    let client = client(server.channel().service_config(config));
    client.channel().wake();
    (client, server.accept().await)
}

fn retries(attempts: u32, backoff: &str) -> String {
    format!(
        r#"{{"methodConfig": [{{"name": [{{}}], "retryPolicy": {{
            "maxAttempts": {attempts}, "initialBackoff": "{backoff}", "maxBackoff": "{backoff}",
            "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE", 10]
        }}}}]}}"#
    )
}

/// Answers one request after another, and tells which attempts they said they were.
async fn answer(link: &mut Link, answers: &[&str]) -> Vec<Option<String>> {
    let mut attempts = Vec::new();
    for answer in answers {
        let request = link.request().await;
        let stream = request.stream;
        let previous = request.headers.get("grpc-previous-rpc-attempts");
        attempts.push(previous.map(str::to_owned));
        match *answer {
            "OK" => link.ok(stream, b"x").await,
            "REFUSED" => link.peer.send_reset(stream, REFUSED_STREAM).await,
            "HEAD, 14" => {
                link.begin(stream).await;
                link.end(stream, &[("grpc-status", "14")]).await;
            }
            code => link.fail(stream, code, &[]).await,
        }
    }
    assert!(link.is_quiet().await, "one more than {answers:?}");
    attempts
}

#[tokio::test]
async fn a_call_is_made_again_as_often_as_its_policy_says() {
    let (client, mut link) = connected(&retries(3, "0.001s")).await;
    let said = |attempts: &[&str]| -> Vec<Option<String>> {
        let first = std::iter::once(None);
        let later = attempts.iter().map(|number| Some((*number).to_owned()));
        first.chain(later).collect()
    };
    let (ended, attempts) = join!(greet(&client), answer(&mut link, &["14", "10", "OK"]));
    assert_eq!((ended.unwrap(), attempts), (reply("x"), said(&["1", "2"])));
    let (ended, attempts) = join!(greet(&client), answer(&mut link, &["14", "14", "10"]));
    assert_eq!(ended.unwrap_err().code(), Code::Aborted, "the last one's");
    assert_eq!(attempts, said(&["1", "2"]));
    let (ended, _) = join!(greet(&client), answer(&mut link, &["14", "13"]));
    assert_eq!(ended.unwrap_err().code(), Code::Internal);

    let (client, mut link) = connected(&retries(9, "0.001s")).await;
    let (ended, _) = join!(greet(&client), answer(&mut link, &["14"; 5]));
    assert_eq!(
        ended.unwrap_err().code(),
        Code::Unavailable,
        "five at the most"
    );
}

#[tokio::test]
async fn what_nobody_has_looked_at_does_not_count() {
    let (client, mut link) = connected(&retries(3, "0.001s")).await;
    let answers = ["REFUSED", "14", "14", "OK"];
    let (ended, attempts) = join!(greet(&client), answer(&mut link, &answers));
    ended.unwrap();
    let attempts: Vec<_> = attempts.iter().map(Option::as_deref).collect();
    assert_eq!(attempts, [None, None, Some("1"), Some("2")]);
}

#[tokio::test]
async fn a_call_that_was_answered_is_not_made_again() {
    let (client, mut link) = connected(&retries(3, "0.001s")).await;
    let (ended, _) = join!(greet(&client), answer(&mut link, &["HEAD, 14"]));
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    let call = async {
        let call = client.call(REPEAT).server_streaming(RawMessage::new(""));
        let mut replies: Responses<RawMessage> = call.await.unwrap();
        replies.message().await
    };
    let (ended, _) = join!(call, answer(&mut link, &["HEAD, 14"]));
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn streams_are_made_again_with_their_requests() {
    let (client, mut link) = connected(&retries(3, "0.001s")).await;
    let call = async {
        let call = client.call(TOGETHER);
        let mut call = call
            .client_streaming::<RawMessage, RawMessage, _, _>()
            .await?;
        call.send(RawMessage::new("a")).await?;
        call.send(RawMessage::new("b")).await?;
        call.reply().await
    };
    let script = async {
        let failed = link.request().await;
        link.fail(failed.stream, "14", &[]).await;
        let again = link.request().await;
        assert_eq!(again.body, failed.body);
        link.ok(again.stream, b"x").await;
    };
    let (ended, ()): (Result<RawMessage, Status>, ()) = join!(call, script);
    assert_eq!(ended.unwrap(), reply("x"));
}

#[tokio::test]
async fn what_is_too_long_to_keep_is_not_sent_again() {
    let (client, mut link) = connected(&retries(3, "0.001s")).await;
    link.peer.send_window(0, 1 << 20).await;
    let script = async {
        let stream = link.head().await.stream;
        link.peer.send_window(stream, 1 << 20).await;
        let mut bytes = 0;
        while bytes < 10 * 30_000 {
            if let Some(peer::Frame::Data { bytes: more, .. }) = link.peer.recv().await {
                bytes += more.len();
            }
        }
        link.fail(stream, "14", &[]).await;
        while !link.is_quiet().await {}
    };
    let call = async {
        let opened: (Requests<RawMessage>, Responses<RawMessage>) =
            client.call(EACH).bidi().await.unwrap();
        let (mut requests, mut replies) = opened;
        for _ in 0..10 {
            requests
                .send(RawMessage::new(vec![0; 30_000]))
                .await
                .unwrap();
        }
        replies.message().await
    };
    let (ended, ()) = join!(call, script);
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn nothing_is_kept_without_end_for_a_stream_that_is_dead() {
    let (client, mut link) = connected("{}").await;
    let opened = client.call(TOGETHER).client_streaming();
    let (opened, head) = join!(opened, link.head());
    let mut upload: ClientStreaming<RawMessage, RawMessage> = opened.unwrap();
    link.peer.send_reset(head.stream, REFUSED_STREAM).await;
    assert!(link.is_quiet().await);
    // Empty messages, which nobody takes, of whom the reply is not asked for.
    let mut taken = 0;
    let ended = loop {
        match upload.send(RawMessage::new("")).await {
            Ok(()) => taken += 1,
            Err(ended) => break ended,
        }
        assert!(taken < 100_000, "it takes messages for ever");
    };
    assert_eq!(ended.code(), Code::Cancelled);
    let ended = upload.reply().await;
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_server_may_say_when_or_never() {
    // The policy alone would wait for longer than the test.
    let (client, mut link) = connected(&retries(3, "100s")).await;
    let script = async {
        let stream = link.request().await.stream;
        let pushback = ("grpc-retry-pushback-ms", "5");
        link.fail(stream, "14", &[pushback]).await;
        let stream = link.request().await.stream;
        link.ok(stream, b"x").await;
    };
    let (ended, ()) = join!(greet(&client), script);
    assert_eq!(ended.unwrap(), reply("x"));
    let (client, mut link) = connected(&retries(3, "0.001s")).await;
    for never in ["-1", "soon", ""] {
        let script = async {
            let stream = link.request().await.stream;
            let pushback = ("grpc-retry-pushback-ms", never);
            link.fail(stream, "14", &[pushback]).await;
        };
        let (ended, ()) = join!(greet(&client), script);
        assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
        assert!(link.is_quiet().await, "{never:?}");
    }
}

#[tokio::test]
async fn while_most_calls_fail_none_is_made_again() {
    let config = retries(3, "0.001s");
    let throttled = config.replacen(
        '{',
        r#"{"retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5},"#,
        1,
    );
    let (client, mut link) = connected(&throttled).await;
    // Four tokens, three, two: not more than half.
    let (ended, _) = join!(greet(&client), answer(&mut link, &["14", "14"]));
    ended.unwrap_err();
    let (ended, _) = join!(greet(&client), answer(&mut link, &["14"]));
    ended.unwrap_err();
    // One; with five that succeed 3.5; and 2.5 with the next that fails.
    for _ in 0..5 {
        let (ended, _) = join!(greet(&client), answer(&mut link, &["OK"]));
        ended.unwrap();
    }
    let (ended, _) = join!(greet(&client), answer(&mut link, &["14", "OK"]));
    ended.unwrap();
}

#[tokio::test]
async fn the_deadline_is_that_of_all_attempts() {
    let (client, mut link) = connected(&retries(3, "100s")).await;
    let call = client.call(GREET).timeout(Duration::from_millis(100));
    let (ended, _) = join!(call.unary(RawMessage::new("")), answer(&mut link, &["14"]));
    let ended: Result<RawMessage, Status> = ended;
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
}

fn hedging(delay: &str) -> String {
    format!(
        r#"{{"methodConfig": [{{"name": [{{}}], "hedgingPolicy": {{
            "maxAttempts": 3, "hedgingDelay": "{delay}", "nonFatalStatusCodes": ["UNAVAILABLE"]
        }}}}]}}"#
    )
}

#[tokio::test]
async fn hedged_attempts_run_beside_each_other_until_one_is_answered() {
    let (client, mut link) = connected(&hedging("0.005s")).await;
    let script = async {
        let first = link.request().await;
        let second = link.request().await;
        let third = link.request().await;
        let attempt = third.headers.get("grpc-previous-rpc-attempts");
        assert_eq!(attempt, Some("2"));
        link.ok(second.stream, b"x").await;
        let mut resets = [
            (link.peer.recv_until(is_reset).await),
            (link.peer.recv_until(is_reset).await),
        ];
        resets.sort_by_key(|frame| format!("{frame:?}"));
        let reset = |stream| peer::Frame::Reset {
            stream,
            code: CANCEL,
        };
        assert_eq!(resets, [reset(first.stream), reset(third.stream)]);
    };
    let (ended, ()) = join!(greet(&client), script);
    assert_eq!(ended.unwrap(), reply("x"));
}

fn is_reset(frame: &peer::Frame) -> bool {
    matches!(frame, peer::Frame::Reset { .. })
}

#[tokio::test]
async fn a_hedged_attempt_that_fails_is_followed_at_once_or_ends_the_call() {
    let (client, mut link) = connected(&hedging("100s")).await;
    let (ended, _) = join!(greet(&client), answer(&mut link, &["14", "14", "OK"]));
    assert_eq!(ended.unwrap(), reply("x"));
    let (ended, _) = join!(greet(&client), answer(&mut link, &["14", "14", "14"]));
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    let (ended, _) = join!(greet(&client), answer(&mut link, &["14", "7"]));
    assert_eq!(ended.unwrap_err().code(), Code::PermissionDenied);
    // What nobody has looked at does not count.
    let answers = ["REFUSED", "14", "14", "OK"];
    let (ended, _) = join!(greet(&client), answer(&mut link, &answers));
    assert_eq!(ended.unwrap(), reply("x"));
    let script = async {
        let stream = link.request().await.stream;
        let pushback = ("grpc-retry-pushback-ms", "-1");
        link.fail(stream, "14", &[pushback]).await;
    };
    let (ended, ()) = join!(greet(&client), script);
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    assert!(link.is_quiet().await);
}

#[tokio::test]
async fn a_hedged_call_that_may_not_go_on_ends_with_its_last_failure() {
    let throttled = hedging("100s").replacen(
        '{',
        r#"{"retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5},"#,
        1,
    );
    let (client, mut link) = connected(&throttled).await;
    // While the first call waits for its second attempt, as the server asks, the second one fails
    // and takes the token that this attempt would need.
    let script = async {
        let stream = link.request().await.stream;
        let pushback = ("grpc-retry-pushback-ms", "300");
        link.fail(stream, "14", &[pushback]).await;
        let stream = link.request().await.stream;
        link.fail(stream, "14", &[]).await;
        link.is_quiet().await
    };
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        greet(&client).await
    };
    let (first, second, quiet) = join!(greet(&client), second, script);
    assert_eq!(second.unwrap_err().code(), Code::Unavailable);
    assert_eq!(first.unwrap_err().code(), Code::Unavailable);
    assert!(quiet);
}

#[tokio::test]
async fn what_is_said_of_a_method_counts_before_what_is_said_of_all() {
    let config = r#"{"methodConfig": [
        {"name": [{"service": "greeter.Greeter", "method": "Greet"}], "timeout": "0.1s"},
        {"name": [{"service": "greeter.Greeter"}], "maxResponseMessageBytes": "3"},
        {"name": [{}], "timeout": "0s"}
    ]}"#;
    let (client, mut link) = connected(config).await;
    let script = async {
        let request = link.request().await;
        let timeout = request.headers.get("grpc-timeout").map(str::to_owned);
        link.reset(request.stream).await;
        timeout
    };
    let (ended, told) = join!(greet(&client), script);
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
    let told = told.unwrap();
    assert!(told.ends_with(['u', 'n']), "{told}: less than 100 ms");
    let script = async {
        let stream = link.request().await.stream;
        link.ok(stream, b"four").await;
    };
    let call = async {
        let call = client.call(REPEAT).server_streaming(RawMessage::new(""));
        let mut replies: Responses<RawMessage> = call.await.unwrap();
        replies.message().await
    };
    let (ended, ()) = join!(call, script);
    assert_eq!(ended.unwrap_err().code(), Code::ResourceExhausted);
}

#[test]
fn a_service_config_that_makes_no_sense_is_refused() {
    let policy = |with: &str| format!(r#"{{"methodConfig": [{{"name": [{{}}], {with}}}]}}"#);
    for (config, why) in [
        ("{".to_owned(), "EOF"),
        (retries(1, "1s"), "maxAttempts"),
        (retries(3, "0s"), "initialBackoff"),
        (retries(3, "1"), "is no duration"),
        (policy(r#""timeout": "-1s""#), "is no duration"),
        (
            policy(r#""hedgingPolicy": {"maxAttempts": 1}"#),
            "maxAttempts",
        ),
        (
            r#"{"retryThrottling": {"maxTokens": 0, "tokenRatio": 1}}"#.to_owned(),
            "maxTokens",
        ),
    ] {
        let channel = reflectd::client::Channel::builder("http://127.0.0.1:1");
        let error = channel.service_config(&config).lazy().unwrap_err();
        assert!(error.to_string().contains(why), "{config}: {error}");
    }
}
