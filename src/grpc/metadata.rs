//! Custom-Metadata → Binary-Header | ASCII-Header, as handlers and callers have it.

use std::{fmt, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Status,
    binary_header::{decode_bin, encode_bin, is_bin},
};

/// The metadata of one direction of a call: pairs of a name and a value, in order, names repeatable.
///
/// Names are lower-case. A name that ends in `-bin` carries bytes, which travel as base64; every
/// other name carries printable ASCII, without the white space at its ends. Names that gRPC or HTTP/2
/// keep for themselves are refused.
#[derive(Clone, Default)]
pub struct Metadata {
    /// Most calls have none, and should not pay for it.
    map: Option<Box<HeaderMap>>,
}

/// Why a pair cannot be metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Characters outside `a-z 0-9 _ - .`.
    #[error("{0:?} is no metadata name: use lower-case letters, digits, '-', '_' and '.'")]
    Name(String),
    /// A name that the protocol uses.
    #[error("{0:?} is reserved by gRPC or HTTP/2 and cannot be set as metadata")]
    Reserved(String),
    /// Characters outside printable ASCII.
    #[error(
        "the value of {0:?} is not printable ASCII; put bytes under a name that ends in \"-bin\""
    )]
    Value(String),
    /// A text under a `-bin` name, or bytes under another.
    #[error("{0:?} carries {1}")]
    Kind(String, &'static str),
}

/// Metadata that a handler cannot send is its mistake, not the client's: INTERNAL.
impl From<MetadataError> for Status {
    fn from(error: MetadataError) -> Self {
        Self::internal(error.to_string())
    }
}

impl Metadata {
    /// Empty metadata.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.map.as_ref().is_none_or(|map| map.is_empty())
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.as_header_map().len()
    }

    /// The first text under a name; `None` also for a value that is not ASCII.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.as_header_map()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// All texts under a name, in order.
    pub fn texts<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.as_header_map()
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
    }

    /// The first bytes under a name that ends in `-bin`.
    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        self.all_bytes(name).next()
    }

    /// All bytes under a name that ends in `-bin`, in order.
    pub fn all_bytes<'a>(&'a self, name: &str) -> impl Iterator<Item = Bytes> + use<'a> {
        let values = is_bin(name.as_bytes()).then(|| self.as_header_map().get_all(name));
        values
            .into_iter()
            .flatten()
            .flat_map(|value| decode_bin(value.as_bytes()))
            .flatten()
    }

    /// Adds a text after those that the name already has. White space at its ends is left out, as
    /// HTTP/2 forbids it (RFC 9113, 8.2.1).
    ///
    /// # Errors
    /// If the name or the value cannot be metadata.
    pub fn append(&mut self, name: &str, text: &str) -> Result<(), MetadataError> {
        let key = name_of(name)?;
        if is_bin(name.as_bytes()) {
            return Err(MetadataError::Kind(
                name.to_owned(),
                "bytes: use append_bytes",
            ));
        }
        let text = text.trim_ascii();
        // ASCII-Value → 1*( %x20-%x7E )
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let value = HeaderValue::from_str(text)
            .ok()
            .filter(|_| printable)
            .ok_or_else(|| MetadataError::Value(name.to_owned()))?;
        self.map_mut().append(key, value);
        Ok(())
    }

    /// Adds bytes under a name that ends in `-bin`.
    ///
    /// # Errors
    /// If the name cannot be metadata, or does not end in `-bin`.
    pub fn append_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), MetadataError> {
        let key = name_of(name)?;
        if !is_bin(name.as_bytes()) {
            return Err(MetadataError::Kind(
                name.to_owned(),
                "text: end the name in \"-bin\"",
            ));
        }
        let value = HeaderValue::from_str(&encode_bin(bytes))
            .map_err(|_| MetadataError::Value(name.to_owned()))?;
        self.map_mut().append(key, value);
        Ok(())
    }

    /// Removes all values of a name; tells whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        self.map
            .as_mut()
            .is_some_and(|map| map.remove(name).is_some())
    }

    /// Adds all pairs of another.
    pub fn extend(&mut self, other: Self) {
        let Some(other) = other.map else {
            return;
        };
        if self.map.is_none() {
            self.map = Some(other);
            return;
        }
        // `HeaderMap::extend` would replace; here names may repeat.
        let mut last = None;
        for (name, value) in *other {
            last = name.or(last);
            if let Some(name) = &last {
                self.map_mut().append(name.clone(), value);
            }
        }
    }

    /// All pairs, values as they travel (`-bin` ones in base64).
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.map.iter().flat_map(|map| map.iter())
    }

    /// The bytes it takes of a header list: names, values, and 32 for each (RFC 9113, 6.5.2).
    pub(crate) fn list_bytes(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum()
    }

    /// The pairs as a header map, `-bin` values in base64.
    pub fn as_header_map(&self) -> &HeaderMap {
        static NONE: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
        self.map.as_deref().unwrap_or(&NONE)
    }

    fn map_mut(&mut self) -> &mut HeaderMap {
        self.map.get_or_insert_default()
    }

    pub(super) fn of(map: HeaderMap) -> Self {
        let map = (!map.is_empty()).then(|| Box::new(map));
        Self { map }
    }
}

/// Whether the same pairs are there; what was removed leaves no trace.
impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.as_header_map() == other.as_header_map()
    }
}

impl Eq for Metadata {}

impl fmt::Debug for Metadata {
    /// All pairs, but of those that may be secret only the names: a log is read by many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&HeaderName, &HeaderValue)| {
            let shown = match is_secret(name.as_str().as_bytes()) {
                true => HeaderValue::from_static("(not shown)"),
                false => value.clone(),
            };
            (name.clone(), shown)
        };
        f.debug_map().entries(self.iter().map(shown)).finish()
    }
}

impl From<HeaderMap> for Metadata {
    /// Takes over all headers but the reserved ones.
    fn from(mut map: HeaderMap) -> Self {
        let reserved = |name: &&HeaderName| is_reserved(name.as_str().as_bytes());
        let reserved: Vec<_> = map.keys().filter(reserved).cloned().collect();
        for name in reserved {
            map.remove(name);
        }
        Self::of(map)
    }
}

fn name_of(name: &str) -> Result<HeaderName, MetadataError> {
    let valid = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if is_reserved(name.as_bytes()) {
        return Err(MetadataError::Reserved(name.to_owned()));
    }
    if !name.bytes().all(valid) {
        return Err(MetadataError::Name(name.to_owned()));
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| MetadataError::Name(name.to_owned()))
}

/// Whether the value is not for a log: credentials, and bytes that nobody can judge.
fn is_secret(name: &[u8]) -> bool {
    is_bin(name) || SECRET.iter().any(|secret| secret.as_bytes() == name)
}

pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(b"grpc-")
        || name.starts_with(b":")
        || RESERVED.iter().any(|reserved| reserved.as_bytes() == name)
}

/// Names that HTTP/2 forbids or that the call's own slots hold.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Names under which clients send what proves who they are.
const SECRET: &[&str] = &[
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
];

#[cfg(test)]
mod tests {
    use super::{Metadata, MetadataError};

    #[test]
    fn what_is_set_comes_back() {
        let mut metadata = Metadata::new();
        metadata.append("k", "1").unwrap();
        metadata.append("k", "2").unwrap();
        metadata.append_bytes("k-bin", &[0, 255]).unwrap();
        assert_eq!(metadata.texts("k").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(metadata.text("k-bin"), Some("AP8"));
        assert_eq!(metadata.bytes("k-bin").unwrap(), &[0, 255][..]);
        let mut more = metadata.clone();
        more.extend(metadata);
        assert_eq!(more.texts("k").collect::<Vec<_>>(), ["1", "2", "1", "2"]);
    }

    #[test]
    fn what_the_protocol_owns_is_refused() {
        let mut metadata = Metadata::new();
        for name in [
            "grpc-status",
            "grpc-x-bin",
            ":path",
            "content-type",
            "te",
            "connection",
        ] {
            let reserved = MetadataError::Reserved(name.to_owned());
            assert_eq!(metadata.append(name, "x"), Err(reserved));
        }
        assert_eq!(
            metadata.append("Upper", "x"),
            Err(MetadataError::Name("Upper".to_owned()))
        );
        assert_eq!(
            metadata.append("", "x"),
            Err(MetadataError::Name(String::new()))
        );
        assert_eq!(
            metadata.append("k", "ü"),
            Err(MetadataError::Value("k".to_owned()))
        );
        assert_eq!(
            metadata.append("k", "a\nb"),
            Err(MetadataError::Value("k".to_owned()))
        );
        assert_eq!(
            metadata.append("k", "a\tb"),
            Err(MetadataError::Value("k".to_owned()))
        );
        assert!(metadata.append("k-bin", "x").is_err());
        assert!(metadata.append_bytes("k", &[1]).is_err());
        assert!(metadata.is_empty());
    }
}
