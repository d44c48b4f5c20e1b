//! Where `http::Request` and `HeaderMap` begin and end: their heads in gRPC's terms, and back.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE, uri::PathAndQuery};

use crate::{
    grpc::{CallHead, HttpMethod, MessageEncoding, Metadata, ResponseHead, Trailers},
    rpc::Router,
};

/// A request's head, in gRPC's terms.
pub(super) fn call_head(request: &http::request::Parts, router: &Router) -> CallHead {
    // A `Uri` without a path calls itself "/" in all ways but one.
    let path = match request.uri.path() {
        "" => "",
        path => request
            .uri
            .path_and_query()
            .map_or(path, PathAndQuery::as_str),
    };
    let mut head = CallHead {
        method: match request.method {
            http::Method::POST => HttpMethod::Post,
            http::Method::GET => HttpMethod::Get,
            http::Method::HEAD => HttpMethod::Head,
            _ => HttpMethod::Other,
        },
        path: Bytes::copy_from_slice(path.as_bytes()),
        route: router.lookup(path.as_bytes()),
        ..CallHead::default()
    };
    if let Some(authority) = request.uri.authority() {
        head.authority = Some(Bytes::copy_from_slice(authority.as_str().as_bytes()));
    }
    for (name, value) in &request.headers {
        head.header(
            name.as_str().as_bytes(),
            Bytes::copy_from_slice(value.as_bytes()),
        );
    }
    head
}

/// A response's head; with `trailers`, it is the whole response.
pub(super) fn response_of(head: &ResponseHead, trailers: Option<Trailers>) -> Response<()> {
    let mut response = Response::new(());
    if let Ok(status) = http::StatusCode::from_u16(head.http_status) {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    if let Some(content_type) = head.content_type {
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(content_type.as_str()),
        );
    }
    if head.encoding != MessageEncoding::Identity {
        headers.insert(
            GRPC_ENCODING,
            HeaderValue::from_static(head.encoding.name()),
        );
    }
    if let Some(accepted) = head.accepted_encodings() {
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(accepted));
    }
    append(headers, &head.metadata);
    if let Some(trailers) = trailers {
        write_trailers(headers, trailers);
    }
    response
}

/// Writes what ends a call into HTTP's trailers.
pub(super) fn write_trailers(headers: &mut HeaderMap, trailers: Trailers) {
    let status_bytes_max = trailers.status_bytes_max(None);
    let Some(status) = trailers.status else {
        headers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
        return append(headers, &trailers.metadata);
    };
    let encoded = status.encode(status_bytes_max);
    headers.insert(GRPC_STATUS, HeaderValue::from_static(encoded.code));
    if let Ok(message) = HeaderValue::from_str(&encoded.message)
        && !message.is_empty()
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    if let Some(details) = encoded.details
        && let Ok(details) = HeaderValue::try_from(details)
    {
        headers.insert(GRPC_STATUS_DETAILS_BIN, details);
    }
    append(headers, &trailers.metadata);
    append(headers, status.metadata());
}

fn append(headers: &mut HeaderMap, metadata: &Metadata) {
    for (name, value) in metadata.iter() {
        headers.append(name.clone(), value.clone());
    }
}

/// The head of an answer that is text for people.
pub(super) fn plain_text(http_status: u16) -> Response<()> {
    let mut response = Response::new(());
    if let Ok(status) = http::StatusCode::from_u16(http_status) {
        *response.status_mut() = status;
    }
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS_DETAILS_BIN: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
