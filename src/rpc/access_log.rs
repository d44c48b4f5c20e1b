//! The access log: one event for each call that is told of.
//!
//! | the call ended with | level |
//! |---|---|
//! | OK | INFO, in the mode `All` only |
//! | UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS | WARN |
//! | any other code | INFO |
//!
//! The six are those that OpenTelemetry's conventions for gRPC count as errors of a server; the
//! others are answers that a server gives when all is well.
//!
//! The events have the target `reflectd::access` and no metadata, so that no secret gets there.

use super::{
    CallEnd,
    printable::{self, printable},
};
use crate::grpc::{Code, Status};

/// Which calls are logged, each as one `tracing` event with the target `reflectd::access`.
///
/// Its text is the name of the code; its fields are `rpc.system`, `rpc.service`, `rpc.method`,
/// `rpc.grpc.status_code`, `peer`, `duration_ms`, and `error`, the message of the status. What a
/// client can choose has its control characters escaped. Metadata is never logged.
///
/// The level is WARN for UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and
/// DATA_LOSS, which may be the server's fault, and INFO for all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessLog {
    /// None.
    #[default]
    Off,
    /// Those that do not end with OK.
    Errors,
    /// All.
    All,
}

/// Logs a call's end, if the mode says so. For a call that ended well under `Errors` that is two
/// comparisons.
pub(super) fn log(mode: AccessLog, end: &CallEnd<'_>) {
    if logs(mode, end.status()) {
        log_always(end, end.status());
    }
}

/// Whether the mode wants to know of a call that has ended so.
pub(super) fn logs(mode: AccessLog, status: Option<&Status>) -> bool {
    match (mode, status) {
        (AccessLog::Off, _) | (AccessLog::Errors, None) => false,
        (AccessLog::Errors | AccessLog::All, _) => true,
    }
}

macro_rules! event {
    ($level:ident, $end:ident, $error:ident) => {{
        let (service, method) = printable::names($end.call());
        tracing::$level!(
            target: TARGET,
            {
                rpc.system = "grpc",
                rpc.service = &*service,
                rpc.method = &*method,
                rpc.grpc.status_code = $end.code().number(),
                peer = %$end.call().peer(),
                duration_ms = $end.duration_ms(),
                error = $error.as_deref(),
            },
            "{}",
            $end.code().name(),
        )
    }};
}

#[cold]
fn log_always(end: &CallEnd<'_>, status: Option<&Status>) {
    let error = status.map(|status| printable(status.message()));
    if is_fault(end.code()) {
        event!(warn, end, error);
    } else {
        event!(info, end, error);
    }
}

/// What a server's span counts as an error (OpenTelemetry, "Semantic conventions for gRPC").
fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

const TARGET: &str = "reflectd::access";
