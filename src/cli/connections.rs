//! What `serve` lets its connections take: the flags of [`ConnectionLimits`].

use std::time::Duration;

use clap::Args;
use reflectd::{ConnectionLimits, limits};

use super::{console, quantity};

/// How many connections there may be, how old, how much each. Times may be 0 where that turns
/// something off.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connections")]
pub(super) struct Connections {
    /// Most connections at once; never more than 4/5 of the open files allowed
    #[arg(long, value_name = "COUNT", env = "REFLECTD_CONNECTIONS_MAX")]
    #[arg(hide_env_values = true, default_value_t = limits::CONNECTIONS_MAX)]
    pub(super) connections_max: usize,

    /// Most calls at once on a connection
    #[arg(
        long,
        value_name = "COUNT",
        env = "REFLECTD_STREAMS_MAX",
        hide_env_values = true
    )]
    #[arg(default_value_t = limits::STREAMS_MAX)]
    pub(super) streams_max: u32,

    /// Longest list of headers and metadata [default: 16KiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "REFLECTD_HEADER_LIST_BYTES",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::bytes_u32, default_value_t = limits::HEADER_LIST_BYTES)]
    #[arg(hide_default_value = true)]
    pub(super) header_list_bytes: u32,

    /// What a client may send on a stream before it is read [default: 64KiB]
    #[arg(long, value_name = "SIZE", env = "REFLECTD_STREAM_WINDOW_BYTES")]
    #[arg(value_parser = quantity::bytes_u32, default_value_t = limits::STREAM_WINDOW_BYTES)]
    #[arg(hide_env_values = true, hide_default_value = true)]
    pub(super) stream_window_bytes: u32,

    /// What all calls together may hold in requests and unsent replies; one connection an eighth
    /// of it [default: 256MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "REFLECTD_IN_FLIGHT_BYTES",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::bytes_usize, default_value_t = limits::IN_FLIGHT_BYTES)]
    #[arg(hide_default_value = true)]
    pub(super) in_flight_bytes: usize,

    /// For the TLS handshake and the HTTP/2 preface
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_HANDSHAKE_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "10s")]
    pub(super) handshake_timeout: Duration,

    /// From the first byte of a request's headers to the last
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_HEADER_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "10s")]
    pub(super) header_timeout: Duration,

    /// How long a client may leave replies unread, or a message unfinished
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_STALL_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "30s")]
    pub(super) stall_timeout: Duration,

    /// After how much silence a client is sent a PING; 0: never
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_KEEPALIVE_INTERVAL",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "2m")]
    pub(super) keepalive_interval: Duration,

    /// How long it may take to answer that
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_KEEPALIVE_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "20s")]
    pub(super) keepalive_timeout: Duration,

    /// How long a connection may be without calls; 0: for ever
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_IDLE_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "15m")]
    pub(super) idle_timeout: Duration,

    /// How often a client may send a PING while calls are open; who does so more often is told
    /// too_many_pings
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_PING_MIN",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "10s")]
    pub(super) ping_min: Duration,

    /// How old a connection may become, give or take a tenth; 0: any age
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_AGE_MAX",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "0")]
    pub(super) age_max: Duration,

    /// How long the calls of such a connection may go on
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_AGE_GRACE",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "30s")]
    pub(super) age_grace: Duration,
}

impl Connections {
    /// The same for the library.
    pub(super) fn limits(&self) -> ConnectionLimits {
        let or_off = |time: Duration| (!time.is_zero()).then_some(time);
        let mut limits = ConnectionLimits::default();
        limits.connections_max = self.connections_max;
        limits.streams_max = self.streams_max;
        limits.header_list_bytes = self.header_list_bytes;
        limits.stream_window_bytes = self.stream_window_bytes;
        limits.in_flight_bytes = self.in_flight_bytes;
        limits.handshake_timeout = self.handshake_timeout;
        limits.header_timeout = self.header_timeout;
        limits.stall_timeout = self.stall_timeout;
        limits.keepalive_interval = or_off(self.keepalive_interval);
        limits.keepalive_timeout = self.keepalive_timeout;
        limits.idle_timeout = or_off(self.idle_timeout);
        limits.ping_min = self.ping_min;
        limits.age_max = or_off(self.age_max);
        limits.age_grace = self.age_grace;
        limits
    }
}

/// Lets this process open as many files as it may: shells start with 1,024, each connection is one.
#[cfg(unix)]
pub(super) fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        console::warn(&format!(
            "the limit of open files cannot be raised: {error}"
        ));
    }
}

#[cfg(not(unix))]
pub(super) fn raise_open_files() {}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        connections: Connections,
    }

    #[test]
    fn without_flags_the_limits_are_those_of_the_library() {
        let program = Program::parse_from(["serve"]);
        assert_eq!(program.connections.limits(), ConnectionLimits::default());
    }
}
