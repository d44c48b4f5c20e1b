//! What a server has answered a call with.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue};

/// All that came for a call.
#[derive(Debug, Default)]
pub struct Reply {
    pub http_status: u16,
    pub headers: HeaderMap,
    pub messages: Vec<Bytes>,
    /// Empty for Trailers-Only, whose one header list is in `headers`.
    pub trailers: HeaderMap,
    /// Whether the first HEADERS ended the stream.
    pub trailers_only: bool,
    /// The RST_STREAM that ended the stream before it had an end of its own.
    pub reset: Option<Reason>,
    /// What broke the connection before that.
    pub broken: Option<String>,
}

/// `grpc-status` and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: u32,
    /// Decoded; empty if there is none.
    pub message: String,
    /// A serialised `google.rpc.Status`.
    pub details: Option<Bytes>,
}

impl Reply {
    /// How the call ended; fails the test if the server did not say it, or said it twice.
    pub fn status(&self) -> Status {
        let trailers = if self.trailers_only {
            &self.headers
        } else {
            &self.trailers
        };
        let one = |name: &str| -> Option<&HeaderValue> {
            let mut values = trailers.get_all(name).iter();
            let value = values.next();
            assert!(values.next().is_none(), "two {name}: {self:?}");
            value
        };
        let code = one("grpc-status").unwrap_or_else(|| panic!("no grpc-status: {self:?}"));
        let message = one("grpc-message").map_or(&b""[..], HeaderValue::as_bytes);
        Status {
            code: code.to_str().unwrap().parse().unwrap(),
            message: percent_encoding::percent_decode(message)
                .decode_utf8()
                .unwrap()
                .into_owned(),
            details: one("grpc-status-details-bin").map(|value| decode_bin(value.as_bytes())),
        }
    }

    /// The code it ended with.
    pub fn code(&self) -> u32 {
        self.status().code
    }

    /// The one message of a call that ended OK.
    pub fn message(&self) -> Bytes {
        assert_eq!(self.status().code, 0, "{self:?}");
        assert_eq!(self.messages.len(), 1, "{self:?}");
        self.messages[0].clone()
    }

    /// The text of the status of a call that failed with a code, and without a message.
    pub fn error(&self, code: u32) -> String {
        let status = self.status();
        assert_eq!(status.code, code, "{self:?}");
        assert!(self.messages.is_empty(), "{self:?}");
        status.message
    }

    /// All values of a header or trailer, in order.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let lists = [&self.headers, &self.trailers];
        let values = lists.into_iter().flat_map(|list| list.get_all(name));
        values.map(HeaderValue::as_bytes).collect()
    }
}

/// A `-bin` value, padded or not.
pub fn decode_bin(value: &[u8]) -> Bytes {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let base64 = GeneralPurpose::new(&STANDARD, config);
    base64.decode(value).unwrap().into()
}
