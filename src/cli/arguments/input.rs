//! Which files are read, and how much of them.

use std::path::PathBuf;

use clap::{Args, builder::Resettable};
use reflectd::limits;

use super::{PATHS_APART, switch};
use crate::cli::quantity;

/// Which files, and how they are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Input")]
pub(in crate::cli) struct Input {
    /// .proto files, folders with .proto files in or below them, and descriptor sets (.pb, .binpb,
    /// .protoset, .desc)
    #[arg(value_name = "FILE|DIR", help_heading = Resettable::Reset)]
    pub(in crate::cli) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(in crate::cli) sources: Sources,
}

/// What else files are found by, and how they are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Input")]
pub(in crate::cli) struct Sources {
    /// A .proto file, as grpcurl takes it: in an import path, or where it says; may be repeated
    #[arg(long, value_name = "FILE", env = "REFLECTD_PROTO")]
    #[arg(hide_env_values = true, value_delimiter = PATHS_APART)]
    pub(in crate::cli) proto: Vec<PathBuf>,

    /// A folder in which imports are looked for; may be repeated. Each file's own folder and its
    /// parents are searched without being told
    #[arg(
        short = 'I',
        long,
        short_alias = 'i',
        aliases = ["imports", "import-paths"],
        value_name = "DIR"
    )]
    #[arg(env = "REFLECTD_IMPORT_PATH", hide_env_values = true, value_delimiter = PATHS_APART)]
    pub(in crate::cli) import_path: Vec<PathBuf>,

    /// A binary FileDescriptorSet, as `protoc -o` and `buf build -o` write it; may be repeated
    #[arg(long, alias = "protoset", value_name = "FILE")]
    #[arg(env = "REFLECTD_DESCRIPTOR_SET", hide_env_values = true, value_delimiter = PATHS_APART)]
    pub(in crate::cli) descriptor_set: Vec<PathBuf>,

    /// Go on with the files that have no errors
    #[arg(long, env = "REFLECTD_KEEP_GOING", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) keep_going: bool,

    /// The files are somebody else's: follow no symbolic links, and look for imports in the named
    /// folders only
    #[arg(long, env = "REFLECTD_UNTRUSTED", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) untrusted: bool,
}

/// How much of the input is read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(in crate::cli) struct InputLimits {
    /// Largest .proto file [default: 16MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "REFLECTD_PROTO_FILE_BYTES",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::bytes, default_value_t = limits::PROTO_FILE_BYTES)]
    #[arg(hide_default_value = true)]
    pub(in crate::cli) proto_file_bytes: u64,

    /// All .proto files together [default: 256MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "REFLECTD_PROTO_TOTAL_BYTES",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::bytes, default_value_t = limits::PROTO_TOTAL_BYTES)]
    #[arg(hide_default_value = true)]
    pub(in crate::cli) proto_total_bytes: u64,

    /// Most .proto files, imports included
    #[arg(
        long,
        value_name = "COUNT",
        env = "REFLECTD_PROTO_FILES_MAX",
        hide_env_values = true
    )]
    #[arg(default_value_t = limits::PROTO_FILES_MAX)]
    pub(in crate::cli) proto_files_max: usize,
}
