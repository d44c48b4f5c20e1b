//! What can be typed. Every flag has an environment variable: `REFLECTD_` and its name.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::Resettable};
use reflectd::{binding::Bind, limits};

use super::{address::Address, connections::Connections, quantity};

/// Point it at a .proto and get a gRPC server: no protoc, no build script, no generated code.
#[derive(Debug, Parser)]
#[command(
    name = "reflectd",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    args_override_self = true,
    after_help = OVERVIEW
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Answer the calls of the services in .proto files
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArguments>),
    /// Compile the files and say how `serve` would answer each method
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
    /// List the services in the files
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArguments),
    /// Print a symbol as it would stand in a .proto file, with its comments
    #[command(after_help = DESCRIBE_EXAMPLES)]
    Describe(DescribeArguments),
}

/// Starts a server for every service in the files. Methods whose types and name say what they do
/// (add, get, list, update, delete) are answered from a store; the others answer UNIMPLEMENTED and
/// say how to bind them. `reflectd FILE` is short for `reflectd serve FILE`.
///
/// SIGTERM and SIGINT (Ctrl-C) end it when the calls in flight are done; a second one ends it at
/// once.
#[derive(Args, Debug)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) answers: Answers,
    #[command(flatten)]
    pub(super) network: Network,
    #[command(flatten)]
    pub(super) data: Data,
    #[command(flatten)]
    pub(super) log: Log,
    #[command(flatten)]
    pub(super) input_limits: InputLimits,
    #[command(flatten)]
    pub(super) message_limits: MessageLimits,
    #[command(flatten)]
    pub(super) call_limits: CallLimits,
    #[command(flatten)]
    pub(super) connections: Connections,
}

/// Compiles the files and prints for every method how `serve` would answer it, and why. Errors go to
/// standard error as file:line:column: message. The exit code is 0 if there are none, else 100.
#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) answers: Answers,

    /// Print one JSON document instead of a table
    #[arg(long, env = "REFLECTD_JSON", value_parser = switch, hide_env_values = true)]
    #[arg(help_heading = OUTPUT)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) input_limits: InputLimits,
}

/// Lists the services of the files, one a line.
#[derive(Args, Debug)]
pub(super) struct ListArguments {
    #[command(flatten)]
    pub(super) input: Input,

    /// List their methods instead, as grpcurl takes them: package.Service/Method
    #[arg(long, env = "REFLECTD_METHODS", value_parser = switch, hide_env_values = true)]
    #[arg(help_heading = OUTPUT)]
    pub(super) methods: bool,

    #[command(flatten)]
    pub(super) input_limits: InputLimits,
}

/// Prints a service, method, message, enum, field or any other symbol as it would stand in a .proto
/// file, with its comments.
#[derive(Args, Debug)]
pub(super) struct DescribeArguments {
    /// The full name: package.Message, package.Service, package.Service/Method
    #[arg(value_name = "SYMBOL")]
    pub(super) symbol: String,

    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) input_limits: InputLimits,
}

/// Which files, and how they are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Input")]
pub(super) struct Input {
    /// .proto files, folders with .proto files in or below them, and descriptor sets (.pb, .binpb,
    /// .protoset, .desc)
    #[arg(value_name = "FILE|DIR", help_heading = Resettable::Reset)]
    pub(super) files: Vec<PathBuf>,

    /// A folder in which imports are looked for; may be repeated. Each file's own folder and its
    /// parents are searched without being told
    #[arg(
        short = 'I',
        long,
        short_alias = 'i',
        alias = "imports",
        value_name = "DIR"
    )]
    #[arg(env = "REFLECTD_IMPORT_PATH", hide_env_values = true, value_delimiter = PATHS_APART)]
    pub(super) import_path: Vec<PathBuf>,

    /// A binary FileDescriptorSet, as `protoc -o` and `buf build -o` write it; may be repeated
    #[arg(long, alias = "protoset", value_name = "FILE")]
    #[arg(env = "REFLECTD_DESCRIPTOR_SET", hide_env_values = true, value_delimiter = PATHS_APART)]
    pub(super) descriptor_set: Vec<PathBuf>,

    /// Go on with the files that have no errors
    #[arg(long, env = "REFLECTD_KEEP_GOING", value_parser = switch, hide_env_values = true)]
    pub(super) keep_going: bool,

    /// The files are somebody else's: follow no symbolic links, and look for imports in the named
    /// folders only
    #[arg(long, env = "REFLECTD_UNTRUSTED", value_parser = switch, hide_env_values = true)]
    pub(super) untrusted: bool,
}

/// How methods are answered.
#[derive(Args, Debug)]
#[command(next_help_heading = "Answers")]
pub(super) struct Answers {
    /// Say how a method is answered, for example user.UserInfo/addUser=create:User; may be repeated
    #[arg(long, value_name = "SERVICE/METHOD=OP:RESOURCE", env = "REFLECTD_BIND")]
    #[arg(hide_env_values = true, value_delimiter = ',')]
    pub(super) bind: Vec<Bind>,
}

/// Where and how calls come in.
#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub(super) struct Network {
    /// Where to listen; may be repeated. Port 0 takes a free one, a port alone means 127.0.0.1,
    /// :PORT every address of this machine, unix:PATH a Unix socket
    #[arg(
        short,
        long,
        short_alias = 'a',
        alias = "addr",
        value_name = "ADDRESS:PORT"
    )]
    #[arg(env = "REFLECTD_LISTEN", hide_env_values = true, value_delimiter = ',')]
    #[arg(default_value = "127.0.0.1:10010")]
    pub(super) listen: Vec<Address>,

    /// Serve TLS with this certificate chain (PEM); read again when the file changes
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_TLS_CERT",
        hide_env_values = true
    )]
    #[arg(requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_TLS_KEY",
        hide_env_values = true
    )]
    #[arg(requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,

    /// Ask clients for certificates that an authority in this file (PEM) has signed
    #[arg(
        long,
        value_name = "FILE",
        env = "REFLECTD_CLIENT_CA",
        hide_env_values = true
    )]
    #[arg(requires = "tls_cert")]
    pub(super) client_ca: Option<PathBuf>,

    /// Whether clients must show a certificate
    #[arg(long, value_enum, value_name = "WHEN", env = "REFLECTD_CLIENT_AUTH")]
    #[arg(hide_env_values = true, default_value_t, requires = "client_ca")]
    pub(super) client_auth: ClientAuthKind,

    /// Do not tell clients what the services look like (grpc.reflection.v1 and v1alpha)
    #[arg(long, env = "REFLECTD_NO_REFLECTION", value_parser = switch, hide_env_values = true)]
    pub(super) no_reflection: bool,

    /// How long calls in flight may go on after SIGTERM
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_DRAIN_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "30s")]
    pub(super) drain_timeout: Duration,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ClientAuthKind {
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
pub(super) struct Data {
    /// Where resources are kept
    #[arg(long, value_enum, env = "REFLECTD_STORE", hide_env_values = true)]
    #[arg(default_value_t, value_name = "STORE")]
    pub(super) store: StoreKind,

    /// The folder of the redb store; one process at a time
    #[arg(
        long,
        value_name = "DIR",
        env = "REFLECTD_DATA",
        hide_env_values = true
    )]
    #[arg(default_value = "./reflectd_data")]
    pub(super) data: PathBuf,
}

/// What `serve` writes.
#[derive(Args, Debug)]
#[command(next_help_heading = OUTPUT)]
pub(super) struct Log {
    /// What to write to standard output, and how to write the log to standard error (RUST_LOG says
    /// how much of it) [default: text on a terminal, else json]
    #[arg(long, value_enum, env = "REFLECTD_LOG_FORMAT", hide_env_values = true)]
    pub(super) log_format: Option<LogFormat>,

    /// Which calls to log, one line each; RUST_LOG counts here, too, with the target
    /// reflectd::access
    #[arg(long, value_enum, value_name = "WHICH", env = "REFLECTD_ACCESS_LOG")]
    #[arg(hide_env_values = true, default_value_t)]
    pub(super) access_log: AccessLogKind,
}

/// Which calls are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum AccessLogKind {
    /// None
    Off,
    /// Those that do not end with OK
    #[default]
    Errors,
    /// All
    All,
}

/// How much of the input is read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct InputLimits {
    /// Largest .proto file [default: 16MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "REFLECTD_PROTO_FILE_BYTES",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::bytes, default_value_t = limits::PROTO_FILE_BYTES)]
    #[arg(hide_default_value = true)]
    pub(super) proto_file_bytes: u64,

    /// All .proto files together [default: 256MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "REFLECTD_PROTO_TOTAL_BYTES",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::bytes, default_value_t = limits::PROTO_TOTAL_BYTES)]
    #[arg(hide_default_value = true)]
    pub(super) proto_total_bytes: u64,

    /// Most .proto files, imports included
    #[arg(
        long,
        value_name = "COUNT",
        env = "REFLECTD_PROTO_FILES_MAX",
        hide_env_values = true
    )]
    #[arg(default_value_t = limits::PROTO_FILES_MAX)]
    pub(super) proto_files_max: usize,
}

/// How long messages may be.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct MessageLimits {
    /// Longest message that is received [default: 4MiB]
    #[arg(long, alias = "max-recv-bytes", value_name = "SIZE")]
    #[arg(env = "REFLECTD_MESSAGE_RECEIVE_BYTES", hide_env_values = true)]
    #[arg(value_parser = quantity::message_bytes, default_value_t = limits::MESSAGE_RECEIVE_BYTES)]
    #[arg(hide_default_value = true)]
    pub(super) message_receive_bytes: usize,

    /// Most memory that a message may take when it is decoded [default: 24 times the longest that is
    /// received]
    #[arg(long, value_name = "SIZE")]
    #[arg(env = "REFLECTD_MESSAGE_DECODE_BYTES", hide_env_values = true)]
    #[arg(value_parser = quantity::bytes_usize)]
    pub(super) message_decode_bytes: Option<usize>,

    /// Longest message that is sent [default: 4MiB]
    #[arg(long, alias = "max-send-bytes", value_name = "SIZE")]
    #[arg(env = "REFLECTD_MESSAGE_SEND_BYTES", hide_env_values = true)]
    #[arg(value_parser = quantity::message_bytes, default_value_t = limits::MESSAGE_SEND_BYTES)]
    #[arg(hide_default_value = true)]
    pub(super) message_send_bytes: usize,
}

/// How long calls may take.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct CallLimits {
    /// How long a unary call may take at most, whatever its client says [default: no bound]
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_MAX_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::timeout)]
    pub(super) max_timeout: Option<Duration>,

    /// How long a unary call may take whose client does not say [default: no bound]
    #[arg(
        long,
        value_name = "TIME",
        env = "REFLECTD_DEFAULT_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::timeout)]
    pub(super) default_timeout: Option<Duration>,
}

/// Where resources are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum StoreKind {
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
    pub(super) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "store-redb")]
            Self::Redb => "redb",
            Self::Memory => "memory",
        }
    }
}

/// For whom `serve` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people: address, services, how each method is answered
    Text,
    /// For programs: one JSON object a line, the first when calls can be answered
    Json,
}

/// A flag's value in its environment variable; an empty one is as good as none.
fn switch(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "" | "0" | "false" | "no" | "off" => Ok(false),
        "1" | "true" | "yes" | "on" => Ok(true),
        _ => Err("say 1 or 0".to_owned()),
    }
}

const OUTPUT: &str = "Output";

/// What stands between paths in one variable, as in PATH (and in `protoc -I`).
const PATHS_APART: char = if cfg!(windows) { ';' } else { ':' };

const OVERVIEW: &str = "\
Examples:
  reflectd user.proto                    serve it on 127.0.0.1:10010; short for `reflectd serve`
  reflectd check protos/                 how would each method be answered?
  reflectd describe user.User protos/    the source of one symbol

Exit codes: 0 success, 1 failure, 2 wrong arguments, 100 errors in .proto files.
Every flag can be set by an environment variable: --listen by REFLECTD_LISTEN, and so on.";

const SERVE_EXAMPLES: &str = "\
Examples:
  reflectd serve user.proto
  reflectd serve protos/ -I third_party --listen 127.0.0.1:0 --store memory
  reflectd serve api.binpb --bind shop.Shop/Put=create:Item --data /var/lib/shop";

const CHECK_EXAMPLES: &str = "\
Examples:
  reflectd check protos/
  reflectd check --keep-going --json protos/ > plan.json
  reflectd check shop.proto --bind shop.Shop/Put=create:Item";

const LIST_EXAMPLES: &str = "\
Examples:
  reflectd list protos/
  reflectd list --methods user.proto";

const DESCRIBE_EXAMPLES: &str = "\
Examples:
  reflectd describe user.User user.proto
  reflectd describe user.UserInfo/addUser protos/";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_has_the_environment_variable_of_its_name() {
        let program = Arguments::command();
        program.clone().debug_assert();
        let mut seen = 0;
        for command in program.get_subcommands() {
            for flag in command.get_arguments() {
                let Some(long) = flag.get_long() else {
                    continue;
                };
                let variable = format!("REFLECTD_{}", long.to_uppercase().replace('-', "_"));
                let env = flag.get_env().and_then(|env| env.to_str());
                assert_eq!(env, Some(variable.as_str()), "--{long}");
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen} flags");
    }
}
