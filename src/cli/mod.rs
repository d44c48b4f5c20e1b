//! The command line: one file a command. It uses the library's public API only.

mod address;
mod arguments;
mod banner;
mod bench;
mod call;
mod check;
mod completions;
mod connections;
mod console;
mod dashes;
mod describe;
mod dial;
mod events;
mod example;
mod failure;
mod headers;
mod input;
mod list;
mod named;
mod plan;
mod progress;
mod quantity;
mod requests;
mod serve;
mod shorthand;
mod signals;
mod store;
mod usage;
mod wanted;

use std::{ffi::OsString, process::ExitCode};

use self::{arguments::Command, failure::Failure};

/// Runs the command that was typed, and tells with what to exit (see [`failure::Exit`]).
pub(crate) fn run(typed: impl IntoIterator<Item = OsString>) -> ExitCode {
    let ended = usage::parse(typed.into_iter().collect()).and_then(|command| match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Call(arguments) => call::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Describe(arguments) => describe::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    if let Some(message) = failure.message() {
        console::complain(message);
    }
    failure.exit().into()
}
