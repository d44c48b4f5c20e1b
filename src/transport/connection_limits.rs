//! What connections may take of a server.

use std::time::Duration;

use crate::{http2, limits};

/// What a connection, and all of them together, may take of a server.
///
/// ```
/// # use std::time::Duration;
/// use reflectd::ConnectionLimits;
///
/// let mut limits = ConnectionLimits::default();
/// limits.streams_max = 250;
/// limits.age_max = Some(Duration::from_secs(3600));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionLimits {
    /// Connections at once ([`CONNECTIONS_MAX`](limits::CONNECTIONS_MAX)); at most four fifths of the
    /// files that the process may have open, less those of the workers. One that is too many is closed.
    pub connections_max: usize,
    /// Calls at once on a connection: SETTINGS_MAX_CONCURRENT_STREAMS
    /// ([`STREAMS_MAX`](limits::STREAMS_MAX)).
    pub streams_max: u32,
    /// Longest header list, in bytes: SETTINGS_MAX_HEADER_LIST_SIZE
    /// ([`HEADER_LIST_BYTES`](limits::HEADER_LIST_BYTES)).
    pub header_list_bytes: u32,
    /// What a client may send on a stream before its handler takes it:
    /// SETTINGS_INITIAL_WINDOW_SIZE ([`STREAM_WINDOW_BYTES`](limits::STREAM_WINDOW_BYTES)). At least
    /// 16 KiB, at most 2 GiB - 1. The connection's window is as much for each of its streams.
    pub stream_window_bytes: u32,
    /// For the TLS handshake, and for the HTTP/2 preface
    /// ([`HANDSHAKE_TIMEOUT`](limits::HANDSHAKE_TIMEOUT)).
    pub handshake_timeout: Duration,
    /// From the first byte of a header block to its last
    /// ([`HEADER_TIMEOUT`](limits::HEADER_TIMEOUT)).
    pub header_timeout: Duration,
    /// How long a client may leave replies unread or a message unfinished; its call then fails
    /// ([`STALL_TIMEOUT`](limits::STALL_TIMEOUT)).
    pub stall_timeout: Duration,
    /// After how much silence a client is asked whether it is there
    /// ([`KEEPALIVE_INTERVAL`](limits::KEEPALIVE_INTERVAL)); `None`: never.
    pub keepalive_interval: Option<Duration>,
    /// How long it may take to answer ([`KEEPALIVE_TIMEOUT`](limits::KEEPALIVE_TIMEOUT)).
    pub keepalive_timeout: Duration,
    /// How long a connection may be without calls ([`IDLE_TIMEOUT`](limits::IDLE_TIMEOUT)); `None`:
    /// for ever.
    pub idle_timeout: Option<Duration>,
    /// How often a client may ask whether the server is there while calls are open
    /// ([`PING_MIN`](limits::PING_MIN)); without calls it is at most every
    /// [two hours](limits::PING_MIN_WITHOUT_CALLS). One that asks more often, again and again, is told
    /// `too_many_pings`, and its connection ends.
    pub ping_min: Duration,
    /// How old a connection may become, give or take a tenth; `None`, which is the default: any age.
    /// It then takes no new calls, and its client makes another one (gRFC A9).
    pub age_max: Option<Duration>,
    /// How long the calls of such a connection may go on ([`AGE_GRACE`](limits::AGE_GRACE)).
    pub age_grace: Duration,
    /// What all calls together may hold in requests and unsent replies, in bytes
    /// ([`IN_FLIGHT_BYTES`](limits::IN_FLIGHT_BYTES)); one connection an eighth of it. A call that
    /// needs more fails with RESOURCE_EXHAUSTED.
    pub in_flight_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            streams_max: limits::STREAMS_MAX,
            header_list_bytes: limits::HEADER_LIST_BYTES,
            stream_window_bytes: limits::STREAM_WINDOW_BYTES,
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            header_timeout: limits::HEADER_TIMEOUT,
            stall_timeout: limits::STALL_TIMEOUT,
            keepalive_interval: Some(limits::KEEPALIVE_INTERVAL),
            keepalive_timeout: limits::KEEPALIVE_TIMEOUT,
            idle_timeout: Some(limits::IDLE_TIMEOUT),
            ping_min: limits::PING_MIN,
            age_max: None,
            age_grace: limits::AGE_GRACE,
            in_flight_bytes: limits::IN_FLIGHT_BYTES,
        }
    }
}

impl ConnectionLimits {
    /// What is set to something that cannot work.
    pub(crate) fn check(&self) -> Result<(), String> {
        let windows = 16 * 1024..=MAX_WINDOW_BYTES;
        if !windows.contains(&self.stream_window_bytes) {
            return Err(format!(
                "stream_window_bytes is {}; it must be from 16 KiB to 2 GiB - 1",
                self.stream_window_bytes
            ));
        }
        if self.streams_max == 0 || self.connections_max == 0 {
            return Err("connections_max or streams_max is 0, so no call could be made".to_owned());
        }
        Ok(())
    }

    /// The window of a connection: as much as those of its streams together, so that streams whose
    /// handlers do not take their requests never hold up the others.
    fn connection_window_bytes(&self) -> u32 {
        let all = self.stream_window_bytes.saturating_mul(self.streams_max);
        all.min(MAX_WINDOW_BYTES)
    }

    /// What HTTP/2 is to hold its peer to.
    pub(super) fn http2(&self) -> http2::Config {
        http2::Config {
            streams_max: self.streams_max,
            header_list_bytes: self.header_list_bytes,
            stream_window_bytes: self.stream_window_bytes,
            connection_window_bytes: self.connection_window_bytes(),
            ping_min: self.ping_min,
        }
    }

    /// How many connections there may be, with the files that this process may open and so many
    /// workers.
    pub(crate) fn connections_allowed(&self, workers: usize) -> usize {
        let Some(files) = open_files_max() else {
            return self.connections_max;
        };
        let left = (files / 5 * 4).saturating_sub(workers * limits::FILES_OF_A_WORKER);
        self.connections_max.min(left.max(1))
    }
}

/// How many files the process may have open (getrlimit(2)); `None`: as many as it likes.
#[cfg(unix)]
fn open_files_max() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.and_then(|files| usize::try_from(files).ok())
}

#[cfg(not(unix))]
fn open_files_max() -> Option<usize> {
    None
}

/// RFC 9113, 6.9.1.
const MAX_WINDOW_BYTES: u32 = (1 << 31) - 1;
