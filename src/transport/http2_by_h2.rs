//! HTTP/2 by the h2 crate, turned into [`Event`]s and [`Commands`].
//!
//! h2 wakes one task for each stream that has
//! news; here all streams live in their connection's task, so each has a [`Waker`] that notes its
//! number, and only the streams that were woken are polled.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, Reason, RecvStream, SendStream,
    server::{self, SendResponse},
};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::ConnectionLimits;
use crate::{
    gateway::{call_head, plain_text, response_of, write_trailers},
    grpc::{ResponseHead, Trailers},
    http2::{Commands, ErrorCode, Event, StreamId},
    limits,
    rpc::Router,
};

/// One connection, server side.
pub(super) struct Http2ByH2<Io> {
    connection: server::Connection<Io, Bytes>,
    ping_pong: Option<PingPong>,
    pinged: bool,
    streams: HashMap<StreamId, Stream>,
    /// Of all streams.
    unsent_bytes: usize,
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
    /// Whether some of it has left since the last [`Http2ByH2::sweep`], or was added to nothing.
    moved: bool,
    /// What ends the stream, once all data has left.
    end: Option<End>,
    waker: Waker,
}

enum End {
    Trailers(HeaderMap),
    /// Of a response that is not gRPC.
    Data,
}

enum ResponseState {
    Due(SendResponse<Bytes>),
    Open(SendStream<Bytes>),
    Ended,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Http2ByH2<Io> {
    /// Exchanges prefaces and settings (RFC 9113, 3.4).
    pub(super) async fn handshake(
        io: Io,
        connection: &ConnectionLimits,
    ) -> Result<Self, h2::Error> {
        let window = connection.connection_window_bytes();
        let mut connection = server::Builder::new()
            .max_concurrent_streams(connection.streams_max)
            .max_header_list_size(connection.header_list_bytes)
            .initial_window_size(connection.stream_window_bytes)
            .initial_connection_window_size(window)
            .data_frame_budget((window as usize).saturating_mul(limits::DATA_FRAME_OVERHEAD))
            .max_pending_accept_reset_streams(limits::RESETS_BEFORE_START_MAX)
            .max_local_error_reset_streams(Some(limits::ERROR_RESETS_MAX))
            .max_send_buffer_size(limits::REPLIES_UNSENT_BYTES)
            .handshake(io)
            .await?;
        let ping_pong = connection.ping_pong();
        let woken = Arc::default();
        Ok(Self {
            connection,
            ping_pong,
            pinged: false,
            streams: HashMap::new(),
            unsent_bytes: 0,
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
        self.poll_pong(cx);
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

    /// Asks the peer whether it is there (RFC 9113, 6.7). Whatever it sends is an answer.
    pub(super) fn ping(&mut self) {
        if let Some(ping_pong) = &mut self.ping_pong
            && !self.pinged
        {
            self.pinged = ping_pong.send_ping(Ping::opaque()).is_ok();
        }
    }

    /// Ends the connection at once (GOAWAY with a code); to be polled until it is closed.
    pub(super) fn close(&mut self, code: ErrorCode) {
        self.connection.abrupt_shutdown(Reason::from(code as u32));
    }

    /// Ends the streams that had data to send at the last sweep already, and of which none has left
    /// since: the peer does not read.
    pub(super) fn sweep(&mut self, events: &mut Vec<Event>) {
        let stalled: Vec<_> = self
            .streams
            .iter_mut()
            .filter_map(|(id, stream)| {
                let moved = std::mem::take(&mut stream.moved);
                (stream.unsent_bytes > 0 && !moved).then_some(*id)
            })
            .collect();
        for id in stalled {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.reset(Reason::CANCEL);
            }
            self.remove(id);
            events.push(Event::Reset { stream: id });
        }
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
                moved: true,
                end: None,
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

    fn poll_pong(&mut self, cx: &mut Context<'_>) {
        if let Some(ping_pong) = &mut self.ping_pong
            && self.pinged
            && ping_pong.poll_pong(cx).is_ready()
        {
            self.pinged = false;
        }
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
        let before = stream.unsent_bytes;
        let sent = stream.send(id, &mut cx, events);
        self.unsent_bytes -= before - stream.unsent_bytes;
        if received.is_err() || sent.is_err() || stream.poll_reset(&mut cx).is_ready() {
            self.remove(id);
            events.push(Event::Reset { stream: id });
        } else if matches!(stream.response, ResponseState::Ended) {
            self.remove(id);
        }
    }

    /// Sends what is queued as far as the window lets it; the rest follows when it opens.
    fn flush(&mut self, id: StreamId) {
        self.woken.add(id);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.unsent.is_empty() {
            stream.send_end();
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Commands for Http2ByH2<Io> {
    fn headers(&mut self, stream: StreamId, head: ResponseHead) {
        self.respond(stream, response_of(&head, None), false);
    }

    fn data(&mut self, stream: StreamId, bytes: Bytes) {
        if let Some(stream) = self.streams.get_mut(&stream)
            && !bytes.is_empty()
        {
            stream.moved |= stream.unsent_bytes == 0;
            stream.unsent_bytes += bytes.len();
            self.unsent_bytes += bytes.len();
            stream.unsent.push_back(bytes);
        }
        self.flush(stream);
    }

    fn trailers(&mut self, stream: StreamId, trailers: Trailers) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            let mut map = HeaderMap::with_capacity(4);
            write_trailers(&mut map, trailers);
            stream.end = Some(End::Trailers(map));
        }
        self.flush(stream);
    }

    fn abort(&mut self, stream: StreamId, trailers: Trailers) {
        match self.streams.get_mut(&stream) {
            Some(sending) if sending.unsent_bytes > 0 => {
                sending.reset(Reason::CANCEL);
                self.remove(stream);
            }
            _ => self.trailers(stream, trailers),
        }
    }

    fn is_sending(&self, stream: StreamId) -> bool {
        let sending = self.streams.get(&stream);
        sending.is_some_and(|stream| stream.unsent_bytes > 0 || stream.end.is_some())
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    fn headers_only(&mut self, stream: StreamId, head: ResponseHead, trailers: Option<Trailers>) {
        self.respond(stream, response_of(&head, trailers), true);
        self.remove(stream);
    }

    fn plain_text(&mut self, stream: StreamId, http_status: u16, text: Bytes) {
        self.respond(stream, plain_text(http_status), text.is_empty());
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.end = Some(End::Data);
        }
        self.data(stream, text);
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
    fn respond(&mut self, stream: StreamId, response: Response<()>, end: bool) {
        let Some(stream) = self.streams.get_mut(&stream) else {
            return;
        };
        let state = std::mem::replace(&mut stream.response, ResponseState::Ended);
        let ResponseState::Due(mut respond) = state else {
            stream.response = state;
            return;
        };
        // It fails only if the stream is gone, and then its reset has been or will be told.
        if let Ok(send) = respond.send_response(response, end)
            && !end
        {
            stream.response = ResponseState::Open(send);
        }
    }

    fn remove(&mut self, stream: StreamId) {
        if let Some(stream) = self.streams.remove(&stream) {
            self.unsent_bytes -= stream.unsent_bytes;
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
            self.moved = true;
            events.push(Event::Writable { stream, sent });
        }
        if self.unsent.is_empty() {
            self.send_end();
        }
        Ok(())
    }

    fn send_end(&mut self) {
        if let ResponseState::Open(send) = &mut self.response
            && let Some(end) = self.end.take()
        {
            // It fails only if the stream is gone.
            let _ = match end {
                End::Trailers(trailers) => send.send_trailers(trailers),
                End::Data => send.send_data(Bytes::new(), true),
            };
            self.response = ResponseState::Ended;
        }
    }

    fn reset(&mut self, reason: Reason) {
        match &mut self.response {
            ResponseState::Due(respond) => respond.send_reset(reason),
            ResponseState::Open(send) => send.send_reset(reason),
            ResponseState::Ended => {}
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

/// After that many events the calls get their turn, however much there is to read.
const EVENTS_PER_TURN: usize = 256;
