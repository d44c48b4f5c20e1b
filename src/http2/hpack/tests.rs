//! The examples of RFC 7541, Appendix C, and another implementation as the oracle.

use proptest::prelude::*;

use super::{Decoder, Encoder, huffman, integer};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn decode(decoder: &mut Decoder, block: &[u8]) -> Option<Fields> {
    let mut fields = Vec::new();
    let decoded = decoder.decode(block, |field| {
        fields.push((field.name.to_vec(), field.value.to_vec()));
    });
    decoded.ok().map(|()| fields)
}

fn fields(text: &str) -> Fields {
    let split = |line: &str| {
        let (name, value) = line.trim()[1..].split_once(": ").unwrap();
        let first = &line.trim()[..1];
        (
            format!("{first}{name}").into_bytes(),
            value.as_bytes().to_vec(),
        )
    };
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(split)
        .collect()
}

/// Blocks of one connection, each with what it stands for.
fn check(blocks: &[(&str, &str)]) {
    let mut decoder = Decoder::default();
    for (hex, text) in blocks {
        assert_eq!(
            decode(&mut decoder, &bytes(hex)),
            Some(fields(text)),
            "{hex}"
        );
    }
}

#[test]
fn integers_of_appendix_c_1() {
    for (value, flags, prefix_bits, hex) in
        [(10, 0, 5, "0a"), (1337, 0, 5, "1f9a0a"), (42, 0, 7, "2a")]
    {
        let mut written = Vec::new();
        integer::encode(value, flags, prefix_bits, &mut written);
        assert_eq!(written, bytes(hex));
        let (first, mut rest) = written.split_first().unwrap();
        assert_eq!(integer::decode(*first, prefix_bits, &mut rest), Ok(value));
        assert!(rest.is_empty());
    }
}

#[test]
fn literals_of_appendix_c_2() {
    check(&[(
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        "custom-key: custom-header",
    )]);
    check(&[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path")]);
    check(&[(
        "1008 7061 7373 776f 7264 0673 6563 7265 74",
        "password: secret",
    )]);
    check(&[("82", ":method: GET")]);
}

const FIRST: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com";
const SECOND: &str =
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache";
const THIRD: &str = ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value";

#[test]
fn requests_of_appendix_c_3_and_c_4() {
    check(&[
        ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST),
        ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND),
        (
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
            THIRD,
        ),
    ]);
    check(&[
        ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST),
        ("8286 84be 5886 a8eb 1064 9cbf", SECOND),
        (
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            THIRD,
        ),
    ]);
}

const FOUND: &str = ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com";
const MOVED: &str = ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com";
const OK: &str = ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\ncontent-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

/// Their table has 256 bytes, which is said first here.
#[test]
fn responses_of_appendix_c_5_and_c_6_which_evict() {
    check(&[
        (
            "3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
          2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            FOUND,
        ),
        ("4803 3330 37c1 c0bf", MOVED),
        (
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 \
          677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 \
          553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
            OK,
        ),
    ]);
    check(&[
        (
            "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
          2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            FOUND,
        ),
        ("4883 640e ffc1 c0bf", MOVED),
        (
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
          821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
          4ee5 b106 3d50 07",
            OK,
        ),
    ]);
}

#[test]
fn what_is_no_hpack_is_refused() {
    for hex in [
        // An index of 0, and one that no table has.
        "80",
        "be",
        // A table of 4,097 bytes; and one that is resized after a field.
        "3fe21f",
        "8220",
        // An integer beyond 32 bits, one without end, a string that is cut off.
        "7fffffffff7f",
        "7fffffffffffffff",
        "4005616263",
        // Padding of 8 ones, padding that is not ones, EOS.
        "00 82 1fff 00",
        "00 81 18 00",
        "00 84 ffffffff 00",
    ] {
        assert_eq!(decode(&mut Decoder::default(), &bytes(hex)), None, "{hex}");
    }
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::default();
    decode(&mut decoder, &bytes("4001610162")).unwrap();
    assert_eq!(decode(&mut decoder, &[0xbe]), Some(fields("a: b")));
    // 127 + 0xfe1 bytes.
    let mut large = bytes("4001617fe11f");
    large.resize(large.len() + 127 + 0xfe1, b'x');
    assert_eq!(decode(&mut decoder, &large).unwrap().len(), 1);
    assert_eq!(decode(&mut decoder, &[0xbe]), None);
}

#[test]
fn a_normal_head_is_a_byte_for_each_field_from_the_second_on() {
    let mut encoder = Encoder::default();
    let mut write = || {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        encoder.status(200, &mut block);
        encoder.constant("content-type", "application/grpc", &mut block);
        encoder.constant("grpc-accept-encoding", "identity,gzip", &mut block);
        block
    };
    assert!(write().len() > 20);
    assert_eq!(write(), [0x88, 0xbf, 0xbe]);
}

#[test]
fn a_peer_with_a_smaller_table_is_told_that_it_is_not_used() {
    let mut encoder = Encoder::default();
    let mut decoder = Decoder::default();
    let mut write = |size: Option<u32>| {
        let mut block = Vec::new();
        if let Some(size) = size {
            encoder.resize(size);
        }
        encoder.begin(&mut block);
        encoder.constant("grpc-status", "0", &mut block);
        assert_eq!(decode(&mut decoder, &block), Some(fields("grpc-status: 0")));
        block.len()
    };
    assert!(write(None) > write(None));
    let without = write(Some(100));
    assert_eq!(write(Some(4096)), without - 1);
    assert_eq!(write(Some(0)), without - 1);
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..60)
}

proptest! {
    #[test]
    fn huffman_gives_back_what_it_took(plain in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
        huffman::encode(&plain, &mut encoded);
        prop_assert_eq!(encoded.len(), huffman::encoded_len(&plain));
        huffman::decode(&encoded, &mut decoded).unwrap();
        prop_assert_eq!(decoded, plain);
    }

    #[test]
    fn integers_come_back(value in any::<u32>(), prefix_bits in 4u32..8) {
        let mut written = Vec::new();
        integer::encode(value as usize, 0, prefix_bits, &mut written);
        let (first, mut rest) = written.split_first().unwrap();
        prop_assert_eq!(integer::decode(*first, prefix_bits, &mut rest), Ok(value as usize));
        prop_assert!(rest.is_empty());
    }

    /// What another implementation writes reads here as it reads there, whatever tables it uses.
    #[test]
    fn blocks_of_another_encoder_are_read(
        blocks in proptest::collection::vec(proptest::collection::vec((0usize..8, text()), 0..12), 1..12),
    ) {
        const NAMES: [&[u8]; 8] =
            [b":path", b":method", b"content-type", b"a", b"b-bin", b"user-agent", b"grpc-timeout", b"te"];
        let mut encoder = loona_hpack::Encoder::new();
        let mut decoder = Decoder::default();
        for block in blocks {
            let list: Fields = block
                .into_iter()
                .map(|(name, value)| (NAMES[name].to_vec(), value))
                .collect();
            let pairs = list.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
            prop_assert_eq!(decode(&mut decoder, &encoder.encode(pairs)), Some(list));
        }
    }

    /// What is written here reads there.
    #[test]
    fn another_decoder_reads_our_blocks(
        blocks in proptest::collection::vec(
            (100u16..600, proptest::collection::vec((0usize..5, text(), any::<bool>()), 0..12)),
            1..12,
        ),
    ) {
        const CONSTANTS: [(&str, &str); 5] = [
            ("content-type", "application/grpc"), ("grpc-status", "0"), ("grpc-status", "5"),
            ("grpc-accept-encoding", "identity,gzip,deflate,zstd"), ("grpc-encoding", "gzip"),
        ];
        let mut encoder = Encoder::default();
        let mut decoder = loona_hpack::Decoder::new();
        let mut ours = Decoder::default();
        for (status, rest) in blocks {
            let mut expected: Fields = vec![(b":status".to_vec(), status.to_string().into_bytes())];
            let mut block = Vec::new();
            encoder.begin(&mut block);
            encoder.status(status, &mut block);
            for (which, value, constant) in rest {
                let (name, known) = CONSTANTS[which];
                if constant {
                    encoder.constant(name, known, &mut block);
                    expected.push((name.into(), known.into()));
                } else {
                    encoder.field(name.as_bytes(), &value, &mut block);
                    expected.push((name.into(), value));
                }
            }
            prop_assert_eq!(decoder.decode(&block).unwrap(), expected.clone());
            prop_assert_eq!(decode(&mut ours, &block), Some(expected));
        }
    }

    #[test]
    fn whatever_comes_nothing_panics(
        blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..4),
    ) {
        let mut decoder = Decoder::default();
        for block in blocks {
            if decode(&mut decoder, &block).is_none() {
                break;
            }
        }
    }
}
