//! A connection byte by byte. (Real clients, scripted ones and attackers are in `tests/`.)

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::{
    grpc::{ContentType, Metadata, RawMessage, ResponseHead, Status, Trailers},
    http2::{Commands, Event, Paths, frame::Head, hpack::Decoder as HpackDecoder},
};

struct OnePath;

impl Paths for OnePath {
    fn lookup(&self, path: &[u8]) -> Option<u32> {
        (path == b"/a.B/C").then_some(5)
    }
}

fn config() -> Config {
    Config {
        streams_max: 100,
        header_list_bytes: 16_384,
        stream_window_bytes: 65_536,
        connection_window_bytes: 6_553_600,
        ping_min: Duration::from_secs(10),
    }
}

/// What is left of an event when its borrows are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Started {
        stream: u32,
        route: Option<u32>,
        metadata: usize,
        end: bool,
    },
    Data {
        stream: u32,
        bytes: Vec<u8>,
        end: bool,
    },
    Reset(u32),
    Writable(u32, usize),
}

/// Gives `input` in pieces that end at `cuts`; neighbouring data of a stream is put together.
fn read(connection: &mut Connection, input: &[u8], cuts: &[usize]) -> Vec<Told> {
    read_at(Instant::now(), connection, input, cuts)
}

fn read_at(now: Instant, connection: &mut Connection, input: &[u8], cuts: &[usize]) -> Vec<Told> {
    let mut told = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let mut rest = &input[from..to];
        connection.begin_input();
        while let Some(event) = connection.next(&mut rest, now, &OnePath) {
            note(&mut told, event);
        }
        from = to - rest.len();
    }
    told
}

fn note(told: &mut Vec<Told>, event: Event<'_>) {
    let event = match event {
        Event::CallStarted { stream, head, end } => Told::Started {
            stream: stream.0,
            route: head.route,
            metadata: head.metadata.to_metadata().len(),
            end,
        },
        Event::Data { stream, bytes, end } => {
            let stream = stream.0;
            if let Some(Told::Data {
                stream: before,
                bytes: all,
                end: ended,
            }) = told.last_mut()
                && *before == stream
            {
                all.extend_from_slice(bytes);
                *ended |= end;
                return;
            }
            Told::Data {
                stream,
                bytes: bytes.to_vec(),
                end,
            }
        }
        Event::Reset { stream } => Told::Reset(stream.0),
        Event::Writable { stream, sent } => Told::Writable(stream.0, sent),
    };
    told.push(event);
}

/// All that is to be written, as heads and payloads.
fn written(connection: &mut Connection) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut wire = Vec::new();
    loop {
        connection.fill();
        let mut slices = [IoSlice::new(&[]); 4];
        let count = connection.slices(&mut slices);
        if count == 0 {
            break;
        }
        let bytes: Vec<u8> = slices[..count]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect();
        connection.advance(bytes.len());
        wire.extend(bytes);
    }
    let mut frames = Vec::new();
    let mut rest = wire.as_slice();
    while let Some(head) = Head::parse(rest) {
        let (payload, after) = rest[Head::BYTES..].split_at(head.length);
        frames.push((rest[3], rest[4], head.stream.0, payload.to_vec()));
        rest = after;
    }
    assert!(rest.is_empty());
    frames
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

fn preface() -> Vec<u8> {
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
    ]
    .concat()
}

/// `:method: POST`, `:scheme: http`, and the others as literals that are kept from the first time on.
fn block(first: bool) -> Vec<u8> {
    if !first {
        return vec![0x83, 0x86, 0xbf, 0xbe];
    }
    let path = [&[0x44, 6][..], b"/a.B/C"].concat();
    let content_type = [&[0x5f, 16][..], b"application/grpc"].concat();
    [&[0x83, 0x86][..], &path, &content_type].concat()
}

/// A connection whose client has said its preface.
fn greeted() -> Connection {
    let mut connection = Connection::new(config());
    assert_eq!(read(&mut connection, &preface(), &[]), []);
    assert!(connection.is_greeted());
    written(&mut connection);
    connection
}

fn started(stream: u32, end: bool) -> Told {
    Told::Started {
        stream,
        route: Some(5),
        metadata: 0,
        end,
    }
}

fn goaway(connection: &mut Connection) -> Option<(u32, String)> {
    let frames = written(connection);
    let (_, _, _, payload) = frames.into_iter().find(|frame| frame.0 == 7)?;
    let code = u32::from_be_bytes(payload[4..8].try_into().unwrap());
    Some((code, String::from_utf8(payload[8..].to_vec()).unwrap()))
}

#[test]
fn a_path_that_was_seen_before_is_found_by_its_index() {
    let mut connection = greeted();
    for (stream, first) in [(1, true), (3, false), (5, false)] {
        let headers = frame(1, 5, stream, &block(first));
        assert_eq!(
            read(&mut connection, &headers, &[]),
            [started(stream, true)]
        );
    }
}

#[test]
fn a_normal_answer_is_three_frames_of_few_bytes() {
    let mut connection = greeted();
    let head = ResponseHead::grpc(ContentType::Grpc, Metadata::default());
    let mut lengths = Vec::new();
    let mut decoder = HpackDecoder::default();
    for stream in [1, 3] {
        read(
            &mut connection,
            &frame(1, 5, stream, &block(stream == 1)),
            &[],
        );
        let id = StreamId(stream);
        connection.headers(id, &head);
        assert_eq!(connection.message(id, RawMessage::new("hi")), 7);
        connection.trailers(id, Trailers::default());
        let frames = written(&mut connection);
        let kinds: Vec<_> = frames
            .iter()
            .map(|frame| (frame.0, frame.1, frame.2))
            .collect();
        assert_eq!(kinds, [(1, 4, stream), (0, 0, stream), (1, 5, stream)]);
        for block in [&frames[0].3, &frames[2].3] {
            decoder.decode(block, |_| {}).unwrap();
        }
        lengths = frames.iter().map(|frame| frame.3.len()).collect();
    }
    assert_eq!(lengths, [3, 7, 1]);
    assert!(connection.is_idle());
}

#[test]
fn what_was_read_with_its_reset_starts_and_ends_before_anybody_looks() {
    let mut connection = greeted();
    let one = |stream| {
        [
            frame(1, 5, stream, &block(stream == 1)),
            frame(3, 0, stream, &[0, 0, 0, 8]),
        ]
    };
    let wire = one(1).concat();
    assert_eq!(
        read(&mut connection, &wire, &[]),
        [started(1, true), Told::Reset(1)]
    );
    let flood: Vec<u8> = (1..1000)
        .flat_map(|index| one(2 * index + 1).concat())
        .collect();
    let told = read(&mut connection, &flood, &[]);
    let starts = told
        .iter()
        .filter(|told| matches!(told, Told::Started { .. }))
        .count();
    assert_eq!(starts, limits::RESETS_BEFORE_START_MAX);
    assert_eq!(
        goaway(&mut connection),
        Some((11, "too_many_resets".to_owned()))
    );
    assert!(connection.is_over());
}

#[test]
fn control_frames_are_counted_until_data_or_headers_come_or_go() {
    let ping = frame(6, 0, 0, &[0; 8]);
    let update = frame(8, 0, 0, &[0, 0, 0, 1]);
    let mut connection = greeted();
    let head = ResponseHead::grpc(ContentType::Grpc, Metadata::default());
    // As grpc-go does: both with every call.
    for index in 0..2000 {
        let stream = 2 * index + 1;
        let call = [&ping[..], &update, &frame(1, 5, stream, &block(index == 0))].concat();
        assert_eq!(read(&mut connection, &call, &[]), [started(stream, true)]);
        connection.headers_only(StreamId(stream), &head, Some(Trailers::default()));
        assert_eq!(goaway(&mut connection), None);
    }
    read(&mut connection, &update.repeat(1000), &[]);
    assert_eq!(goaway(&mut connection), None);
    read(&mut connection, &update, &[]);
    assert_eq!(
        goaway(&mut connection),
        Some((11, "too_many_control_frames".to_owned()))
    );
}

#[test]
fn the_control_frames_of_a_client_whose_call_is_quiet_for_a_day_are_no_flood() {
    let mut connection = greeted();
    read(&mut connection, &frame(1, 5, 1, &block(true)), &[]);
    // Its own keepalive, its answer to ours, and a setting acknowledged again.
    let frames = [
        frame(6, 0, 0, &[1; 8]),
        frame(6, 1, 0, &KEEPALIVE),
        frame(4, 1, 0, &[]),
    ];
    let mut now = Instant::now();
    for _ in 0..24 * 60 * 6 {
        now += Duration::from_secs(10);
        read_at(now, &mut connection, &frames.concat(), &[]);
        assert_eq!(goaway(&mut connection), None);
    }
}

#[test]
fn a_header_block_that_has_begun_goes_on_while_nothing_is_read() {
    let mut connection = greeted();
    let headers = frame(1, 5, 1, &block(true));
    assert_eq!(read(&mut connection, &headers[..20], &[]), []);
    assert!(connection.is_in_header_block());
    assert_eq!(read(&mut connection, &[], &[]), []);
    assert!(connection.is_in_header_block());
    assert_eq!(read(&mut connection, &headers, &[]), [started(1, true)]);
    assert!(!connection.is_in_header_block());
}

#[test]
fn trailers_have_no_more_room_than_headers() {
    let mut connection = greeted();
    // An entry with 3,000 bytes, and then its index: 16,384 have room for five.
    let mut long = vec![0x40, 1, b'x', 0x7f, 0xb9, 0x16];
    long.resize(6 + 3000, b'y');
    let open = [block(true), long].concat();
    assert_eq!(
        read(&mut connection, &frame(1, 4, 1, &open), &[]),
        [Told::Started {
            stream: 1,
            route: Some(5),
            metadata: 1,
            end: false
        }]
    );
    // What is in the table is found where it was, after a list without room, too.
    let headers = [0x83, 0x86, 0xc0, 0xbf];
    for (stream, count) in [(1, 5), (3, 6), (5, 16_000), (7, 5)] {
        if stream > 1 {
            let headers = frame(1, 4, stream, &headers);
            assert_eq!(
                read(&mut connection, &headers, &[]),
                [started(stream, false)]
            );
        }
        let trailers = frame(1, 5, stream, &vec![0xbe; count]);
        let told = read(&mut connection, &trailers, &[]);
        let frames = written(&mut connection);
        if count == 5 {
            let (bytes, end) = (Vec::new(), true);
            assert_eq!(told, [Told::Data { stream, bytes, end }]);
            assert_eq!(frames, []);
        } else {
            assert_eq!(told, [Told::Reset(stream)]);
            assert_eq!(frames, [(3, 0, stream, vec![0, 0, 0, 1])]);
        }
    }
}

#[test]
fn who_asks_too_often_is_told_so() {
    let mut connection = greeted();
    read(&mut connection, &frame(6, 0, 0, &[1; 8]).repeat(3), &[]);
    assert_eq!(goaway(&mut connection), None);
    read(&mut connection, &frame(6, 0, 0, &[1; 8]), &[]);
    assert_eq!(
        goaway(&mut connection),
        Some((11, "too_many_pings".to_owned()))
    );
}

#[test]
fn the_end_comes_after_what_crosses_the_word() {
    let mut connection = greeted();
    read(&mut connection, &frame(1, 5, 1, &block(true)), &[]);
    connection.goaway("max_age");
    let frames = written(&mut connection);
    assert_eq!(
        frames[0].3,
        [&[0x7f, 255, 255, 255, 0, 0, 0, 0][..], b"max_age"].concat()
    );
    assert_eq!((frames[1].0, frames[1].1), (6, 0));
    let crossing = read(&mut connection, &frame(1, 5, 3, &block(false)), &[]);
    assert_eq!(crossing, [started(3, true)]);
    read(&mut connection, &frame(6, 1, 0, &frames[1].3), &[]);
    let last = written(&mut connection);
    assert_eq!((last[0].0, &last[0].3[..4]), (7, &[0, 0, 0, 3][..]));
    // What comes later is left aside, with its data; and the tables of HPACK stay in step.
    let late = [frame(1, 4, 5, &block(false)), frame(0, 1, 5, b"late")].concat();
    assert_eq!(read(&mut connection, &late, &[]), []);
    let head = ResponseHead::grpc(ContentType::Grpc, Metadata::default());
    for stream in [1, 3] {
        assert!(!connection.is_over());
        connection.headers_only(StreamId(stream), &head, Some(Trailers::default()));
        written(&mut connection);
    }
    assert!(connection.is_over());
}

#[test]
fn what_was_read_is_held_back_while_too_much_is_to_be_written() {
    let mut connection = greeted();
    let head = ResponseHead::grpc(ContentType::Grpc, Metadata::default());
    let calls: Vec<u8> = (0..2000)
        .flat_map(|index| frame(1, 5, 2 * index + 1, &block(index == 0)))
        .collect();
    let (mut input, mut answered, mut rounds) = (&calls[..], 0, 0);
    while !input.is_empty() {
        connection.begin_input();
        while let Some(event) = connection.next(&mut input, Instant::now(), &OnePath) {
            let Event::CallStarted { stream, .. } = event else {
                panic!("{event:?}");
            };
            let long = Status::unimplemented("x".repeat(1000));
            connection.headers_only(stream, &head, Some(long.into()));
            answered += 1;
        }
        assert!(connection.unsent_bytes() < limits::OUTPUT_BYTES_MAX + 2000);
        assert_eq!(connection.wants_input(), input.is_empty());
        written(&mut connection);
        rounds += 1;
    }
    assert!(
        answered == 2000 && rounds > 4,
        "{answered} in {rounds} rounds"
    );
    assert_eq!(goaway(&mut connection), None);
}

#[test]
fn data_waits_for_its_window_and_streams_take_turns() {
    let mut connection = greeted();
    // Streams begin with 20,000 bytes.
    read(
        &mut connection,
        &frame(4, 0, 0, &[0, 4, 0, 0, 0x4e, 0x20]),
        &[],
    );
    for stream in [1, 3] {
        read(
            &mut connection,
            &frame(1, 5, stream, &block(stream == 1)),
            &[],
        );
        let long = RawMessage::new(vec![7; 30_000]);
        assert_eq!(connection.message(StreamId(stream), long), 0);
        connection.trailers(StreamId(stream), Trailers::default());
    }
    let sent = |frames: Vec<(u8, u8, u32, Vec<u8>)>| -> Vec<_> {
        let data = frames.into_iter().filter(|frame| frame.0 < 2);
        data.map(|frame| (frame.0, frame.2, frame.3.len()))
            .collect()
    };
    let first = sent(written(&mut connection));
    assert_eq!(
        first,
        [(0, 1, 16_384), (0, 3, 16_384), (0, 1, 3_616), (0, 3, 3_616)]
    );
    assert_eq!(connection.unsent_bytes(), 20_010);
    let told = read(&mut connection, &frame(8, 0, 3, &[0, 0, 0x27, 0x15]), &[]);
    assert_eq!(told.last(), Some(&Told::Writable(3, 10_005)));
    assert_eq!(sent(written(&mut connection)), [(0, 3, 10_005), (1, 3, 12)]);
    connection.abort(StreamId(1), Trailers::default());
    assert_eq!(connection.unsent_bytes(), 13);
    assert_eq!(written(&mut connection), [(3, 0, 1, vec![0, 0, 0, 8])]);
    assert!(connection.is_idle());
}

#[test]
fn output_that_does_not_move_from_one_sweep_to_the_next_is_told() {
    let mut connection = greeted();
    read(&mut connection, &frame(1, 5, 1, &block(true)), &[]);
    let long = RawMessage::new(vec![7; 30_000]);
    connection.message(StreamId(1), long);
    connection.fill();
    assert!(connection.has_output());
    for _ in 0..3 {
        assert!(connection.sweep());
        connection.advance(1);
    }
    assert!(connection.sweep());
    assert!(!connection.sweep());
}

/// Calls, some with padding, metadata, trailers, or in several frames.
fn session() -> impl Strategy<Value = Vec<u8>> {
    let call = (
        proptest::collection::vec(any::<u8>(), 0..400),
        0usize..5,
        any::<bool>(),
    );
    proptest::collection::vec(call, 1..8).prop_map(|calls| {
        let mut wire = preface();
        for (index, (body, shape, trailers)) in calls.into_iter().enumerate() {
            let stream = 2 * index as u32 + 1;
            let block = [block(index == 0), vec![0, 1, b'x', 1, b'y']].concat();
            if shape == 1 {
                wire.extend(frame(1, 0, stream, &block[..3]));
                wire.extend(frame(9, 4, stream, &block[3..]));
            } else {
                wire.extend(frame(1, 4, stream, &block));
            }
            let end = u8::from(!trailers);
            match shape {
                2 => wire.extend(frame(
                    0,
                    8 | end,
                    stream,
                    &[&[3][..], &body, &[0; 3]].concat(),
                )),
                3 => {
                    let (first, second) = body.split_at(body.len() / 2);
                    wire.extend(frame(0, 0, stream, first));
                    wire.extend(frame(0xbe, 0, stream, b"unknown"));
                    wire.extend(frame(0, end, stream, second));
                }
                _ => wire.extend(frame(0, end, stream, &body)),
            }
            if trailers {
                wire.extend(frame(1, 5, stream, &[0, 1, b't', 0]));
            }
        }
        wire
    })
}

proptest! {
    #[test]
    fn a_session_cut_anywhere_tells_the_same(
        wire in session(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let whole = read(&mut Connection::new(config()), &wire, &[]);
        prop_assert!(!whole.is_empty());
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
        cuts.sort_unstable();
        let mut connection = Connection::new(config());
        prop_assert_eq!(&read(&mut connection, &wire, &cuts), &whole);
        let bytes: Vec<_> = (0..wire.len()).collect();
        prop_assert_eq!(&read(&mut Connection::new(config()), &wire, &bytes), &whole);
        prop_assert_eq!(goaway(&mut connection), None);
    }
}
