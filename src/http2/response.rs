//! Response-Headers, Trailers and Trailers-Only as field blocks (PROTOCOL-HTTP2.md, "Responses").

use super::hpack::Encoder;
use crate::grpc::{MessageEncoding, Metadata, ResponseHead, Trailers};

/// Writes what opens a response. Of a normal one that is a byte each for `:status`, `content-type`
/// and `grpc-accept-encoding`, once the peer's table has them.
pub(super) fn write_head(head: &ResponseHead, encoder: &mut Encoder, block: &mut Vec<u8>) {
    encoder.begin(block);
    encoder.status(head.http_status, block);
    if let Some(content_type) = head.content_type {
        encoder.constant("content-type", content_type.as_str(), block);
    }
    if head.encoding != MessageEncoding::Identity {
        encoder.constant("grpc-encoding", head.encoding.name(), block);
    }
    if let Some(accepted) = head.accepted_encodings() {
        encoder.constant("grpc-accept-encoding", accepted, block);
    }
    write_metadata(&head.metadata, encoder, block);
}

/// Writes the head of an answer that is text for people.
pub(super) fn write_text_head(http_status: u16, encoder: &mut Encoder, block: &mut Vec<u8>) {
    encoder.begin(block);
    encoder.status(http_status, block);
    encoder.constant("content-type", "text/plain; charset=utf-8", block);
}

/// Writes what ends a call, after a head in the same block or in one of its own. The peer's
/// SETTINGS_MAX_HEADER_LIST_SIZE is respected.
pub(super) fn write_trailers(
    trailers: &Trailers,
    list_bytes_max: Option<u32>,
    encoder: &mut Encoder,
    block: &mut Vec<u8>,
) {
    let Some(status) = &trailers.status else {
        encoder.constant("grpc-status", "0", block);
        return write_metadata(&trailers.metadata, encoder, block);
    };
    let encoded = status.encode(trailers.status_bytes_max(list_bytes_max));
    encoder.constant("grpc-status", encoded.code, block);
    if !encoded.message.is_empty() {
        encoder.field(b"grpc-message", encoded.message.as_bytes(), block);
    }
    if let Some(details) = encoded.details {
        encoder.field(b"grpc-status-details-bin", details.as_bytes(), block);
    }
    write_metadata(&trailers.metadata, encoder, block);
    write_metadata(status.metadata(), encoder, block);
}

fn write_metadata(metadata: &Metadata, encoder: &mut Encoder, block: &mut Vec<u8>) {
    for (name, value) in metadata.iter() {
        encoder.field(name.as_str().as_bytes(), value.as_bytes(), block);
    }
}
