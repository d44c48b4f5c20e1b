//! How a server is reached, and what it is sent with every call. The names are grpcurl's.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use reflectd::limits;

use super::switch;
use crate::cli::quantity;

/// How a server is reached.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(in crate::cli) struct Dialing {
    /// Without TLS
    #[arg(long, env = "REFLECTD_PLAINTEXT", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) plaintext: bool,

    /// With TLS, on this machine, too
    #[arg(long, env = "REFLECTD_TLS", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) tls: bool,

    /// Take any certificate of the server: whoever is in between can read and change everything
    #[arg(long, env = "REFLECTD_INSECURE", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) insecure: bool,

    /// Trust the authorities in this file (PEM) instead of those that the system trusts
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_CACERT",
        hide_env_values = true
    )]
    pub(in crate::cli) cacert: Option<PathBuf>,

    /// Show this certificate chain (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_CERT",
        hide_env_values = true
    )]
    #[arg(requires = "key")]
    pub(in crate::cli) cert: Option<PathBuf>,

    /// The private key of --cert (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_KEY",
        hide_env_values = true
    )]
    #[arg(requires = "cert")]
    pub(in crate::cli) key: Option<PathBuf>,

    /// The name that the server's certificate must have
    #[arg(
        long,
        alias = "cname",
        value_name = "NAME",
        env = "REFLECTD_SERVERNAME",
        hide_env_values = true
    )]
    pub(in crate::cli) servername: Option<String>,

    /// What :authority says; with TLS the name of the certificate, too, unless --servername does
    #[arg(
        long,
        value_name = "NAME",
        env = "REFLECTD_AUTHORITY",
        hide_env_values = true
    )]
    pub(in crate::cli) authority: Option<String>,

    /// The address is the path of a Unix socket
    #[arg(long, env = "REFLECTD_UNIX", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) unix: bool,

    /// How long connecting may take
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_CONNECT_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::timeout, default_value = "10s")]
    pub(in crate::cli) connect_timeout: Duration,

    /// How long all may take, connecting included [default: no bound]
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_MAX_TIME",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration)]
    pub(in crate::cli) max_time: Option<Duration>,

    /// How long the server's reflection may take to answer one question
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_REFLECT_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::period, default_value = "10s")]
    pub(in crate::cli) reflect_timeout: Duration,

    /// How often to ask whether the server is still there; at least 10s [default: never]
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_KEEPALIVE_TIME",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::timeout)]
    pub(in crate::cli) keepalive_time: Option<Duration>,

    /// How long a connection may be silent before the system asks whether the other end is there
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_TCP_KEEPALIVE",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::period, default_value = "30s")]
    pub(in crate::cli) tcp_keepalive: Duration,

    /// How long the other end's system may leave unacknowledged what was sent
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_TCP_USER_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::period, default_value = "1m")]
    pub(in crate::cli) tcp_user_timeout: Duration,

    /// Longest message that is received [default: 4MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "REFLECTD_MAX_MSG_SZ",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::message_bytes, default_value_t = limits::MESSAGE_RECEIVE_BYTES)]
    #[arg(hide_default_value = true)]
    pub(in crate::cli) max_msg_sz: usize,

    /// What user-agent begins with
    #[arg(
        long,
        value_name = "TEXT",
        env = "REFLECTD_USER_AGENT",
        hide_env_values = true
    )]
    pub(in crate::cli) user_agent: Option<String>,
}

/// Metadata that is sent. A variable has a header a line.
#[derive(Args, Debug)]
#[command(next_help_heading = "Metadata")]
pub(in crate::cli) struct Headers {
    /// Sent with all calls; may be repeated. The value of a name in -bin is base64
    #[arg(short = 'H', long, value_name = "NAME: VALUE", env = "REFLECTD_HEADER")]
    #[arg(hide_env_values = true)]
    pub(in crate::cli) header: Vec<String>,

    /// Sent with the call itself only
    #[arg(long, value_name = "NAME: VALUE", env = "REFLECTD_RPC_HEADER")]
    #[arg(hide_env_values = true)]
    pub(in crate::cli) rpc_header: Vec<String>,

    /// Sent with the questions to the server's reflection only
    #[arg(long, value_name = "NAME: VALUE", env = "REFLECTD_REFLECT_HEADER")]
    #[arg(hide_env_values = true)]
    pub(in crate::cli) reflect_header: Vec<String>,

    /// Put environment variables where headers say ${NAME}
    #[arg(long, env = "REFLECTD_EXPAND_HEADERS", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) expand_headers: bool,
}
