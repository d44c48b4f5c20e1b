//! One connection: HTTP/2 below, its calls above, and the order in which they are driven.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep_until, timeout},
};

use super::{
    http2_by_h2::{Http2ByH2, State},
    shutdown::{Phase, Shutdown},
};
use crate::{
    grpc::Status,
    http2::Event,
    limits,
    rpc::{Dispatcher, Peer, Router},
};

/// Serves a connection until it closes, or until the server is shut down.
pub(super) async fn serve<Io>(io: Io, router: Arc<Router>, peer: Peer, shutdown: Shutdown)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let http2 = match timeout(limits::HANDSHAKE_TIMEOUT, Http2ByH2::handshake(io)).await {
        Ok(Ok(http2)) => http2,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "the connection does not speak HTTP/2");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "no HTTP/2 preface came in time");
            return;
        }
    };
    let dispatcher = Dispatcher::new(Arc::clone(&router), peer.clone());
    let connection = Connection {
        http2,
        router,
        dispatcher,
        events: Vec::new(),
    };
    if let Err(error) = connection.run(shutdown).await {
        tracing::debug!(%peer, %error, "the connection broke");
    }
}

struct Connection<Io> {
    http2: Http2ByH2<Io>,
    router: Arc<Router>,
    dispatcher: Dispatcher,
    /// Kept to be filled again.
    events: Vec<Event>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    async fn run(mut self, mut shutdown: Shutdown) -> Result<(), h2::Error> {
        loop {
            let deadline = self.dispatcher.poll_timeout();
            let expiry = sleep_until(deadline.unwrap_or_else(Instant::now).into());
            tokio::select! {
                biased;
                phase = shutdown.changed() => match phase {
                    Phase::Serving => {}
                    Phase::Draining => self.http2.goaway(),
                    Phase::Stopped => return self.stop().await,
                },
                state = std::future::poll_fn(|cx| self.turn(cx)) => match state? {
                    State::Open => {}
                    State::Closed => return Ok(()),
                },
                () = expiry, if deadline.is_some() => {
                    self.dispatcher.expire(Instant::now(), &mut self.http2);
                }
            }
        }
    }

    /// Reads what is there, takes all of it, runs the handlers. Their replies leave with the next
    /// turn, in one write. Pending if nothing happened.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<State, h2::Error>> {
        if !self.dispatcher.wait(cx.waker()) {
            self.dispatcher.run(&mut self.http2);
        }
        let state = ready!(self.http2.poll(cx, &self.router, &mut self.events))?;
        let now = Instant::now();
        for event in self.events.drain(..) {
            self.dispatcher.event(event, now, &mut self.http2);
        }
        self.dispatcher.run(&mut self.http2);
        Poll::Ready(Ok(state))
    }

    /// The time for calls in flight is up: they end UNAVAILABLE, and the connection closes.
    async fn stop(mut self) -> Result<(), h2::Error> {
        let status = Status::unavailable("the server is shutting down");
        self.dispatcher.fail_all(&status, &mut self.http2);
        self.http2.goaway();
        let closed = async {
            while let State::Open = std::future::poll_fn(|cx| self.turn(cx)).await? {}
            Ok(())
        };
        timeout(limits::CLOSE_TIMEOUT, closed)
            .await
            .unwrap_or(Ok(()))
    }
}
