//! What is written, and when.

use super::*;

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

/// RFC 7541, 4.2: the peer may take it for an error if it is not.
#[test]
fn a_table_that_was_smaller_in_between_is_told_as_such() {
    let mut connection = greeted();
    let down_and_up = [&[0, 1, 0, 0, 0, 0][..], &[0, 1, 0, 0, 16, 0]].concat();
    read(&mut connection, &frame(4, 0, 0, &down_and_up), &[]);
    read(&mut connection, &frame(1, 5, 1, &block(true)), &[]);
    written(&mut connection);
    let head = ResponseHead::grpc(ContentType::Grpc, Metadata::default());
    connection.headers(StreamId(1), &head);
    let frames = written(&mut connection);
    assert_eq!(frames[0].3[..2], [0x20, 0x88]);
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
