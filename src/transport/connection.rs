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
pub(super) async fn serve<Io>(io: Io, router: Arc<Router>, peer: Peer, mut shutdown: Shutdown)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = tokio::select! {
        // Nothing has been asked yet, so nothing is lost.
        _ = shutdown.changed() => return,
        handshake = timeout(limits::HANDSHAKE_TIMEOUT, Http2ByH2::handshake(io)) => handshake,
    };
    let http2 = match handshake {
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
    let connection = Connection {
        http2,
        dispatcher: Dispatcher::new(Arc::clone(&router), peer.clone()),
        router,
        events: Vec::new(),
        drained_by: None,
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
    /// While draining: when a connection without calls is closed, whether its client has answered
    /// or not.
    drained_by: Option<Instant>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    async fn run(mut self, mut shutdown: Shutdown) -> Result<(), h2::Error> {
        loop {
            let expiry = self.next_timeout();
            let expired = sleep_until(expiry.unwrap_or_else(Instant::now).into());
            tokio::select! {
                biased;
                phase = shutdown.changed() => match phase {
                    Phase::Serving => {}
                    Phase::Draining => {
                        self.http2.goaway();
                        self.drained_by = Some(Instant::now() + limits::GOAWAY_TIMEOUT);
                    }
                    Phase::Stopped => return self.stop().await,
                },
                state = std::future::poll_fn(|cx| self.turn(cx)) => match state? {
                    State::Open => {}
                    State::Closed => return Ok(()),
                },
                () = expired, if expiry.is_some() => {
                    let now = Instant::now();
                    self.dispatcher.expire(now, &mut self.http2);
                    if self.is_idle() && self.drained_by.is_some_and(|by| by <= now) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// When a deadline passes, or a drained connection is to be closed.
    fn next_timeout(&self) -> Option<Instant> {
        let drained_by = self.drained_by.filter(|_| self.is_idle());
        self.dispatcher
            .poll_timeout()
            .into_iter()
            .chain(drained_by)
            .min()
    }

    /// Whether every call has ended and its last byte has left.
    fn is_idle(&self) -> bool {
        self.dispatcher.is_idle() && self.http2.is_idle()
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
