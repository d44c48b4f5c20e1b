//! A call's [`Call`], which is made when somebody asks for it: most handlers never do.

use std::{cell::OnceCell, sync::Arc, time::Instant};

use super::{Call, Peer, Router, admission::Admitted};
use crate::grpc::{CallHead, MessageEncoding};

/// What all calls of a connection have in common.
pub(super) struct Origin {
    pub(super) router: Arc<Router>,
    pub(super) peer: Peer,
}

/// What a [`Call`] is made of, until it is.
pub(super) struct LazyCall {
    head: Arc<CallHead>,
    pub(super) deadline: Option<Instant>,
    encoding: MessageEncoding,
    raw: bool,
    request_compressed: bool,
    made: OnceCell<Call>,
}

/// Gives a handler its call, if it takes one.
pub(crate) trait Calling {
    fn call(&self) -> Call;

    /// What one of its requests may take in memory.
    fn decode_bytes_max(&self) -> usize;
}

impl LazyCall {
    pub(super) fn new(admitted: &Admitted<'_>, head: Arc<CallHead>, origin: &Origin) -> Self {
        let call = Self {
            head,
            deadline: admitted.deadline,
            encoding: admitted.encoding,
            raw: admitted.route.handler.raw,
            request_compressed: false,
            made: OnceCell::new(),
        };
        // Whether replies are compressed without being asked for is the call's business.
        if !origin.router.limits().compression.is_empty() {
            call.get(origin);
        }
        call
    }

    pub(super) fn get(&self, origin: &Origin) -> &Call {
        self.made.get_or_init(|| self.make(origin))
    }

    /// The call, if anybody has asked for it.
    pub(super) fn made(&self) -> Option<&Call> {
        self.made.get()
    }

    pub(super) fn head(&self) -> &Arc<CallHead> {
        &self.head
    }

    pub(super) fn path(&self) -> &[u8] {
        &self.head.path
    }

    pub(super) fn set_request_compressed(&mut self) {
        self.request_compressed = true;
        if let Some(call) = self.made() {
            call.set_request_compressed();
        }
    }

    fn make(&self, origin: &Origin) -> Call {
        let (router, head) = (&origin.router, Arc::clone(&self.head));
        let method = router.method(head.route).cloned();
        let messages = (self.encoding, self.raw);
        let peer = origin.peer.clone();
        let call = Call::new(method, head, peer, self.deadline, router.limits(), messages);
        if self.request_compressed {
            call.set_request_compressed();
        }
        call
    }
}

impl Calling for (&LazyCall, &Origin) {
    fn call(&self) -> Call {
        let (call, origin) = self;
        call.get(origin).clone()
    }

    fn decode_bytes_max(&self) -> usize {
        self.1.router.limits().decode_bytes_max()
    }
}

impl Calling for Call {
    fn call(&self) -> Call {
        self.clone()
    }

    fn decode_bytes_max(&self) -> usize {
        self.decode_bytes_max()
    }
}
