//! Which calls are let in, and how the others are refused.

use std::time::{Duration, Instant};

use super::{Page, Route, Router};
use crate::grpc::{
    CallHead, ContentType, HttpMethod, MessageEncoding, ResponseHead, Status, TimeoutSlot, Trailers,
};

/// What a call's headers say, once they are found to be in order.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    pub(super) route: &'a Route,
    pub(super) content_type: ContentType,
    pub(super) encoding: MessageEncoding,
    pub(super) deadline: Option<Instant>,
}

/// The answer to a call that is not let in.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A status, or HTTP alone.
    Call {
        head: ResponseHead,
        trailers: Option<Trailers>,
    },
    /// It is no gRPC call, and something else answers it.
    Page(Page),
}

/// Judges a call by its headers alone, in the order in which gRPC's servers do.
pub(super) fn admit<'a>(
    head: &CallHead,
    router: &'a Router,
    now: Instant,
) -> Result<Admitted<'a>, Box<Refusal>> {
    if head.is_malformed() {
        return Err(Refusal::http(400));
    }
    let content_type = head
        .content_type
        // "… servers should respond with HTTP status of 415" (PROTOCOL-HTTP2.md, "Requests").
        .ok_or_else(|| match router.page(head) {
            Some(page) => Box::new(Refusal::Page(page)),
            None => Refusal::http(415),
        })?;
    let refuse = |http_status, status| Refusal::new(content_type, http_status, status);

    let timeout = timeout(head).map_err(|status| refuse(400, status))?;
    if let Some(name) = head.metadata.malformed_bin() {
        let name = String::from_utf8_lossy(name);
        return Err(refuse(
            400,
            Status::internal(format!("the value of {name:?} is not base64")),
        ));
    }
    if head.method != HttpMethod::Post {
        return Err(refuse(
            405,
            Status::internal("gRPC calls are made with POST"),
        ));
    }
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(refuse(
            200,
            Status::deadline_exceeded("the deadline was past on arrival"),
        ));
    }
    let route = router
        .route(head.route, &head.path)
        .map_err(|status| refuse(200, status))?;
    if content_type == ContentType::UnknownCodec {
        let status = Status::unimplemented(
            "messages can be read as protobuf only: application/grpc or application/grpc+proto",
        );
        return Err(refuse(200, status));
    }
    let encoding =
        MessageEncoding::parse(head.encoding.as_deref()).map_err(|status| refuse(200, status))?;
    let timeout = router.limits().timeout(timeout, route.method.as_ref());
    // A timeout so long that no clock can hold it is none.
    let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
    Ok(Admitted {
        route,
        content_type,
        encoding,
        deadline,
    })
}

fn timeout(head: &CallHead) -> Result<Option<Duration>, Status> {
    match &head.timeout {
        TimeoutSlot::Absent => Ok(None),
        TimeoutSlot::Once(timeout) => Ok(Some(*timeout)),
        TimeoutSlot::Malformed(value) => {
            let value = String::from_utf8_lossy(value);
            Err(Status::internal(format!(
                "malformed grpc-timeout {value:?}: one to eight digits and one of H M S m u n"
            )))
        }
        TimeoutSlot::Repeated => Err(Status::internal(
            "malformed grpc-timeout: it was sent more than once",
        )),
    }
}

impl Refusal {
    /// What the call is refused with; `None` where it is no gRPC call.
    pub(super) fn status(&self) -> Option<&Status> {
        match self {
            Self::Call { trailers, .. } => trailers.as_ref()?.status.as_ref(),
            Self::Page(_) => None,
        }
    }

    /// An answer that HTTP alone understands.
    fn http(http_status: u16) -> Box<Self> {
        Box::new(Self::Call {
            head: ResponseHead::http(http_status),
            trailers: None,
        })
    }

    fn new(content_type: ContentType, http_status: u16, status: Status) -> Box<Self> {
        let mut head = ResponseHead::grpc(content_type, Default::default());
        head.http_status = http_status;
        Box::new(Self::Call {
            head,
            trailers: Some(status.into()),
        })
    }
}
