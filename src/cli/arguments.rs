//! What can be typed. Every flag has an environment variable: `REFLECTD_` and its name.

mod bench;
mod call;
mod input;
mod serve;
mod server;

use clap::{Args, CommandFactory, Parser, Subcommand, builder::Resettable};

pub(super) use self::{
    bench::{BenchArguments, Load, Verdict},
    call::{CallArguments, Format},
    input::{Input, InputLimits, Sources},
    serve::{
        AccessLogKind, Answers, CallLimits, ClientAuthKind, Data, Log, LogFormat, Network,
        ServeArguments, StoreKind,
    },
    server::{Dialing, Headers},
};

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

/// The whole command line, with what a command takes otherwise than the others.
pub(super) fn program() -> clap::Command {
    Arguments::command().mut_subcommand("bench", |bench| {
        bench.mut_arg("insecure", |insecure| {
            // What elsewhere takes any certificate must not end TLS here unless it is typed here.
            insecure
                .help("Without TLS, as ghz has it; --skip-tls takes any certificate")
                .env(Resettable::Reset)
        })
    })
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Answer the calls of the services in .proto files
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArguments>),
    /// Call a method of any gRPC server
    #[command(after_help = CALL_EXAMPLES)]
    Call(Box<CallArguments>),
    /// Make calls of a method, many at once, and tell how fast they are
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(Box<BenchArguments>),
    /// Compile the files and say how `serve` would answer each method
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
    /// List the services of a server, or in files
    #[command(after_help = LIST_EXAMPLES)]
    List(Box<ListArguments>),
    /// Print a symbol as it would stand in a .proto file, with its comments
    #[command(after_help = DESCRIBE_EXAMPLES)]
    Describe(Box<DescribeArguments>),
    /// Print what makes a shell complete commands and flags
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArguments),
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

/// Lists the services of a server (by its reflection) or of files, one a line; with a service, its
/// methods. HOST:PORT, http://…, https://… and unix:PATH are servers; what is there on disk is a file
/// or a folder.
#[derive(Args, Debug)]
pub(super) struct ListArguments {
    /// Where to look: the address of a server, or .proto files, folders and descriptor sets; and the
    /// service whose methods to list
    #[arg(value_name = "ADDRESS|FILE|DIR|SERVICE")]
    pub(super) words: Vec<String>,

    /// List methods instead, as `reflectd call` takes them: package.Service/Method
    #[arg(long, env = "REFLECTD_METHODS", value_parser = switch, hide_env_values = true)]
    #[arg(help_heading = OUTPUT)]
    pub(super) methods: bool,

    #[command(flatten)]
    pub(super) dialing: Dialing,
    #[command(flatten)]
    pub(super) headers: Headers,
    #[command(flatten)]
    pub(super) sources: Sources,
    #[command(flatten)]
    pub(super) input_limits: InputLimits,
}

/// Prints a service, method, message, enum, field or any other symbol of a server (by its reflection)
/// or of files as it would stand in a .proto file, with its comments where they are known; without a
/// symbol, all services.
#[derive(Args, Debug)]
pub(super) struct DescribeArguments {
    /// Where to look: the address of a server, or .proto files, folders and descriptor sets; and the
    /// symbol: package.Message, package.Service, package.Service/Method
    #[arg(value_name = "ADDRESS|FILE|DIR|SYMBOL")]
    pub(super) words: Vec<String>,

    #[command(flatten)]
    pub(super) dialing: Dialing,
    #[command(flatten)]
    pub(super) headers: Headers,
    #[command(flatten)]
    pub(super) sources: Sources,
    #[command(flatten)]
    pub(super) input_limits: InputLimits,
}

/// Prints a script that makes a shell complete commands and flags.
#[derive(Args, Debug)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
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
  reflectd list localhost:10010          what does that server have?
  reflectd call localhost:10010 user.UserInfo/addUser name=Ann
  reflectd bench localhost:10010 user.UserInfo/getUser Value=0

Exit codes: 0 success, 1 failure, 2 wrong arguments, 100 errors in .proto files; a call that fails
ends with 64 and its gRPC code (69: NOT_FOUND). Long flags take one dash or two.
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

const CALL_EXAMPLES: &str = "\
Examples:
  reflectd call localhost:10010 user.UserInfo/addUser name=Ann description=strong
  reflectd call localhost:10010 user.UserInfo/getUser -d '{\"Value\": \"0\"}'
  reflectd call https://api.example.com shop.Shop/Watch -H 'authorization: Bearer ${TOKEN}' \\
    --expand-headers --max-time 10
  tail -f events.json | reflectd call localhost:10010 log.Log/Write -d @ --proto log.proto

Fields: name=Ann (text, or whatever the field takes), age:=3 (JSON), address.city=Rome, 'tags[]=x'.
Without TLS are http://, unix:PATH, and HOST:PORT of this machine; elsewhere HOST:PORT wants TLS
unless --plaintext says otherwise.";

const BENCH_EXAMPLES: &str = "\
Examples:
  reflectd bench localhost:10010 user.UserInfo/getUser -d '{\"Value\": \"0\"}' -n 100000
  reflectd bench localhost:10010 user.UserInfo/addUser name=Ann -z 10s -c 100 --connections 4
  reflectd bench --call user.UserInfo/getUser -d @ids.json --rps 2000 -z 30s localhost:10010
  reflectd bench localhost:10010 user.UserInfo/getUser Value=0 --fail-if 'p99>5ms' --json

The names of the flags are ghz's; --insecure means without TLS here, as in ghz, and --skip-tls takes
any certificate. Without --rps the next call is made when one ends; with it, calls are due at fixed
times, and their times count from then.
Exit codes: 3 if a condition of --fail-if holds; 64 and the code that most failures have, if calls
failed, unless a condition on errors or error_rate says how many may; 130 after Ctrl-C.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  reflectd completions bash > ~/.local/share/bash-completion/completions/reflectd
  reflectd completions zsh > \"${fpath[1]}/_reflectd\"";

const LIST_EXAMPLES: &str = "\
Examples:
  reflectd list localhost:10010
  reflectd list localhost:10010 user.UserInfo
  reflectd list protos/
  reflectd list --methods user.proto";

const DESCRIBE_EXAMPLES: &str = "\
Examples:
  reflectd describe localhost:10010 user.User
  reflectd describe user.User user.proto
  reflectd describe user.UserInfo/addUser protos/";

#[cfg(test)]
mod tests {
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
                // REFLECTD_DATA is the folder of `serve`; and a request that all calls of a shell
                // would send without a word is nothing to leave in an environment.
                if ["call", "bench"].contains(&command.get_name()) && long == "data" {
                    continue;
                }
                let variable = format!("REFLECTD_{}", long.to_uppercase().replace('-', "_"));
                let env = flag.get_env().and_then(|env| env.to_str());
                assert_eq!(env, Some(variable.as_str()), "--{long}");
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen} flags");
    }
}
