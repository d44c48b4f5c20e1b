//! `reflectd completions`: what a shell completes by.

use super::{
    arguments::{self, CompletionsArguments},
    console,
    failure::Failure,
};

pub(super) fn run(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut program = arguments::program();
    clap_complete::generate(arguments.shell, &mut program, "reflectd", &mut script);
    console::print(&String::from_utf8_lossy(&script))?;
    Ok(())
}
