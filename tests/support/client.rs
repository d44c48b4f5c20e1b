//! A gRPC client over the h2 crate that hides nothing: header lists, message bytes, trailers, resets.
//!
//! It does not know the project's code, so it can be believed about it. Waiting for the server is
//! bounded everywhere; a server that says nothing fails the test.

use std::{collections::VecDeque, fmt, future::poll_fn, net::SocketAddr, sync::Arc};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Mutex,
    task::JoinHandle,
};

use super::{Reply, soon};

/// One connection. Clones share it.
#[derive(Clone)]
pub struct Client {
    requests: SendRequest<Bytes>,
    authority: String,
    connection: Arc<Mutex<JoinHandle<Result<(), h2::Error>>>>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = soon("a connection", TcpStream::connect(address))
            .await
            .unwrap();
        socket.set_nodelay(true).unwrap();
        Self::over(socket, address).await
    }

    /// On a connection that is there.
    pub async fn over<Io>(io: Io, address: SocketAddr) -> Self
    where
        Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = h2::client::Builder::new().enable_push(false).handshake(io);
        let (requests, connection) = soon("the HTTP/2 preface", handshake).await.unwrap();
        Self {
            requests,
            authority: address.to_string(),
            connection: Arc::new(Mutex::new(tokio::spawn(connection))),
        }
    }

    /// Sends one message, closes its side, waits for the end.
    pub async fn unary(&self, path: &str, message: impl Into<Bytes>) -> Reply {
        self.call(path).unary(message).await
    }

    /// Opens a call whose messages are sent and taken one by one.
    pub async fn stream(&self, path: &str) -> CallStream {
        self.call(path).stream().await
    }

    /// A call whose headers can be changed before it is made.
    pub fn call(&self, path: &str) -> CallBuilder {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        CallBuilder {
            client: self.clone(),
            method: Method::POST,
            path: path.to_owned(),
            headers,
        }
    }

    /// Waits until the server has closed the connection. What is left of the client can only fail.
    pub async fn closed(&self) -> Result<(), h2::Error> {
        let mut connection = self.connection.lock().await;
        soon("the connection's end", &mut *connection)
            .await
            .unwrap()
    }
}

/// A call that is not made yet: POST, `content-type: application/grpc`, `te: trailers`.
pub struct CallBuilder {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
}

impl CallBuilder {
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Adds a header line, whatever is there already.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.append(header_name(name), value);
        self
    }

    /// Sets a header in place of all lines of that name.
    pub fn set_header(mut self, name: &str, value: &str) -> Self {
        self.headers.remove(name);
        self.header(name, value)
    }

    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Sends one message, closes, waits for the end.
    pub async fn unary(self, message: impl Into<Bytes>) -> Reply {
        self.body([length_prefixed(&message.into())]).await
    }

    /// Sends any number of messages, closes, waits for the end.
    pub async fn messages<M: Into<Bytes>>(self, messages: impl IntoIterator<Item = M>) -> Reply {
        let messages = messages
            .into_iter()
            .map(|message| length_prefixed(&message.into()));
        self.body(messages.collect::<Vec<_>>()).await
    }

    /// Sends bytes as they are, each in a DATA frame of its own, closes, waits for the end. A server
    /// that answers in between is not told the rest.
    pub async fn body(self, chunks: impl IntoIterator<Item = Bytes>) -> Reply {
        let mut call = self.stream().await;
        for chunk in chunks {
            if call.try_send_raw(chunk).await.is_err() {
                break;
            }
        }
        call.close();
        call.end().await
    }

    /// Ends the request with its HEADERS, waits for the end.
    pub async fn headers_only(self) -> Reply {
        self.start(true).await.end().await
    }

    /// Opens the call.
    pub async fn stream(self) -> CallStream {
        self.start(false).await
    }

    async fn start(self, end: bool) -> CallStream {
        let uri = format!("http://{}{}", self.client.authority, self.path);
        let mut request = Request::new(());
        *request.method_mut() = self.method;
        *request.uri_mut() = uri.parse().unwrap();
        *request.headers_mut() = self.headers;
        let ready = self.client.requests.ready();
        let mut requests = soon("room for a stream", ready).await.unwrap();
        let (response, sending) = requests.send_request(request, end).unwrap();
        CallStream {
            sending,
            closed: end,
            state: State::Waiting(response),
            buffer: BytesMut::new(),
            messages: VecDeque::new(),
            reply: Reply::default(),
        }
    }
}

/// A call at work. Dropping it resets it with CANCEL.
pub struct CallStream {
    sending: SendStream<Bytes>,
    closed: bool,
    state: State,
    buffer: BytesMut,
    /// Received, but not taken.
    messages: VecDeque<Bytes>,
    reply: Reply,
}

enum State {
    Waiting(ResponseFuture),
    Open(RecvStream),
    Ended,
}

impl CallStream {
    /// Sends one message; waits while the server's window is closed.
    pub async fn send(&mut self, message: impl Into<Bytes>) {
        self.send_raw(length_prefixed(&message.into())).await;
    }

    /// Sends bytes as they are, as one DATA frame where the window lets it.
    pub async fn send_raw(&mut self, bytes: impl Into<Bytes>) {
        self.try_send_raw(bytes.into()).await.unwrap();
    }

    /// The same; fails if the server has ended the stream or the connection.
    pub async fn try_send_raw(&mut self, mut bytes: Bytes) -> Result<(), h2::Error> {
        while bytes.has_remaining() {
            self.sending.reserve_capacity(bytes.len());
            let capacity = poll_fn(|cx| self.sending.poll_capacity(cx));
            match soon("room in the window", capacity).await {
                Some(room) => {
                    let part = bytes.split_to(room?.min(bytes.len()));
                    self.sending.send_data(part, false)?;
                }
                None => return Err(Reason::STREAM_CLOSED.into()),
            }
        }
        Ok(())
    }

    /// Ends the requests.
    pub fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            // It fails if the server has ended the stream, which its reply tells.
            let _ = self.sending.send_data(Bytes::new(), true);
        }
    }

    /// Gives the call up: RST_STREAM.
    pub fn reset(mut self, reason: Reason) {
        self.sending.send_reset(reason);
    }

    /// Waits for the response's HEADERS.
    pub async fn headers(&mut self) -> &HeaderMap {
        while matches!(self.state, State::Waiting(_)) {
            soon("the response's headers", self.advance()).await;
        }
        &self.reply.headers
    }

    /// Waits for the next message; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        soon("a message or the end", async {
            loop {
                match self.messages.pop_front() {
                    Some(message) => return Some(message),
                    None if matches!(self.state, State::Ended) => return None,
                    None => self.advance().await,
                }
            }
        })
        .await
    }

    /// Waits for the server's end of the call, with the messages that were not taken. Does not close
    /// the client's side.
    pub async fn end(mut self) -> Reply {
        while !matches!(self.state, State::Ended) {
            soon("the end of the call", self.advance()).await;
        }
        self.reply.messages = self.messages.into();
        self.reply
    }

    /// Takes one thing that the server has sent.
    async fn advance(&mut self) {
        match &mut self.state {
            State::Waiting(response) => match response.await {
                Ok(response) => self.begin(response),
                Err(error) => self.fail(&error),
            },
            State::Open(body) => match body.data().await {
                Some(Ok(bytes)) => {
                    body.flow_control().release_capacity(bytes.len()).unwrap();
                    self.buffer.extend_from_slice(&bytes);
                    self.take_messages();
                }
                Some(Err(error)) => self.fail(&error),
                None => match body.trailers().await {
                    Ok(trailers) => self.finish(trailers),
                    Err(error) => self.fail(&error),
                },
            },
            State::Ended => {}
        }
    }

    fn begin(&mut self, response: http::Response<RecvStream>) {
        let (head, body) = response.into_parts();
        self.reply.http_status = head.status.as_u16();
        self.reply.headers = head.headers;
        self.reply.trailers_only = body.is_end_stream();
        self.state = if body.is_end_stream() {
            State::Ended
        } else {
            State::Open(body)
        };
    }

    fn take_messages(&mut self) {
        while let Some((prefix, rest)) = self.buffer.split_at_checked(PREFIX_BYTES) {
            assert_eq!(prefix[0], 0, "the message is compressed");
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
            if rest.len() < length {
                return;
            }
            self.buffer.advance(PREFIX_BYTES);
            self.messages
                .push_back(self.buffer.split_to(length).freeze());
        }
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        assert!(self.buffer.is_empty(), "the body ends within a message");
        self.reply.trailers = trailers.unwrap_or_default();
        self.state = State::Ended;
    }

    fn fail(&mut self, error: &h2::Error) {
        if error.is_reset() {
            self.reply.reset = error.reason();
        } else {
            self.reply.broken = Some(error.to_string());
        }
        self.state = State::Ended;
    }
}

/// A message as it travels, uncompressed.
pub fn length_prefixed(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len()).unwrap());
    bytes.put_slice(message);
    bytes.freeze()
}

fn header_name(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).unwrap()
}

impl fmt::Debug for CallStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reply.fmt(f)
    }
}

const PREFIX_BYTES: usize = 5;
