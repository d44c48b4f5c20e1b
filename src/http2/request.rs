//! The fields of a request, put where gRPC wants them (RFC 9113, 8.2 and 8.3; PROTOCOL-HTTP2.md,
//! "Requests").
//!
//! What a field means is found out once while it is in the table of HPACK: the entry has a memo.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Paths,
    hpack::{Entry, Field},
};
use crate::grpc::{AcceptedEncodings, CallHead, ContentType, HttpMethod, RawMetadata};

/// Reads the fields of one request.
pub(super) struct RequestReader<'a, P> {
    paths: &'a P,
    room: ListRoom,
    head: CallHead,
    content_length: Option<u64>,
    seen: Seen,
    /// Whether a field came that is no pseudo-header.
    regular: bool,
    malformed: bool,
}

/// The pseudo-headers that have come.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    method: bool,
    scheme: bool,
    path: bool,
    authority: bool,
}

/// A request whose HEADERS are in order.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) head: Arc<CallHead>,
    pub(super) content_length: Option<u64>,
}

/// Why a request is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// "Malformed requests … MUST be treated as a stream error of type PROTOCOL_ERROR" (8.1.1).
    Malformed,
    /// Its header list is longer than SETTINGS_MAX_HEADER_LIST_SIZE.
    TooLarge,
}

impl<'a, P: Paths> RequestReader<'a, P> {
    pub(super) fn new(paths: &'a P, list_bytes_max: u32) -> Self {
        Self {
            paths,
            room: ListRoom::new(list_bytes_max),
            head: CallHead::default(),
            content_length: None,
            seen: Seen::default(),
            regular: false,
            malformed: false,
        }
    }

    /// Takes the next field. Once there is no room for it nothing more is kept, so that a block that
    /// stands for a long list costs no memory.
    pub(super) fn field(&mut self, field: Field<'_>) {
        if !self.room.take(field) || self.malformed {
            return;
        }
        match field.entry {
            Some(entry) if self.recall(entry) => {}
            _ if field.name.starts_with(b":") => self.pseudo(field),
            _ => self.regular(field),
        }
    }

    pub(super) fn finish(self) -> Result<Request, Unusable> {
        if !self.room.is_left() && !self.malformed {
            return Err(Unusable::TooLarge);
        }
        // "All HTTP/2 requests MUST include exactly one valid value for the ":method", ":scheme", and
        // ":path" pseudo-header fields" (8.3.1).
        let complete = self.seen.method && self.seen.scheme && self.seen.path;
        if self.malformed || !complete || self.head.path.is_empty() {
            return Err(Unusable::Malformed);
        }
        Ok(Request {
            head: Arc::new(self.head),
            content_length: self.content_length,
        })
    }

    /// Does what is known of an entry; `false` if nothing is.
    fn recall(&mut self, entry: &Entry) -> bool {
        let memo = entry.memo.get();
        let (kind, value) = (memo >> KIND_SHIFT, memo & VALUE_MASK);
        match kind {
            PATH => {
                let path = entry.value();
                self.path(path, value.checked_sub(1));
            }
            AUTHORITY => self.authority(entry.value()),
            CONTENT_TYPE => self.head.content_type = content_type_of(value),
            USER_AGENT => self.head.user_agent = Some(entry.value()),
            // The value was made of eight bits.
            ACCEPT_ENCODING => {
                let accepted = AcceptedEncodings::from_bits(value as u8);
                self.head.accept_encoding.add(accepted);
            }
            CONTENT_LENGTH => self.content_length(Some(value.into())),
            METADATA => self.head.metadata.push_custom(entry.name(), entry.value()),
            OF_NO_USE => {}
            _ => return false,
        }
        self.regular |= !matches!(kind, PATH | AUTHORITY);
        true
    }

    fn pseudo(&mut self, field: Field<'_>) {
        // "All pseudo-header fields sent in a field section MUST be placed before regular fields"; and
        // "a request … containing an invalid character MUST be treated as malformed" (8.2.1).
        if self.regular || !is_value(field.value) {
            self.malformed = true;
            return;
        }
        match field.name {
            b":method" => {
                self.malformed |= std::mem::replace(&mut self.seen.method, true);
                self.head.method = match field.value {
                    b"POST" => HttpMethod::Post,
                    b"GET" => HttpMethod::Get,
                    b"HEAD" => HttpMethod::Head,
                    _ => HttpMethod::Other,
                };
            }
            b":scheme" => self.malformed |= std::mem::replace(&mut self.seen.scheme, true),
            b":path" => {
                let route = self.paths.lookup(field.value);
                let value = route.map_or(0, |route| route + 1);
                self.path(keep(field, PATH, value), route);
            }
            b":authority" => self.authority(keep(field, AUTHORITY, 0)),
            // "Endpoints MUST NOT generate pseudo-header fields other than those defined".
            _ => self.malformed = true,
        }
    }

    fn path(&mut self, path: Bytes, route: Option<u32>) {
        // A memo may be recalled in the wrong place.
        self.malformed |= self.regular || std::mem::replace(&mut self.seen.path, true);
        (self.head.path, self.head.route) = (path, route);
    }

    fn authority(&mut self, authority: Bytes) {
        self.malformed |= self.regular || std::mem::replace(&mut self.seen.authority, true);
        self.head.authority = Some(authority);
    }

    fn regular(&mut self, field: Field<'_>) {
        self.regular = true;
        if !is_value(field.value) {
            self.malformed = true;
            return;
        }
        match field.name {
            b"content-type" => {
                self.head.content_type = ContentType::parse(field.value);
                memorize(field, CONTENT_TYPE, number_of(self.head.content_type));
            }
            b"user-agent" => self.head.user_agent = Some(keep(field, USER_AGENT, 0)),
            b"grpc-accept-encoding" => {
                let accepted = AcceptedEncodings::parse(field.value);
                memorize(field, ACCEPT_ENCODING, accepted.bits().into());
                self.head.accept_encoding.add(accepted);
            }
            // "The TE header field … MUST NOT contain any value other than "trailers"" (8.2.2).
            b"te" if field.value != b"trailers" => self.malformed = true,
            b"te" => memorize(field, OF_NO_USE, 0),
            b"content-length" => {
                let length = parse_length(field.value);
                // One that is too long for a memo is read again.
                let short = length.and_then(|length| u32::try_from(length).ok());
                memorize(field, CONTENT_LENGTH, short.unwrap_or(u32::MAX));
                self.content_length(length);
            }
            b"grpc-timeout" => self.head.add_timeout(field.value),
            b"grpc-encoding" | b"host" => {
                let value = Bytes::copy_from_slice(field.value);
                self.head.header(field.name, value);
            }
            // "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header
            // fields" (8.2.2).
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => self.malformed = true,
            name if !is_name(name) => self.malformed = true,
            name if RawMetadata::is_custom(name) => self.metadata(field),
            _ => memorize(field, OF_NO_USE, 0),
        }
    }

    fn metadata(&mut self, field: Field<'_>) {
        memorize(field, METADATA, 0);
        let (name, value) = match field.entry {
            Some(entry) => (entry.name(), entry.value()),
            None => (
                Bytes::copy_from_slice(field.name),
                Bytes::copy_from_slice(field.value),
            ),
        };
        self.head.metadata.push_custom(name, value);
    }

    fn content_length(&mut self, length: Option<u64>) {
        match (length, self.content_length) {
            (Some(length), None) => self.content_length = Some(length),
            (Some(length), Some(before)) if length == before => {}
            _ => self.malformed = true,
        }
    }
}

/// Reads the fields of a request's trailers, and keeps none.
pub(super) struct TrailersReader {
    room: ListRoom,
    malformed: bool,
}

impl TrailersReader {
    pub(super) fn new(list_bytes_max: u32) -> Self {
        Self {
            room: ListRoom::new(list_bytes_max),
            malformed: false,
        }
    }

    /// Takes the next field. Once there is no room for it nothing more is looked at, so that a block
    /// that stands for a long list costs no time.
    pub(super) fn field(&mut self, field: Field<'_>) {
        // "Trailers MUST NOT include pseudo-header fields" (8.1).
        self.malformed |= self.room.take(field) && !(is_name(field.name) && is_value(field.value));
    }

    pub(super) fn in_order(&self) -> bool {
        self.room.is_left() && !self.malformed
    }
}

/// What is left of SETTINGS_MAX_HEADER_LIST_SIZE.
struct ListRoom(i64);

impl ListRoom {
    fn new(list_bytes_max: u32) -> Self {
        Self(list_bytes_max.into())
    }

    /// Takes the room of a field; whether there is as much.
    fn take(&mut self, field: Field<'_>) -> bool {
        let bytes = field.name.len() + field.value.len() + FIELD_OVERHEAD_BYTES;
        self.0 -= i64::try_from(bytes).unwrap_or(i64::MAX);
        self.is_left()
    }

    fn is_left(&self) -> bool {
        self.0 >= 0
    }
}

/// Content-Length = 1*DIGIT (RFC 9110, 8.6).
fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// Names are tokens (RFC 9110, 5.6.2), and "MUST NOT contain characters in the ranges … A to Z"
/// (RFC 9113, 8.2.1). None of them has a colon.
fn is_name(name: &[u8]) -> bool {
    let may = |byte: &u8| {
        matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'#' | b'$' | b'%'
            | b'&' | b'\'' | b'*' | b'+' | b'^' | b'`' | b'|' | b'~')
    };
    !name.is_empty() && name.iter().all(may)
}

/// Values have no control characters but tabs (RFC 9110, 5.5).
fn is_value(value: &[u8]) -> bool {
    let may = |byte: &u8| matches!(byte, b' '..=b'~' | 0x80.. | b'\t');
    value.iter().all(may)
}

/// The value of a field; of one in the table without a copy, and with a memo.
fn keep(field: Field<'_>, kind: u32, value: u32) -> Bytes {
    memorize(field, kind, value);
    match field.entry {
        Some(entry) => entry.value(),
        None => Bytes::copy_from_slice(field.value),
    }
}

fn memorize(field: Field<'_>, kind: u32, value: u32) {
    if let Some(entry) = field.entry
        && value <= VALUE_MASK
    {
        entry.memo.set(kind << KIND_SHIFT | value);
    }
}

fn number_of(content_type: Option<ContentType>) -> u32 {
    match content_type {
        None => 0,
        Some(ContentType::Grpc) => 1,
        Some(ContentType::GrpcProto) => 2,
        Some(ContentType::UnknownCodec) => 3,
    }
}

fn content_type_of(number: u32) -> Option<ContentType> {
    match number {
        1 => Some(ContentType::Grpc),
        2 => Some(ContentType::GrpcProto),
        3 => Some(ContentType::UnknownCodec),
        _ => None,
    }
}

// A memo is a kind and, in the lower bits, a value. 0 is none.
const KIND_SHIFT: u32 = 24;
const VALUE_MASK: u32 = (1 << KIND_SHIFT) - 1;

/// The value is 0, or one more than what the path was found as.
const PATH: u32 = 1;
const AUTHORITY: u32 = 2;
/// The value is which one it is.
const CONTENT_TYPE: u32 = 3;
const USER_AGENT: u32 = 4;
/// The value is the set of those that are known.
const ACCEPT_ENCODING: u32 = 5;
/// Custom-Metadata.
const METADATA: u32 = 6;
/// In order, and nobody asks for it.
const OF_NO_USE: u32 = 7;
/// The value is the length.
const CONTENT_LENGTH: u32 = 8;

/// "The value is based on the uncompressed size of field lines, including the length of the name and
/// value in units of octets plus an overhead of 32 octets for each" (6.5.2).
const FIELD_OVERHEAD_BYTES: usize = 32;
