//! The service of tests/clients/echo.proto, for clients in other languages.

#![allow(
    unreachable_pub,
    reason = "shared by test programs that each use a part"
)]

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use rcgen::ExtendedKeyUsagePurpose;
use reflectd::{
    Call, CallEnd, ClientAuth, Code, Metadata, Replies, Response, Schema, Server, ServerBuilder,
    Status, Streaming, TlsConfig,
};
use serde::{Deserialize, Serialize};

use crate::authority::Authority;

/// The service on three ports: without TLS, with it, and for clients with a certificate only.
pub struct Servers {
    authority: Authority,
    addresses: [SocketAddr; 3],
}

impl Servers {
    pub async fn start() -> Self {
        let authority = Authority::new();
        authority.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
        authority.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
        let tls = TlsConfig::new(authority.file("server.pem"), authority.file("server.key"));
        let mutual = tls
            .clone()
            .client_auth(ClientAuth::Required, authority.file("ca.pem"));
        let addresses = [
            start(builder()).await,
            start(builder().tls(tls)).await,
            start(builder().tls(mutual)).await,
        ];
        Self {
            authority,
            addresses,
        }
    }

    /// Runs a client, which is told where the servers are and prints a line for each of its cases:
    /// `ok NAME` or `FAILED NAME: WHY`. Fails unless it ran these cases, and all went well.
    pub async fn pass(&self, mut client: Command, cases: &[&str]) {
        let [plain, tls, mutual] = self.addresses.map(|address| address.port());
        client
            .env("PLAIN", format!("127.0.0.1:{plain}"))
            .env("TLS", format!("localhost:{tls}"))
            .env("MUTUAL_TLS", format!("localhost:{mutual}"))
            .env("CERTIFICATES", self.authority.file(""))
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        let run = tokio::task::spawn_blocking(move || client.output());
        let output = run.await.unwrap().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let ran: Vec<_> = said
            .lines()
            .filter_map(|line| line.strip_prefix("ok "))
            .collect();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(ran, cases, "{said}\n{complaints}");
        assert!(output.status.success(), "{said}\n{complaints}");
    }
}

async fn start(builder: ServerBuilder) -> SocketAddr {
    let server = builder.build().unwrap().bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses()[0];
    tokio::spawn(server.serve());
    address
}

fn builder() -> ServerBuilder {
    let schema = Schema::compile(["tests/clients/echo.proto"], ["tests/clients"]).unwrap();
    let seen = Arc::<Tally>::default();
    let [of_unary, of_many, of_each, of_end] = [(); 4].map(|()| Arc::clone(&seen));
    Server::builder(schema)
        .unary("/echo.Echo/Unary", move |call: Call, request: Request| {
            let dropped = OnDrop(Some(Arc::clone(&of_unary)));
            async move { dropped.unless_done(unary(call, request).await) }
        })
        .server_streaming(
            "/echo.Echo/Many",
            move |call: Call, request: Request, replies: Replies<Reply>| {
                let dropped = OnDrop(Some(Arc::clone(&of_many)));
                async move { dropped.unless_done(many(call, request, replies).await) }
            },
        )
        .client_streaming("/echo.Echo/Together", together)
        .bidi(
            "/echo.Echo/Each",
            move |call: Call, requests: Streaming<Request>, replies: Replies<Reply>| {
                let dropped = OnDrop(Some(Arc::clone(&of_each)));
                async move { dropped.unless_done(each(call, requests, replies).await) }
            },
        )
        .unary_sync("/echo.Echo/Tell", move |_: Request| {
            Ok(Seen {
                dropped: seen.dropped.load(Ordering::SeqCst),
                bytes_sent: seen.bytes_sent.load(Ordering::SeqCst),
            })
        })
        .after(move |end: &CallEnd<'_>| {
            of_end.bytes_sent.store(end.bytes_sent(), Ordering::SeqCst);
        })
}

#[derive(Default)]
struct Tally {
    dropped: AtomicU32,
    bytes_sent: AtomicU64,
}

/// Counts handlers that are dropped before they have ended.
struct OnDrop(Option<Arc<Tally>>);

impl OnDrop {
    fn unless_done<T>(mut self, result: T) -> T {
        self.0 = None;
        result
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(tally) = &self.0 {
            tally.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Deserialize)]
struct Request {
    text: String,
    times: u32,
    payload_bytes: u32,
    wait: bool,
    compress: bool,
    fail: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: i32,
    message: String,
    details: Vec<Detail>,
}

/// A `google.protobuf.Any`.
#[derive(Deserialize)]
struct Detail {
    type_url: String,
    value: Bytes,
}

#[derive(Serialize)]
struct Reply {
    text: String,
    payload: Bytes,
    compressed: bool,
    milliseconds_left: i64,
    certificates: u32,
}

#[derive(Serialize)]
struct Seen {
    dropped: u32,
    bytes_sent: u64,
}

/// The reply that a request asks for, if it does not ask for a failure.
async fn answer(call: &Call, request: Request, compressed: bool) -> Result<Reply, Status> {
    call.compress_replies(request.compress);
    if let Some(fail) = request.fail {
        let code = Code::from_number(fail.code.unsigned_abs());
        let details = fail.details.into_iter();
        return Err(
            details.fold(Status::new(code, fail.message), |status, detail| {
                status.with_detail_bytes(detail.type_url, detail.value)
            }),
        );
    }
    if request.wait {
        std::future::pending::<()>().await;
    }
    let left = call.time_left().map(|left| left.as_millis());
    let certificates = call.peer().identity.as_ref();
    Ok(Reply {
        text: request.text,
        payload: vec![0; request.payload_bytes as usize].into(),
        compressed,
        milliseconds_left: left.map_or(-1, |left| i64::try_from(left).unwrap_or(i64::MAX)),
        certificates: certificates.map_or(0, |identity| identity.certificates().len() as u32),
    })
}

/// What came under `x-echo…` goes back, as initial and as trailing metadata.
fn echo_metadata(call: &Call) {
    for (suffix, add) in [
        ("-initial", Call::add_metadata as fn(&Call, Metadata)),
        ("-trailing", Call::add_trailers),
    ] {
        let mut metadata = Metadata::new();
        for text in call.metadata().texts("x-echo") {
            metadata.append(&format!("x-echo{suffix}"), text).unwrap();
        }
        for bytes in call.metadata().all_bytes("x-echo-bin") {
            let name = format!("x-echo{suffix}-bin");
            metadata.append_bytes(&name, &bytes).unwrap();
        }
        if !metadata.is_empty() {
            add(call, metadata);
        }
    }
}

async fn unary(call: Call, request: Request) -> Result<Response<Reply>, Status> {
    echo_metadata(&call);
    let compressed = call.request_was_compressed();
    answer(&call, request, compressed).await.map(Response::new)
}

async fn many(call: Call, request: Request, mut replies: Replies<Reply>) -> Result<(), Status> {
    echo_metadata(&call);
    let wait = request.wait;
    for number in 0..request.times {
        let one = Request {
            text: format!("{} {number}", request.text),
            fail: None,
            wait: false,
            ..request
        };
        replies.send(answer(&call, one, false).await?).await?;
    }
    if request.fail.is_some() || wait {
        answer(&call, request, false).await?;
    }
    Ok(())
}

async fn together(call: Call, mut requests: Streaming<Request>) -> Result<Reply, Status> {
    echo_metadata(&call);
    let mut texts = Vec::new();
    let mut last = None;
    while let Some(request) = requests.message().await? {
        texts.push(request.text.clone());
        last = Some(request);
    }
    let mut reply = match last {
        Some(last) => answer(&call, last, requests.was_compressed()).await?,
        None => return Err(Status::invalid_argument("no requests")),
    };
    reply.text = texts.join(",");
    Ok(reply)
}

async fn each(
    call: Call,
    mut requests: Streaming<Request>,
    mut replies: Replies<Reply>,
) -> Result<(), Status> {
    echo_metadata(&call);
    while let Some(request) = requests.message().await? {
        let compressed = requests.was_compressed();
        replies
            .send(answer(&call, request, compressed).await?)
            .await?;
    }
    Ok(())
}
