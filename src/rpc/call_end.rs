//! The end of a call, as interceptors are told of it.

use std::{
    cell::OnceCell,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Call, admission::Refusal, call_span::CallSpan, interceptor::Interceptors, lazy_call::Origin,
};
use crate::grpc::{CallHead, Code, Status};

/// How a call ended; see [`ServerBuilder::after`](crate::ServerBuilder::after).
#[derive(Debug)]
pub struct CallEnd<'a> {
    call: &'a Call,
    status: Option<&'a Status>,
    started: Instant,
    duration: OnceCell<Duration>,
    received: Traffic,
    sent: Traffic,
}

/// What has passed in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl<'a> CallEnd<'a> {
    /// `status`: `None` is OK.
    pub(super) fn new(
        call: &'a Call,
        status: Option<&'a Status>,
        started: Instant,
        [received, sent]: [Traffic; 2],
    ) -> Self {
        Self {
            call,
            status,
            started,
            duration: OnceCell::new(),
            received,
            sent,
        }
    }

    /// Tells the span, then the interceptors.
    pub(super) fn tell(&self, span: &CallSpan, interceptors: &Interceptors) {
        span.end(self);
        span.in_scope(|| interceptors.after(self));
    }

    /// The call. What the interceptors before it have put into its extensions is there.
    pub fn call(&self) -> &Call {
        self.call
    }

    /// The code it ended with.
    pub fn code(&self) -> Code {
        self.status.map_or(Code::Ok, Status::code)
    }

    /// The status it ended with; `None` for OK. CANCELLED where the client gave the call up or the
    /// connection broke, and nobody was left to be told.
    pub fn status(&self) -> Option<&Status> {
        self.status
    }

    /// From the call's headers to its end.
    pub fn duration(&self) -> Duration {
        // The clock is read for those only who ask, and all of them hear the same.
        *self.duration.get_or_init(|| self.started.elapsed())
    }

    /// The same, as it is logged.
    pub(super) fn duration_ms(&self) -> f64 {
        self.duration().as_micros() as f64 / 1000.0
    }

    /// Whole messages that came.
    pub fn messages_received(&self) -> u64 {
        self.received.messages
    }

    /// Bytes of the request's body that came: messages as they travelled, and their prefixes.
    pub fn bytes_received(&self) -> u64 {
        self.received.bytes
    }

    /// Messages that were sent, or are about to be.
    pub fn messages_sent(&self) -> u64 {
        self.sent.messages
    }

    /// Bytes of the reply's body: messages as they travel, and their prefixes.
    pub fn bytes_sent(&self) -> u64 {
        self.sent.bytes
    }
}

/// Tells of the end of a call that was refused by its headers; of what is no gRPC call, nothing.
pub(super) fn tell_refusal(
    head: Arc<CallHead>,
    refusal: &Refusal,
    started: Instant,
    origin: &Origin,
) {
    let Origin { router, peer } = origin;
    if let Some(status) = refusal.status() {
        let method = router.method(head.route).cloned();
        let call = Call::new(
            method,
            head,
            peer.clone(),
            None,
            router.limits(),
            Default::default(),
        );
        let span = CallSpan::new(|| &call);
        CallEnd::new(&call, Some(status), started, Default::default())
            .tell(&span, router.interceptors());
    }
}

impl Traffic {
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}
