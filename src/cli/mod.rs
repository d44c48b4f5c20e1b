//! The command line: one file a command. It uses the library's public API only.

mod address;
mod arguments;
mod banner;
mod check;
mod connections;
mod console;
mod describe;
mod events;
mod example;
mod failure;
mod input;
mod list;
mod plan;
mod progress;
mod quantity;
mod serve;
mod signals;
mod store;
mod usage;

use std::{ffi::OsString, process::ExitCode};

use self::{arguments::Command, failure::Failure};

/// Runs the command that was typed, and tells with what to exit (see [`failure::Exit`]).
pub(crate) fn run(typed: impl IntoIterator<Item = OsString>) -> ExitCode {
    let ended = usage::parse(typed.into_iter().collect()).and_then(|command| match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Describe(arguments) => describe::run(&arguments),
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
