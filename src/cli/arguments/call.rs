//! What `call` takes.

use clap::{ArgAction, Args, ValueEnum};

use super::{Dialing, Headers, InputLimits, OUTPUT, Sources, switch};

/// Calls a method and prints the replies, as they come. What the method looks like, the server tells
/// (reflection), or --proto or --protoset.
#[derive(Args, Debug)]
pub(in crate::cli) struct CallArguments {
    /// HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH
    #[arg(value_name = "ADDRESS")]
    pub(in crate::cli) address: String,

    /// package.Service/Method or package.Service.Method
    #[arg(value_name = "METHOD")]
    pub(in crate::cli) method: String,

    /// Fields of the request, in place of --data: name=Ann age:=3 address.city=Rome 'tags[]=x'
    #[arg(value_name = "FIELD", conflicts_with = "data")]
    pub(in crate::cli) fields: Vec<String>,

    /// The request: JSON, @ for standard input, @FILE for a file. Several values, one after another,
    /// are the messages of a stream, sent as they come [default: an empty message, or no message
    /// where any number is allowed]
    #[arg(short, long, value_name = "JSON|@|@FILE", help_heading = REQUEST)]
    pub(in crate::cli) data: Option<String>,

    /// Read over fields of the request that the message does not have
    #[arg(long, env = "REFLECTD_ALLOW_UNKNOWN_FIELDS", value_parser = switch)]
    #[arg(hide_env_values = true, help_heading = REQUEST)]
    pub(in crate::cli) allow_unknown_fields: bool,

    /// What requests are written in, and replies
    #[arg(long, value_enum, value_name = "FORMAT", env = "REFLECTD_FORMAT")]
    #[arg(hide_env_values = true, default_value_t, help_heading = OUTPUT)]
    pub(in crate::cli) format: Format,

    /// Print fields that have their default value, too
    #[arg(long, env = "REFLECTD_EMIT_DEFAULTS", value_parser = switch, hide_env_values = true)]
    #[arg(help_heading = OUTPUT)]
    pub(in crate::cli) emit_defaults: bool,

    /// Print the status of a call that failed in the format of the replies, too
    #[arg(long, env = "REFLECTD_FORMAT_ERROR", value_parser = switch, hide_env_values = true)]
    #[arg(help_heading = OUTPUT)]
    pub(in crate::cli) format_error: bool,

    /// Print the method, all metadata and the number of messages; twice: how long each step took
    #[arg(short, long, action = ArgAction::Count, env = "REFLECTD_VERBOSE")]
    #[arg(hide_env_values = true, help_heading = OUTPUT)]
    pub(in crate::cli) verbose: u8,

    #[command(flatten)]
    pub(in crate::cli) headers: Headers,
    #[command(flatten)]
    pub(in crate::cli) dialing: Dialing,
    #[command(flatten)]
    pub(in crate::cli) sources: Sources,
    #[command(flatten)]
    pub(in crate::cli) input_limits: InputLimits,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// The canonical mapping of protobuf
    #[default]
    Json,
    /// protobuf's text format; the byte 0x1E stands between messages
    Text,
}

const REQUEST: &str = "Request";
