//! Shortcuts beside the long way: two connections that are told the same say the same.

use proptest::prelude::*;

use super::*;

/// Field blocks: a path, then fields that do to the table what one of these bytes says.
fn blocks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let field = prop_oneof![
        // What is in the table by now, or is not.
        4 => (0x3e_u8..0x46).prop_map(|index| vec![0x80 | index]),
        // A literal that is put there, one that is not, one that never is.
        2 => (0_u8..3).prop_map(|value| vec![0x40, 2, b'x', b'a' + value, 1, b'0' + value]),
        1 => (0_u8..3).prop_map(|value| vec![0x00, 1, b'y', 1, b'0' + value]),
        1 => (0_u8..3).prop_map(|value| vec![0x10, 1, b'z', 1, b'0' + value]),
        // `content-type: application/grpc`.
        1 => Just([&[0x5f, 16][..], b"application/grpc"].concat()),
    ];
    let path = prop_oneof![
        Just([&[0x04, 6][..], b"/a.B/C"].concat()),
        Just([&[0x04, 6][..], b"/a.B/D"].concat()),
        Just([&[0x44, 6][..], b"/a.B/C"].concat()),
        Just(vec![]),
    ];
    let resize = prop_oneof![9 => Just(vec![]), 1 => Just(vec![0x20]), 1 => Just(vec![0x3f, 0x21])];
    let fields = proptest::collection::vec(field, 0..4);
    let block = (resize, path, fields).prop_map(|(resize, path, fields)| {
        [resize, vec![0x83, 0x86], path, fields.concat()].concat()
    });
    // Few of them, again and again.
    let order = proptest::collection::vec(any::<prop::sample::Index>(), 1..40);
    let some = proptest::collection::vec(block, 1..5);
    (some, order).prop_map(|(blocks, order)| {
        let pick = |index: prop::sample::Index| index.get(&blocks).clone();
        order.into_iter().map(pick).collect()
    })
}

/// All that a request's head says.
fn heads(connection: &mut Connection, mut input: &[u8]) -> Vec<String> {
    let mut heads = Vec::new();
    while let Some(event) = connection.next(&mut input, Instant::now(), &OnePath) {
        heads.push(format!("{event:?}"));
    }
    heads
}

proptest! {
    #[test]
    fn a_block_that_is_remembered_says_what_it_says_when_it_is_read(blocks in blocks()) {
        let (mut quick, mut slow) = (greeted(), greeted());
        for (block, stream) in blocks.into_iter().zip((1..).step_by(2)) {
            let input = frame(1, 5, stream, &block);
            slow.remembered.forget();
            prop_assert_eq!(heads(&mut quick, &input), heads(&mut slow, &input));
            prop_assert_eq!(quick.fault(), slow.fault());
            prop_assert_eq!(written(&mut quick), written(&mut slow));
            if quick.streams.len() > 50 {
                break;
            }
        }
    }

    #[test]
    fn a_response_in_one_go_is_the_same_bytes(
        calls in proptest::collection::vec((0_usize..20_000, any::<bool>(), 0_u8..4, 0_u32..30_000), 1..30),
    ) {
        let (mut quick, mut slow) = (greeted(), greeted());
        for (call, (length, end, kind, grow)) in calls.into_iter().enumerate() {
            let stream = 2 * call as u32 + 1;
            let flags = if end { 5 } else { 4 };
            let mut input = frame(1, flags, stream, &block(call == 0));
            if grow > 0 {
                input.extend(frame(8, 0, 0, &grow.to_be_bytes()));
            }
            prop_assert_eq!(read(&mut quick, &input, &[]), read(&mut slow, &input, &[]));
            let content_type = if kind == 1 { ContentType::GrpcProto } else { ContentType::Grpc };
            let mut metadata = Metadata::new();
            if kind == 2 {
                metadata.append("a", "b").unwrap();
            }
            let head = ResponseHead::grpc(content_type, metadata.clone());
            let message = RawMessage::new(vec![kind; length]);
            let metadata = if kind == 3 { metadata } else { Metadata::new() };
            let trailers = || Trailers { status: None, metadata: metadata.clone() };
            quick.respond(StreamId(stream), &head, message.clone(), trailers());
            slow.headers(StreamId(stream), &head);
            slow.message(StreamId(stream), message);
            slow.trailers(StreamId(stream), trailers());
            prop_assert_eq!(quick.unsent_bytes(), slow.unsent_bytes());
            prop_assert_eq!(quick.streams.len(), slow.streams.len());
            prop_assert_eq!(written(&mut quick), written(&mut slow));
        }
    }
}
