//! Floods of frames that carry nothing: GOAWAY with ENHANCE_YOUR_CALM (11), which says what of. Until
//! then the server answers before it reads on, so that nothing piles up, and the others are served.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "support/target.rs"]
mod target;

use target::{
    ADD_USER, GET_USER, Target,
    attacker::Attacker,
    peer::{
        DATA, END_HEADERS, END_STREAM, HEADERS, PING, SETTINGS, WINDOW_UPDATE, frame, message,
        request,
    },
};

/// Sends a flood, which ends the connection.
async fn is_cut_off(why: &str, make: impl Fn(u32) -> Vec<u8>) {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    attacker.flood(FLOOD, make).await;
    let seen = attacker.closed().await;
    assert_eq!((seen.goaway, &*seen.debug), (Some(11), why), "{seen:?}");
    target.survived(8).await;
}

const FLOOD: u32 = 50_000;

#[tokio::test(flavor = "multi_thread")]
async fn ping_flood() {
    let ping = |index| frame(PING, 0, 0, &u64::from(index).to_be_bytes());
    is_cut_off("too_many_pings", ping).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_flood() {
    is_cut_off(TOO_MANY, |_| frame(SETTINGS, 0, 0, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_flood() {
    let priority = |index| frame(PRIORITY, 0, 2 * index + 1, &[0, 0, 0, 0, 16]);
    is_cut_off(TOO_MANY, priority).await;
}

const TOO_MANY: &str = "too_many_control_frames";
const PRIORITY: u8 = 2;

/// The connection's window grows by one byte at a time, far below its end.
#[tokio::test(flavor = "multi_thread")]
async fn window_update_flood() {
    let update = |_| frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes());
    is_cut_off(TOO_MANY, update).await;
}

/// PINGs and WINDOW_UPDATEs as many as you like, with calls between them: grpc-go sends one of each
/// with every call.
#[tokio::test(flavor = "multi_thread")]
async fn a_ping_and_a_window_update_with_every_call_are_no_flood() {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    let with_call = |index: u32| {
        let stream = 2 * index + 1;
        let call = request(stream, ADD_USER, &[], false);
        let data = frame(DATA, END_STREAM, stream, &message(b""));
        let ping = frame(PING, 0, 0, &[2, 4, 16, 16, 9, 14, 7, 7]);
        let update = frame(WINDOW_UPDATE, 0, 0, &5u32.to_be_bytes());
        [ping, call, data, update].concat()
    };
    for index in 0..500 {
        assert!(attacker.send(&with_call(index)).await);
        attacker
            .until(|seen| seen.ended == index as usize + 1)
            .await;
    }
    let seen = attacker.seen();
    assert_eq!((seen.pongs, seen.goaway), (500, None), "{seen:?}");
    target.survived(16).await;
}

/// Who does not read the answers is not read any more, and costs nobody memory; when the keepalive
/// finds out that nothing comes from it, it is closed.
#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_answers_are_not_read() {
    let keepalive = [
        "--keepalive-interval",
        "300ms",
        "--keepalive-timeout",
        "300ms",
    ];
    let target = Target::start(&keepalive).await;
    let mut deaf = target.peer().await;
    // 200 MB of calls to a method that is not there, and about as much in answers, of which the
    // socket buffers take a few.
    let flood = async {
        for round in 0..10_000 {
            let streams = (0..100).map(|index| 2 * (100 * round + index) + 1);
            let calls = streams.map(|stream| request(stream, "/no.Such/Method", &[], true));
            let calls: Vec<u8> = calls.flatten().collect();
            deaf.send_bytes_until_closed(&calls).await?;
        }
        std::io::Result::Ok(())
    };
    let flooded = target::support::soon("the connection's end", flood).await;
    assert!(flooded.is_err(), "all of it was read");
    target.survived(8).await;
}

/// A window that grows by one byte makes a frame of one byte, for each of a hundred streams.
#[tokio::test(flavor = "multi_thread")]
async fn one_byte_window_updates() {
    let target = Target::start(&[]).await;
    let id = target.add_user(10_000).await;
    let mut attacker = Attacker::connect(target.address()).await;
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    attacker.send_settings(&[0, 4, 0, 0, 0, 0]).await;
    let streams: Vec<_> = (0..100).map(|index| 2 * index + 1).collect();
    for stream in &streams {
        let data = frame(DATA, END_STREAM, *stream, &message(&id));
        let call = [request(*stream, GET_USER, &[], false), data].concat();
        assert!(attacker.send(&call).await);
    }
    attacker.is_heard().await;
    let update = |stream, bytes: u32| frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    for round in 1..=100 {
        let updates = streams.iter().map(|stream| update(*stream, 1));
        assert!(attacker.send(&updates.collect::<Vec<_>>().concat()).await);
        attacker.until(|seen| seen.data_bytes == round * 100).await;
    }
    let seen = attacker.seen();
    assert_eq!((seen.data_frames, seen.ended), (10_000, 0), "{seen:?}");
    let rest = streams.iter().map(|stream| update(*stream, 10_000));
    attacker
        .send(&[update(0, 1 << 20), rest.collect::<Vec<_>>().concat()].concat())
        .await;
    attacker.until(|seen| seen.ended == 100).await;
    target.survived(16).await;
}

/// Each SETTINGS makes the table of the server's encoder small or large.
#[tokio::test(flavor = "multi_thread")]
async fn header_table_size_flips_in_settings() {
    let flips = |index: u32| match index % 2 {
        0 => frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]),
        _ => frame(SETTINGS, 0, 0, &[0, 1, 0x7f, 0xff, 0xff, 0xff]),
    };
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    assert_eq!(attacker.flood(900, flips).await, 900);
    let call = request(1, ADD_USER, &[], false);
    let data = frame(DATA, END_STREAM, 1, &message(b""));
    assert!(attacker.send(&[call, data].concat()).await);
    attacker.until(|seen| seen.ended == 1).await;
    target.survived(8).await;
}

/// Each header block makes the table of the server's decoder small and large again (RFC 7541, 6.3).
#[tokio::test(flavor = "multi_thread")]
async fn header_table_size_flips_in_header_blocks() {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    let flips = |index: u32| {
        let stream = 2 * index + 1;
        let block = request(stream, ADD_USER, &[], false).split_off(9);
        // To 0, to 4096, and at the end an entry that the next block throws away.
        let sizes = [0x20, 0x3f, 0xe1, 0x1f];
        let block = [&sizes, &block[..], &[0x40, 1, b'a', 1, b'b']].concat();
        let data = frame(DATA, END_STREAM, stream, &message(b""));
        [frame(HEADERS, END_HEADERS, stream, &block), data].concat()
    };
    for round in 0..20 {
        let count = 50;
        attacker
            .flood(count, |index| flips(round * count + index))
            .await;
        let all = ((round + 1) * count) as usize;
        attacker.until(|seen| seen.ended == all).await;
    }
    target.survived(16).await;
}

/// To more than SETTINGS_HEADER_TABLE_SIZE allows: COMPRESSION_ERROR.
#[tokio::test(flavor = "multi_thread")]
async fn header_table_larger_than_allowed() {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    let update = [0x3f, 0xff, 0xff, 0xff, 0x07];
    attacker
        .send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &update))
        .await;
    // RFC 7541, 6.3: a decoding error, COMPRESSION_ERROR.
    assert_eq!(attacker.closed().await.goaway, Some(9));
    target.survived(8).await;
}
