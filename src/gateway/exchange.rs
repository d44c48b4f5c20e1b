//! One request and its response, driven by whoever polls for the response.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Response, request};
use http_body::Body;
use tokio::time::{Sleep, sleep_until};

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
    dispatcher: Dispatcher,
    pub(super) response: Outgoing,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The response, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) head: Option<Response<()>>,
    pub(super) chunks: VecDeque<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    /// Nothing is added to the above any more.
    pub(super) ended: bool,
    /// The response cannot be ended in order.
    pub(super) aborted: bool,
    unsent_bytes: usize,
    /// Of the request, until a handler takes them.
    held_bytes: usize,
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
        let mut exchange = Self {
            request: None,
            dispatcher: Dispatcher::new(Arc::clone(router), peer, budget),
            response: Outgoing::default(),
            timer: None,
        };
        let end = body.is_end_stream();
        if !end {
            exchange.request = Some(Box::pin(body));
        }
        let started = Event::CallStarted {
            stream: STREAM,
            head: Arc::new(call_head(head, router)),
            end,
        };
        exchange.event(started);
        exchange
    }

    /// Takes what there is of the request and lets the handler go on; registers for the rest.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            self.dispatcher.run(Instant::now(), &mut self.response);
            let read = self.poll_request(cx);
            let expired = self.poll_timer(cx);
            if !read && !expired && self.dispatcher.wait(cx.waker()) {
                break;
            }
        }
        self.dispatcher.settle(&self.response);
    }

    /// The next part of the response's body, if there is one.
    pub(super) fn take_chunk(&mut self) -> Option<Bytes> {
        let chunk = self.response.chunks.pop_front()?;
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

    /// Whether something came. What no handler takes is left where it is.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> bool {
        if self.response.ended || self.response.held_bytes >= limits::STREAM_WINDOW_BYTES as usize {
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
                    self.data(&data.copy_to_bytes(data.remaining()));
                }
            }
            Some(Err(_)) => {
                self.request = None;
                self.response.aborted = true;
                self.event(Event::Reset { stream: STREAM });
            }
            None => {
                self.request = None;
                self.data(&[]);
            }
        }
        true
    }

    fn data(&mut self, bytes: &[u8]) {
        self.response.held_bytes += bytes.len();
        self.event(Event::Data {
            stream: STREAM,
            bytes,
            end: self.request.is_none(),
        });
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.dispatcher.poll_timeout() else {
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
        self.dispatcher.expire(Instant::now(), &mut self.response);
        true
    }
}

impl Commands for Outgoing {
    fn headers(&mut self, _: StreamId, head: &ResponseHead) {
        self.head = Some(response_of(head, None));
    }

    fn message(&mut self, _: StreamId, message: RawMessage) -> usize {
        let prefix = prefix(message.bytes.len(), message.compressed);
        if message.bytes.len() <= COPIED_BYTES_MAX {
            self.push([&prefix, &message.bytes[..]].concat().into());
        } else {
            self.push(Bytes::copy_from_slice(&prefix));
            self.push(message.bytes);
        }
        0
    }

    fn messages(&mut self, _: StreamId, messages: &mut Output) -> usize {
        messages.drain(|bytes| self.push(bytes));
        0
    }

    fn trailers(&mut self, _: StreamId, trailers: Trailers) {
        let mut map = HeaderMap::with_capacity(4);
        write_trailers(&mut map, trailers);
        self.trailers = Some(map);
        self.ended = true;
    }

    fn abort(&mut self, stream: StreamId, trailers: Trailers) {
        if self.chunks.is_empty() {
            return self.trailers(stream, trailers);
        }
        self.chunks.clear();
        self.unsent_bytes = 0;
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
        self.push(text);
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
    fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.unsent_bytes += bytes.len();
            self.chunks.push_back(bytes);
        }
    }
}

/// Each exchange has one.
const STREAM: StreamId = StreamId(1);

/// Up to here a copy costs less than a frame of its own for the prefix.
const COPIED_BYTES_MAX: usize = 16 * 1024;
