//! The `reflectd` command: arguments → `cli::run` → exit code.

#![warn(clippy::print_stdout)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod cli;

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os())
}
