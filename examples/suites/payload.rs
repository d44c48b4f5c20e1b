//! The parts that the messages of the conformance suite's service are made of.

use std::fmt::Display;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use reflectd::{Metadata, Status};
use serde::{Deserialize, Serialize};

/// Every reply of the service has the same fields.
#[derive(Deserialize, Serialize)]
pub(super) struct Reply {
    pub(super) payload: Option<Payload>,
}

#[derive(Default, Deserialize, Serialize)]
pub(super) struct Payload {
    pub(super) data: Bytes,
    pub(super) request_info: Option<RequestInfo>,
}

#[derive(Default, Deserialize, Serialize)]
pub(super) struct RequestInfo {
    pub(super) request_headers: Vec<Header>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) requests: Vec<Any>,
}

/// An error to answer with, or one that was answered with.
#[derive(Deserialize, Serialize)]
pub(super) struct Failure {
    pub(super) code: u32,
    pub(super) message: Option<String>,
    pub(super) details: Vec<Any>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: Vec<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Any {
    pub(super) type_url: String,
    pub(super) value: Bytes,
}

/// Metadata as the suite has it: the values of a name together.
pub(super) fn headers(metadata: &Metadata) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for (name, value) in metadata.iter() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match headers.last_mut() {
            // The values of a name follow one another.
            Some(last) if last.name == name.as_str() => last.value.push(value),
            _ => headers.push(Header {
                name: name.to_string(),
                value: vec![value],
            }),
        }
    }
    headers
}

/// The other way round. Values of `-bin` names are base64 already, as they travel.
pub(super) fn metadata(headers: &[Header]) -> Result<Metadata, Status> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name: HeaderName = header.name.parse().map_err(internal)?;
        for value in &header.value {
            map.append(&name, HeaderValue::from_str(value).map_err(internal)?);
        }
    }
    Ok(map.into())
}

pub(super) fn internal(error: impl Display) -> Status {
    Status::internal(error.to_string())
}
