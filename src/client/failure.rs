//! How an attempt at a call failed, and whether the server can have seen it.

use tokio::time::Instant;

use crate::grpc::{CANCEL, Code, REFUSED_STREAM, Status, code_of_reset};

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Status,
    pub(super) reach: Reach,
    /// `grpc-retry-pushback-ms`, which is no metadata for the application.
    pub(super) pushback: Option<String>,
}

/// How far an attempt came (gRFC A6, "Transparent Retries").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// It has not left this client.
    Unsent,
    /// The server has said that no handler has seen it.
    Unprocessed,
    /// A handler may have seen it.
    Processed,
    /// The server has sent Response-Headers, which commit the call: it is not made again.
    Answered,
}

impl Failure {
    /// The connection could not take the call.
    pub(super) fn unsent(why: &str) -> Box<Self> {
        Box::new(Self {
            status: Status::unavailable(format!("the connection is gone: {why}")),
            reach: Reach::Unsent,
            pushback: None,
        })
    }

    /// HTTP/2 did not open a stream: for the connection's sake, or because of the request.
    pub(super) fn unopened(error: &h2::Error) -> Box<Self> {
        if error.is_io() || error.is_go_away() || error.is_reset() || error.is_library() {
            return Self::unsent(&error.to_string());
        }
        Status::internal(format!("the request cannot be sent: {error}")).into()
    }
}

/// Boxed, so that what succeeds is not moved about in the space of a failure.
impl From<Status> for Box<Failure> {
    fn from(status: Status) -> Self {
        Self::new(Failure {
            status,
            reach: Reach::Processed,
            pushback: None,
        })
    }
}

/// What broke a stream that had been opened.
impl From<h2::Error> for Box<Failure> {
    fn from(error: h2::Error) -> Self {
        if error.is_go_away() && !error.is_remote() {
            let message = format!("the connection is closed, the server broke HTTP/2: {error}");
            return Status::unavailable(message).into();
        }
        if error.is_go_away() {
            // Streams up to the GOAWAY's last one go on; this was above it (RFC 9113, 6.8).
            return Self::new(Failure {
                status: Status::unavailable(format!("the server goes away: {error}")),
                reach: Reach::Unprocessed,
                pushback: None,
            });
        }
        let Some(reason) = error.reason() else {
            return Status::unavailable(format!("the connection is lost: {error}")).into();
        };
        let reason = u32::from(reason);
        if !error.is_remote() && reason == CANCEL {
            return Status::cancelled("the call was cancelled").into();
        }
        if !error.is_remote() {
            // The h2 crate says no more of headers that are too long.
            let or_else = match error.reason() {
                Some(h2::Reason::PROTOCOL_ERROR) => {
                    ", or sent longer headers than this client takes"
                }
                _ => "",
            };
            let message = format!("the server broke the protocol{or_else}: {error}");
            return Status::internal(message).into();
        }
        let code = code_of_reset(reason);
        let message = match reason {
            CANCEL => "the server cancelled the call".to_owned(),
            _ => format!("the server reset the call: {error}"),
        };
        Self::new(Failure {
            status: Status::new(code, message),
            reach: match reason {
                REFUSED_STREAM => Reach::Unprocessed,
                _ => Reach::Processed,
            },
            pushback: None,
        })
    }
}

/// A server that gives up at the deadline says CANCEL; it is the deadline that has passed.
pub(super) fn at_deadline(mut failure: Box<Failure>, deadline: Option<Instant>) -> Box<Failure> {
    let passed = deadline.is_some_and(|deadline| deadline <= Instant::now());
    if passed && failure.status.code() == Code::Cancelled {
        failure.status = deadline_exceeded();
    }
    failure
}

/// Nothing came back in time.
pub(super) fn deadline_exceeded() -> Status {
    Status::new(Code::DeadlineExceeded, "the deadline passed")
}
