//! The server that connectconformance tests: written as any user would, on the handler API alone.
//!
//! The suite's runner starts it, once for each way to serve, and says on standard input which one:
//! a `ServerCompatRequest` after four bytes of its length. The answer on standard output tells the
//! port. `tests/suites/run conformance` does all of that.
//!
//! ```console
//! $ connectconformance --mode server --conf tests/suites/conformance.yaml \
//!     -- target/debug/examples/conformance_server
//! ```

#[path = "suites/compat.rs"]
mod compat;
#[path = "suites/payload.rs"]
mod payload;

use std::{error::Error, time::Duration};

use bytes::Bytes;
use payload::{Any, Failure, Header, Payload, Reply, RequestInfo, headers, internal, metadata};
use reflectd::{
    Call, Code, Message, Replies, Response, Schema, Server, ServerBuilder, Status, Streaming,
};
use serde::Deserialize;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let schema = Schema::compile(
        [
            "tests/protos/conformance/connectrpc/conformance/v1/service.proto",
            "tests/protos/conformance/connectrpc/conformance/v1/server_compat.proto",
        ],
        ["tests/protos/conformance"],
    )?;
    let asked = compat::asked(&schema)?;
    // The certificates are read again when they change, so their files stay until the end.
    let certificates = tempfile::tempdir()?;
    let mut builder = service(Server::builder(schema.clone()));
    if let Some(bytes) = asked.receive_bytes_max() {
        builder = builder.receive_bytes_max(bytes);
    }
    if let Some(tls) = asked.tls(certificates.path())? {
        builder = builder.tls(tls);
    }
    let server = builder.build()?.bind("127.0.0.1:0").await?;
    let terminated = compat::terminated()?;
    compat::answer(&schema, &asked, server.local_addresses()[0])?;
    server.serve_with_shutdown(terminated).await;
    Ok(())
}

/// `Unimplemented` is left without a handler, as the suite wants it.
fn service(builder: ServerBuilder) -> ServerBuilder {
    let path = |method| format!("/connectrpc.conformance.v1.ConformanceService/{method}");
    builder
        .unary(&path("Unary"), unary)
        .unary(&path("IdempotentUnary"), unary)
        .server_streaming(&path("ServerStream"), server_stream)
        .client_streaming(&path("ClientStream"), client_stream)
        .bidi(&path("BidiStream"), bidi_stream)
}

async fn unary(call: Call, request: Message) -> Result<Response<Reply>, Status> {
    answer_once(&call, &[request]).await
}

async fn client_stream(
    call: Call,
    mut requests: Streaming<Message>,
) -> Result<Response<Reply>, Status> {
    let mut received = Vec::new();
    while let Some(request) = requests.message().await? {
        received.push(request);
    }
    answer_once(&call, &received).await
}

async fn server_stream(
    call: Call,
    request: Message,
    replies: Replies<Reply>,
) -> Result<(), Status> {
    let mut answer = Answer::begin(call, &request, replies)?;
    answer.requests.push(Any::of(&request));
    answer.finish().await
}

async fn bidi_stream(
    call: Call,
    mut requests: Streaming<Message>,
    replies: Replies<Reply>,
) -> Result<(), Status> {
    let Some(first) = requests.message().await? else {
        return Ok(());
    };
    let full_duplex = first.bool("full_duplex").map_err(internal)?;
    let mut answer = Answer::begin(call, &first, replies)?;
    let mut next = Some(first);
    while let Some(request) = next {
        answer.requests.push(Any::of(&request));
        if full_duplex && !answer.reply().await? {
            break;
        }
        next = requests.message().await?;
    }
    answer.finish().await
}

/// One reply to all the requests of a call, as the first of them defines it.
async fn answer_once(call: &Call, requests: &[Message]) -> Result<Response<Reply>, Status> {
    let definition: UnaryDefinition = match requests.first() {
        Some(first) => definition(first)?,
        None => UnaryDefinition::default(),
    };
    wait(definition.response_delay_ms).await;
    let headers = metadata(&definition.response_headers)?;
    let trailers = metadata(&definition.response_trailers)?;
    let info = RequestInfo::of(call, requests.iter().map(Any::of).collect());
    if let Some(error) = definition.error {
        // An error that comes at once has no headers of its own: all metadata goes with it.
        let status = error.into_status(call, Some(info))?;
        return Err(status.with_metadata(headers).with_metadata(trailers));
    }
    let data = definition.response_data.unwrap_or_default();
    Ok(Response::new(Reply::new(data, Some(info)))
        .with_metadata(headers)
        .with_trailers(trailers))
}

/// A stream of replies, as the first request defines it.
struct Answer {
    call: Call,
    replies: Replies<Reply>,
    /// What is still to be replied.
    data: std::vec::IntoIter<Bytes>,
    delay_ms: u32,
    error: Option<Failure>,
    /// Those that no reply has echoed yet.
    requests: Vec<Any>,
    replied: bool,
}

impl Answer {
    /// Sends the headers, and says what the trailers will be.
    fn begin(call: Call, first: &Message, mut replies: Replies<Reply>) -> Result<Self, Status> {
        let definition: StreamDefinition = definition(first)?;
        replies.send_headers(metadata(&definition.response_headers)?);
        replies.trailers(metadata(&definition.response_trailers)?);
        Ok(Self {
            call,
            replies,
            data: definition.response_data.into_iter(),
            delay_ms: definition.response_delay_ms,
            error: definition.error,
            requests: Vec::new(),
            replied: false,
        })
    }

    /// Sends the next reply; `false` if none is left.
    async fn reply(&mut self) -> Result<bool, Status> {
        let Some(data) = self.data.next() else {
            return Ok(false);
        };
        let info = self.info();
        wait(self.delay_ms).await;
        self.replies.send(Reply::new(data, info)).await?;
        Ok(true)
    }

    /// Sends the replies that are left, and ends the call as it is to end.
    async fn finish(mut self) -> Result<(), Status> {
        while self.reply().await? {}
        let Some(error) = self.error.take() else {
            return Ok(());
        };
        // What a reply has told is not told again.
        let info = (!self.replied).then(|| self.info()).flatten();
        Err(error.into_status(&self.call, info)?)
    }

    /// Everything for the first reply; then only what requests have come since the last.
    fn info(&mut self) -> Option<RequestInfo> {
        let requests = std::mem::take(&mut self.requests);
        if !std::mem::replace(&mut self.replied, true) {
            return Some(RequestInfo::of(&self.call, requests));
        }
        (!requests.is_empty()).then(|| RequestInfo {
            requests,
            ..RequestInfo::default()
        })
    }
}

#[derive(Default, Deserialize)]
struct UnaryDefinition {
    response_headers: Vec<Header>,
    response_data: Option<Bytes>,
    error: Option<Failure>,
    response_trailers: Vec<Header>,
    response_delay_ms: u32,
}

#[derive(Default, Deserialize)]
struct StreamDefinition {
    response_headers: Vec<Header>,
    response_data: Vec<Bytes>,
    response_delay_ms: u32,
    error: Option<Failure>,
    response_trailers: Vec<Header>,
}

impl Reply {
    fn new(data: Bytes, request_info: Option<RequestInfo>) -> Self {
        Self {
            payload: Some(Payload { data, request_info }),
        }
    }
}

impl RequestInfo {
    fn of(call: &Call, requests: Vec<Any>) -> Self {
        let timeout = call.time_left().map(|left| left.as_millis());
        Self {
            request_headers: headers(call.metadata()),
            timeout_ms: timeout.map(|ms| ms.try_into().unwrap_or(u64::MAX)),
            requests,
        }
    }
}

impl Any {
    fn of(message: &Message) -> Self {
        Self {
            type_url: type_url(message.message_type().full_name()),
            value: message.encode_to_bytes(),
        }
    }
}

impl Failure {
    fn into_status(self, call: &Call, info: Option<RequestInfo>) -> Result<Status, Status> {
        let code = Code::from_number(self.code);
        let mut status = Status::new(code, self.message.unwrap_or_default());
        for detail in self.details {
            status = status.with_detail_bytes(detail.type_url, detail.value);
        }
        match info {
            Some(info) => with_info(status, call, info),
            None => Ok(status),
        }
    }
}

/// The info as a detail. Its type is found where every reply of the service has it.
fn with_info(status: Status, call: &Call, info: RequestInfo) -> Result<Status, Status> {
    let method = call.method().ok_or_else(|| internal("no method"))?;
    let reply = Message::from_serialize(method.output(), &Reply::new(Bytes::new(), Some(info)))
        .map_err(internal)?;
    let payload = reply.message("payload").map_err(internal)?;
    let info = match payload {
        Some(payload) => payload.message("request_info").map_err(internal)?,
        None => None,
    };
    let info = info.ok_or_else(|| internal("no info"))?;
    let url = type_url(info.message_type().full_name());
    Ok(status.with_detail_bytes(url, info.encode_to_vec()))
}

fn type_url(full_name: &str) -> String {
    format!("type.googleapis.com/{full_name}")
}

/// What a request says of its answer; the default if it says nothing.
fn definition<T>(request: &Message) -> Result<T, Status>
where
    T: Default + for<'de> Deserialize<'de>,
{
    let definition = request.message("response_definition").map_err(internal)?;
    definition.map_or_else(
        || Ok(T::default()),
        |definition| definition.deserialize().map_err(internal),
    )
}

async fn wait(delay_ms: u32) {
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms.into())).await;
    }
}
