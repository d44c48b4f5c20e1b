#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| reflectd::fuzzing::hpack_decode(input));
