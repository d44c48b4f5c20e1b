//! HTTP/1.1, by hyper: for people with a browser or curl, and load balancers that know no gRPC.

use std::time::Duration;

use http::{Request, header::CONTENT_TYPE};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::GrpcService;
use crate::{limits, rpc::Peer};

/// Answers one request and closes the connection.
pub(crate) async fn serve_http1<Io>(
    io: Io,
    service: GrpcService,
    peer: Peer,
    header_timeout: Duration,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let from = peer.clone();
    let answer = service_fn(move |mut request: Request<Incoming>| {
        // gRPC is spoken over HTTP/2: what claims to be gRPC here is not (PROTOCOL-HTTP2.md).
        request.headers_mut().remove(CONTENT_TYPE);
        request.extensions_mut().insert(from.clone());
        // No answer here depends on a body, so none is waited for.
        service.clone().call(request.map(|_| String::new()))
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(limits::HTTP1_HEADERS_MAX)
        .max_buf_size(limits::HTTP1_HEAD_BYTES)
        .serve_connection(TokioIo::new(io), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "an HTTP/1.1 request was not answered");
    }
}
