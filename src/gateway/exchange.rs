//! One request and its response, driven by whoever polls for the response.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Response, request};
use http_body::Body;
use tokio::{
    task::AbortHandle,
    time::{Sleep, sleep_until},
};

use super::{call_head, plain_text, response_of, write_trailers};
use crate::{
    grpc::{RawMessage, ResponseHead, Trailers, prefix},
    http2::{Commands, Event, Output, StreamId},
    limits,
    rpc::{Budget, Dispatcher, Peer, Router},
};

/// A call whose HTTP somebody else speaks. Dropping it gives the call up.
pub(super) struct Exchange<B> {
    /// `None` once it has ended.
    request: Option<Pin<Box<B>>>,
    driven: Arc<Mutex<Driven>>,
    timer: Option<Pin<Box<Sleep>>>,
    watch: Option<Watch>,
}

/// What goes on between the request and the response: also the deadline's task reaches it.
pub(super) struct Driven {
    dispatcher: Dispatcher,
    pub(super) response: Outgoing,
}

/// The response, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    head: Option<Response<()>>,
    /// Each with whether a message ends where it does.
    chunks: VecDeque<(Bytes, bool)>,
    /// Whether what was taken last has ended within a message.
    cut: bool,
    pub(super) trailers: Option<HeaderMap>,
    /// Nothing is added to the above any more.
    pub(super) ended: bool,
    /// The response cannot be ended in order.
    pub(super) aborted: bool,
    unsent_bytes: usize,
    /// Of the request, until a handler takes them.
    held_bytes: usize,
}

impl<B> Exchange<B> {
    pub(super) fn driven(&self) -> MutexGuard<'_, Driven> {
        lock(&self.driven)
    }

    /// Has the deadline kept by a task: who polls for the response's body waits until the client takes
    /// more of it.
    pub(super) fn watch(&mut self) {
        let driven = self.driven();
        let deadline = driven.dispatcher.poll_timeout();
        let Some(deadline) = deadline.filter(|_| !driven.response.ended) else {
            return;
        };
        drop(driven);
        let driven = Arc::downgrade(&self.driven);
        let task = tokio::spawn(async move {
            sleep_until(deadline.into()).await;
            if let Some(driven) = driven.upgrade() {
                lock(&driven).expire();
            }
        });
        self.watch = Some(Watch(task.abort_handle()));
    }
}

impl<B> Exchange<B>
where
    B: Body,
    B::Data: Buf,
{
    pub(super) fn new(
        head: &request::Parts,
        body: B,
        router: &Arc<Router>,
        budget: Arc<Budget>,
    ) -> Self {
        let peer = head.extensions.get::<Peer>().cloned().unwrap_or_default();
        let mut driven = Driven {
            dispatcher: Dispatcher::new(Arc::clone(router), peer, budget),
            response: Outgoing::default(),
        };
        let end = body.is_end_stream();
        let started = Event::CallStarted {
            stream: STREAM,
            head: Arc::new(call_head(head, router)),
            end,
        };
        driven.event(started);
        Self {
            request: (!end).then(|| Box::pin(body)),
            driven: Arc::new(Mutex::new(driven)),
            timer: None,
            watch: None,
        }
    }

    /// Takes what there is of the request and lets the handler go on; registers for the rest.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            self.driven().run();
            let read = self.poll_request(cx);
            let expired = self.poll_timer(cx);
            if !read && !expired && self.driven().dispatcher.wait(cx.waker()) {
                break;
            }
        }
        self.driven().settle();
    }

    /// Whether something came. What no handler takes is left where it is.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.driven().response.wants_request() {
            return false;
        }
        let Some(request) = &mut self.request else {
            return false;
        };
        let Poll::Ready(frame) = request.as_mut().poll_frame(cx) else {
            return false;
        };
        match frame {
            Some(Ok(frame)) => {
                // Trailers of a request mean nothing to gRPC.
                if let Ok(mut data) = frame.into_data() {
                    let bytes = data.copy_to_bytes(data.remaining());
                    self.driven().data(&bytes, false);
                }
            }
            Some(Err(_)) => {
                self.request = None;
                let mut driven = self.driven();
                driven.response.aborted = true;
                driven.event(Event::Reset { stream: STREAM });
            }
            None => {
                self.request = None;
                self.driven().data(&[], true);
            }
        }
        true
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.driven().dispatcher.poll_timeout() else {
            return false;
        };
        let at = tokio::time::Instant::from_std(at);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.driven().expire();
        true
    }
}

impl Driven {
    /// The next part of the response's body, if there is one.
    pub(super) fn take_chunk(&mut self) -> Option<Bytes> {
        let (chunk, whole) = self.response.chunks.pop_front()?;
        self.response.cut = !whole;
        let sent = chunk.len();
        self.response.unsent_bytes -= sent;
        self.event(Event::Writable {
            stream: STREAM,
            sent,
        });
        Some(chunk)
    }

    fn event(&mut self, event: Event<'_>) {
        let now = Instant::now();
        self.dispatcher.event(event, now, &mut self.response);
    }

    fn data(&mut self, bytes: &[u8], end: bool) {
        self.response.held_bytes += bytes.len();
        self.event(Event::Data {
            stream: STREAM,
            bytes,
            end,
        });
    }

    fn run(&mut self) {
        self.dispatcher.run(Instant::now(), &mut self.response);
    }

    fn expire(&mut self) {
        self.dispatcher.expire(Instant::now(), &mut self.response);
        self.settle();
    }

    fn settle(&mut self) {
        self.dispatcher.settle(&self.response);
    }
}

impl Drop for Driven {
    /// HTTP's server tells no more than that nobody waits for the response.
    fn drop(&mut self) {
        self.dispatcher.give_up(GIVEN_UP);
    }
}

fn lock(driven: &Mutex<Driven>) -> MutexGuard<'_, Driven> {
    driven.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A task that ends with what it watches.
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Commands for Outgoing {
    fn headers(&mut self, _: StreamId, head: &ResponseHead) {
        self.head = Some(response_of(head, None));
    }

    fn message(&mut self, _: StreamId, message: RawMessage) -> usize {
        let prefix = prefix(message.bytes.len(), message.compressed);
        if message.bytes.len() <= COPIED_BYTES_MAX {
            self.push([&prefix, &message.bytes[..]].concat().into(), true);
        } else {
            self.push(Bytes::copy_from_slice(&prefix), false);
            self.push(message.bytes, true);
        }
        0
    }

    fn messages(&mut self, _: StreamId, messages: &mut Output) -> usize {
        messages.drain(|bytes, whole| self.push(bytes, whole));
        0
    }

    fn trailers(&mut self, _: StreamId, trailers: Trailers) {
        let mut map = HeaderMap::with_capacity(4);
        write_trailers(&mut map, trailers);
        self.trailers = Some(map);
        self.ended = true;
    }

    fn abort(&mut self, stream: StreamId, trailers: Trailers) {
        self.chunks.clear();
        self.unsent_bytes = 0;
        if !self.cut {
            return self.trailers(stream, trailers);
        }
        self.trailers = None;
        (self.ended, self.aborted) = (true, true);
    }

    fn is_sending(&self, _: StreamId) -> bool {
        !self.chunks.is_empty() || self.trailers.is_some()
    }

    fn headers_only(&mut self, _: StreamId, head: &ResponseHead, trailers: Option<Trailers>) {
        self.head = Some(response_of(head, trailers));
        self.ended = true;
    }

    fn plain_text(&mut self, _: StreamId, http_status: u16, text: Bytes) {
        self.head = Some(plain_text(http_status));
        self.push(text, true);
        self.ended = true;
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    fn consumed(&mut self, _: StreamId, bytes: usize) {
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
    }
}

impl Outgoing {
    /// The head, once it is known.
    pub(super) fn take_head(&mut self) -> Option<Response<()>> {
        // If the request broke off, nobody waits for an answer.
        let broken = self.aborted.then(Response::default);
        self.head.take().or(broken)
    }

    /// Whether everything has been taken.
    pub(super) fn is_over(&self) -> bool {
        self.ended && !self.aborted && self.chunks.is_empty() && self.trailers.is_none()
    }

    fn wants_request(&self) -> bool {
        !self.ended && self.held_bytes < limits::STREAM_WINDOW_BYTES as usize
    }

    fn push(&mut self, bytes: Bytes, whole: bool) {
        if !bytes.is_empty() {
            self.unsent_bytes += bytes.len();
            self.chunks.push_back((bytes, whole));
        }
    }
}

/// Each exchange has one.
const STREAM: StreamId = StreamId(1);

/// Up to here a copy costs less than a frame of its own for the prefix.
const COPIED_BYTES_MAX: usize = 16 * 1024;

const GIVEN_UP: &str = "the client reset the call, or its connection is gone";
