//! What is read, and what is told of it.

use proptest::prelude::*;

use super::*;

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
