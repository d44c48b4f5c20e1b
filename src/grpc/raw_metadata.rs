//! Custom-Metadata as it was received: most handlers never look at it.

use std::fmt;

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Metadata,
    binary_header::{decode_bin, is_bin},
    metadata::is_reserved,
};

/// Metadata as it was received, made into a map only when somebody asks.
#[derive(Default)]
pub(crate) struct RawMetadata {
    fields: Vec<(Bytes, Bytes)>,
}

impl fmt::Debug for RawMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_metadata().fmt(f)
    }
}

impl RawMetadata {
    /// Adds a header that has no slot of its own; reserved names are dropped here, and white space
    /// around values ("it may be stripped", "Custom-Metadata").
    pub(crate) fn push(&mut self, name: &[u8], value: Bytes) {
        if !is_reserved(name) {
            self.push_custom(Bytes::copy_from_slice(name), value);
        }
    }

    /// Adds a header whose name is known not to be reserved.
    pub(crate) fn push_custom(&mut self, name: Bytes, mut value: Bytes) {
        value.truncate(value.trim_ascii_end().len());
        value.advance(value.len() - value.trim_ascii_start().len());
        self.fields.push((name, value));
    }

    /// Whether a header of that name is Custom-Metadata.
    pub(crate) fn is_custom(name: &[u8]) -> bool {
        !is_reserved(name)
    }

    /// The name of a `-bin` header whose value is not base64, if there is one.
    pub(crate) fn malformed_bin(&self) -> Option<&[u8]> {
        let mut bins = self.fields.iter().filter(|(name, _)| is_bin(name));
        bins.find(|(_, value)| decode_bin(value).any(|bytes| bytes.is_none()))
            .map(|(name, _)| name.as_ref())
    }

    /// The pairs as a map. A value that cannot be a header value is dropped.
    pub(crate) fn to_metadata(&self) -> Metadata {
        let mut map = HeaderMap::with_capacity(self.fields.len());
        for (name, value) in &self.fields {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name),
                HeaderValue::from_maybe_shared(value.clone()),
            ) {
                map.append(name, value);
            }
        }
        Metadata::of(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(fields: &[(&str, &str)]) -> RawMetadata {
        let mut raw = RawMetadata::default();
        for (name, value) in fields {
            raw.push(name.as_bytes(), Bytes::copy_from_slice(value.as_bytes()));
        }
        raw
    }

    #[test]
    fn binary_values_are_read_padded_unpadded_joined_and_repeated() {
        let raw = received(&[("x-bin", "AQI=,AwQ"), ("y", "t"), ("x-bin", "BQ==")]);
        assert_eq!(raw.malformed_bin(), None);
        let values: Vec<_> = raw.to_metadata().all_bytes("x-bin").collect();
        assert_eq!(values, [&[1, 2][..], &[3, 4], &[5]]);
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let names = ["authorization", "cookie", "x-api-key", "token-bin", "x-ok"];
        let raw = received(&names.map(|name| (name, "aGk")));
        for shown in [format!("{raw:?}"), format!("{:?}", raw.to_metadata())] {
            assert_eq!(shown.matches("aGk").count(), 1, "{shown}");
            assert!(shown.contains(r#""x-ok": "aGk""#), "{shown}");
            assert!(shown.contains(r#""x-api-key": "(not shown)""#), "{shown}");
        }
    }

    #[test]
    fn a_binary_value_that_is_not_base64_is_found() {
        let raw = received(&[("a-bin", "AQI"), ("b-bin", "A(I")]);
        assert_eq!(raw.malformed_bin(), Some(&b"b-bin"[..]));
        assert_eq!(received(&[("b", "A(I")]).malformed_bin(), None);
    }

    #[test]
    fn what_the_protocol_owns_is_left_out() {
        let raw = received(&[("grpc-previous-rpc-attempts", "1")]);
        assert!(raw.to_metadata().is_empty());
    }
}
