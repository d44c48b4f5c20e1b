//! One HTTP/2 connection: HTTP/2 below, its calls above, and the order in which they are driven.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep_until, timeout},
};

use super::{
    http2_by_h2::{Http2ByH2, State},
    lifetime::{Due, Lifetime, Seen},
    listener::Service,
    shutdown::{Phase, Shutdown},
    watched::{Watch, Watched},
};
use crate::{
    grpc::Status,
    http2::{ErrorCode, Event},
    limits,
    rpc::{Dispatcher, Peer, Router},
};

/// Serves a connection, from its preface on, until it closes or the server is shut down.
pub(super) async fn serve<Io>(io: Io, service: &Service, peer: Peer, shutdown: Shutdown)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &service.connection_limits;
    let (io, watch) = Watched::new(io);
    let handshake = tokio::select! {
        () = shutdown.is_too_late() => return,
        handshake = timeout(limits.handshake_timeout, Http2ByH2::handshake(io, limits)) => handshake,
    };
    let http2 = match handshake {
        Ok(Ok(http2)) => http2,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no HTTP/2 preface"),
        Err(_) => return tracing::debug!(%peer, "no HTTP/2 preface came in time"),
    };
    let (router, budget) = (Arc::clone(&service.router), Arc::clone(&service.budget));
    let connection = Connection {
        http2,
        dispatcher: Dispatcher::new(Arc::clone(&router), peer.clone(), budget),
        router,
        events: Vec::new(),
        lifetime: Lifetime::new(Arc::clone(limits), Instant::now()),
        watch,
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
    lifetime: Lifetime,
    watch: Arc<Watch>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    async fn run(mut self, mut shutdown: Shutdown) -> Result<(), h2::Error> {
        let mut timer = Timer::default();
        loop {
            timer.set(self.next_timeout());
            tokio::select! {
                biased;
                phase = shutdown.changed() => match phase {
                    Phase::Serving => {}
                    Phase::Draining => {
                        self.http2.goaway();
                        self.lifetime.drain(None, Instant::now());
                    }
                    Phase::Stopped => return self.stop().await,
                },
                state = std::future::poll_fn(|cx| self.turn(cx)) => match state? {
                    State::Open => {}
                    State::Closed => return Ok(()),
                },
                () = timer.wait() => {
                    let now = Instant::now();
                    self.dispatcher.expire(now, &mut self.http2);
                    self.see(now);
                    while let Some(due) = self.lifetime.due(now) {
                        match due {
                            Due::Ping => self.http2.ping(),
                            Due::Sweep => self.sweep(now),
                            Due::Drain(why) => {
                                tracing::debug!(why, "a connection takes no more calls");
                                self.http2.goaway();
                            }
                            Due::EndCalls => return self.stop().await,
                            Due::Close(why) => return self.close(ErrorCode::NoError, why).await,
                            Due::Expel(why) => {
                                return self.close(ErrorCode::EnhanceYourCalm, why).await;
                            }
                        }
                    }
                }
            }
        }
    }

    /// When a deadline passes, or time does something to the connection.
    fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.dispatcher.poll_timeout();
        deadline.into_iter().chain(self.lifetime.next()).min()
    }

    /// Reads what is there, takes all of it, runs the handlers. Their replies leave with the next
    /// turn, in one write. Pending if nothing happened.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<State, h2::Error>> {
        if !self.dispatcher.wait(cx.waker()) {
            self.dispatcher.run(&mut self.http2);
        }
        self.watch.begin_turn();
        let polled = self.http2.poll(cx, &self.router, &mut self.events);
        let now = Instant::now();
        if polled.is_ready() {
            self.take_events(now);
        }
        let news = self.see(now);
        match polled {
            // What became idle has another timeout than before.
            Poll::Pending if news => Poll::Ready(Ok(State::Open)),
            polled => polled,
        }
    }

    fn take_events(&mut self, now: Instant) {
        for event in self.events.drain(..) {
            self.dispatcher.event(event, now, &mut self.http2);
        }
        self.dispatcher.run(&mut self.http2);
    }

    /// Tells the lifetime what has happened; `true` if its timeouts may have come nearer.
    fn see(&mut self, now: Instant) -> bool {
        let seen = Seen {
            heard: self.watch.take_heard(),
            greeted: self.watch.is_greeted(),
            in_header_block: self.watch.is_in_header_block(),
            idle: self.dispatcher.is_idle() && self.http2.is_idle(),
        };
        self.lifetime.observe(seen, now)
    }

    /// Ends the calls whose clients do not go on.
    fn sweep(&mut self, now: Instant) {
        self.http2.sweep(&mut self.events);
        self.dispatcher.sweep(&mut self.http2);
        self.take_events(now);
    }

    /// The time for calls in flight is up: they end UNAVAILABLE, and the connection closes.
    async fn stop(mut self) -> Result<(), h2::Error> {
        let status = Status::unavailable("the server is shutting down");
        self.dispatcher.fail_all(&status, &mut self.http2);
        self.http2.goaway();
        self.linger().await
    }

    /// Ends the connection whatever its calls are doing.
    async fn close(mut self, code: ErrorCode, why: &str) -> Result<(), h2::Error> {
        tracing::debug!(why, "a connection is closed");
        self.http2.close(code);
        self.linger().await
    }

    /// Lets the last bytes leave.
    async fn linger(mut self) -> Result<(), h2::Error> {
        let closed = async {
            while let State::Open = std::future::poll_fn(|cx| self.turn(cx)).await? {}
            Ok(())
        };
        timeout(limits::CLOSE_TIMEOUT, closed)
            .await
            .unwrap_or(Ok(()))
    }
}

/// One timer for all there is to wait for. Setting it to a later time costs nothing: it then fires
/// early, and is set again.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Timer {
    fn set(&mut self, at: Option<Instant>) {
        let Some(at) = at.map(tokio::time::Instant::from_std) else {
            return;
        };
        match &mut self.sleep {
            Some(sleep) if self.armed && sleep.deadline() <= at => {}
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(sleep_until(at))),
        }
        self.armed = true;
    }

    async fn wait(&mut self) {
        match &mut self.sleep {
            Some(sleep) if self.armed => sleep.as_mut().await,
            _ => std::future::pending().await,
        }
        self.armed = false;
    }
}
