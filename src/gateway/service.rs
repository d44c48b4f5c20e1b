//! A server as a `tower::Service`, to be mounted under any HTTP server.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};

use super::exchange::Exchange;
use crate::{
    grpc::Status,
    http2::Commands,
    rpc::{Budget, Router},
};

/// A server that answers `http::Request`s: what
/// [`Server::into_service`](crate::Server::into_service) gives.
///
/// HTTP/2 is then the affair of whoever calls it, and so are its limits on connections and streams;
/// those on messages hold here. A [`Peer`](crate::Peer) in the request's extensions is what handlers
/// see as theirs. To be called in a tokio runtime. Cloning is cheap.
#[derive(Clone)]
pub struct GrpcService {
    router: Arc<Router>,
    budget: Arc<Budget>,
}

impl GrpcService {
    pub(crate) fn new(router: Arc<Router>, budget: Arc<Budget>) -> Self {
        Self { router, budget }
    }
}

impl<B> tower_service::Service<Request<B>> for GrpcService
where
    B: Body,
    B::Data: Buf,
{
    type Response = Response<GrpcBody<B>>;
    type Error = Infallible;
    type Future = GrpcFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> GrpcFuture<B> {
        let (head, body) = request.into_parts();
        let budget = Arc::clone(&self.budget);
        let exchange = Exchange::new(&head, body, &self.router, budget);
        GrpcFuture {
            exchange: Some(exchange),
        }
    }
}

/// The head of a response, when it is known. Dropping it gives the call up.
#[must_use = "the call goes on only while this is polled"]
pub struct GrpcFuture<B> {
    exchange: Option<Exchange<B>>,
}

impl<B> Future for GrpcFuture<B>
where
    B: Body,
    B::Data: Buf,
{
    type Output = Result<Response<GrpcBody<B>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let exchange = self
            .exchange
            .as_mut()
            .expect("a future is not polled after it is ready");
        exchange.poll(cx);
        let Some(head) = exchange.driven().response.take_head() else {
            return Poll::Pending;
        };
        exchange.watch();
        let body = self.exchange.take().map(|exchange| GrpcBody { exchange });
        let body = body.expect("it was there a moment ago");
        Poll::Ready(Ok(head.map(|()| body)))
    }
}

/// The body of a response: messages as they come, then the trailers. Dropping it gives the call up.
pub struct GrpcBody<B> {
    exchange: Exchange<B>,
}

impl<B> Body for GrpcBody<B>
where
    B: Body,
    B::Data: Buf,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(chunk) = self.exchange.driven().take_chunk() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        self.exchange.poll(cx);
        let mut driven = self.exchange.driven();
        if driven.response.aborted {
            let status = Status::cancelled("the call was ended before its replies had left");
            return Poll::Ready(Some(Err(status)));
        }
        if let Some(chunk) = driven.take_chunk() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match driven.response.trailers.take() {
            Some(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            None if driven.response.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.driven().response.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        let response = &self.exchange.driven().response;
        if response.ended && !response.aborted && response.trailers.is_none() {
            SizeHint::with_exact(response.unsent_bytes() as u64)
        } else {
            SizeHint::default()
        }
    }
}

impl fmt::Debug for GrpcService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcService").finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for GrpcFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcFuture").finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for GrpcBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcBody").finish_non_exhaustive()
    }
}
