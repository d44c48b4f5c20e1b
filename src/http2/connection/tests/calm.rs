//! Clients that ask for more than is good, and those that only seem to.

use super::*;

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
