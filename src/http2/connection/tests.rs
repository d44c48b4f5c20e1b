//! A connection byte by byte. (Real clients, scripted ones and attackers are in `tests/`.)

mod calm;
mod receiving;
mod sending;
mod twins;

use std::time::Instant;

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
        Event::Reset { stream } | Event::CutShort { stream } => Told::Reset(stream.0),
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
