//! HTTP/2 by the h2 crate, turned into [`Event`]s and [`Commands`].
//!
//! This is where `http::Request` and `HeaderMap` end. h2 wakes one task for each stream that has
//! news; here all streams live in their connection's task, so each has a [`Waker`] that notes its
//! number, and only the streams that were woken are polled.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    server::{self, SendResponse},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    grpc::{CallHead, MessageEncoding, Metadata, ResponseHead, Trailers},
    http2::{Commands, Event, StreamId},
    limits,
    rpc::Router,
};

/// One connection, server side.
pub(super) struct Http2ByH2<Io> {
    connection: server::Connection<Io, Bytes>,
    streams: HashMap<StreamId, Stream>,
    woken: Arc<Woken>,
    /// Kept to be filled again.
    batch: Vec<StreamId>,
}

/// Whether a connection goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Closed,
}

struct Stream {
    request: RecvStream,
    request_ended: bool,
    response: ResponseState,
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// What ends the stream, once all data has left; if empty, an empty DATA frame does.
    trailers: Option<HeaderMap>,
    waker: Waker,
}

enum ResponseState {
    Due(SendResponse<Bytes>),
    Open(SendStream<Bytes>),
    Ended,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Http2ByH2<Io> {
    /// Exchanges prefaces and settings (RFC 9113, 3.4).
    pub(super) async fn handshake(io: Io) -> Result<Self, h2::Error> {
        let connection = server::Builder::new()
            .max_concurrent_streams(limits::STREAMS_MAX)
            .max_header_list_size(limits::HEADER_LIST_BYTES)
            .initial_window_size(limits::STREAM_WINDOW_BYTES)
            .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
            .data_frame_budget(limits::DATA_FRAME_BUDGET_BYTES)
            .max_pending_accept_reset_streams(limits::RESETS_BEFORE_START_MAX)
            .handshake(io)
            .await?;
        let woken = Arc::default();
        Ok(Self {
            connection,
            streams: HashMap::new(),
            woken,
            batch: Vec::new(),
        })
    }

    /// Reads and writes what can be; everything that happened is added to `events`.
    ///
    /// Pending only if nothing happened. To be called again when woken, and after commands were
    /// given, whose frames it sends.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        router: &Router,
        events: &mut Vec<Event>,
    ) -> Poll<Result<State, h2::Error>> {
        let mut state = State::Open;
        while state == State::Open && events.len() < EVENTS_PER_TURN {
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(accepted)) => {
                    let (request, respond) = accepted?;
                    self.accept(request, respond, router, events);
                }
                Poll::Ready(None) => state = State::Closed,
                Poll::Pending => break,
            }
        }
        self.poll_streams(cx, events);
        match state {
            State::Open if events.is_empty() => Poll::Pending,
            state => Poll::Ready(Ok(state)),
        }
    }

    /// Tells the peer to open no more streams: GOAWAY twice, with a PING between (RFC 9113, 6.8).
    pub(super) fn goaway(&mut self) {
        self.connection.graceful_shutdown();
    }

    /// Whether no stream is open.
    pub(super) fn is_idle(&self) -> bool {
        self.streams.is_empty()
    }

    fn accept(
        &mut self,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        router: &Router,
        events: &mut Vec<Event>,
    ) {
        let stream = StreamId(respond.stream_id().as_u32());
        let (head, request) = request.into_parts();
        let head = call_head(&head, router);
        let end = request.is_end_stream();
        let waker = Waker::from(Arc::new(StreamWaker {
            stream,
            woken: Arc::clone(&self.woken),
        }));
        self.streams.insert(
            stream,
            Stream {
                request,
                request_ended: end,
                response: ResponseState::Due(respond),
                unsent: VecDeque::new(),
                unsent_bytes: 0,
                trailers: None,
                waker,
            },
        );
        self.woken.add(stream);
        events.push(Event::CallStarted {
            stream,
            head: Box::new(head),
            end,
        });
    }

    fn poll_streams(&mut self, cx: &Context<'_>, events: &mut Vec<Event>) {
        let mut batch = std::mem::take(&mut self.batch);
        self.woken.take(&mut batch, cx.waker());
        for stream in batch.drain(..) {
            self.poll_stream(stream, events);
        }
        self.batch = batch;
    }

    fn poll_stream(&mut self, id: StreamId, events: &mut Vec<Event>) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let waker = stream.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let received = stream.receive(id, &mut cx, events);
        let sent = stream.send(id, &mut cx, events);
        if received.is_err() || sent.is_err() || stream.poll_reset(&mut cx).is_ready() {
            self.streams.remove(&id);
            events.push(Event::Reset { stream: id });
        } else if matches!(stream.response, ResponseState::Ended) {
            self.streams.remove(&id);
        }
    }

    /// Sends what is queued as far as the window lets it; the rest follows when it opens.
    fn flush(&mut self, id: StreamId) {
        self.woken.add(id);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.unsent.is_empty() {
            stream.send_trailers();
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Commands for Http2ByH2<Io> {
    fn headers(&mut self, stream: StreamId, head: ResponseHead) {
        self.respond(stream, &head, None, false);
    }

    fn data(&mut self, stream: StreamId, bytes: Bytes) {
        if let Some(stream) = self.streams.get_mut(&stream)
            && !bytes.is_empty()
        {
            stream.unsent_bytes += bytes.len();
            stream.unsent.push_back(bytes);
        }
        self.flush(stream);
    }

    fn trailers(&mut self, stream: StreamId, trailers: Trailers) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            let mut map = HeaderMap::with_capacity(4);
            write_trailers(&mut map, trailers);
            stream.trailers = Some(map);
        }
        self.flush(stream);
    }

    fn abort(&mut self, stream: StreamId, trailers: Trailers) {
        match self.streams.get_mut(&stream) {
            Some(sending) if sending.unsent_bytes > 0 => {
                if let ResponseState::Open(send) = &mut sending.response {
                    send.send_reset(h2::Reason::CANCEL);
                }
                self.streams.remove(&stream);
            }
            _ => self.trailers(stream, trailers),
        }
    }

    fn is_sending(&self, stream: StreamId) -> bool {
        let sending = self.streams.get(&stream);
        sending.is_some_and(|stream| stream.unsent_bytes > 0 || stream.trailers.is_some())
    }

    fn headers_only(&mut self, stream: StreamId, head: ResponseHead, trailers: Option<Trailers>) {
        self.respond(stream, &head, trailers, true);
        self.streams.remove(&stream);
    }

    fn whole(&mut self, stream: StreamId, head: ResponseHead, body: Bytes) {
        self.respond(stream, &head, None, false);
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.trailers = Some(HeaderMap::new());
        }
        self.data(stream, body);
    }

    fn consumed(&mut self, stream: StreamId, bytes: usize) {
        if let Some(stream) = self.streams.get_mut(&stream)
            && bytes > 0
        {
            // It fails only if more is given back than was received.
            let _ = stream.request.flow_control().release_capacity(bytes);
        }
    }
}

impl<Io> Http2ByH2<Io> {
    fn respond(
        &mut self,
        stream: StreamId,
        head: &ResponseHead,
        trailers: Option<Trailers>,
        end: bool,
    ) {
        let Some(stream) = self.streams.get_mut(&stream) else {
            return;
        };
        let response = std::mem::replace(&mut stream.response, ResponseState::Ended);
        let ResponseState::Due(mut respond) = response else {
            stream.response = response;
            return;
        };
        let response = response_of(head, trailers);
        // It fails only if the stream is gone, and then its reset has been or will be told.
        if let Ok(send) = respond.send_response(response, end)
            && !end
        {
            stream.response = ResponseState::Open(send);
        }
    }
}

impl Stream {
    /// Takes what the client has sent. An error: the stream is gone.
    fn receive(
        &mut self,
        stream: StreamId,
        cx: &mut Context<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), h2::Error> {
        while !self.request_ended {
            match self.request.poll_data(cx) {
                Poll::Ready(Some(bytes)) => {
                    let bytes = bytes?;
                    self.request_ended = self.request.is_end_stream();
                    events.push(Event::Data {
                        stream,
                        bytes,
                        end: self.request_ended,
                    });
                }
                Poll::Ready(None) => match self.request.poll_trailers(cx) {
                    // Trailers of a request mean nothing to gRPC but its end.
                    Poll::Ready(trailers) => {
                        trailers?;
                        self.request_ended = true;
                        events.push(Event::Data {
                            stream,
                            bytes: Bytes::new(),
                            end: true,
                        });
                    }
                    Poll::Pending => break,
                },
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Sends queued data as far as the window lets it, then the trailers.
    fn send(
        &mut self,
        stream: StreamId,
        cx: &mut Context<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), h2::Error> {
        let mut sent = 0;
        if let ResponseState::Open(send) = &mut self.response {
            send.reserve_capacity(self.unsent_bytes);
            while let Some(bytes) = self.unsent.front_mut() {
                let room = match send.capacity() {
                    0 => match send.poll_capacity(cx) {
                        Poll::Ready(Some(room)) => room?,
                        Poll::Ready(None) | Poll::Pending => break,
                    },
                    room => room,
                };
                let part = bytes.split_to(room.min(bytes.len()));
                sent += part.len();
                if bytes.is_empty() {
                    self.unsent.pop_front();
                }
                send.send_data(part, false)?;
            }
        }
        self.unsent_bytes -= sent;
        if sent > 0 {
            events.push(Event::Writable { stream, sent });
        }
        if self.unsent.is_empty() {
            self.send_trailers();
        }
        Ok(())
    }

    fn send_trailers(&mut self) {
        if let ResponseState::Open(send) = &mut self.response
            && let Some(trailers) = self.trailers.take()
        {
            // It fails only if the stream is gone.
            let _ = match trailers.is_empty() {
                true => send.send_data(Bytes::new(), true),
                false => send.send_trailers(trailers),
            };
            self.response = ResponseState::Ended;
        }
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.response {
            ResponseState::Due(respond) => {
                let _ = ready!(respond.poll_reset(cx));
            }
            ResponseState::Open(send) => {
                let _ = ready!(send.poll_reset(cx));
            }
            ResponseState::Ended => return Poll::Pending,
        }
        Poll::Ready(())
    }
}

/// The streams that have news, and the task to wake for them.
#[derive(Default)]
struct Woken {
    inner: Mutex<WokenInner>,
}

#[derive(Default)]
struct WokenInner {
    streams: Vec<StreamId>,
    connection: Option<Waker>,
}

impl Woken {
    fn add(&self, stream: StreamId) {
        let connection = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.streams.push(stream);
            inner.connection.take()
        };
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// Moves the streams to `batch`, each once, and remembers whom to wake for the next.
    fn take(&self, batch: &mut Vec<StreamId>, connection: &Waker) {
        {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            batch.append(&mut inner.streams);
            inner.connection = Some(connection.clone());
        }
        batch.sort_unstable();
        batch.dedup();
    }
}

struct StreamWaker {
    stream: StreamId,
    woken: Arc<Woken>,
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.woken.add(self.stream);
    }
}

fn call_head(request: &http::request::Parts, router: &Router) -> CallHead {
    let path = request
        .uri
        .path_and_query()
        .map_or("", http::uri::PathAndQuery::as_str);
    let mut head = CallHead {
        is_post: request.method == http::Method::POST,
        path: Bytes::copy_from_slice(path.as_bytes()),
        route: router.lookup(path.as_bytes()),
        ..CallHead::default()
    };
    if let Some(authority) = request.uri.authority() {
        head.authority = Some(Bytes::copy_from_slice(authority.as_str().as_bytes()));
    }
    for (name, value) in &request.headers {
        head.header(
            name.as_str().as_bytes(),
            Bytes::copy_from_slice(value.as_bytes()),
        );
    }
    head
}

fn response_of(head: &ResponseHead, trailers: Option<Trailers>) -> Response<()> {
    let mut response = Response::new(());
    if let Ok(status) = http::StatusCode::from_u16(head.http_status) {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    if let Some(content_type) = head.content_type {
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(content_type.as_str()),
        );
    }
    if head.encoding != MessageEncoding::Identity {
        headers.insert(
            GRPC_ENCODING,
            HeaderValue::from_static(head.encoding.name()),
        );
    }
    if let Some(accepted) = head.accepted_encodings() {
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(accepted));
    }
    append(headers, &head.metadata);
    if let Some(trailers) = trailers {
        write_trailers(headers, trailers);
    }
    response
}

fn write_trailers(headers: &mut HeaderMap, trailers: Trailers) {
    let Some(status) = trailers.status else {
        headers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
        return append(headers, &trailers.metadata);
    };
    let encoded = status.encode(limits::STATUS_BYTES);
    headers.insert(GRPC_STATUS, HeaderValue::from_static(encoded.code));
    if let Ok(message) = HeaderValue::from_str(&encoded.message)
        && !message.is_empty()
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    if let Some(details) = encoded.details
        && let Ok(details) = HeaderValue::try_from(details)
    {
        headers.insert(GRPC_STATUS_DETAILS_BIN, details);
    }
    append(headers, &trailers.metadata);
    append(headers, status.metadata());
}

fn append(headers: &mut HeaderMap, metadata: &Metadata) {
    for (name, value) in metadata.iter() {
        headers.append(name.clone(), value.clone());
    }
}

/// After that many events the calls get their turn, however much there is to read.
const EVENTS_PER_TURN: usize = 256;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS_DETAILS_BIN: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
