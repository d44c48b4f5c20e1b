//! One HTTP/2 connection to a server, by the h2 crate.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, Reason, SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::Request;
use tokio::time::{Instant, sleep, timeout};

use super::{
    builder::Options,
    concurrent_streams::ConcurrentStreams,
    connector::{self, Greeting, SPEAKS_TLS, Socket},
    endpoint::{Endpoint, Target},
    failure::Failure,
};

/// A connection that is up. It closes when nobody holds it and its last call has ended.
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    streams: Arc<ConcurrentStreams>,
    calls: AtomicUsize,
    /// It takes no more calls.
    gone: AtomicBool,
    /// It has taken one.
    used: AtomicBool,
    since: Instant,
}

/// A call's place on a connection, counted while it lasts.
#[derive(Debug)]
pub(super) struct Place {
    connection: Arc<Connection>,
    /// Whether it has one of the streams that the server allows.
    has_stream: bool,
}

/// What keeps a connection going; to be run until it ends.
pub(super) struct Driver {
    connection: client::Connection<Socket, Bytes>,
    streams: Arc<ConcurrentStreams>,
    keepalive: Option<Keepalive>,
}

struct Keepalive {
    ping_pong: PingPong,
    interval: Duration,
    timeout: Duration,
    without_calls: bool,
}

/// Why a server that was reached is none to make calls of.
fn why_not(endpoint: &Endpoint, greeting: &Greeting, error: &h2::Error) -> String {
    let name = endpoint.name();
    let hint = tls_hint(endpoint, greeting);
    match greeting.complaint() {
        Some(complaint) => format!("cannot connect to {name}: {complaint}{hint}"),
        None if error.reason() == Some(Reason::INADEQUATE_SECURITY) && !endpoint.tls => {
            format!("cannot connect to {name}: {SPEAKS_TLS}")
        }
        None if error.is_go_away() && error.is_remote() => {
            format!("{name} takes no calls: {error}")
        }
        None => format!("{name} does not speak HTTP/2: {error}{hint}"),
    }
}

/// What may help where a server will have nothing of a client without TLS.
fn tls_hint(endpoint: &Endpoint, greeting: &Greeting) -> &'static str {
    let has_port = matches!(endpoint.target, Target::Host { .. });
    match has_port && !endpoint.tls && greeting.is_of_tls() {
        true => "; if it speaks TLS on this port, use https:// (--tls)",
        false => "",
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// ENHANCE_YOUR_CALM: the server was pinged more than it likes (gRFC A8).
    TooManyPings,
    Other,
}

impl Connection {
    /// Connects, exchanges prefaces and settings.
    ///
    /// # Errors
    /// Why it cannot, for people.
    pub(super) async fn open(
        endpoint: &Endpoint,
        options: &Options,
        keepalive: Option<Duration>,
    ) -> Result<(Arc<Self>, Driver), String> {
        let name = endpoint.name();
        let socket = connector::connect(
            endpoint,
            options.tcp,
            #[cfg(feature = "tls")]
            options.tls_session(),
        );
        let (socket, greeting) = socket
            .await
            .map_err(|error| format!("cannot connect to {name}: {error}"))?;
        let handshake = client::Builder::new()
            .enable_push(false)
            .initial_window_size(options.stream_window_bytes)
            .initial_connection_window_size(options.connection_window_bytes)
            .max_header_list_size(options.header_list_bytes)
            .handshake(socket);
        let broken = |error: h2::Error| why_not(endpoint, &greeting, &error);
        let (mut requests, mut connection) = handshake.await.map_err(broken)?;
        // Only who has greeted is there, and has not said good-bye in the same breath.
        tokio::select! {
            biased;
            ended = &mut connection => {
                ended.map_err(broken)?;
                let hint = tls_hint(endpoint, &greeting);
                return Err(format!("{name} closed the connection before it took a call{hint}"));
            }
            () = greeting.heard() => {}
        }
        poll_fn(|cx| requests.poll_ready(cx))
            .await
            .map_err(broken)?;
        if let Some(complaint) = greeting.complaint() {
            let hint = tls_hint(endpoint, &greeting);
            return Err(format!("cannot connect to {name}: {complaint}{hint}"));
        }
        let keepalive = keepalive
            .zip(connection.ping_pong())
            .map(|(interval, ping_pong)| Keepalive {
                ping_pong,
                interval,
                timeout: options.keepalive_timeout,
                without_calls: options.keepalive_without_calls,
            });
        let streams = Arc::new(ConcurrentStreams::new(
            connection.max_concurrent_send_streams(),
        ));
        let opened = Arc::new(Self {
            requests,
            streams: Arc::clone(&streams),
            calls: AtomicUsize::new(0),
            gone: AtomicBool::new(false),
            used: AtomicBool::new(false),
            since: Instant::now(),
        });
        Ok((
            opened,
            Driver {
                connection,
                streams,
                keepalive,
            },
        ))
    }

    /// How many calls it carries.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many the server lets it carry (SETTINGS_MAX_CONCURRENT_STREAMS).
    pub(super) fn calls_max(&self) -> usize {
        self.streams.max()
    }

    /// Whether it takes no more calls.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// No more calls, please.
    pub(super) fn retire(&self) {
        self.gone.store(true, Ordering::Relaxed);
        self.streams.close();
    }

    /// Whether it has taken a call.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// It has taken a call; whether that was the first.
    pub(super) fn mark_used(&self) -> bool {
        !self.is_used() && !self.used.swap(true, Ordering::Relaxed)
    }

    /// How long it has been up.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether the server has said GOAWAY, of which only those hear who try to open a stream.
    fn has_goaway(&self, cx: &mut Context<'_>) -> bool {
        matches!(self.requests.clone().poll_ready(cx), Poll::Ready(Err(_)))
    }

    /// A place for one call.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Place {
            connection: Arc::clone(self),
            has_stream: false,
        }
    }
}

impl Place {
    /// Takes a stream, if the server allows one more now.
    pub(super) fn stream_now(&mut self) -> bool {
        self.has_stream = self.connection.streams.take_now();
        self.has_stream
    }

    /// Waits until the server allows one more stream; `false`: the connection takes no more calls.
    pub(super) async fn stream(&mut self) -> bool {
        self.has_stream = self.connection.streams.take().await;
        self.has_stream
    }

    /// Opens the stream that was waited for.
    pub(super) fn start(
        &self,
        request: Request<()>,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Box<Failure>> {
        // A clone has no request that waits to be opened, so there is nothing to wait for before.
        let mut requests = self.connection.requests.clone();
        let opened = requests.send_request(request, false);
        opened.map_err(|error| unopened(&mut requests, &error))
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

/// Why no stream was opened: a connection that can open none any more is told from a request that
/// cannot be sent.
fn unopened(requests: &mut SendRequest<Bytes>, error: &h2::Error) -> Box<Failure> {
    let mut context = Context::from_waker(Waker::noop());
    match requests.poll_ready(&mut context) {
        Poll::Ready(Err(error)) => Failure::unsent(&error.to_string()),
        _ => Failure::unopened(error),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.calls.fetch_sub(1, Ordering::Relaxed);
        if self.has_stream {
            self.connection.streams.give_back();
        }
    }
}

impl Driver {
    /// Drives the connection until it ends, and tells when it takes no more calls. Whoever gives up
    /// `connection` lets it end.
    pub(super) async fn run(
        self,
        connection: Weak<Connection>,
        goes_away: impl Fn(&Arc<Connection>),
    ) -> End {
        let Self {
            connection: mut http2,
            streams,
            keepalive,
        } = self;
        let mut http2 = pin!(poll_fn(|cx| {
            let polled = Pin::new(&mut http2).poll(cx);
            streams.allow(http2.max_concurrent_send_streams());
            // Calls that wait for a stream are not to wait on a connection that allows no more.
            if streams.is_full()
                && let Some(connection) = connection.upgrade()
                && !connection.is_gone()
                && connection.has_goaway(cx)
            {
                goes_away(&connection);
            }
            polled
        }));
        let ended = match keepalive {
            None => http2.await,
            Some(keepalive) => tokio::select! {
                ended = &mut http2 => ended,
                () = keepalive.run(&connection) => {
                    tracing::debug!("the server did not answer a PING; the connection is closed");
                    Ok(())
                }
            },
        };
        match ended {
            Err(error) if is_too_many_pings(&error) => End::TooManyPings,
            _ => End::Other,
        }
    }
}

/// The debug data tells it from other reasons to be calm; h2 shows them to people only.
fn is_too_many_pings(error: &h2::Error) -> bool {
    error.reason() == Some(Reason::ENHANCE_YOUR_CALM)
        && error.to_string().contains("too_many_pings")
}

impl Keepalive {
    /// Pings; done when a PING was not answered (gRFC A8).
    async fn run(mut self, connection: &Weak<Connection>) {
        loop {
            sleep(self.interval).await;
            let calls = connection
                .upgrade()
                .map_or(1, |connection| connection.calls());
            if calls == 0 && !self.without_calls {
                continue;
            }
            let answered = timeout(self.timeout, self.ping_pong.ping(Ping::opaque())).await;
            if !matches!(answered, Ok(Ok(_))) {
                return;
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("calls", &self.calls())
            .field("gone", &self.is_gone())
            .finish_non_exhaustive()
    }
}
