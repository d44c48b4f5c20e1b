//! The server of gRPC's interoperability tests (grpc/grpc, doc/interop-test-descriptions.md), with
//! the four cases for compression that few servers answer.
//!
//! ```console
//! $ cargo run --example interop_server -- --port 10000
//! $ grpcurl -plaintext -d '{"response_size":3}' 127.0.0.1:10000 grpc.testing.TestService/UnaryCall
//! ```

#[path = "suites/endpoint.rs"]
mod endpoint;

use std::{error::Error, time::Duration};

use bytes::Bytes;
use clap::Parser;
use reflectd::{Call, Code, Metadata, Replies, Response, Schema, ServerBuilder, Status, Streaming};
use serde::{Deserialize, Serialize};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = endpoint::Endpoint::parse();
    let schema = Schema::compile(
        ["tests/protos/interop/grpc/testing/test.proto"],
        ["tests/protos/interop"],
    )?;
    endpoint.serve(schema, service).await
}

/// `UnimplementedCall` and `UnimplementedService` are left without handlers, as the tests want them.
fn service(builder: ServerBuilder) -> ServerBuilder {
    let path = |method| format!("/grpc.testing.TestService/{method}");
    builder
        .unary_sync(&path("EmptyCall"), |(): ()| Ok(()))
        .unary(&path("UnaryCall"), unary_call)
        .server_streaming(&path("StreamingOutputCall"), streaming_output_call)
        .client_streaming(&path("StreamingInputCall"), streaming_input_call)
        .bidi(&path("FullDuplexCall"), full_duplex_call)
        .bidi(&path("HalfDuplexCall"), half_duplex_call)
}

async fn unary_call(call: Call, request: SimpleRequest) -> Result<Response<PayloadReply>, Status> {
    check_compressed(request.expect_compressed, call.request_was_compressed())?;
    let (headers, trailers) = echoed_metadata(&call)?;
    if let Some(status) = failure(request.response_status) {
        return Err(status.with_metadata(headers).with_metadata(trailers));
    }
    if let Some(compressed) = request.response_compressed {
        call.compress_replies(compressed.value);
    }
    let reply = PayloadReply::new(request.response_type, request.response_size)?;
    Ok(Response::new(reply)
        .with_metadata(headers)
        .with_trailers(trailers))
}

async fn streaming_output_call(
    call: Call,
    request: OutputRequest,
    mut replies: Replies<PayloadReply>,
) -> Result<(), Status> {
    send_payloads(&call, request, &mut replies).await
}

async fn streaming_input_call(mut requests: Streaming<InputRequest>) -> Result<Summary, Status> {
    let mut aggregated_payload_size = 0;
    while let Some(request) = requests.message().await? {
        check_compressed(request.expect_compressed, requests.was_compressed())?;
        aggregated_payload_size += request.payload.map_or(0, |payload| payload.body.len());
    }
    Ok(Summary {
        aggregated_payload_size,
    })
}

async fn full_duplex_call(
    call: Call,
    mut requests: Streaming<OutputRequest>,
    mut replies: Replies<PayloadReply>,
) -> Result<(), Status> {
    let (headers, trailers) = echoed_metadata(&call)?;
    if !headers.is_empty() {
        replies.send_headers(headers);
    }
    replies.trailers(trailers);
    while let Some(request) = requests.message().await? {
        send_payloads(&call, request, &mut replies).await?;
    }
    Ok(())
}

async fn half_duplex_call(
    call: Call,
    mut requests: Streaming<OutputRequest>,
    mut replies: Replies<PayloadReply>,
) -> Result<(), Status> {
    let mut received = Vec::new();
    while let Some(request) = requests.message().await? {
        received.push(request);
    }
    for request in received {
        send_payloads(&call, request, &mut replies).await?;
    }
    Ok(())
}

/// Each payload that a request asks for, after its interval, compressed if it says so.
async fn send_payloads(
    call: &Call,
    request: OutputRequest,
    replies: &mut Replies<PayloadReply>,
) -> Result<(), Status> {
    if let Some(status) = failure(request.response_status) {
        return Err(status);
    }
    for wanted in request.response_parameters {
        if let Ok(interval) = u64::try_from(wanted.interval_us)
            && interval > 0
        {
            tokio::time::sleep(Duration::from_micros(interval)).await;
        }
        if let Some(compressed) = wanted.compressed {
            call.compress_replies(compressed.value);
        }
        let reply = PayloadReply::new(request.response_type, wanted.size)?;
        replies.send(reply).await?;
    }
    Ok(())
}

/// "If the request is not compressed as expected, the call fails with INVALID_ARGUMENT."
fn check_compressed(expected: Option<Flag>, compressed: bool) -> Result<(), Status> {
    match expected {
        Some(expected) if expected.value != compressed => {
            let came = if compressed {
                "compressed"
            } else {
                "uncompressed"
            };
            Err(Status::invalid_argument(format!("the request came {came}")))
        }
        _ => Ok(()),
    }
}

/// What the client wants to find again in the headers and in the trailers.
fn echoed_metadata(call: &Call) -> Result<(Metadata, Metadata), Status> {
    let (mut headers, mut trailers) = (Metadata::new(), Metadata::new());
    let internal = |error: reflectd::MetadataError| Status::internal(error.to_string());
    for text in call.metadata().texts(ECHO_INITIAL) {
        headers.append(ECHO_INITIAL, text).map_err(internal)?;
    }
    for bytes in call.metadata().all_bytes(ECHO_TRAILING) {
        trailers
            .append_bytes(ECHO_TRAILING, &bytes)
            .map_err(internal)?;
    }
    Ok((headers, trailers))
}

fn failure(status: Option<EchoStatus>) -> Option<Status> {
    let status = status.filter(|status| status.code != 0)?;
    let code = u32::try_from(status.code).map_or(Code::Unknown, Code::from_number);
    Some(Status::new(code, status.message))
}

#[derive(Deserialize)]
struct SimpleRequest {
    response_type: i32,
    response_size: i32,
    response_compressed: Option<Flag>,
    response_status: Option<EchoStatus>,
    expect_compressed: Option<Flag>,
}

#[derive(Deserialize)]
struct OutputRequest {
    response_type: i32,
    response_parameters: Vec<ResponseParameters>,
    response_status: Option<EchoStatus>,
}

#[derive(Deserialize)]
struct ResponseParameters {
    size: i32,
    interval_us: i32,
    compressed: Option<Flag>,
}

#[derive(Deserialize)]
struct InputRequest {
    payload: Option<Payload>,
    expect_compressed: Option<Flag>,
}

/// `grpc.testing.BoolValue`.
#[derive(Deserialize)]
struct Flag {
    value: bool,
}

#[derive(Deserialize)]
struct EchoStatus {
    code: i32,
    message: String,
}

/// `SimpleResponse` or `StreamingOutputCallResponse`.
#[derive(Serialize)]
struct PayloadReply {
    payload: Payload,
}

#[derive(Deserialize, Serialize)]
struct Payload {
    #[serde(rename = "type")]
    payload_type: i32,
    body: Bytes,
}

#[derive(Serialize)]
struct Summary {
    aggregated_payload_size: usize,
}

impl PayloadReply {
    /// `size` zeros.
    fn new(payload_type: i32, size: i32) -> Result<Self, Status> {
        if payload_type != COMPRESSABLE {
            let message = format!("there is no payload of type {payload_type}");
            return Err(Status::invalid_argument(message));
        }
        let size = usize::try_from(size)
            .map_err(|_| Status::invalid_argument(format!("a payload cannot have {size} bytes")))?;
        let body = vec![0; size].into();
        Ok(Self {
            payload: Payload { payload_type, body },
        })
    }
}

const COMPRESSABLE: i32 = 0;
const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";
