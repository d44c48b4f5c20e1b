//! What is written reads as it was, and what is malformed is the error that the RFC asks for.

use super::*;
use crate::http2::{Error, ErrorCode, StreamId};

const STREAM: StreamId = StreamId(7);

fn split(wire: &[u8]) -> (Head, &[u8]) {
    let head = Head::parse(wire).unwrap();
    let payload = &wire[Head::BYTES..];
    assert_eq!(head.length, payload.len());
    (head, payload)
}

fn head(kind: Kind, flags: u8, stream: StreamId, payload: &[u8]) -> Head {
    Head {
        length: payload.len(),
        kind,
        flags,
        stream,
    }
}

#[test]
fn frames_come_back() {
    let mut wire = Vec::new();
    let ping = Ping {
        ack: true,
        data: *b"12345678",
    };
    ping.write(&mut wire);
    let (head, payload) = split(&wire);
    assert_eq!(Ping::parse(head, payload), Ok(ping));

    wire.clear();
    let goaway = GoAway {
        last: StreamId::MAX,
        code: ErrorCode::EnhanceYourCalm,
        debug: b"too_many_pings",
    };
    goaway.write(&mut wire);
    let (head, payload) = split(&wire);
    assert_eq!(GoAway::parse(head, payload), Ok(goaway));

    wire.clear();
    let reset = RstStream {
        code: ErrorCode::Other(77),
    };
    reset.write(STREAM, &mut wire);
    let (head, payload) = split(&wire);
    assert_eq!(
        (head.stream, RstStream::parse(head, payload)),
        (STREAM, Ok(reset))
    );

    wire.clear();
    let update = WindowUpdate {
        increment: (1 << 31) - 1,
    };
    update.write(STREAM, &mut wire);
    let (head, payload) = split(&wire);
    assert_eq!(WindowUpdate::parse(head, payload), Ok(update));

    wire.clear();
    Settings::write(&[(3, 100), (0xffff, u32::MAX)], &mut wire);
    let (head, payload) = split(&wire);
    let settings = Settings::parse(head, payload).unwrap();
    assert!(!settings.ack);
    assert_eq!(
        settings.entries().collect::<Vec<_>>(),
        [(3, 100), (0xffff, u32::MAX)]
    );
}

#[test]
fn a_long_block_is_continued() {
    let block: Vec<u8> = (0..40_000).map(|index| index as u8).collect();
    let mut wire = Vec::new();
    write_block(STREAM, &block, true, &mut wire);
    let mut read = Vec::new();
    let mut rest = wire.as_slice();
    while let Some(head) = Head::parse(rest) {
        let (payload, after) = rest[Head::BYTES..].split_at(head.length);
        rest = after;
        let last = rest.is_empty();
        let fragment = match head.kind {
            Kind::Headers => {
                let headers = Headers::parse(head, payload).unwrap();
                assert!(headers.end_stream && read.is_empty());
                assert_eq!(headers.end_headers, last);
                headers.fragment
            }
            _ => {
                let continuation = Continuation::parse(head, payload);
                assert_eq!(continuation.end_headers, last);
                continuation.fragment
            }
        };
        read.extend_from_slice(fragment);
    }
    assert_eq!(read, block);
}

#[test]
fn padding_and_priority_are_no_part_of_a_block() {
    let payload = [&[2][..], &[0x80, 0, 0, 3, 200], b"block", &[0, 0]].concat();
    let flags = PADDED | PRIORITY | END_HEADERS;
    let headers = Headers::parse(head(Kind::Headers, flags, STREAM, &payload), &payload).unwrap();
    assert_eq!(headers.fragment, b"block");
    let dependency = headers.priority.map(|priority| priority.dependency);
    assert_eq!(dependency, Some(StreamId(3)));
    let data = Data::parse(head(Kind::Data, PADDED, STREAM, &payload), Some(2)).unwrap();
    assert_eq!(
        data.map(|data| (data.data_bytes, data.padding_bytes)),
        Some((payload.len() - 3, 2))
    );
    assert_eq!(
        Data::parse(head(Kind::Data, PADDED, STREAM, &payload), None),
        Ok(None)
    );
}

fn code<T: std::fmt::Debug>(parsed: Result<T, Error>) -> (bool, ErrorCode) {
    match parsed.unwrap_err() {
        Error::Connection(code, _) => (true, code),
        Error::Stream(stream, code) => {
            assert_eq!(stream, STREAM);
            (false, code)
        }
    }
}

/// A frame, whether the connection ends by it, and with which code.
type Case = (Kind, u8, StreamId, &'static [u8], bool, ErrorCode);

#[test]
fn malformed_frames_are_errors_of_the_connection_or_the_stream() {
    use ErrorCode::{FrameSizeError as Size, ProtocolError as Protocol};
    let none = StreamId::CONNECTION;
    let parse = |kind, flags, stream, payload: &'static [u8]| {
        let head = head(kind, flags, stream, payload);
        match kind {
            Kind::Data => code(Data::parse(head, payload.first().copied())),
            Kind::Headers => code(Headers::parse(head, payload)),
            Kind::Priority => code(Priority::parse(head, payload)),
            Kind::RstStream => code(RstStream::parse(head, payload)),
            Kind::Settings => code(Settings::parse(head, payload)),
            Kind::Ping => code(Ping::parse(head, payload)),
            Kind::GoAway => code(GoAway::parse(head, payload)),
            _ => code(WindowUpdate::parse(head, payload)),
        }
    };
    let cases: [Case; 19] = [
        (Kind::Data, 0, none, b"x", true, Protocol),
        (Kind::Data, PADDED, STREAM, b"", true, Size),
        (Kind::Data, PADDED, STREAM, &[3, 0, 0], true, Protocol),
        (Kind::Headers, 0, none, b"x", true, Protocol),
        (Kind::Headers, PADDED, STREAM, &[3, 0, 0], true, Protocol),
        (Kind::Headers, PRIORITY, STREAM, &[0; 4], true, Size),
        (Kind::Priority, 0, none, &[0; 5], true, Protocol),
        (Kind::Priority, 0, STREAM, &[0; 4], false, Size),
        (Kind::Priority, 0, STREAM, &[0, 0, 0, 7, 0], false, Protocol),
        (Kind::RstStream, 0, none, &[0; 4], true, Protocol),
        (Kind::RstStream, 0, STREAM, &[0; 3], true, Size),
        (Kind::Settings, 0, STREAM, &[], true, Protocol),
        (Kind::Settings, ACK, none, &[0; 6], true, Size),
        (Kind::Settings, 0, none, &[0; 5], true, Size),
        (Kind::Ping, 0, STREAM, &[0; 8], true, Protocol),
        (Kind::Ping, 0, none, &[0; 7], true, Size),
        (Kind::GoAway, 0, none, &[0; 7], true, Size),
        (Kind::WindowUpdate, 0, STREAM, &[0; 4], false, Protocol),
        (Kind::WindowUpdate, 0, none, &[0; 3], true, Size),
    ];
    for (kind, flags, stream, payload, of_connection, expected) in cases {
        let got = parse(kind, flags, stream, payload);
        assert_eq!(got, (of_connection, expected), "{kind:?} {payload:?}");
    }
}
