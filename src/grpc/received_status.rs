//! Status → `grpc-status` `grpc-message` `grpc-status-details-bin`, as a client reads it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode;
use prost::{
    DecodeError,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

use super::{Code, Metadata, Status, binary_header::decode_bin};

/// What a server says of a call's end, in trailers or in the head of a response; `None` if it says
/// nothing. OK is `Ok(())`.
pub(crate) fn received_status(headers: &HeaderMap) -> Option<Result<(), Status>> {
    let value = field(headers, "grpc-status")?;
    if value == "0" {
        return Some(Ok(()));
    }
    let number = std::str::from_utf8(value.as_bytes())
        .ok()
        .and_then(|digits| digits.parse().ok());
    let code = match number {
        Some(0) => return Some(Ok(())),
        Some(number) => Code::from_number(number),
        None => {
            let status = format!("the server sent {value:?} as grpc-status");
            return Some(Err(Status::unknown(status).with_metadata(metadata(headers))));
        }
    };
    let mut status = Status::new(code, message(headers)).with_metadata(metadata(headers));
    for (type_url, value) in details(headers).unwrap_or_default() {
        status = status.with_detail_bytes(type_url, value);
    }
    Some(Err(status))
}

/// The first value of a name. A response has few fields: to look at them costs less than to hash the
/// name.
pub(crate) fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut fields = headers.iter();
    let found = fields.find(|(other, _)| other.as_str() == name);
    found.map(|(_, value)| value)
}

fn metadata(headers: &HeaderMap) -> Metadata {
    Metadata::from(headers.clone())
}

/// "Decoding … must not fail": what is no percent-encoding stays as it is (PROTOCOL-HTTP2.md).
fn message(headers: &HeaderMap) -> String {
    let message = headers.get("grpc-message");
    let message = message.map_or(&b""[..], |value| value.as_bytes());
    percent_decode(message).decode_utf8_lossy().into_owned()
}

/// The details of a serialised `google.rpc.Status`; `None` if it is none.
fn details(headers: &HeaderMap) -> Option<Vec<(String, Bytes)>> {
    let value = headers.get("grpc-status-details-bin")?;
    let status = decode_bin(value.as_bytes()).next()??;
    let mut details = Vec::new();
    for_each_bytes(status, |number, any| {
        if number == 3 {
            details.push(any);
        }
    })
    .ok()?;
    details.into_iter().map(|any| detail(any).ok()).collect()
}

/// `google.protobuf.Any`: type_url = 1, value = 2.
fn detail(any: Bytes) -> Result<(String, Bytes), DecodeError> {
    let (mut type_url, mut value) = (String::new(), Bytes::new());
    for_each_bytes(any, |number, bytes| match number {
        1 => type_url = String::from_utf8_lossy(&bytes).into_owned(),
        2 => value = bytes,
        _ => {}
    })?;
    Ok((type_url, value))
}

/// Visits the length-delimited fields of a message.
fn for_each_bytes(
    mut message: Bytes,
    mut visit: impl FnMut(u32, Bytes),
) -> Result<(), DecodeError> {
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message)?;
        if wire_type != WireType::LengthDelimited {
            skip_field(wire_type, number, &mut message, DecodeContext::default())?;
            continue;
        }
        let length = usize::try_from(decode_varint(&mut message)?).unwrap_or(usize::MAX);
        if length > message.len() {
            break;
        }
        visit(number, message.split_to(length));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn what_a_server_encodes_is_read_back() {
        let sent = Status::not_found("50 % of ☺")
            .with_detail_bytes("type.googleapis.com/a.B", &b"\x01\x02"[..]);
        let encoded = sent.encode(8192);
        let details = encoded.details.clone().unwrap();
        let pairs = [
            ("grpc-status", encoded.code),
            ("grpc-message", &*encoded.message),
            ("grpc-status-details-bin", &*details),
            ("x-custom", "1"),
        ];
        let status = received_status(&headers(&pairs)).unwrap().unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "50 % of ☺")
        );
        let details: Vec<_> = status.details().collect();
        assert_eq!(
            details,
            [("type.googleapis.com/a.B", &Bytes::from_static(b"\x01\x02"))]
        );
        assert_eq!(status.metadata().text("x-custom"), Some("1"));
        assert_eq!(status.metadata().len(), 1);
    }

    #[test]
    fn what_is_malformed_is_no_error_of_its_own() {
        for (value, code) in [
            ("99", Code::Unknown),
            ("x", Code::Unknown),
            ("-1", Code::Unknown),
        ] {
            let status = received_status(&headers(&[("grpc-status", value)]));
            assert_eq!(status.unwrap().unwrap_err().code(), code, "{value}");
        }
        let broken = [
            ("grpc-status", "5"),
            ("grpc-message", "100%zz %4"),
            ("grpc-status-details-bin", "AA(("),
        ];
        let status = received_status(&headers(&broken)).unwrap().unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "100%zz %4")
        );
        assert_eq!(status.details().len(), 0);
        assert!(received_status(&headers(&[("grpc-message", "x")])).is_none());
        assert_eq!(
            received_status(&headers(&[("grpc-status", "0")]))
                .unwrap()
                .ok(),
            Some(())
        );
    }
}
