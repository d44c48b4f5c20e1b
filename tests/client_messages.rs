//! The messages a client takes and does not take: how many, how long, how compressed.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/scripted_server.rs"]
mod scripted_server;

use reflectd::{
    Code, RawMessage, Status,
    client::{Client, Requests, Responses},
};
use scripted_server::*;
use tokio::join;

async fn connected() -> (Client, Link) {
    let server = ScriptedServer::bind().await;
    let client = server.client();
    client.channel().wake();
    (client, server.accept().await)
}

async fn together(client: &Client) -> Result<RawMessage, Status> {
    let mut call = client
        .call(TOGETHER)
        .client_streaming::<RawMessage, RawMessage, _, _>()
        .await?;
    call.send(RawMessage::new("a")).await?;
    call.reply().await
}

/// The same method as a stream of requests and replies; the last reply.
async fn as_bidi(client: &Client) -> Result<RawMessage, Status> {
    let (mut requests, mut replies) = client
        .call(GREET)
        .bidi::<RawMessage, RawMessage, _, _>()
        .await?;
    requests.send(RawMessage::new("a")).await?;
    requests.close();
    let mut last = RawMessage::default();
    while let Some(reply) = replies.message().await? {
        last = reply;
    }
    Ok(last)
}

#[tokio::test]
async fn a_call_with_one_reply_takes_neither_none_nor_two() {
    let (client, mut link) = connected().await;
    for kind in ["unary", "client streaming", "bidi"] {
        for replies in [0, 2, 3] {
            let script = async {
                let stream = link.request().await.stream;
                link.begin(stream).await;
                for _ in 0..replies {
                    link.message(stream, b"x").await;
                }
                // With a second message nobody waits for the end.
                if replies != 3 {
                    link.end(stream, OK).await;
                }
            };
            let call = async {
                match kind {
                    "unary" => greet(&client).await,
                    "client streaming" => together(&client).await,
                    _ => as_bidi(&client).await,
                }
            };
            let failure = join!(call, script).0.unwrap_err();
            assert_eq!(
                failure.code(),
                Code::Unimplemented,
                "{kind} {replies}: {failure}"
            );
        }
        let script = async {
            let stream = link.request().await.stream;
            link.begin(stream).await;
            link.end(stream, &[("grpc-status", "7")]).await;
        };
        let failure = join!(greet(&client), script).0.unwrap_err();
        assert_eq!(
            failure.code(),
            Code::PermissionDenied,
            "the server's word wins"
        );
    }
}

#[tokio::test]
async fn a_compressed_message_needs_a_coding_that_is_known() {
    let (client, mut link) = connected().await;
    for encoding in [None, Some("identity"), Some("br"), Some("unheard-of")] {
        for message in [&b""[..], b"abc"] {
            let script = async {
                let stream = link.request().await.stream;
                let mut head = HEAD.to_vec();
                head.extend(encoding.map(|name| ("grpc-encoding", name)));
                link.headers(stream, &head, false).await;
                let mut bytes = peer::message(message);
                bytes[0] = 1;
                link.peer.send_data(stream, &bytes, false).await;
                link.end(stream, OK).await;
            };
            let failure = join!(greet(&client), script).0.unwrap_err();
            assert_eq!(failure.code(), Code::Internal, "{encoding:?}: {failure}");
        }
    }
    // What is not compressed needs none.
    let script = async {
        let stream = link.request().await.stream;
        let head = [HEAD, &[("grpc-encoding", "unheard-of")]].concat();
        link.headers(stream, &head, false).await;
        link.message(stream, b"abc").await;
        link.end(stream, OK).await;
    };
    assert_eq!(join!(greet(&client), script).0.unwrap(), reply("abc"));
}

#[tokio::test]
async fn broken_messages_are_internal() {
    let (client, mut link) = connected().await;
    for bytes in [&[0, 0, 0][..], &[0, 0, 0, 0, 5, 1, 2], &[2, 0, 0, 0, 0]] {
        let script = async {
            let stream = link.request().await.stream;
            link.begin(stream).await;
            link.peer.send_data(stream, bytes, false).await;
            link.end(stream, OK).await;
        };
        let failure = join!(greet(&client), script).0.unwrap_err();
        assert_eq!(failure.code(), Code::Internal, "{bytes:?}: {failure}");
    }
}

#[tokio::test]
async fn messages_are_whole_however_they_are_cut() {
    let (client, mut link) = connected().await;
    let bytes = [
        peer::message(b"first"),
        peer::message(b""),
        peer::message(b"last"),
    ]
    .concat();
    for size in [1, 2, 7, 100] {
        let script = async {
            let stream = link.request().await.stream;
            link.begin(stream).await;
            for chunk in bytes.chunks(size) {
                link.peer.send_data(stream, chunk, false).await;
                link.peer.send_data(stream, b"", false).await;
            }
            link.end(stream, OK).await;
        };
        let call = async {
            let call = client.call(REPEAT);
            let mut replies: Responses<RawMessage> =
                call.server_streaming(RawMessage::new("")).await.unwrap();
            let mut texts = Vec::new();
            while let Some(message) = replies.message().await.unwrap() {
                texts.push(message);
            }
            texts
        };
        let (texts, ()) = join!(call, script);
        assert_eq!(texts, [reply("first"), reply(""), reply("last")], "{size}");
    }
}

#[tokio::test]
async fn a_reply_beyond_the_limit_is_refused_at_its_prefix() {
    let (client, mut link) = connected().await;
    let call = async || {
        let call = client.call(GREET).receive_bytes_max(10);
        call.unary::<_, RawMessage, _, _>(RawMessage::new("")).await
    };
    let script = async {
        let stream = link.request().await.stream;
        link.begin(stream).await;
        // The message itself never comes.
        link.peer.send_data(stream, &[0, 0, 0, 0, 11], false).await;
        link.reset(stream).await
    };
    let (ended, reset) = join!(call(), script);
    assert_eq!(ended.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(reset, CANCEL);
    let script = async {
        let stream = link.request().await.stream;
        link.ok(stream, b"0123456789").await;
    };
    assert_eq!(join!(call(), script).0.unwrap(), reply("0123456789"));
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn the_limit_holds_for_what_is_decompressed() {
    use std::io::Write;
    let (client, mut link) = connected().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 8 << 20]).unwrap();
    let mut bytes = peer::message(&gzip.finish().unwrap());
    bytes[0] = 1;
    let script = async {
        let stream = link.request().await.stream;
        let head = [HEAD, &[("grpc-encoding", "gzip")]].concat();
        link.headers(stream, &head, false).await;
        link.peer.send_data_in_frames(stream, &bytes, false).await;
        link.end(stream, OK).await;
    };
    let failure = join!(greet(&client), script).0.unwrap_err();
    assert_eq!(failure.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn trailers_before_the_requests_end_end_the_call_and_the_stream() {
    let (client, mut link) = connected().await;
    for code in ["0", "9"] {
        let script = async {
            let stream = link.head().await.stream;
            link.begin(stream).await;
            link.message(stream, b"early").await;
            link.end(stream, &[("grpc-status", code)]).await;
            link.reset(stream).await
        };
        let call = async {
            let opened: (Requests<RawMessage>, Responses<RawMessage>) =
                client.call(EACH).bidi().await.unwrap();
            let (mut requests, mut replies) = opened;
            assert_eq!(replies.message().await.unwrap(), Some(reply("early")));
            let ended = replies.message().await.map_err(|status| status.code());
            let sent = requests.send(RawMessage::new("late")).await;
            assert_eq!(sent.unwrap_err().code(), Code::Cancelled);
            ended
        };
        let (ended, reset) = join!(call, script);
        match code {
            "0" => assert_eq!(ended, Ok(None)),
            _ => assert_eq!(ended, Err(Code::FailedPrecondition)),
        }
        assert_eq!(reset, NO_ERROR);
    }
}

#[tokio::test]
async fn a_long_request_that_is_not_wanted_is_not_sent() {
    let (client, mut link) = connected().await;
    let script = async {
        let stream = link.head().await.stream;
        link.fail(stream, "7", &[]).await;
        assert_eq!(link.reset(stream).await, NO_ERROR);
    };
    let call = client.call(GREET).unary(RawMessage::new(vec![0; 1 << 20]));
    let (ended, ()): (Result<RawMessage, _>, ()) = join!(call, script);
    assert_eq!(ended.unwrap_err().code(), Code::PermissionDenied);
}
