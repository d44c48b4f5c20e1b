//! `reflectd describe`: one symbol as it would stand in a `.proto` file.

use std::path::Path;

use super::{arguments::DescribeArguments, console, failure::Failure};

pub(super) fn run(arguments: &DescribeArguments) -> Result<(), Failure> {
    let symbol = full_name(&arguments.symbol);
    refuse_file_as_symbol(&arguments.symbol)?;
    let schema = arguments.input.load(&arguments.input_limits)?.schema;
    match schema.describe(&symbol) {
        Some(source) => Ok(console::print(&ending_in_newline(source))?),
        None => Err(Failure::new(match schema.nearest_symbol(&symbol) {
            Some(nearest) => format!("no symbol is named {symbol:?}; did you mean {nearest:?}?"),
            None => format!("no symbol is named {symbol:?}; `reflectd list` tells the services"),
        })),
    }
}

/// `/package.Service/Method`, `package.Service/Method` and `.package.Service` are names too.
fn full_name(typed: &str) -> String {
    typed.trim_start_matches(['/', '.']).replace('/', ".")
}

fn refuse_file_as_symbol(typed: &str) -> Result<(), Failure> {
    if !typed.ends_with(".proto") && !Path::new(typed).exists() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{typed:?} is a file, and the symbol comes first: `reflectd describe package.Message {typed}`"
    )))
}

fn ending_in_newline(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
