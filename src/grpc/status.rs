//! Status, Status-Message and Status-Details: how a call ends.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::{Code, Metadata, binary_header::encode_bin, percent};

/// Why a call failed: a code, a message for people, details for programs, trailing metadata.
///
/// One pointer wide, so that `Result<_, Status>` stays small.
///
/// On the wire the code is `grpc-status`, the message is `grpc-message` (percent-encoded), the
/// details are `grpc-status-details-bin` (a `google.rpc.Status`), and the metadata is trailers.
#[derive(Clone)]
pub struct Status {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    /// The `google.protobuf.Any`s of `google.rpc.Status.details`: type URL and value.
    details: Vec<(String, Bytes)>,
    metadata: Metadata,
    initial_metadata: Option<Box<Metadata>>,
}

impl Status {
    /// A status with a code and a message for people.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let inner = Inner {
            code,
            message: message.into(),
            details: Vec::new(),
            metadata: Metadata::default(),
            initial_metadata: None,
        };
        Self {
            inner: Box::new(inner),
        }
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.inner.code
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The details: for each the type URL (`type.googleapis.com/package.Message`) and the encoded
    /// message, as in `google.protobuf.Any`.
    pub fn details(&self) -> impl ExactSizeIterator<Item = (&str, &Bytes)> {
        self.inner
            .details
            .iter()
            .map(|(url, value)| (url.as_str(), value))
    }

    /// The trailing metadata that goes with it.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// The initial metadata that a server had sent before a call failed; `None` if it had sent none.
    pub fn initial_metadata(&self) -> Option<&Metadata> {
        self.inner.initial_metadata.as_deref()
    }

    /// Adds a detail: a type URL and an encoded message, as in `google.protobuf.Any`.
    #[must_use]
    pub fn with_detail_bytes(
        mut self,
        type_url: impl Into<String>,
        value: impl Into<Bytes>,
    ) -> Self {
        self.inner.details.push((type_url.into(), value.into()));
        self
    }

    /// Adds trailing metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.inner.metadata.extend(metadata);
        self
    }

    /// Keeps the initial metadata that came before it.
    #[cfg(feature = "client")]
    pub(crate) fn with_initial_metadata(mut self, metadata: Metadata) -> Self {
        self.inner.initial_metadata = (!metadata.is_empty()).then(|| Box::new(metadata));
        self
    }

    /// `grpc-message` and `grpc-status-details-bin` as they are sent, within `bytes_max` together.
    ///
    /// The message is cut to fit, and alike in both. Details that leave next to nothing of it are
    /// left out: without them it says more.
    pub(crate) fn encode(&self, bytes_max: usize) -> EncodedStatus<'_> {
        let (message, details) = self.encode_with_details(bytes_max).unwrap_or_else(|| {
            let (message, _) = percent::encode(self.message(), |encoded, _| encoded <= bytes_max);
            (message, None)
        });
        EncodedStatus {
            code: self.inner.code.decimal(),
            message,
            details,
        }
    }

    /// `None` where there are no details, or no room for both.
    fn encode_with_details(&self, bytes_max: usize) -> Option<(Cow<'_, str>, Option<String>)> {
        if self.inner.details.is_empty() {
            return None;
        }
        let without_message = self.encode_details(0).len();
        let fits = |encoded_bytes: usize, kept: usize| {
            // The message is a field of the details, too: key, length, text.
            let bytes = without_message + 1 + encoded_len_varint(kept as u64) + kept;
            encoded_bytes + (bytes * 4).div_ceil(3) <= bytes_max
        };
        let least = self.message().len().min(MESSAGE_BYTES_MIN);
        let (message, kept) = percent::encode(self.message(), fits);
        (kept >= least && fits(message.len(), kept)).then(|| {
            let details = encode_bin(&self.encode_details(kept));
            (message, Some(details))
        })
    }

    /// A serialised `google.rpc.Status`: code = 1, message = 2, details = 3.
    fn encode_details(&self, message_bytes: usize) -> Vec<u8> {
        let mut status = Vec::new();
        encode_key(1, WireType::Varint, &mut status);
        encode_varint(u64::from(self.inner.code.number()), &mut status);
        let message = self.inner.message.get(..message_bytes).unwrap_or_default();
        encode_bytes(2, message.as_bytes(), &mut status);
        for (type_url, value) in &self.inner.details {
            // google.protobuf.Any: type_url = 1, value = 2.
            let mut any = Vec::new();
            encode_bytes(1, type_url.as_bytes(), &mut any);
            encode_bytes(2, value, &mut any);
            encode_key(3, WireType::LengthDelimited, &mut status);
            encode_varint(any.len() as u64, &mut status);
            status.extend(any);
        }
        status
    }
}

/// A string or bytes field; left out where it is empty, as proto3 has it.
fn encode_bytes(number: u32, bytes: &[u8], buffer: &mut Vec<u8>) {
    if !bytes.is_empty() {
        encode_key(number, WireType::LengthDelimited, buffer);
        encode_varint(bytes.len() as u64, buffer);
        buffer.extend_from_slice(bytes);
    }
}

/// Of a message that is longer, more than this must be left for its details to be sent with it.
const MESSAGE_BYTES_MIN: usize = 256;

/// The header values of a status.
#[derive(Debug)]
pub(crate) struct EncodedStatus<'a> {
    pub(crate) code: &'static str,
    /// Empty: no `grpc-message` is sent.
    pub(crate) message: Cow<'a, str>,
    pub(crate) details: Option<String>,
}

macro_rules! constructors {
    ($($name:ident => $code:ident, $doc:literal;)*) => {
        impl Status {
            $(
                #[doc = $doc]
                pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                    Self::new(Code::$code, message)
                }
            )*
        }
    };
}

constructors! {
    cancelled => Cancelled, "CANCELLED.";
    unknown => Unknown, "UNKNOWN.";
    invalid_argument => InvalidArgument, "INVALID_ARGUMENT.";
    deadline_exceeded => DeadlineExceeded, "DEADLINE_EXCEEDED.";
    not_found => NotFound, "NOT_FOUND.";
    already_exists => AlreadyExists, "ALREADY_EXISTS.";
    permission_denied => PermissionDenied, "PERMISSION_DENIED.";
    resource_exhausted => ResourceExhausted, "RESOURCE_EXHAUSTED.";
    failed_precondition => FailedPrecondition, "FAILED_PRECONDITION.";
    aborted => Aborted, "ABORTED.";
    out_of_range => OutOfRange, "OUT_OF_RANGE.";
    unimplemented => Unimplemented, "UNIMPLEMENTED.";
    internal => Internal, "INTERNAL.";
    unavailable => Unavailable, "UNAVAILABLE.";
    data_loss => DataLoss, "DATA_LOSS.";
    unauthenticated => Unauthenticated, "UNAUTHENTICATED.";
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Status");
        debug
            .field("code", &self.code())
            .field("message", &self.message());
        if !self.inner.details.is_empty() {
            debug.field("details", &self.inner.details);
        }
        if !self.inner.metadata.is_empty() {
            debug.field("metadata", &self.inner.metadata);
        }
        debug.finish()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::{Code, Status};
    use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
    use prost::Message;

    /// `google.rpc.Status`, read by somebody else's decoder.
    #[derive(PartialEq, prost::Message)]
    struct RpcStatus {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<prost_types::Any>,
    }

    #[test]
    fn details_repeat_code_and_message_and_are_cut_alike() {
        let status = Status::not_found("no ☺ here")
            .with_detail_bytes("type.googleapis.com/a.B", &b"\x08\x01"[..])
            .with_detail_bytes("type.googleapis.com/a.C", &b""[..]);
        let any = |url: &str, value: &[u8]| prost_types::Any {
            type_url: url.to_owned(),
            value: value.to_vec(),
        };
        let details = vec![
            any("type.googleapis.com/a.B", b"\x08\x01"),
            any("type.googleapis.com/a.C", b""),
        ];
        let encoded = status.encode(8192);
        assert_eq!(
            (encoded.code, &*encoded.message),
            ("5", "no %E2%98%BA here")
        );
        let bytes = BASE64_STANDARD_NO_PAD
            .decode(encoded.details.unwrap())
            .unwrap();
        let expected = RpcStatus {
            code: 5,
            message: "no ☺ here".to_owned(),
            details,
        };
        assert_eq!(RpcStatus::decode(&*bytes).unwrap(), expected);
    }

    #[test]
    fn a_long_message_is_cut_alike_and_long_details_are_left_out() {
        let long = |bytes: usize| {
            Status::not_found("☺".repeat(1000)).with_detail_bytes("u", vec![7; bytes])
        };
        let status = long(900);
        let both = status.encode(8000);
        let details = both.details.as_ref().unwrap();
        assert!(both.message.len() + details.len() <= 8000);
        assert!(
            both.message.len() + details.len() > 7980,
            "cut without need"
        );
        let bytes = BASE64_STANDARD_NO_PAD.decode(details).unwrap();
        let details = RpcStatus::decode(&*bytes).unwrap();
        let message = percent_encoding::percent_decode_str(&both.message);
        assert_eq!(details.message, message.decode_utf8().unwrap());
        assert_eq!(details.details[0].value.len(), 900);

        for bytes in [5_600, 6_000, 1_000_000] {
            let status = long(bytes);
            let alone = status.encode(8000);
            assert!(alone.details.is_none(), "{bytes}");
            assert_eq!(alone.message.len(), 7_992);
        }
        let silent = Status::new(Code::NotFound, "").with_detail_bytes("u", vec![7; 9_000]);
        assert_eq!(silent.encode(8000).details, None);
    }

    #[test]
    fn a_status_is_one_pointer() {
        assert_eq!(size_of::<Result<(), Status>>(), size_of::<usize>());
    }
}
