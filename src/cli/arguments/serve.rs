//! What `serve` takes.

use std::{num::NonZero, path::PathBuf, thread, time::Duration};

use clap::{Args, ValueEnum};
use reflectd::{
    binding::Bind,
    limits::{self, WORKERS_MAX},
};

use super::{Input, InputLimits, OUTPUT, switch};
use crate::cli::{address::Address, connections::Connections, quantity};

/// Starts a server for every service in the files. Methods whose types and name say what they do
/// (add, get, list, update, delete) are answered from a store; the others answer UNIMPLEMENTED and
/// say how to bind them. `reflectd FILE` is short for `reflectd serve FILE`.
///
/// SIGTERM and SIGINT (Ctrl-C) end it when the calls in flight are done; a second one ends it at
/// once.
#[derive(Args, Debug)]
pub(in crate::cli) struct ServeArguments {
    #[command(flatten)]
    pub(in crate::cli) input: Input,
    #[command(flatten)]
    pub(in crate::cli) answers: Answers,
    #[command(flatten)]
    pub(in crate::cli) network: Network,
    #[command(flatten)]
    pub(in crate::cli) data: Data,
    #[command(flatten)]
    pub(in crate::cli) log: Log,
    #[command(flatten)]
    pub(in crate::cli) input_limits: InputLimits,
    #[command(flatten)]
    pub(in crate::cli) message_limits: MessageLimits,
    #[command(flatten)]
    pub(in crate::cli) call_limits: CallLimits,
    #[command(flatten)]
    pub(in crate::cli) connections: Connections,
}

/// How methods are answered.
#[derive(Args, Debug)]
#[command(next_help_heading = "Answers")]
pub(in crate::cli) struct Answers {
    /// Say how a method is answered, for example user.UserInfo/addUser=create:User; may be repeated
    #[arg(long, value_name = "SERVICE/METHOD=OP:RESOURCE", env = "REFLECTD_BIND")]
    #[arg(hide_env_values = true, value_delimiter = ',')]
    pub(in crate::cli) bind: Vec<Bind>,
}

/// Where and how calls come in.
#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub(in crate::cli) struct Network {
    /// Where to listen; may be repeated. Port 0 takes a free one, a port alone means 127.0.0.1,
    /// :PORT every address of this machine, unix:PATH a Unix socket
    #[arg(
        short,
        long,
        short_aliases = ['a', 'p'],
        aliases = ["addr", "port"],
        value_name = "ADDRESS:PORT"
    )]
    #[arg(env = "REFLECTD_LISTEN", hide_env_values = true, value_delimiter = ',')]
    #[arg(default_value = "127.0.0.1:10010")]
    pub(in crate::cli) listen: Vec<Address>,

    /// How many threads serve connections [default: one for each core]
    #[arg(
        long,
        value_name = "COUNT",
        env = "REFLECTD_WORKERS",
        hide_env_values = true
    )]
    #[arg(value_parser = workers, default_value_t = cores(), hide_default_value = true)]
    pub(in crate::cli) workers: NonZero<usize>,

    /// Serve TLS with this certificate chain (PEM); read again when the file changes
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_TLS_CERT",
        hide_env_values = true
    )]
    #[arg(requires = "tls_key")]
    pub(in crate::cli) tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_TLS_KEY",
        hide_env_values = true
    )]
    #[arg(requires = "tls_cert")]
    pub(in crate::cli) tls_key: Option<PathBuf>,

    /// Ask clients for certificates that an authority in this file (PEM) has signed
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_CLIENT_CA",
        hide_env_values = true
    )]
    #[arg(requires = "tls_cert")]
    pub(in crate::cli) client_ca: Option<PathBuf>,

    /// Whether clients must show a certificate
    #[arg(long, value_enum, value_name = "WHEN", env = "REFLECTD_CLIENT_AUTH")]
    #[arg(hide_env_values = true, default_value_t, requires = "client_ca")]
    pub(in crate::cli) client_auth: ClientAuthKind,

    /// Do not tell clients what the services look like (grpc.reflection.v1 and v1alpha)
    #[arg(long, env = "REFLECTD_NO_REFLECTION", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) no_reflection: bool,

    /// How long calls in flight may go on after SIGTERM
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_DRAIN_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "30s")]
    pub(in crate::cli) drain_timeout: Duration,
}

fn cores() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

fn workers(text: &str) -> Result<NonZero<usize>, String> {
    let count = text.parse().ok().filter(|count| *count <= WORKERS_MAX);
    count.and_then(NonZero::new).ok_or_else(|| {
        format!("how many threads serve connections is a number from 1 to {WORKERS_MAX}")
    })
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ClientAuthKind {
    /// None is asked for
    Off,
    /// One is asked for, and must be good if it comes
    Optional,
    /// Nobody gets in without one
    #[default]
    Required,
}

/// Where resources are kept.
#[derive(Args, Debug)]
#[command(next_help_heading = "Data")]
pub(in crate::cli) struct Data {
    /// Where resources are kept
    #[arg(long, value_enum, env = "REFLECTD_STORE", hide_env_values = true)]
    #[arg(default_value_t, value_name = "STORE")]
    pub(in crate::cli) store: StoreKind,

    /// The folder of the redb store; one process at a time
    #[arg(
        long,
        value_name = "DIR",
        env = "REFLECTD_DATA",
        hide_env_values = true
    )]
    #[arg(default_value = "./reflectd_data")]
    pub(in crate::cli) data: PathBuf,
}

/// What `serve` writes.
#[derive(Args, Debug)]
#[command(next_help_heading = OUTPUT)]
pub(in crate::cli) struct Log {
    /// What to write to standard output, and how to write the log to standard error (RUST_LOG says
    /// how much of it) [default: text on a terminal, else json]
    #[arg(long, value_enum, env = "REFLECTD_LOG_FORMAT", hide_env_values = true)]
    pub(in crate::cli) log_format: Option<LogFormat>,

    /// Which calls to log, one line each; RUST_LOG counts here, too, with the target
    /// reflectd::access
    #[arg(long, value_enum, value_name = "WHICH", env = "REFLECTD_ACCESS_LOG")]
    #[arg(hide_env_values = true, default_value_t)]
    pub(in crate::cli) access_log: AccessLogKind,
}

/// Which calls are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AccessLogKind {
    /// None
    Off,
    /// Those that do not end with OK
    #[default]
    Errors,
    /// All
    All,
}

/// How long messages may be.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(in crate::cli) struct MessageLimits {
    /// Longest message that is received [default: 4MiB]
    #[arg(long, alias = "max-recv-bytes", value_name = "SIZE")]
    #[arg(env = "REFLECTD_MESSAGE_RECEIVE_BYTES", hide_env_values = true)]
    #[arg(value_parser = quantity::message_bytes, default_value_t = limits::MESSAGE_RECEIVE_BYTES)]
    #[arg(hide_default_value = true)]
    pub(in crate::cli) message_receive_bytes: usize,

    /// Longest message that is sent [default: 4MiB]
    #[arg(long, alias = "max-send-bytes", value_name = "SIZE")]
    #[arg(env = "REFLECTD_MESSAGE_SEND_BYTES", hide_env_values = true)]
    #[arg(value_parser = quantity::message_bytes, default_value_t = limits::MESSAGE_SEND_BYTES)]
    #[arg(hide_default_value = true)]
    pub(in crate::cli) message_send_bytes: usize,
}

/// How long calls may take.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(in crate::cli) struct CallLimits {
    /// How long a unary call may take at most, whatever its client says [default: no bound]
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_MAX_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::timeout)]
    pub(in crate::cli) max_timeout: Option<Duration>,

    /// How long a unary call may take whose client does not say [default: no bound]
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_DEFAULT_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::timeout)]
    pub(in crate::cli) default_timeout: Option<Duration>,
}

/// Where resources are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StoreKind {
    /// On disk: what was answered is there after a crash
    #[cfg(feature = "store-redb")]
    #[default]
    Redb,
    /// In memory: gone when the process ends
    #[cfg_attr(not(feature = "store-redb"), default)]
    Memory,
}

impl StoreKind {
    /// As it is typed.
    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "store-redb")]
            Self::Redb => "redb",
            Self::Memory => "memory",
        }
    }
}

/// For whom `serve` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogFormat {
    /// For people: address, services, how each method is answered
    Text,
    /// For programs: one JSON object a line, the first when calls can be answered
    Json,
}
