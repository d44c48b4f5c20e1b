//! One HTTP/2 connection: HTTP/2 below, its calls above, and the order in which they are driven.
//!
//! A turn reads what is there, parses all of it, runs the handlers, and writes what they have
//! answered in one go. Between turns an idle connection holds no buffers.

mod timer;

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::timeout,
};

use self::timer::Timer;
use super::{
    buffers,
    lifetime::{Due, Lifetime, Seen},
    listener::Service,
    shutdown::{Phase, Shutdown},
    worker::Load,
};
use crate::{
    grpc::Status,
    http2::{self, ErrorCode},
    limits,
    rpc::{Dispatcher, Peer, Router},
};

/// Serves a connection, from its preface on, until it closes or the server is shut down. How long its
/// client may then take for what is still under way.
pub(super) async fn serve<Io>(io: Io, service: &Service, peer: Peer, shutdown: Shutdown) -> Duration
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &service.connection_limits;
    let (router, budget) = (Arc::clone(&service.router), Arc::clone(&service.budget));
    // In a box, so that the futures it goes through hold no copies of it.
    let connection = Box::new(Connection {
        io,
        http2: http2::Connection::new(limits.http2()),
        dispatcher: Dispatcher::new(Arc::clone(&router), peer.clone(), budget),
        router,
        lifetime: Lifetime::new(Arc::clone(limits), Instant::now()),
        rest: Vec::new(),
        held_back: false,
        heard: false,
        half_closed: false,
        unflushed: false,
        timer_at: None,
        read_at: None,
        told: Told {
            load: service.load.clone(),
            calls: 0,
        },
    });
    connection.run(shutdown).await.unwrap_or_else(|error| {
        tracing::debug!(%peer, %error, "the connection broke");
        limits::CLOSE_TIMEOUT
    })
}

struct Connection<Io> {
    io: Io,
    http2: http2::Connection,
    router: Arc<Router>,
    dispatcher: Dispatcher,
    lifetime: Lifetime,
    /// The start of a frame whose end has not been read; or what was read and is held back.
    rest: Vec<u8>,
    /// Whether there may be whole frames in `rest`.
    held_back: bool,
    /// Whether anything was read since the lifetime was told.
    heard: bool,
    /// Whether the client sends no more. It may still read.
    half_closed: bool,
    /// Whether the socket may hold back what was written to it.
    unflushed: bool,
    /// When the timer fires.
    timer_at: Option<Instant>,
    /// When something was read in this turn, so that the clock need not be asked again.
    read_at: Option<Instant>,
    told: Told,
}

/// What the worker was told last of this connection.
struct Told {
    load: Option<Arc<Load>>,
    calls: usize,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Some,
    /// There is nothing; the socket wakes the task when there is.
    Nothing,
    /// Nothing may be read while so much is to be written: the socket has not been asked.
    HeldBack,
    /// The client sends no more.
    End,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    async fn run(mut self: Box<Self>, mut shutdown: Shutdown) -> io::Result<Duration> {
        let mut timer = Timer::default();
        loop {
            self.timer_at = timer.set(self.next_timeout());
            tokio::select! {
                biased;
                phase = shutdown.changed() => match phase {
                    Phase::Serving => {}
                    Phase::Draining => {
                        self.http2.goaway("shutdown");
                        self.lifetime.drain(None, Instant::now());
                    }
                    Phase::Stopped => return self.stop(SHUTDOWN).await,
                },
                state = poll_fn(|cx| self.turn(cx)) => match state? {
                    State::Open => {}
                    State::Closed => {
                        if let Some(fault) = self.http2.fault() {
                            tracing::debug!(?fault, "a client does not keep to HTTP/2");
                            return Ok(limits::CLOSE_TIMEOUT);
                        }
                        return Ok(limits::CLOSE_TIMEOUT_MAX);
                    }
                },
                () = timer.wait() => {
                    let now = Instant::now();
                    self.dispatcher.expire(now, &mut self.http2);
                    self.see(now);
                    while let Some(due) = self.lifetime.due(now) {
                        match due {
                            Due::Ping => self.http2.ping(),
                            Due::Sweep => if !self.sweep(now) {
                                return self.close(ErrorCode::EnhanceYourCalm, UNREAD).await;
                            },
                            Due::Drain(why) => {
                                tracing::debug!(why, "a connection takes no more calls");
                                self.http2.goaway(why);
                            }
                            Due::TakeNoMore => self.http2.take_no_more(),
                            Due::Shrink => self.shrink(),
                            Due::EndCalls => return self.stop(OLD).await,
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
    fn next_timeout(&mut self) -> Option<Instant> {
        let deadline = self.dispatcher.poll_timeout();
        deadline.into_iter().chain(self.lifetime.next()).min()
    }

    /// Does what can be done now. Ready when the connection is closed, or the timer must fire sooner.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<State>> {
        if self.drive(cx)?.is_ready() {
            return Poll::Ready(Ok(State::Closed));
        }
        let now = self.read_at.take().unwrap_or_else(Instant::now);
        self.see(now);
        match (self.next_timeout(), self.timer_at) {
            (Some(next), Some(timer)) if next >= timer => Poll::Pending,
            (None, _) => Poll::Pending,
            _ => Poll::Ready(Ok(State::Open)),
        }
    }

    /// Does what can be done now, and gives back what is not needed until there is more. Ready when
    /// the connection is closed.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.http2.borrow_buffer();
        let closed = self.rounds(cx)?;
        self.http2.return_buffer();
        self.dispatcher.settle(&self.http2);
        self.told.tell(self.dispatcher.open_calls());
        closed.map(Ok)
    }

    /// Pending only where something will wake the task: a handler that posts, and the socket when
    /// there is more to read or when it takes more, whichever a round has ended at.
    fn rounds(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        for _ in 0..limits::ROUNDS_PER_TURN {
            if self.is_over() {
                return Ok(Poll::Ready(()));
            }
            if !self.dispatcher.wait(cx.waker()) {
                self.dispatcher.run(Instant::now(), &mut self.http2);
            }
            let read = self.read(cx)?;
            self.write(cx)?;
            match read {
                Read::Some => {}
                Read::End if self.half_close() => {}
                Read::End => return Ok(Poll::Ready(())),
                _ if self.is_over() => {}
                // The socket has taken enough of the output, so it will not say that it takes more.
                Read::HeldBack if self.http2.wants_input() => {}
                Read::Nothing | Read::HeldBack => return Ok(Poll::Pending),
            }
        }
        // The others on this thread want their turn, too.
        cx.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    /// Whether there is nothing more to do. What TLS holds back for a client that reads slowly is waited
    /// for, unless the client is at fault.
    fn is_over(&self) -> bool {
        self.http2.is_over() && (!self.unflushed || self.http2.fault().is_some())
    }

    /// The client sends no more. Whether it is still owed something that it may read.
    fn half_close(&mut self) -> bool {
        self.half_closed = self.http2.end_input() || self.unflushed;
        let now = Instant::now();
        self.take_events(&mut &[][..], now);
        self.lifetime.half_close(now);
        self.half_closed
    }

    /// Gives back what a connection without calls does not need.
    fn shrink(&mut self) {
        self.http2.shrink();
        self.dispatcher.shrink();
    }

    /// Reads what is there, or goes on with what was held back, takes all that is wanted of it, and
    /// runs the handlers.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<Read> {
        if self.half_closed {
            return Ok(Read::Nothing);
        }
        if !self.http2.wants_input() {
            return Ok(Read::HeldBack);
        }
        if self.held_back {
            let input = std::mem::take(&mut self.rest);
            self.take(&input);
            return Ok(Read::Some);
        }
        buffers::with_read_buffer(|buffer| {
            let (before, place) = buffer.split_at_mut(self.rest.len());
            let mut place = ReadBuf::new(place);
            let read = match Pin::new(&mut self.io).poll_read(cx, &mut place) {
                Poll::Ready(read) => read.map(|()| place.filled().len())?,
                Poll::Pending => return Ok(Read::Nothing),
            };
            if read == 0 {
                return Ok(Read::End);
            }
            before.copy_from_slice(&self.rest);
            let filled = before.len() + read;
            self.heard = true;
            self.take(&buffer[..filled]);
            Ok(Read::Some)
        })
    }

    fn take(&mut self, mut input: &[u8]) {
        let now = Instant::now();
        self.read_at = Some(now);
        self.http2.begin_input();
        self.take_events(&mut input, now);
        self.held_back = !input.is_empty() && !self.http2.wants_input();
        self.rest.clear();
        self.rest.extend_from_slice(input);
        self.rest.shrink_to(input.len());
        self.dispatcher.run(now, &mut self.http2);
    }

    fn take_events(&mut self, input: &mut &[u8], now: Instant) {
        while let Some(event) = self.http2.next(input, now, &*self.router) {
            self.dispatcher.event(event, now, &mut self.http2);
        }
    }

    /// Writes what there is, and what becomes possible by that.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if self.http2.fill() {
                self.take_events(&mut &[][..], Instant::now());
            }
            if !self.http2.has_output() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.http2.slices(&mut slices);
            let slices = slices.get(..count).unwrap_or_default();
            match Pin::new(&mut self.io).poll_write_vectored(cx, slices)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => self.http2.advance(written),
                Poll::Pending => return Ok(()),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            self.unflushed = Pin::new(&mut self.io).poll_flush(cx)?.is_pending();
        }
        Ok(())
    }

    /// Tells the lifetime what has happened.
    fn see(&mut self, now: Instant) {
        let seen = Seen {
            heard: std::mem::take(&mut self.heard),
            greeted: self.http2.is_greeted(),
            in_header_block: self.http2.is_in_header_block(),
            idle: self.dispatcher.is_idle() && self.http2.is_idle(),
            last_stream: self.http2.last_stream(),
        };
        self.lifetime.observe(seen, now);
    }

    /// Ends the calls whose clients do not go on. `false`: the connection is to end.
    fn sweep(&mut self, now: Instant) -> bool {
        let goes_on = self.http2.sweep();
        self.dispatcher.sweep(&mut self.http2);
        self.take_events(&mut &[][..], now);
        goes_on
    }

    /// The time for calls in flight is up: they end UNAVAILABLE, and the connection closes.
    async fn stop(mut self: Box<Self>, why: &'static str) -> io::Result<Duration> {
        let status = Status::unavailable(why);
        self.dispatcher.fail_all(&status, &mut self.http2);
        self.http2.take_no_more();
        self.linger().await
    }

    /// Ends the connection whatever its calls are doing.
    async fn close(mut self: Box<Self>, code: ErrorCode, why: &str) -> io::Result<Duration> {
        tracing::debug!(why, "a connection is closed");
        self.http2.close(code, why);
        self.linger().await
    }

    /// Lets the last bytes leave. The lifetime has ended, and its timers mean nothing any more.
    async fn linger(mut self: Box<Self>) -> io::Result<Duration> {
        let within = limits::CLOSE_TIMEOUT;
        let closed = timeout(within, poll_fn(|cx| self.drive(cx))).await;
        closed.unwrap_or(Ok(())).map(|()| within)
    }
}

impl Told {
    fn tell(&mut self, calls: usize) {
        if let Some(load) = &self.load
            && calls != self.calls
        {
            load.calls(self.calls, calls);
            self.calls = calls;
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.tell(0);
    }
}

const SHUTDOWN: &str = "the server is shutting down";
const OLD: &str = "the connection has reached its age; call again on a new one";

const UNREAD: &str = "the client does not read";

/// How many slices are written at once; more than one batch of replies has.
const SLICES_MAX: usize = 16;

#[cfg(test)]
mod tests;
