//! The tracing span of a call.

use tracing::{Span, field::Empty, instrument::Instrumented};

use super::{Call, CallEnd, printable};

/// A span at level INFO with the target `reflectd::call`, in which interceptors and the handler run.
///
/// Its fields are `rpc.system`, `rpc.service`, `rpc.method`, `peer`, and at the end
/// `rpc.grpc.status_code` and `duration_ms` (OpenTelemetry, "Semantic conventions for gRPC"). Where no subscriber wants
/// it, it is a look at one static, and nothing is formatted.
#[derive(Clone, Debug)]
pub(super) struct CallSpan {
    span: Span,
}

impl CallSpan {
    pub(super) fn new<'a>(call: impl Fn() -> &'a Call) -> Self {
        // The fields are evaluated only where somebody wants the span. It is nobody's child: what the
        // connection's task was started in has nothing to do with the call.
        let span = tracing::info_span!(
            target: TARGET,
            parent: None,
            "call",
            rpc.system = "grpc",
            rpc.service = &*printable::names(call()).0,
            rpc.method = &*printable::names(call()).1,
            rpc.grpc.status_code = Empty,
            duration_ms = Empty,
            peer = %call().peer(),
        );
        Self { span }
    }

    /// Whether nobody wants it.
    pub(super) fn is_disabled(&self) -> bool {
        self.span.is_disabled()
    }

    /// Runs something within the span.
    pub(super) fn in_scope<T>(&self, run: impl FnOnce() -> T) -> T {
        self.span.in_scope(run)
    }

    /// A future whose polls and whose drop are within the span.
    pub(super) fn instrument<F>(&self, future: F) -> Instrumented<F> {
        tracing::Instrument::instrument(future, self.span.clone())
    }

    /// Records how the call ended.
    pub(super) fn end(&self, end: &CallEnd<'_>) {
        if !self.span.is_disabled() {
            let code = end.code().number();
            self.span.record("rpc.grpc.status_code", code);
            self.span.record("duration_ms", end.duration_ms());
        }
    }
}

const TARGET: &str = "reflectd::call";
