//! A scripted HTTP/2 client: it sends what it is told to, right or wrong, and hands over what comes.
//! `scripted_server.rs` makes a server of it.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use std::{fmt, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// One end of a connection.
pub struct Peer {
    socket: TcpStream,
    decoder: loona_hpack::Decoder<'static>,
    received: Vec<u8>,
}

/// A frame that was received (RFC 9113, 4.1). Header blocks are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Data {
        stream: u32,
        bytes: Vec<u8>,
        end: bool,
    },
    Headers {
        stream: u32,
        headers: Headers,
        end: bool,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    Settings {
        ack: bool,
        values: Vec<(u16, u32)>,
    },
    Ping {
        ack: bool,
        data: Vec<u8>,
    },
    Goaway {
        last: u32,
        code: u32,
        debug: String,
    },
    WindowUpdate {
        stream: u32,
        bytes: u32,
    },
    Other {
        kind: u8,
    },
}

/// A header list, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The only value of a name; `None` if there is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self
            .0
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value);
        let value = values.next()?;
        assert_eq!(values.next(), None, "{name} is there twice: {self:?}");
        Some(value)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(name, value)| (name, value)))
            .finish()
    }
}

/// All that came on one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub headers: Headers,
    pub body: Vec<u8>,
    /// `None`: the headers ended the stream.
    pub trailers: Option<Headers>,
    /// The code of the RST_STREAM that followed or came instead.
    pub reset: Option<u32>,
}

impl Answer {
    /// `grpc-status`, from the trailers or a Trailers-Only head.
    pub fn status(&self) -> Option<&str> {
        self.trailers
            .as_ref()
            .unwrap_or(&self.headers)
            .get("grpc-status")
    }
}

impl Peer {
    /// Connects, sends the preface and empty SETTINGS.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut peer = Self::open(address).await;
        peer.send_bytes(PREFACE).await;
        peer.send_frame(SETTINGS, 0, 0, &[]).await;
        peer
    }

    /// Connects and sends nothing.
    pub async fn open(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).await.unwrap())
    }

    /// Sends nothing yet.
    pub fn on(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        Self {
            socket,
            decoder: loona_hpack::Decoder::new(),
            received: Vec::new(),
        }
    }

    /// The server's end of a connection whose client has sent its preface.
    pub async fn accepted(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        let mut peer = Self {
            socket,
            decoder: loona_hpack::Decoder::new(),
            received: Vec::new(),
        };
        let preface = timeout(PATIENCE, peer.read_exactly(PREFACE.len())).await;
        let preface = preface.expect("the client sent no preface");
        assert_eq!(preface.as_deref(), Some(PREFACE));
        peer
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// The same; an error if the server has closed the connection.
    pub async fn send_bytes_until_closed(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// Closes the client's side of the connection.
    pub async fn half_close(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    /// Sends one frame, whatever it says.
    pub async fn send_frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send_bytes(&frame(kind, flags, stream, payload)).await;
    }

    /// Sends a gRPC request's HEADERS: those every call has, and `more`, which replace or add.
    pub async fn send_request(
        &mut self,
        stream: u32,
        path: &str,
        more: &[(&str, &str)],
        end: bool,
    ) {
        self.send_bytes(&request(stream, path, more, end)).await;
    }

    /// Sends DATA.
    pub async fn send_data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        self.send_frame(DATA, u8::from(end) * END_STREAM, stream, bytes)
            .await;
    }

    /// The same in frames as long as any server takes them.
    pub async fn send_data_in_frames(&mut self, stream: u32, bytes: &[u8], end: bool) {
        let mut chunks = bytes.chunks(FRAME_BYTES_MAX).peekable();
        while let Some(chunk) = chunks.next() {
            let last = chunks.peek().is_none();
            self.send_data(stream, chunk, end && last).await;
        }
    }

    /// Sends RST_STREAM.
    pub async fn send_reset(&mut self, stream: u32, code: u32) {
        self.send_frame(RST_STREAM, 0, stream, &code.to_be_bytes())
            .await;
    }

    /// Sends WINDOW_UPDATE; stream 0 is the connection.
    pub async fn send_window(&mut self, stream: u32, bytes: u32) {
        self.send_frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
            .await;
    }

    /// Sends the preface and empty SETTINGS; whether the server answers with its own.
    pub async fn try_preface(&mut self) -> bool {
        let preface = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        self.socket.write_all(&preface).await.is_ok()
            && matches!(self.recv().await, Some(Frame::Settings { .. }))
    }

    /// The next frame, or `None` when the server has closed the connection in order.
    pub async fn recv(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read_frame())
            .await
            .expect("the server sent nothing for long")
    }

    /// The next frame of a kind, others left out.
    pub async fn recv_until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.recv().await.expect("the connection closed first");
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// All frames that the server sends until it has read, and answered where it need not wait, what
    /// was sent by now: until it has acknowledged two SETTINGS, one after the other. (PINGs would be
    /// counted.)
    pub async fn recv_until_heard(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for _ in 0..2 {
            self.send_frame(SETTINGS, 0, 0, &[]).await;
            loop {
                match self.recv().await.expect("the connection closed first") {
                    Frame::Settings { ack: true, .. } => break,
                    frame => frames.push(frame),
                }
            }
        }
        frames
    }

    /// Gathers what comes on a stream until it ends, and a reset that follows at once.
    pub async fn answer(&mut self, stream: u32) -> Answer {
        let mut answer = Answer::default();
        let mut seen_headers = false;
        loop {
            match self
                .recv()
                .await
                .expect("the connection closed before the stream ended")
            {
                Frame::Headers {
                    stream: id,
                    headers,
                    end,
                } if id == stream => {
                    if seen_headers {
                        answer.trailers = Some(headers);
                    } else {
                        answer.headers = headers;
                        seen_headers = true;
                    }
                    if end {
                        return answer;
                    }
                }
                Frame::Data {
                    stream: id,
                    bytes,
                    end,
                } if id == stream => {
                    answer.body.extend(bytes);
                    if end {
                        return answer;
                    }
                }
                Frame::Reset { stream: id, code } if id == stream => {
                    answer.reset = Some(code);
                    return answer;
                }
                _ => {}
            }
        }
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        let head = self.read_exactly(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let stream = number(&head[5..9]) & 0x7fff_ffff;
        let payload = self
            .read_exactly(length)
            .await
            .expect("the connection broke in a frame");
        let end = flags & END_STREAM != 0;
        Some(match kind {
            DATA => Frame::Data {
                stream,
                bytes: payload,
                end,
            },
            HEADERS => {
                assert_ne!(
                    flags & END_HEADERS,
                    0,
                    "the tests' replies fit in one HEADERS"
                );
                Frame::Headers {
                    stream,
                    headers: self.headers(&payload),
                    end,
                }
            }
            RST_STREAM => Frame::Reset {
                stream,
                code: number(&payload),
            },
            SETTINGS => {
                let value = |entry: &[u8]| {
                    (
                        u16::from_be_bytes([entry[0], entry[1]]),
                        number(&entry[2..6]),
                    )
                };
                Frame::Settings {
                    ack: end,
                    values: payload.chunks(6).map(value).collect(),
                }
            }
            PING => Frame::Ping {
                ack: end,
                data: payload,
            },
            GOAWAY => Frame::Goaway {
                last: number(&payload[..4]),
                code: number(&payload[4..8]),
                debug: String::from_utf8_lossy(&payload[8..]).into_owned(),
            },
            WINDOW_UPDATE => Frame::WindowUpdate {
                stream,
                bytes: number(&payload),
            },
            kind => Frame::Other { kind },
        })
    }

    fn headers(&mut self, block: &[u8]) -> Headers {
        let list = self
            .decoder
            .decode(block)
            .expect("the server's header blocks are HPACK");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Headers(
            list.into_iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        )
    }

    /// `None` if the connection is closed before the first byte.
    async fn read_exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.received.len() < count {
            if self.socket.read_buf(&mut self.received).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        Some(self.received.drain(..count).collect())
    }
}

/// One frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The headers that every gRPC request has.
pub const REQUEST: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/greeter.Greeter/Greet"),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
];

/// A GOAWAY frame.
pub fn goaway(last: u32, code: u32, debug: &str) -> Vec<u8> {
    let mut payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    payload.extend(debug.as_bytes());
    frame(GOAWAY, 0, 0, &payload)
}

/// The HEADERS frame of a gRPC request. Literals without indexing, so that its bytes do not depend
/// on what went before.
pub fn request(stream: u32, path: &str, more: &[(&str, &str)], end: bool) -> Vec<u8> {
    let mut headers = REQUEST.to_vec();
    headers[2].1 = path;
    for (name, value) in more {
        let place = headers.iter().position(|(known, _)| known == name);
        match place {
            Some(place) => headers[place].1 = value,
            None => headers.push((name, value)),
        }
    }
    self::headers(stream, &headers, end)
}

/// HEADERS with these headers and no others, and CONTINUATION where one frame cannot hold them.
pub fn headers<Value: AsRef<[u8]>>(stream: u32, headers: &[(&str, Value)], end: bool) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name.as_bytes(), value.as_ref()] {
            push_integer(&mut block, text.len());
            block.extend(text);
        }
    }
    let mut wire = Vec::new();
    let mut kind = HEADERS;
    let mut flags = u8::from(end) * END_STREAM;
    let mut fragments = block.chunks(FRAME_BYTES_MAX).peekable();
    while let Some(fragment) = fragments.next() {
        if fragments.peek().is_none() {
            flags |= END_HEADERS;
        }
        wire.extend(frame(kind, flags, stream, fragment));
        (kind, flags) = (CONTINUATION, 0);
    }
    wire
}

/// An HPACK integer with a prefix of seven bits (RFC 7541, 5.1).
fn push_integer(block: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        return block.push(value as u8);
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push((value % 128) as u8 | 128);
        value /= 128;
    }
    block.push(value as u8);
}

/// A message with its prefix.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let mut wire = vec![0];
    wire.extend((bytes.len() as u32).to_be_bytes());
    wire.extend(bytes);
    wire
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// SETTINGS_MAX_FRAME_SIZE, unless a server says more.
const FRAME_BYTES_MAX: usize = 16_384;

/// Longer than any server of the tests thinks.
const PATIENCE: Duration = Duration::from_secs(20);
