//! The client that connectconformance tests: written as any user would, on the public API alone.
//!
//! The suite's runner tells it on standard input which calls to make, one `ClientCompatRequest` after
//! four bytes of its length each, and is told on standard output what became of them, in any order.
//! `tests/suites/run conformance-client` does all of that.
//!
//! ```console
//! $ connectconformance --mode client --conf tests/suites/conformance-client.yaml \
//!     -- target/debug/examples/conformance_client
//! ```

#[path = "suites/payload.rs"]
mod payload;

use std::{
    collections::HashMap,
    error::Error,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use payload::{Any, Failure, Header, Payload, Reply, headers, metadata};
use reflectd::{
    Message, MessageEncoding, RawMessage, Response, Schema, Status,
    client::{Call, Channel, Client, ClientTls, Requests, Responses},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tester = Arc::new(Tester {
        schema: Schema::compile(
            [
                "tests/protos/conformance/connectrpc/conformance/v1/service.proto",
                "tests/protos/conformance/connectrpc/conformance/v1/client_compat.proto",
            ],
            ["tests/protos/conformance"],
        )?,
        channels: Mutex::default(),
        certificates: tempfile::tempdir()?,
    });
    let at_once = Arc::new(Semaphore::new(CALLS_AT_ONCE));
    let mut calls = JoinSet::new();
    loop {
        let room = Arc::clone(&at_once).acquire_owned().await?;
        let reader = Arc::clone(&tester);
        let Some(request) = tokio::task::spawn_blocking(move || reader.asked()).await?? else {
            break;
        };
        let tester = Arc::clone(&tester);
        calls.spawn(async move {
            let answer = tester.answer(request).await;
            drop(room);
            tester.tell(&answer)
        });
    }
    while let Some(told) = calls.join_next().await {
        told??;
    }
    Ok(())
}

struct Tester {
    schema: Schema,
    /// Calls to the same server share a channel.
    channels: Mutex<HashMap<String, Channel>>,
    certificates: tempfile::TempDir,
}

/// A call to make.
#[derive(Deserialize)]
struct ClientCompatRequest {
    test_name: String,
    compression: u32,
    host: String,
    port: u16,
    server_tls_cert: Bytes,
    client_tls_creds: Option<TlsCreds>,
    message_receive_limit: u32,
    service: Option<String>,
    method: Option<String>,
    stream_type: u32,
    request_headers: Vec<Header>,
    request_messages: Vec<Any>,
    timeout_ms: Option<u32>,
    request_delay_ms: u32,
    cancel: Option<Cancel>,
}

#[derive(Deserialize)]
struct TlsCreds {
    cert: Bytes,
    key: Bytes,
}

/// When to give the call up; one of them is there.
#[derive(Default, Deserialize)]
struct Cancel {
    before_close_send: Option<Empty>,
    after_close_send_ms: Option<u32>,
    after_num_responses: Option<usize>,
}

#[derive(Deserialize)]
struct Empty {}

#[derive(Serialize)]
struct ClientCompatResponse {
    test_name: String,
    response: Option<ClientResponseResult>,
    error: Option<ClientErrorResult>,
}

#[derive(Default, Serialize)]
struct ClientResponseResult {
    response_headers: Vec<Header>,
    payloads: Vec<Payload>,
    error: Option<Failure>,
    response_trailers: Vec<Header>,
    num_unsent_requests: usize,
}

#[derive(Serialize)]
struct ClientErrorResult {
    message: String,
}

impl Tester {
    /// Waits for the next call that the runner wants; `None`: it wants no more.
    fn asked(&self) -> Result<Option<ClientCompatRequest>, String> {
        let text = |error: io::Error| error.to_string();
        let mut length = [0; 4];
        match io::stdin().read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read.map_err(text)?,
        }
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        io::stdin().read_exact(&mut bytes).map_err(text)?;
        let message_type = self.message_type("ClientCompatRequest")?;
        let message = Message::decode(&message_type, bytes).map_err(|error| error.to_string())?;
        let asked = message.deserialize().map_err(|error| error.to_string());
        asked.map(Some)
    }

    /// Tells the runner what became of a call.
    fn tell(&self, answer: &ClientCompatResponse) -> Result<(), String> {
        let message_type = self.message_type("ClientCompatResponse")?;
        let message = Message::from_serialize(&message_type, answer);
        let bytes = message.map_err(|error| error.to_string())?.encode_to_vec();
        let length = u32::try_from(bytes.len()).map_err(|error| error.to_string())?;
        let framed = [&length.to_be_bytes()[..], &bytes].concat();
        let mut output = io::stdout().lock();
        output
            .write_all(&framed)
            .and_then(|()| output.flush())
            .map_err(|error| error.to_string())
    }

    async fn answer(&self, request: ClientCompatRequest) -> ClientCompatResponse {
        let made = self.make(&request).await;
        let (response, error) = match made {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error.to_string())),
        };
        ClientCompatResponse {
            test_name: request.test_name,
            response,
            error: error.map(|message| ClientErrorResult { message }),
        }
    }

    /// Makes a call. An error here is not the call's, but that it could not be made.
    async fn make(
        &self,
        request: &ClientCompatRequest,
    ) -> Result<ClientResponseResult, Box<dyn Error + Send + Sync>> {
        let client = Client::new(self.channel(request)?, self.schema.clone());
        let service = request.service.as_deref().ok_or("no service")?;
        let method = request.method.as_deref().ok_or("no method")?;
        let path = format!("/{service}/{method}");
        let mut call = client
            .call(&path)
            .metadata(metadata(&request.request_headers)?);
        if let Some(ms) = request.timeout_ms {
            call = call.timeout(Duration::from_millis(ms.into()));
        }
        if let Some(encoding) = encoding(request.compression)? {
            call = call.compress(encoding);
        }
        if request.message_receive_limit > 0 {
            call = call.receive_bytes_max(request.message_receive_limit.try_into()?);
        }
        Ok(match request.stream_type {
            UNARY => unary(request, call).await,
            CLIENT_STREAM => client_stream(request, call).await,
            SERVER_STREAM => server_stream(request, call).await,
            HALF_DUPLEX => bidi(request, call, false).await,
            FULL_DUPLEX => bidi(request, call, true).await,
            other => return Err(format!("stream type {other}").into()),
        })
    }

    fn channel(
        &self,
        request: &ClientCompatRequest,
    ) -> Result<Channel, Box<dyn Error + Send + Sync>> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let scheme = match request.server_tls_cert.is_empty() {
            true => "http",
            false => "https",
        };
        let address = format!("{scheme}://{}:{}", request.host, request.port);
        let key = match &request.client_tls_creds {
            Some(_) => format!("{address} with a certificate"),
            None => address.clone(),
        };
        if let Some(channel) = channels.get(&key) {
            return Ok(channel.clone());
        }
        let mut builder = Channel::builder(&address);
        if scheme == "https" {
            let folder = self.certificates.path().join(channels.len().to_string());
            builder = builder.tls(tls(request, &folder)?);
        }
        let channel = builder.lazy()?;
        channels.insert(key, channel.clone());
        Ok(channel)
    }

    fn message_type(&self, name: &str) -> Result<reflectd::schema::MessageType, String> {
        let name = format!("connectrpc.conformance.v1.{name}");
        self.schema
            .message(&name)
            .ok_or_else(|| format!("there is no {name}"))
    }
}

/// The certificates, written to files in a folder.
fn tls(request: &ClientCompatRequest, folder: &Path) -> io::Result<ClientTls> {
    fs::create_dir_all(folder)?;
    let file = |name: &str, bytes: &Bytes| -> io::Result<PathBuf> {
        let path = folder.join(name);
        fs::write(&path, bytes).map(|()| path)
    };
    let tls = ClientTls::new().ca(file("server", &request.server_tls_cert)?);
    Ok(match &request.client_tls_creds {
        None => tls,
        Some(creds) => tls.identity(file("cert", &creds.cert)?, file("key", &creds.key)?),
    })
}

async fn unary(request: &ClientCompatRequest, call: Call<'_>) -> ClientResponseResult {
    let message = request.messages().next().unwrap_or_default();
    let reply = call.unary_response::<_, Reply, _, _>(message);
    once(within(request.cancel_after_close(), reply).await)
}

async fn client_stream(request: &ClientCompatRequest, call: Call<'_>) -> ClientResponseResult {
    let mut call = match call.client_streaming::<RawMessage, Reply, _, _>().await {
        Ok(call) => call,
        Err(status) => return once(Err(status)),
    };
    let mut unsent = request.request_messages.len();
    for message in request.messages() {
        request.delay().await;
        if call.send(message).await.is_err() {
            break;
        }
        unsent -= 1;
    }
    let reply = if request.cancels_before_close() {
        drop(call);
        Err(given_up())
    } else {
        within(request.cancel_after_close(), call.response()).await
    };
    ClientResponseResult {
        num_unsent_requests: unsent,
        ..once(reply)
    }
}

async fn server_stream(request: &ClientCompatRequest, call: Call<'_>) -> ClientResponseResult {
    let message = request.messages().next().unwrap_or_default();
    match call.server_streaming::<_, Reply, _, _>(message).await {
        Ok(responses) => Streaming::new(request, responses).rest().await,
        Err(status) => once(Err(status)),
    }
}

async fn bidi(request: &ClientCompatRequest, call: Call<'_>, full: bool) -> ClientResponseResult {
    let opened: Result<(Requests<RawMessage>, Responses<Reply>), _> = call.bidi().await;
    let (mut requests, responses) = match opened {
        Ok(halves) => halves,
        Err(status) => return once(Err(status)),
    };
    let mut streaming = Streaming::new(request, responses);
    let mut unsent = request.request_messages.len();
    for message in request.messages() {
        request.delay().await;
        if requests.send(message).await.is_err() {
            break;
        }
        unsent -= 1;
        if full && !streaming.reply().await {
            break;
        }
    }
    streaming.result.num_unsent_requests = unsent;
    if request.cancels_before_close() {
        streaming.responses.cancel();
    }
    requests.close();
    streaming.rest().await
}

/// A stream of replies.
struct Streaming<'a> {
    request: &'a ClientCompatRequest,
    responses: Responses<Reply>,
    result: ClientResponseResult,
}

impl<'a> Streaming<'a> {
    fn new(request: &'a ClientCompatRequest, responses: Responses<Reply>) -> Self {
        Self {
            request,
            responses,
            result: ClientResponseResult::default(),
        }
    }

    /// Takes the next reply; `false`: the call has ended.
    async fn reply(&mut self) -> bool {
        match self.responses.message().await {
            Ok(Some(reply)) => {
                self.result.payloads.push(reply.payload.unwrap_or_default());
                let cancel = self.request.cancel.as_ref();
                let count = cancel.and_then(|cancel| cancel.after_num_responses);
                if count == Some(self.result.payloads.len()) {
                    self.responses.cancel();
                }
                true
            }
            Ok(None) => false,
            Err(status) => {
                self.result.response_trailers = headers(status.metadata());
                self.result.error = Some(failure(&status));
                false
            }
        }
    }

    /// Takes all that come once the requests are closed.
    async fn rest(mut self) -> ClientResponseResult {
        if let Some(time) = self.request.cancel_after_close() {
            sleep(time).await;
            self.responses.cancel();
        }
        while self.reply().await {}
        if self.result.error.is_none() {
            self.result.response_trailers = headers(self.responses.trailers());
        }
        if let Ok(metadata) = self.responses.metadata().await {
            self.result.response_headers = headers(metadata);
        }
        self.result
    }
}

impl ClientCompatRequest {
    fn messages(&self) -> impl Iterator<Item = RawMessage> {
        let messages = self.request_messages.iter();
        messages.map(|any| RawMessage::new(any.value.clone()))
    }

    async fn delay(&self) {
        if self.request_delay_ms > 0 {
            sleep(Duration::from_millis(self.request_delay_ms.into())).await;
        }
    }

    fn cancels_before_close(&self) -> bool {
        let cancel = self.cancel.as_ref();
        cancel.is_some_and(|cancel| cancel.before_close_send.is_some())
    }

    fn cancel_after_close(&self) -> Option<Duration> {
        let ms = self.cancel.as_ref()?.after_close_send_ms?;
        Some(Duration::from_millis(ms.into()))
    }
}

/// Gives a call up after some time, as one does: by no longer waiting for it.
async fn within<T>(
    time: Option<Duration>,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match time {
        None => call.await,
        Some(time) => timeout(time, call)
            .await
            .unwrap_or_else(|_| Err(given_up())),
    }
}

fn given_up() -> Status {
    Status::cancelled("the call was given up")
}

fn once(reply: Result<Response<Reply>, Status>) -> ClientResponseResult {
    match reply {
        Ok(reply) => ClientResponseResult {
            response_headers: headers(reply.metadata()),
            response_trailers: headers(reply.trailers()),
            payloads: vec![reply.into_message().payload.unwrap_or_default()],
            ..ClientResponseResult::default()
        },
        Err(status) => ClientResponseResult {
            response_headers: status.initial_metadata().map(headers).unwrap_or_default(),
            response_trailers: headers(status.metadata()),
            error: Some(failure(&status)),
            ..ClientResponseResult::default()
        },
    }
}

fn failure(status: &Status) -> Failure {
    let detail = |(type_url, value): (&str, &Bytes)| Any {
        type_url: type_url.to_owned(),
        value: value.clone(),
    };
    Failure {
        code: status.code().number().into(),
        message: Some(status.message().to_owned()),
        details: status.details().map(detail).collect(),
    }
}

/// `None`: as the channel has it.
fn encoding(compression: u32) -> Result<Option<MessageEncoding>, String> {
    let name = match compression {
        0 | 1 => return Ok(None),
        2 => "gzip",
        4 => "zstd",
        5 => "deflate",
        other => return Err(format!("compression {other}")),
    };
    let mut known = MessageEncoding::ALL.iter().copied();
    known
        .find(|encoding| encoding.name() == name)
        .map(Some)
        .ok_or_else(|| format!("{name} is not compiled in"))
}

const UNARY: u32 = 1;
const CLIENT_STREAM: u32 = 2;
const SERVER_STREAM: u32 = 3;
const HALF_DUPLEX: u32 = 4;
const FULL_DUPLEX: u32 = 5;

const CALLS_AT_ONCE: usize = 16;
