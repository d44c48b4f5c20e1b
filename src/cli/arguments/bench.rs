//! What `bench` takes. The names are ghz's.

use std::time::Duration;

use clap::Args;
use reflectd::limits;

use super::{Dialing, Headers, InputLimits, OUTPUT, Sources, switch};
use crate::cli::{bench::Threshold, quantity};

/// Makes calls of a method, many at once, and tells how many a second there were and how long they
/// took. What the method looks like, the server tells (reflection), or --proto or --protoset.
#[derive(Args, Debug)]
pub(in crate::cli) struct BenchArguments {
    /// HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH
    #[arg(value_name = "ADDRESS")]
    pub(in crate::cli) address: String,

    /// The method, package.Service/Method, unless --call says it; then fields of the request:
    /// name=Ann age:=3 address.city=Rome 'tags[]=x'
    #[arg(value_name = "METHOD|FIELD")]
    pub(in crate::cli) words: Vec<String>,

    /// The method, package.Service/Method
    #[arg(
        long,
        value_name = "METHOD",
        env = "REFLECTD_CALL",
        hide_env_values = true
    )]
    #[arg(help_heading = REQUEST)]
    pub(in crate::cli) call: Option<String>,

    /// The requests: JSON, @ for standard input, @FILE for a file. Unary calls take several values, or
    /// the elements of an array, in turn; a stream sends them all [default: an empty message]
    #[arg(short, long, value_name = "JSON|@|@FILE", help_heading = REQUEST)]
    pub(in crate::cli) data: Option<String>,

    /// A file with the requests
    #[arg(short = 'D', long, value_name = "FILE", conflicts_with = "data")]
    #[arg(env = "REFLECTD_DATA_FILE", hide_env_values = true, help_heading = REQUEST)]
    pub(in crate::cli) data_file: Option<String>,

    /// Metadata of the calls as a JSON object, beside --header
    #[arg(
        short,
        long,
        value_name = "JSON",
        env = "REFLECTD_METADATA",
        hide_env_values = true
    )]
    #[arg(help_heading = REQUEST)]
    pub(in crate::cli) metadata: Option<String>,

    /// How long a call may take; 0: no bound
    #[arg(
        short,
        long,
        value_name = "TIME",
        env = "REFLECTD_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::duration, default_value = "20s", help_heading = REQUEST)]
    pub(in crate::cli) timeout: Duration,

    #[command(flatten)]
    pub(in crate::cli) load: Load,
    #[command(flatten)]
    pub(in crate::cli) verdict: Verdict,
    #[command(flatten)]
    pub(in crate::cli) headers: Headers,
    #[command(flatten)]
    pub(in crate::cli) dialing: Dialing,

    /// With TLS, and take any certificate of the server (what --insecure is elsewhere)
    #[arg(long, alias = "skipTLS", env = "REFLECTD_SKIP_TLS", value_parser = switch)]
    #[arg(hide_env_values = true, help_heading = "Connection")]
    pub(in crate::cli) skip_tls: bool,

    #[command(flatten)]
    pub(in crate::cli) sources: Sources,
    #[command(flatten)]
    pub(in crate::cli) input_limits: InputLimits,
}

/// How many calls, and how fast.
#[derive(Args, Debug)]
#[command(next_help_heading = "Load")]
pub(in crate::cli) struct Load {
    /// How many calls are under way at once
    #[arg(short, long, value_name = "COUNT", env = "REFLECTD_CONCURRENCY")]
    #[arg(hide_env_values = true, default_value_t = 50)]
    #[arg(value_parser = count_parser(limits::BENCH_CONCURRENCY_MAX))]
    pub(in crate::cli) concurrency: u64,

    /// Over how many connections
    #[arg(
        long,
        value_name = "COUNT",
        env = "REFLECTD_CONNECTIONS",
        hide_env_values = true
    )]
    #[arg(default_value_t = 1, value_parser = count_parser(limits::BENCH_CONNECTIONS_MAX))]
    pub(in crate::cli) connections: u64,

    /// At most so many threads, each with its share of the connections [default: one a core]
    #[arg(
        long,
        value_name = "COUNT",
        env = "REFLECTD_CPUS",
        hide_env_values = true
    )]
    #[arg(value_parser = count_parser(limits::BENCH_THREADS_MAX))]
    pub(in crate::cli) cpus: Option<u64>,

    /// How many calls a second are due. A call's time counts from when it is due, so that a server
    /// which stalls is not spared [default: the next one when one ends]
    #[arg(
        short,
        long,
        value_name = "NUMBER",
        env = "REFLECTD_RPS",
        hide_env_values = true
    )]
    #[arg(value_parser = quantity::rate)]
    pub(in crate::cli) rps: Option<f64>,

    /// How many calls are made
    #[arg(
        short = 'n',
        long,
        value_name = "COUNT",
        env = "REFLECTD_TOTAL",
        hide_env_values = true
    )]
    #[arg(default_value_t = 200, conflicts_with = "duration")]
    #[arg(value_parser = count_parser(u64::MAX))]
    pub(in crate::cli) total: u64,

    /// For how long calls are made, in place of --total; those under way then are waited for
    #[arg(short = 'z', long, value_name = "TIME", env = "REFLECTD_DURATION")]
    #[arg(hide_env_values = true, value_parser = quantity::period)]
    pub(in crate::cli) duration: Option<Duration>,

    /// For how long calls are made at the most, even if --total is not reached
    #[arg(short = 'x', long, value_name = "TIME", env = "REFLECTD_MAX_DURATION")]
    #[arg(hide_env_values = true, value_parser = quantity::period)]
    pub(in crate::cli) max_duration: Option<Duration>,
}

/// What is told, and what makes the command fail.
#[derive(Args, Debug)]
#[command(next_help_heading = OUTPUT)]
pub(in crate::cli) struct Verdict {
    /// Fail with exit code 3 if this is so: p99>5ms, mean>=2ms, rps<1000, errors>0, error_rate>1%;
    /// may be repeated
    #[arg(
        long,
        value_name = "CONDITION",
        env = "REFLECTD_FAIL_IF",
        hide_env_values = true
    )]
    #[arg(value_delimiter = ',')]
    pub(in crate::cli) fail_if: Vec<Threshold>,

    /// Let the times of calls that failed count, too
    #[arg(long, env = "REFLECTD_COUNT_ERRORS", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) count_errors: bool,

    /// Print one JSON document (its schema: docs/bench.schema.json) instead of the summary
    #[arg(long, env = "REFLECTD_JSON", value_parser = switch, hide_env_values = true)]
    pub(in crate::cli) json: bool,

    /// A name for the run, in the document
    #[arg(
        long,
        value_name = "TEXT",
        env = "REFLECTD_NAME",
        hide_env_values = true
    )]
    pub(in crate::cli) name: Option<String>,

    /// Tags of the run, in the document: a JSON object of strings
    #[arg(
        long,
        value_name = "JSON",
        env = "REFLECTD_TAGS",
        hide_env_values = true
    )]
    pub(in crate::cli) tags: Option<String>,
}

impl BenchArguments {
    /// The method, and the fields of its request.
    ///
    /// # Errors
    /// No method.
    pub(in crate::cli) fn method_and_fields(&self) -> Result<(&str, &[String]), String> {
        match (&self.call, self.words.as_slice()) {
            (Some(call), fields) => Ok((call, fields)),
            (None, [method, fields @ ..]) => Ok((method, fields)),
            (None, []) => Err(
                "the method is missing: reflectd bench ADDRESS package.Service/Method, or --call"
                    .to_owned(),
            ),
        }
    }

    /// The data, a file of it as --data names one.
    pub(in crate::cli) fn data(&self) -> Option<String> {
        match &self.data_file {
            Some(path) => Some(format!("@{path}")),
            None => self.data.clone(),
        }
    }
}

fn count_parser(max: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| quantity::count(text, max)
}

const REQUEST: &str = "Request";
