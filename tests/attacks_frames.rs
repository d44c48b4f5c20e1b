//! Floods of frames that carry nothing.
//!
//! The h2 crate has no hook for PING, SETTINGS, PRIORITY and WINDOW_UPDATE: it answers or ignores any
//! number of them, and closing the connection with GOAWAY and ENHANCE_YOUR_CALM (11), "too_many_pings"
//! among them, comes with an HTTP/2 of our own. What holds today: the server answers before it reads
//! on, so that nothing piles up, and the others are served.

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

/// Sends a flood whose every frame is answered or ignored, and then is still heard.
async fn is_endured(make: impl Fn(u32) -> Vec<u8>) {
    let target = Target::start(&[]).await;
    let mut attacker = Attacker::connect(target.address()).await;
    assert_eq!(attacker.flood(FLOOD, make).await, FLOOD);
    attacker.is_heard().await;
    target.survived(8).await;
}

const FLOOD: u32 = 50_000;

#[tokio::test(flavor = "multi_thread")]
async fn ping_flood() {
    is_endured(|index| frame(PING, 0, 0, &u64::from(index).to_be_bytes())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_flood() {
    is_endured(|_| frame(SETTINGS, 0, 0, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_flood() {
    is_endured(|index| frame(PRIORITY, 0, 2 * index + 1, &[0, 0, 0, 0, 16])).await;
}

const PRIORITY: u8 = 2;

/// The connection's window grows by one byte at a time, far below its end.
#[tokio::test(flavor = "multi_thread")]
async fn window_update_flood() {
    is_endured(|_| frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes())).await;
}

/// Who sends PINGs and does not read the answers is not read any more, and costs nobody memory; when
/// the keepalive finds out that nothing comes from it, it is closed.
#[tokio::test(flavor = "multi_thread")]
async fn ping_flood_whose_answers_are_not_read() {
    let keepalive = [
        "--keepalive-interval",
        "300ms",
        "--keepalive-timeout",
        "300ms",
    ];
    let target = Target::start(&keepalive).await;
    let mut deaf = target.peer().await;
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(1_000);
    // 170 MB, of which the socket buffers take a few.
    let flood = async {
        for _ in 0..10_000 {
            deaf.send_bytes_until_closed(&pings).await?;
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
    assert!(
        attacker
            .send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]))
            .await
    );
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
    is_endured(flips).await;
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
    // RFC 7541, 6.3: a decoding error; the h2 crate calls it PROTOCOL_ERROR.
    assert!(matches!(attacker.closed().await.goaway, Some(1 | 9)));
    target.survived(8).await;
}
