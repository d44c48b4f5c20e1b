//! Random sessions through our own HTTP/2 and through the h2 crate's (the same server, mounted under
//! axum): the same calls, the same replies.

#[path = "support/peer.rs"]
mod peer;

use std::net::SocketAddr;

use peer::{
    Answer, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, Peer, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame, message, request,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use reflectd::{Call, RawMessage, Replies, Schema, Server, Status, Streaming};
use tokio::net::TcpListener;

const PATHS: [&str; 4] = [
    "/greeter.Greeter/Greet",
    "/greeter.Greeter/GreetRepeatedly",
    "/greeter.Greeter/GreetEach",
    "/greeter.Greeter/NoSuch",
];

/// Answers with all that there is of a call to be seen.
fn server() -> Server {
    let unary = |call: Call, request: RawMessage| {
        let seen = format!("{} {:?} ", call.path(), call.metadata());
        Ok(RawMessage::new([seen.as_bytes(), &request.bytes].concat()))
    };
    let repeat = async |request: RawMessage, mut replies: Replies<RawMessage>| {
        for _ in 0..request.bytes.len() % 5 {
            replies.send(request.clone()).await?;
        }
        Ok(())
    };
    let echo = async |mut requests: Streaming<RawMessage>, mut replies: Replies<RawMessage>| {
        while let Some(request) = requests.message().await? {
            if request.bytes.len() % 7 == 3 {
                return Err(Status::aborted("a length that is 3 modulo 7"));
            }
            replies.send(request).await?;
        }
        Ok(())
    };
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    Server::builder(schema)
        .unary_sync(PATHS[0], unary)
        .server_streaming(PATHS[1], repeat)
        .bidi(PATHS[2], echo)
        .build()
        .unwrap()
}

async fn ours() -> SocketAddr {
    let bound = server().bind("127.0.0.1:0").await.unwrap();
    let address = bound.local_addresses()[0];
    tokio::spawn(bound.serve());
    address
}

async fn by_h2() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback_service(server().into_service());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// One call, and how its frames are cut.
#[derive(Clone, Debug)]
struct Scripted {
    path: usize,
    messages: Vec<Vec<u8>>,
    metadata: Vec<String>,
    /// The header block goes in two frames, apart at that byte.
    continued: Option<usize>,
    /// How long the DATA frames are, in turn, and their padding.
    cuts: Vec<(usize, Option<u8>)>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// With the last DATA.
    WithData,
    /// With DATA that is empty.
    Apart,
    /// With trailers.
    Trailers,
    /// RST_STREAM: there is no answer to be had.
    Reset,
}

fn scripted() -> impl Strategy<Value = Scripted> {
    let messages =
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2_000), 0..4);
    let cuts = proptest::collection::vec((1usize..1_500, any::<Option<u8>>()), 1..6);
    let metadata = proptest::collection::vec("[ -~]{0,40}", 0..4);
    let end = prop_oneof![
        3 => Just(End::WithData),
        2 => Just(End::Apart),
        2 => Just(End::Trailers),
        1 => Just(End::Reset),
    ];
    let continued = proptest::option::of(0usize..150);
    (0..PATHS.len(), messages, metadata, continued, cuts, end).prop_map(
        |(path, messages, metadata, continued, cuts, end)| Scripted {
            path,
            messages,
            metadata,
            continued,
            cuts,
            end,
        },
    )
}

/// Of a call. The peer asks for no window: all that seven calls send has room in the first one, of
/// 65,535 bytes, however late a server gives it back.
const PADDING_BYTES_MAX: usize = 3_000;

impl Scripted {
    fn frames(&self, stream: u32) -> Vec<Vec<u8>> {
        let metadata: Vec<_> = self
            .metadata
            .iter()
            .map(|text| ("x-text", text.trim()))
            .collect();
        let mut headers = request(stream, PATHS[self.path], &metadata, false);
        if let Some(at) = self.continued {
            let block = headers.split_off(9);
            let (first, rest) = block.split_at(at.min(block.len()));
            headers = frame(HEADERS, 0, stream, first);
            headers.extend(frame(CONTINUATION, END_HEADERS, stream, rest));
        }
        let mut frames = vec![headers];
        let body: Vec<u8> = self
            .messages
            .iter()
            .flat_map(|bytes| message(bytes))
            .collect();
        let mut rest = body.as_slice();
        let mut padding_left = PADDING_BYTES_MAX;
        for (length, padding) in self.cuts.iter().cycle() {
            let (data, after) = rest.split_at((*length).min(rest.len()));
            rest = after;
            let end = matches!(self.end, End::WithData) && rest.is_empty();
            let flags = if end { END_STREAM } else { 0 };
            let padding = padding.filter(|padding| usize::from(*padding) < padding_left);
            frames.push(match padding {
                None => frame(DATA, flags, stream, data),
                Some(padding) => {
                    padding_left -= 1 + usize::from(padding);
                    let padded = [&[padding], data, &vec![0; usize::from(padding)]].concat();
                    frame(DATA, flags | 8, stream, &padded)
                }
            });
            if rest.is_empty() {
                break;
            }
        }
        match self.end {
            End::WithData => {}
            End::Apart => frames.push(frame(DATA, END_STREAM, stream, b"")),
            End::Trailers => {
                let trailers = [0, 1, b't', 1, b'1'];
                frames.push(frame(HEADERS, END_STREAM | END_HEADERS, stream, &trailers));
            }
            End::Reset => frames.push(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())),
        }
        frames
    }
}

/// Sends the frames of all calls, each call's in order, and gathers the answers.
async fn run(
    address: SocketAddr,
    calls: &[Scripted],
    order: &[prop::sample::Index],
    window: u32,
) -> Vec<Answer> {
    let mut peer = Peer::open(address).await;
    peer.send_bytes(PREFACE).await;
    let initial = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
    peer.send_frame(SETTINGS, 0, 0, &initial).await;
    let stream = |index: usize| 2 * index as u32 + 1;
    // Streams are opened in the order of their numbers; the rest in any.
    let frames = calls.iter().enumerate();
    let mut left: Vec<_> = frames
        .map(|(index, call)| call.frames(stream(index)).into_iter())
        .collect();
    for frames in &mut left {
        peer.send_bytes(&frames.next().unwrap()).await;
    }
    for index in order.iter().cycle() {
        left.retain(|frames| frames.len() > 0);
        if left.is_empty() {
            break;
        }
        let place = index.index(left.len());
        peer.send_bytes(&left[place].next().unwrap()).await;
    }
    let mut updates = Vec::new();
    for index in 0..calls.len() {
        updates.extend(frame(
            WINDOW_UPDATE,
            0,
            stream(index),
            &100_000_u32.to_be_bytes(),
        ));
    }
    peer.send_bytes(&updates).await;
    gather(&mut peer, calls).await
}

/// The answers of the calls that are not reset, whatever the order of their frames.
async fn gather(peer: &mut Peer, calls: &[Scripted]) -> Vec<Answer> {
    let mut answers = vec![Answer::default(); calls.len()];
    let mut seen = vec![false; calls.len()];
    let mut ended: Vec<_> = calls
        .iter()
        .map(|call| matches!(call.end, End::Reset))
        .collect();
    let place = |stream: u32| (stream as usize - 1) / 2;
    while ended.contains(&false) {
        let frame = peer.recv().await.expect("the connection goes on");
        match frame {
            peer::Frame::Headers {
                stream,
                headers,
                end,
            } => {
                let at = place(stream);
                match std::mem::replace(&mut seen[at], true) {
                    false => answers[at].headers = headers,
                    true => answers[at].trailers = Some(headers),
                }
                ended[at] |= end;
            }
            peer::Frame::Data { stream, bytes, end } => {
                answers[place(stream)].body.extend(bytes);
                ended[place(stream)] |= end;
            }
            // What is reset after its answer is so because the rest of it is not wanted.
            peer::Frame::Reset { stream, code } if code != 0 => {
                answers[place(stream)].reset = Some(code);
                ended[place(stream)] = true;
            }
            peer::Frame::Goaway { code, debug, .. } => panic!("GOAWAY {code} {debug}"),
            _ => {}
        }
    }
    for (answer, call) in answers.iter_mut().zip(calls) {
        // hyper tells the date.
        answer.headers.0.retain(|(name, _)| name != "date");
        if matches!(call.end, End::Reset) {
            *answer = Answer::default();
        }
    }
    answers
}

#[test]
fn random_sessions_are_answered_as_by_the_h2_crate() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (ours, by_h2) = runtime.block_on(async { (ours().await, by_h2().await) });
    let sessions = (
        proptest::collection::vec(scripted(), 1..8),
        proptest::collection::vec(any::<prop::sample::Index>(), 1..40),
        prop_oneof![Just(65_535_u32), 0_u32..3_000],
    );
    let mut runner = TestRunner::new(Config::with_cases(100));
    let ran = runner.run(&sessions, |(calls, order, window)| {
        let answers = runtime.block_on(async {
            let ours = run(ours, &calls, &order, window).await;
            (ours, run(by_h2, &calls, &order, window).await)
        });
        prop_assert_eq!(answers.0, answers.1);
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}
