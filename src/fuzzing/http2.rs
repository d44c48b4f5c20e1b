//! HTTP/2: HPACK, and whole sessions.

use std::{
    io::IoSlice,
    time::{Duration, Instant},
};

use crate::{
    grpc::{ContentType, Metadata, RawMessage, ResponseHead, Trailers},
    http2::{Commands, Config, Connection, Event, Paths, StreamId, hpack},
};

/// Blocks, apart by what their first byte says of their length. Whatever they are, none panics, and
/// what was read is written so that it reads the same.
pub fn hpack_decode(input: &[u8]) {
    let mut decoder = hpack::Decoder::default();
    let mut again = hpack::Decoder::default();
    let mut encoder = hpack::Encoder::default();
    let mut rest = input;
    while let Some((length, after)) = rest.split_first() {
        let (block, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let mut read = Vec::new();
        let decoded = decoder.decode(block, |field| {
            read.push((field.name.to_vec(), field.value.to_vec()));
        });
        if decoded.is_err() {
            return;
        }
        let mut written = Vec::new();
        encoder.begin(&mut written);
        for (name, value) in &read {
            encoder.field(name, value, &mut written);
        }
        let mut same = Vec::new();
        let decoded = again.decode(&written, |field| {
            same.push((field.name.to_vec(), field.value.to_vec()));
        });
        decoded.expect("what was written reads");
        assert_eq!(same, read);
    }
}

/// What a client sends after its preface. The first byte says in how many pieces it comes, which makes
/// no difference; each call is answered when its request has ended. What is to be sent is bounded, and
/// is made of whole frames.
pub fn http2_session(input: &[u8]) {
    let Some((pieces, frames)) = input.split_first() else {
        return;
    };
    // What is counted by the read, resets before a start, is not reached with less.
    if frames.len() > 4096 {
        return;
    }
    let wire = [PREFACE, frames].concat();
    let whole = session(&wire, wire.len());
    let length = wire.len() / (usize::from(*pieces) + 1) + 1;
    assert_eq!(session(&wire, length), whole);
}

/// What was told of a session, without where its data was cut.
fn session(wire: &[u8], piece: usize) -> Vec<(u32, u8, Vec<u8>)> {
    let now = Instant::now();
    let mut connection = Connection::new(config());
    let mut told: Vec<(u32, u8, Vec<u8>)> = Vec::new();
    let mut from = 0;
    let mut to = 0;
    while to < wire.len() {
        to = (to + piece).min(wire.len());
        let mut input = wire.get(from..to).unwrap_or_default();
        connection.begin_input();
        while let Some(event) = connection.next(&mut input, now, &NoPaths) {
            tell(&mut told, event);
        }
        from = to - input.len();
        if connection.is_over() {
            break;
        }
    }
    let head = ResponseHead::grpc(ContentType::Grpc, Metadata::default());
    for (stream, _, _) in &told {
        let stream = StreamId(*stream);
        connection.headers(stream, &head);
        connection.message(stream, RawMessage::new("answer"));
        connection.trailers(stream, Trailers::default());
    }
    assert!(check_output(&mut connection) <= 64 * wire.len() + 1024);
    told
}

fn tell(told: &mut Vec<(u32, u8, Vec<u8>)>, event: Event<'_>) {
    match event {
        Event::CallStarted { stream, head, end } => {
            let path = head.path.to_vec();
            told.push((stream.0, u8::from(end), path));
        }
        Event::Data { stream, bytes, end } => match told.last_mut() {
            Some((before, 2.., all)) if *before == stream.0 => {
                all.extend_from_slice(bytes);
                if end {
                    told.push((stream.0, 4, Vec::new()));
                }
            }
            _ if end && bytes.is_empty() => told.push((stream.0, 4, Vec::new())),
            _ => {
                told.push((stream.0, 2, bytes.to_vec()));
                if end {
                    told.push((stream.0, 4, Vec::new()));
                }
            }
        },
        Event::Reset { stream } => told.push((stream.0, 5, Vec::new())),
        Event::CutShort { stream } => told.push((stream.0, 6, Vec::new())),
        // Nothing is sent before all is read.
        Event::Writable { .. } => {}
    }
}

/// Reads what is to be sent; how long it is.
fn check_output(connection: &mut Connection) -> usize {
    let mut sent = Vec::new();
    loop {
        connection.fill();
        let mut slices = [IoSlice::new(&[]); 3];
        let count = connection.slices(&mut slices);
        if count == 0 {
            break;
        }
        let bytes: Vec<u8> = slices
            .iter()
            .take(count)
            .flat_map(|slice| slice.to_vec())
            .collect();
        connection.advance(bytes.len());
        sent.extend(bytes);
    }
    let mut rest = sent.as_slice();
    while let Some(([high, middle, low], after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        rest = after.get(6 + length..).expect("a frame is whole");
    }
    assert!(rest.is_empty());
    sent.len()
}

fn config() -> Config {
    Config {
        streams_max: 10,
        header_list_bytes: 4096,
        stream_window_bytes: 65_535,
        connection_window_bytes: 655_350,
        ping_min: Duration::from_secs(10),
    }
}

struct NoPaths;

impl Paths for NoPaths {
    fn lookup(&self, _: &[u8]) -> Option<u32> {
        None
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
