//! Response-Headers, Trailers and Trailers-Only (PROTOCOL-HTTP2.md, "Responses").

use super::{ContentType, MessageEncoding, Metadata, Status};
use crate::limits;

/// What opens a response.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    /// `:status`. 200 for every call that gRPC can answer, whatever its end.
    pub(crate) http_status: u16,
    /// `content-type`, if the response is gRPC.
    pub(crate) content_type: Option<ContentType>,
    /// `grpc-encoding`: how compressed replies are compressed.
    pub(crate) encoding: MessageEncoding,
    /// Custom-Metadata: the initial metadata.
    pub(crate) metadata: Metadata,
}

impl ResponseHead {
    /// The head of a gRPC response.
    pub(crate) fn grpc(content_type: ContentType, metadata: Metadata) -> Self {
        Self {
            http_status: 200,
            content_type: Some(content_type),
            encoding: MessageEncoding::Identity,
            metadata,
        }
    }

    /// A response that HTTP alone understands.
    pub(crate) fn http(http_status: u16) -> Self {
        Self {
            http_status,
            content_type: None,
            encoding: MessageEncoding::Identity,
            metadata: Metadata::default(),
        }
    }

    /// The content-type, if the head says nothing but what that of every call says.
    pub(crate) fn plain(&self) -> Option<ContentType> {
        let plain = self.http_status == 200
            && self.encoding == MessageEncoding::Identity
            && self.metadata.is_empty();
        self.content_type.filter(|_| plain)
    }

    /// `grpc-accept-encoding`: told in every gRPC response, so that a client that does not compress
    /// its requests learns that it may.
    pub(crate) fn accepted_encodings(&self) -> Option<&'static str> {
        let told = self.content_type.is_some() && MessageEncoding::ALL.len() > 1;
        told.then(MessageEncoding::accepted)
    }
}

/// What ends a call: `grpc-status` and what goes with it.
#[derive(Debug, Default)]
pub(crate) struct Trailers {
    /// `None`: OK.
    pub(crate) status: Option<Status>,
    /// Trailing metadata, beside that of the status.
    pub(crate) metadata: Metadata,
}

impl Trailers {
    /// Whether they say OK and nothing else.
    pub(crate) fn are_plain(&self) -> bool {
        self.status.is_none() && self.metadata.is_empty()
    }

    /// How long Status-Message and Status-Details may be together, so that what is sent stays within
    /// what the client says it takes, and within what every client takes.
    pub(crate) fn status_bytes_max(&self, list_bytes_max: Option<u32>) -> usize {
        let list_bytes = list_bytes_max.map_or(usize::MAX, |bytes| bytes as usize);
        let of_status = self.status.as_ref().map(Status::metadata);
        let metadata = [Some(&self.metadata), of_status].into_iter().flatten();
        limits::RESPONSE_LIST_BYTES
            .min(list_bytes)
            .saturating_sub(limits::RESPONSE_FIELDS_BYTES)
            .saturating_sub(metadata.map(Metadata::list_bytes).sum())
            .max(limits::STATUS_BYTES_MIN.min(list_bytes / 4))
    }
}

impl From<Status> for Trailers {
    fn from(status: Status) -> Self {
        Self {
            status: Some(status),
            metadata: Metadata::default(),
        }
    }
}
