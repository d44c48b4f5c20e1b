//! One HTTP/2 connection to a server, by the h2 crate.

use std::{
    fmt,
    future::poll_fn,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, Reason,
    client::{self, SendRequest},
};
use http::Request;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    builder::Options,
    connector::{self, Greeted, Socket},
    endpoint::Endpoint,
    failure::Failure,
    receiving::Receiving,
    sending::Sending,
};

/// A connection that is up. It closes when nobody holds it and its last call has ended.
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    calls: AtomicUsize,
    /// It takes no more calls.
    gone: AtomicBool,
}

/// A call's place on a connection, counted while it lasts.
#[derive(Debug)]
pub(super) struct Place {
    connection: Arc<Connection>,
}

/// What keeps a connection going; to be run until it ends.
pub(super) struct Driver {
    connection: client::Connection<Greeted<Socket>, Bytes>,
    keepalive: Option<Keepalive>,
}

struct Keepalive {
    ping_pong: PingPong,
    interval: Duration,
    timeout: Duration,
    without_calls: bool,
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
            #[cfg(feature = "tls")]
            options.tls_session(),
        );
        let socket = socket
            .await
            .map_err(|error| format!("cannot connect to {name}: {error}"))?;
        let (socket, greeting) = Greeted::new(socket);
        let handshake = client::Builder::new()
            .enable_push(false)
            .initial_window_size(options.stream_window_bytes)
            .initial_connection_window_size(options.connection_window_bytes)
            .max_header_list_size(options.header_list_bytes)
            .handshake(socket);
        let broken = |error: h2::Error| match greeting.complaint() {
            Some(complaint) => format!("cannot connect to {name}: {complaint}"),
            None => format!("{name} does not speak HTTP/2: {error}"),
        };
        let (requests, mut connection) = handshake.await.map_err(broken)?;
        // Only who has greeted is there.
        tokio::select! {
            () = greeting.heard() => {}
            ended = &mut connection => {
                ended.map_err(broken)?;
                return Err(format!("{name} closed the connection before it said a word"));
            }
        }
        if let Some(complaint) = greeting.complaint() {
            return Err(format!("cannot connect to {name}: {complaint}"));
        }
        let keepalive = keepalive
            .zip(connection.ping_pong())
            .map(|(interval, ping_pong)| Keepalive {
                ping_pong,
                interval,
                timeout: options.keepalive_timeout,
                without_calls: options.keepalive_without_calls,
            });
        let opened = Arc::new(Self {
            requests,
            calls: AtomicUsize::new(0),
            gone: AtomicBool::new(false),
        });
        Ok((
            opened,
            Driver {
                connection,
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
        self.requests.current_max_send_streams()
    }

    /// Whether it takes no more calls.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// No more calls, please.
    pub(super) fn retire(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// A place for one call.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Place {
            connection: Arc::clone(self),
        }
    }
}

impl Place {
    /// Opens a stream. The server's limit on streams may make it wait within HTTP/2.
    pub(super) async fn start(
        &self,
        request: Request<()>,
        receive_bytes_max: usize,
    ) -> Result<(Sending, Receiving), Failure> {
        let connection = &self.connection;
        let mut requests = connection.requests.clone();
        let opened = match poll_fn(|cx| requests.poll_ready(cx)).await {
            Ok(()) => requests.send_request(request, false),
            Err(error) => Err(error),
        };
        let (response, stream) = opened.map_err(|error| {
            connection.retire();
            Failure::unsent(&error)
        })?;
        let receiving = Receiving::new(response, receive_bytes_max);
        Ok((Sending::new(stream), receiving))
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Driver {
    /// Drives the connection until it ends. Whoever gives up `connection` lets it end.
    pub(super) async fn run(self, connection: Weak<Connection>) -> End {
        let Self {
            connection: mut http2,
            keepalive,
        } = self;
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
            Err(error) if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) => End::TooManyPings,
            _ => End::Other,
        }
    }
}

impl Keepalive {
    /// Pings; done when a PING was not answered (gRFC A8).
    async fn run(mut self, connection: &Weak<Connection>) {
        let mut next = Instant::now() + self.interval;
        loop {
            sleep_until(next).await;
            next = Instant::now() + self.interval;
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
