//! The server's half of a call: head, messages, status.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{RecvStream, client::ResponseFuture};
use http::{HeaderMap, Response, StatusCode};

use super::failure::{Failure, Reach};
use crate::grpc::{
    Code, ContentType, LengthPrefixed, MessageEncoding, Metadata, RawMessage, Status,
    code_of_http_status, field, malformed_bin, received_status,
};

/// What a server sends in answer to one attempt.
#[derive(Debug)]
pub(super) struct Receiving {
    state: State,
    incoming: LengthPrefixed,
    /// What has come last.
    data: Bytes,
    receive_bytes_max: usize,
    encoding: Encoding,
    head: HeaderMap,
    trailers: HeaderMap,
    /// Whether any bytes came, for what a status in the head is worth.
    has_data: bool,
    /// Whether Response-Headers came, other than those of Trailers-Only.
    answered: bool,
}

#[derive(Debug)]
enum State {
    Waiting(ResponseFuture),
    Open(RecvStream),
    Ended,
}

/// `grpc-encoding` of the response.
#[derive(Debug)]
enum Encoding {
    Known(MessageEncoding),
    /// It matters only when a message is compressed.
    Unknown(String),
}

impl Receiving {
    pub(super) fn new(response: ResponseFuture, receive_bytes_max: usize) -> Self {
        Self {
            state: State::Waiting(response),
            incoming: LengthPrefixed::new(receive_bytes_max),
            data: Bytes::new(),
            receive_bytes_max,
            encoding: Encoding::Known(MessageEncoding::Identity),
            head: HeaderMap::new(),
            trailers: HeaderMap::new(),
            has_data: false,
            answered: false,
        }
    }

    /// Waits for Response-Headers, which commit the call: it cannot be made anew after them (gRFC
    /// A6). Not for those of Trailers-Only.
    pub(super) async fn head(&mut self) -> Result<(), Box<Failure>> {
        if let State::Waiting(response) = &mut self.state {
            let response = response.await?;
            self.open(response)?;
        }
        Ok(())
    }

    /// Waits for the next message; `None`: the call has ended with OK.
    pub(super) async fn message(&mut self) -> Result<Option<RawMessage>, Box<Failure>> {
        let mut received = self.receive().await;
        if let Err(failure) = &mut received
            && self.answered
        {
            failure.reach = Reach::Answered;
        }
        received
    }

    async fn receive(&mut self) -> Result<Option<RawMessage>, Box<Failure>> {
        self.head().await?;
        loop {
            // What waits is no message: only more data makes one of it.
            if !self.data.is_empty()
                && let Some(message) = self.incoming.next_of(&mut self.data).map_err(of_reply)?
            {
                return Ok(Some(self.decompress(message).map_err(of_reply)?));
            }
            let State::Open(body) = &mut self.state else {
                return Ok(None);
            };
            match poll_fn(|cx| body.poll_data(cx)).await {
                Some(data) => {
                    let data = data?;
                    // It fails only if more is given back than was received.
                    let _ = body.flow_control().release_capacity(data.len());
                    self.has_data |= !data.is_empty();
                    self.data = data;
                }
                None => {
                    let trailers = poll_fn(|cx| body.poll_trailers(cx)).await?;
                    self.state = State::Ended;
                    self.end(trailers)?;
                }
            }
        }
    }

    /// Whether the server has ended the call.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether the initial metadata was taken, or there is none.
    pub(super) fn is_metadata_taken(&self) -> bool {
        self.head.is_empty()
    }

    /// The headers before the messages, and those after them.
    pub(super) fn take_headers(&mut self) -> [HeaderMap; 2] {
        [&mut self.head, &mut self.trailers].map(std::mem::take)
    }

    /// The head as it came; empty before it is there.
    pub(super) fn take_head(&mut self) -> HeaderMap {
        std::mem::take(&mut self.head)
    }

    /// Initial metadata; empty before the head is there.
    pub(super) fn take_metadata(&mut self) -> Metadata {
        Metadata::from(std::mem::take(&mut self.head))
    }

    /// Trailing metadata; empty before the end is there.
    pub(super) fn take_trailers(&mut self) -> Metadata {
        Metadata::from(std::mem::take(&mut self.trailers))
    }

    fn open(&mut self, response: Response<RecvStream>) -> Result<(), Box<Failure>> {
        let (head, body) = response.into_parts();
        self.head = head.headers;
        let over = body.is_end_stream();
        self.state = match over {
            true => State::Ended,
            false => State::Open(body),
        };
        let said = field(&self.head, "content-type");
        let content_type = said.and_then(|value| ContentType::parse(value.as_bytes()));
        if head.status != StatusCode::OK {
            return Err(not_ok(head.status, content_type, &self.head).into());
        }
        match content_type {
            Some(ContentType::Grpc | ContentType::GrpcProto) => {}
            Some(ContentType::UnknownCodec) => {
                return Err(Status::internal("the server answers in another codec").into());
            }
            None => {
                let said = said.map_or_else(
                    || "it has no content-type".to_owned(),
                    |said| format!("its content-type is {said:?}"),
                );
                let status = format!("the server's answer is not gRPC: {said}");
                return Err(Status::unknown(status).into());
            }
        }
        if over {
            // Trailers-Only: there is no initial metadata, what came is trailers.
            let trailers = std::mem::take(&mut self.head);
            return self.end(Some(trailers));
        }
        self.encoding = encoding(&self.head);
        self.answered = true;
        Ok(check_bin(&self.head)?)
    }

    /// Judges how the call ended.
    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), Box<Failure>> {
        let said = match &trailers {
            Some(trailers) => {
                check_bin(trailers)?;
                received_status(trailers)
            }
            // Neither DATA nor trailers: an empty frame has ended what was Trailers-Only otherwise.
            None if !self.has_data => received_status(&self.head),
            None => None,
        };
        self.trailers = trailers.unwrap_or_default();
        match said {
            Some(Ok(())) => Ok(self.incoming.end()?),
            Some(Err(status)) => {
                let mut failure: Box<Failure> = status.into();
                failure.pushback = pushback(&self.trailers);
                Err(failure)
            }
            None => Err(Status::internal("the server ended the call without a grpc-status").into()),
        }
    }

    fn decompress(&self, message: RawMessage) -> Result<RawMessage, Status> {
        match &self.encoding {
            Encoding::Known(encoding) => encoding.decompress(message, self.receive_bytes_max),
            Encoding::Unknown(_) if !message.compressed => Ok(message),
            Encoding::Unknown(name) => Err(Status::internal(format!(
                "the server compressed a message with {name:?}, which this client has not offered"
            ))),
        }
    }
}

/// A response that is not 200: gRPC's own word counts if it is there, else HTTP's.
fn not_ok(http_status: StatusCode, content_type: Option<ContentType>, head: &HeaderMap) -> Status {
    if content_type.is_some()
        && let Some(Err(status)) = received_status(head)
    {
        return status;
    }
    let code = code_of_http_status(http_status.as_u16());
    Status::new(
        code,
        format!("the server answered with HTTP status {http_status}"),
    )
    .with_metadata(Metadata::from(head.clone()))
}

/// Whose limit a reply is beyond, and what raises it.
fn of_reply(status: Status) -> Status {
    match status.code() {
        Code::ResourceExhausted => Status::resource_exhausted(format!(
            "the reply is too long for this client: {} (receive_bytes_max, --max-msg-sz)",
            status.message()
        )),
        _ => status,
    }
}

fn check_bin(headers: &HeaderMap) -> Result<(), Status> {
    match malformed_bin(headers) {
        None => Ok(()),
        Some(name) => Err(Status::internal(format!(
            "the server sent {name:?} with a value that is not base64"
        ))),
    }
}

fn pushback(trailers: &HeaderMap) -> Option<String> {
    let value = trailers.get("grpc-retry-pushback-ms")?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn encoding(head: &HeaderMap) -> Encoding {
    let Some(name) = field(head, "grpc-encoding") else {
        return Encoding::Known(MessageEncoding::Identity);
    };
    match MessageEncoding::parse(Some(name.as_bytes())) {
        Ok(encoding) => Encoding::Known(encoding),
        Err(_) => Encoding::Unknown(String::from_utf8_lossy(name.as_bytes()).into_owned()),
    }
}

/// gRPC's code for a wrong number of messages (statuscodes.md, "cardinality violation").
pub(super) fn cardinality(what: &str) -> Status {
    Status::new(
        Code::Unimplemented,
        format!("the method answers with exactly one message; the server sent {what}"),
    )
}
