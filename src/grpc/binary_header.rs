//! Binary-Header → {Header-Name "-bin"} {base64 encoded value}.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
#[cfg(feature = "client")]
use http::{HeaderMap, HeaderValue};

#[cfg(feature = "client")]
use super::metadata::is_reserved;

/// Whether what stands under a name is bytes.
pub(super) fn is_bin(name: &[u8]) -> bool {
    name.ends_with(b"-bin")
}

/// The name of a `-bin` header whose value is not base64, if there is one among the metadata.
#[cfg(feature = "client")]
pub(crate) fn malformed_bin(headers: &HeaderMap) -> Option<&str> {
    let bins = headers.iter().filter(|(name, _)| {
        let name = name.as_str().as_bytes();
        is_bin(name) && !is_reserved(name)
    });
    let malformed = |value: &HeaderValue| decode_bin(value.as_bytes()).any(|b| b.is_none());
    bins.filter(|(_, value)| malformed(value))
        .map(|(name, _)| name.as_str())
        .next()
}

/// Base64 without padding, one value a line: what every peer reads ("Custom-Metadata").
pub(super) fn encode_bin(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The values in a `-bin` header: several may be joined with commas, padding may be there or not.
pub(super) fn decode_bin(value: &[u8]) -> impl Iterator<Item = Option<Bytes>> {
    value
        .split(|byte| *byte == b',')
        .map(|part| BASE64.decode(part.trim_ascii()).ok().map(Bytes::from))
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        // Some encoders leave stray bits in the last character; grpc-go reads them, and so do we.
        .with_decode_allow_trailing_bits(true),
);
