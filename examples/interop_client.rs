//! The client of gRPC's interoperability tests (grpc/grpc, doc/interop-test-descriptions.md), with the
//! flags of grpc-go's.
//!
//! ```console
//! $ cargo run --example interop_client -- --server_port 10000 --test_case large_unary
//! ```

use std::{error::Error, time::Duration};

use bytes::Bytes;
use clap::Parser;
use reflectd::{
    Code, Metadata, Response, Schema, Status,
    client::{Channel, Client, ClientTls, Requests, Responses},
};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::timeout};

/// Makes the calls of one case, or of all.
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Flags {
    #[arg(long, default_value = "localhost")]
    server_host: String,
    #[arg(long, default_value_t = 10000)]
    server_port: u16,
    /// The name that the server's certificate must have, if not the host's
    #[arg(long)]
    server_host_override: Option<String>,
    #[arg(long)]
    use_tls: bool,
    /// Whom to trust, PEM
    #[arg(long)]
    ca_file: Option<String>,
    /// The case; "all": one after the other
    #[arg(long, default_value = "large_unary")]
    test_case: String,
    /// Retries and so on, gRPC's JSON
    #[arg(long)]
    service_config_json: Option<String>,
    #[arg(long, default_value_t = 10)]
    soak_iterations: usize,
    #[arg(long, default_value_t = 1)]
    soak_num_threads: usize,
    #[arg(long, default_value_t = 10)]
    soak_overall_timeout_seconds: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tester = Tester {
        flags: Flags::parse(),
        schema: Schema::compile(
            ["tests/protos/interop/grpc/testing/test.proto"],
            ["tests/protos/interop"],
        )?,
    };
    let client = tester.client()?;
    let asked = tester.flags.test_case.as_str();
    let cases = CASES
        .iter()
        .filter(|case| asked == "all" || asked == **case);
    let mut made = 0;
    for case in cases {
        tester
            .run(case, &client)
            .await
            .map_err(|error| format!("{case}: {error}"))?;
        println!("{case} done");
        made += 1;
    }
    match made {
        0 => Err(format!(
            "there is no case {asked:?}; there are: all {}",
            CASES.join(" ")
        )
        .into()),
        _ => Ok(()),
    }
}

struct Tester {
    flags: Flags,
    schema: Schema,
}

/// What a case ends with.
type Outcome = Result<(), Box<dyn Error>>;

impl Tester {
    fn client(&self) -> Result<Client, Box<dyn Error>> {
        let flags = &self.flags;
        let scheme = if flags.use_tls { "https" } else { "http" };
        let address = format!("{scheme}://{}:{}", flags.server_host, flags.server_port);
        let mut builder = Channel::builder(&address);
        if flags.use_tls {
            let mut tls = ClientTls::new();
            if let Some(file) = &flags.ca_file {
                tls = tls.ca(file);
            }
            if let Some(name) = &flags.server_host_override {
                tls = tls.server_name(name);
                builder = builder.authority(name);
            }
            builder = builder.tls(tls);
        }
        if let Some(json) = &flags.service_config_json {
            builder = builder.service_config(json);
        }
        Ok(Client::new(builder.lazy()?, self.schema.clone()))
    }

    async fn run(&self, case: &str, client: &Client) -> Outcome {
        match case {
            "empty_unary" => Ok(client.unary(EMPTY_CALL, ()).await?),
            "large_unary" => large_unary(client).await,
            "client_streaming" => client_streaming(client).await,
            "server_streaming" => server_streaming(client).await,
            "ping_pong" => ping_pong(client).await,
            "empty_stream" => empty_stream(client).await,
            "timeout_on_sleeping_server" => timeout_on_sleeping_server(client).await,
            "cancel_after_begin" => cancel_after_begin(client).await,
            "cancel_after_first_response" => cancel_after_first_response(client).await,
            "status_code_and_message" => status_code_and_message(client).await,
            "special_status_message" => unary_status(client, SPECIAL_MESSAGE).await,
            "custom_metadata" => custom_metadata(client).await,
            "unimplemented_method" => {
                let ended = client.unary::<_, (), _, _>(UNIMPLEMENTED_METHOD, ()).await;
                expect_code(ended, Code::Unimplemented)
            }
            "unimplemented_service" => {
                let ended = client.unary::<_, (), _, _>(UNIMPLEMENTED_SERVICE, ()).await;
                expect_code(ended, Code::Unimplemented)
            }
            "rpc_soak" => self.soak(Some(client)).await,
            "channel_soak" => self.soak(None).await,
            other => Err(format!("the case {other:?} is not written").into()),
        }
    }

    /// Large calls one after the other in several tasks; each on a channel of its own if none is given.
    async fn soak(&self, client: Option<&Client>) -> Outcome {
        let mut tasks = JoinSet::new();
        for _ in 0..self.flags.soak_num_threads {
            let count = self.flags.soak_iterations / self.flags.soak_num_threads;
            let clients = (0..count).map(|_| match client {
                Some(client) => Ok(client.clone()),
                None => self.client(),
            });
            let clients = clients.collect::<Result<Vec<_>, _>>()?;
            tasks.spawn(async move {
                for client in clients {
                    large_unary(&client)
                        .await
                        .map_err(|error| error.to_string())?;
                }
                Ok::<(), String>(())
            });
        }
        let all = async {
            while let Some(done) = tasks.join_next().await {
                done??;
            }
            Ok(())
        };
        timeout(
            Duration::from_secs(self.flags.soak_overall_timeout_seconds),
            all,
        )
        .await?
    }
}

async fn large_unary(client: &Client) -> Outcome {
    let request = SimpleRequest::sized(LARGE_REPLY, LARGE_REQUEST);
    let reply: PayloadReply = client.unary(UNARY_CALL, request).await?;
    reply.expect(LARGE_REPLY)
}

async fn client_streaming(client: &Client) -> Outcome {
    let call = client.call(STREAMING_INPUT_CALL);
    let mut call = call
        .client_streaming::<InputRequest, Summary, _, _>()
        .await?;
    for size in REQUEST_SIZES {
        let payload = Payload::new(size);
        call.send(InputRequest { payload }).await?;
    }
    let summary = call.reply().await?;
    expect(
        summary.aggregated_payload_size,
        REQUEST_SIZES.iter().sum(),
        "bytes together",
    )
}

async fn server_streaming(client: &Client) -> Outcome {
    let request = OutputRequest {
        response_parameters: REPLY_SIZES.map(|size| ResponseParameters { size }).into(),
        ..OutputRequest::default()
    };
    let call = client.call(STREAMING_OUTPUT_CALL);
    let mut replies: Responses<PayloadReply> = call.server_streaming(request).await?;
    for size in REPLY_SIZES {
        next(&mut replies).await?.expect(size)?;
    }
    expect_end(&mut replies).await
}

async fn ping_pong(client: &Client) -> Outcome {
    let (mut requests, mut replies) = full_duplex(client, Metadata::new(), None).await?;
    for (request, reply) in REQUEST_SIZES.into_iter().zip(REPLY_SIZES) {
        requests.send(OutputRequest::sized(reply, request)).await?;
        next(&mut replies).await?.expect(reply)?;
    }
    requests.close();
    expect_end(&mut replies).await
}

async fn empty_stream(client: &Client) -> Outcome {
    let (requests, mut replies) = full_duplex(client, Metadata::new(), None).await?;
    requests.close();
    expect_end(&mut replies).await
}

async fn timeout_on_sleeping_server(client: &Client) -> Outcome {
    let time = Duration::from_millis(1);
    let opened = full_duplex(client, Metadata::new(), Some(time)).await;
    let ended = match opened {
        Ok((mut requests, mut replies)) => {
            // Whether it still could be sent does not matter.
            let _ = requests.send(OutputRequest::unanswered(27182)).await;
            replies.message().await
        }
        Err(status) => Err(status),
    };
    expect_code(ended, Code::DeadlineExceeded)
}

async fn cancel_after_begin(client: &Client) -> Outcome {
    let mut metadata = Metadata::new();
    metadata.append("key1", "value1")?;
    metadata.append("key2", "value2")?;
    let call = client.call(STREAMING_INPUT_CALL).metadata(metadata);
    let (requests, mut replies): (Requests<InputRequest>, Responses<Summary>) = call.bidi().await?;
    replies.cancel();
    requests.close();
    expect_code(replies.message().await, Code::Cancelled)
}

async fn cancel_after_first_response(client: &Client) -> Outcome {
    let (mut requests, mut replies) = full_duplex(client, Metadata::new(), None).await?;
    requests.send(OutputRequest::sized(31415, 27182)).await?;
    next(&mut replies).await?.expect(31415)?;
    replies.cancel();
    expect_code(replies.message().await, Code::Cancelled)
}

async fn status_code_and_message(client: &Client) -> Outcome {
    unary_status(client, PLAIN_MESSAGE).await?;
    let (mut requests, mut replies) = full_duplex(client, Metadata::new(), None).await?;
    requests
        .send(OutputRequest {
            response_status: Some(EchoStatus::unknown(PLAIN_MESSAGE)),
            ..OutputRequest::default()
        })
        .await?;
    requests.close();
    expect_status(replies.message().await, PLAIN_MESSAGE)
}

async fn unary_status(client: &Client, message: &'static str) -> Outcome {
    let request = SimpleRequest {
        response_status: Some(EchoStatus::unknown(message)),
        ..SimpleRequest::default()
    };
    let ended: Result<PayloadReply, _> = client.unary(UNARY_CALL, request).await;
    expect_status(ended, message)
}

async fn custom_metadata(client: &Client) -> Outcome {
    let mut metadata = Metadata::new();
    metadata.append(ECHO_INITIAL, INITIAL)?;
    metadata.append_bytes(ECHO_TRAILING, TRAILING)?;
    let call = client.call(UNARY_CALL).metadata(metadata.clone());
    let reply = call.unary_response(SimpleRequest::sized(1, 1)).await;
    let reply: Response<PayloadReply> = reply?;
    expect_metadata(reply.metadata(), reply.trailers())?;
    reply.into_message().expect(1)?;

    let (mut requests, mut replies) = full_duplex(client, metadata, None).await?;
    requests.send(OutputRequest::sized(1, 1)).await?;
    let initial = replies.metadata().await?.clone();
    next(&mut replies).await?.expect(1)?;
    requests.close();
    expect_end(&mut replies).await?;
    expect_metadata(&initial, replies.trailers())
}

async fn full_duplex(
    client: &Client,
    metadata: Metadata,
    time: Option<Duration>,
) -> Result<(Requests<OutputRequest>, Responses<PayloadReply>), Status> {
    let mut call = client.call(FULL_DUPLEX_CALL).metadata(metadata);
    if let Some(time) = time {
        call = call.timeout(time);
    }
    call.bidi().await
}

async fn next(replies: &mut Responses<PayloadReply>) -> Result<PayloadReply, Box<dyn Error>> {
    let reply = replies.message().await?;
    Ok(reply.ok_or("the stream has ended")?)
}

async fn expect_end(replies: &mut Responses<PayloadReply>) -> Outcome {
    match replies.message().await? {
        None => Ok(()),
        Some(_) => Err("one reply too many".into()),
    }
}

fn expect_code<T>(ended: Result<T, Status>, code: Code) -> Outcome {
    match ended {
        Err(status) if status.code() == code => Ok(()),
        Err(status) => Err(format!("it ended with {status}, not {code}").into()),
        Ok(_) => Err(format!("it did not fail, with {code} or otherwise").into()),
    }
}

fn expect_status<T>(ended: Result<T, Status>, message: &str) -> Outcome {
    match ended {
        Err(status) if status.code() == Code::Unknown && status.message() == message => Ok(()),
        ended => expect_code(ended, Code::Ok),
    }
}

fn expect_metadata(initial: &Metadata, trailing: &Metadata) -> Outcome {
    let initial: Vec<_> = initial.texts(ECHO_INITIAL).collect();
    let trailing: Vec<_> = trailing.all_bytes(ECHO_TRAILING).collect();
    match initial == [INITIAL] && trailing == [TRAILING] {
        true => Ok(()),
        false => Err(format!("the metadata was {initial:?}, {trailing:?}").into()),
    }
}

fn expect(got: usize, wanted: usize, what: &str) -> Outcome {
    match got == wanted {
        true => Ok(()),
        false => Err(format!("there were {got} {what}, not {wanted}").into()),
    }
}

#[derive(Default, Serialize)]
struct SimpleRequest {
    response_size: usize,
    payload: Option<Payload>,
    response_status: Option<EchoStatus>,
}

#[derive(Default, Serialize)]
struct OutputRequest {
    response_parameters: Vec<ResponseParameters>,
    payload: Option<Payload>,
    response_status: Option<EchoStatus>,
}

#[derive(Serialize)]
struct ResponseParameters {
    size: usize,
}

#[derive(Serialize)]
struct InputRequest {
    payload: Payload,
}

#[derive(Serialize)]
struct EchoStatus {
    code: i32,
    message: &'static str,
}

/// `SimpleResponse` or `StreamingOutputCallResponse`.
#[derive(Deserialize)]
struct PayloadReply {
    payload: Option<Payload>,
}

#[derive(Deserialize, Serialize)]
struct Payload {
    body: Bytes,
}

#[derive(Deserialize)]
struct Summary {
    aggregated_payload_size: usize,
}

impl SimpleRequest {
    fn sized(reply: usize, request: usize) -> Self {
        Self {
            response_size: reply,
            payload: Some(Payload::new(request)),
            response_status: None,
        }
    }
}

impl OutputRequest {
    /// Asks for no reply, not even an empty one.
    fn unanswered(request: usize) -> Self {
        Self {
            response_parameters: Vec::new(),
            payload: Some(Payload::new(request)),
            response_status: None,
        }
    }

    fn sized(reply: usize, request: usize) -> Self {
        Self {
            response_parameters: vec![ResponseParameters { size: reply }],
            payload: Some(Payload::new(request)),
            response_status: None,
        }
    }
}

impl EchoStatus {
    fn unknown(message: &'static str) -> Self {
        Self { code: 2, message }
    }
}

impl PayloadReply {
    fn expect(&self, size: usize) -> Outcome {
        let got = self
            .payload
            .as_ref()
            .map_or(0, |payload| payload.body.len());
        expect(got, size, "bytes in the reply")
    }
}

impl Payload {
    /// `size` zeros.
    fn new(size: usize) -> Self {
        let body = vec![0; size].into();
        Self { body }
    }
}

const CASES: [&str; 16] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "rpc_soak",
    "channel_soak",
];

const EMPTY_CALL: &str = "/grpc.testing.TestService/EmptyCall";
const UNARY_CALL: &str = "/grpc.testing.TestService/UnaryCall";
const STREAMING_INPUT_CALL: &str = "/grpc.testing.TestService/StreamingInputCall";
const STREAMING_OUTPUT_CALL: &str = "/grpc.testing.TestService/StreamingOutputCall";
const FULL_DUPLEX_CALL: &str = "/grpc.testing.TestService/FullDuplexCall";
const UNIMPLEMENTED_METHOD: &str = "/grpc.testing.TestService/UnimplementedCall";
const UNIMPLEMENTED_SERVICE: &str = "/grpc.testing.UnimplementedService/UnimplementedCall";

const REQUEST_SIZES: [usize; 4] = [27182, 8, 1828, 45904];
const REPLY_SIZES: [usize; 4] = [31415, 9, 2653, 58979];
const LARGE_REQUEST: usize = 271_828;
const LARGE_REPLY: usize = 314_159;
const PLAIN_MESSAGE: &str = "test status message";
const SPECIAL_MESSAGE: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";
const INITIAL: &str = "test_initial_metadata_value";
const TRAILING: &[u8] = b"\x0a\x0b\x0a\x0b\x0a\x0b";
