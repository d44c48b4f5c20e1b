//! From what was typed to a command, or to one line that says what is wrong with it.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::{
    FromArgMatches,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    arguments::{self, Arguments, Command},
    dashes,
    failure::{Exit, Failure},
};

/// Parses what was typed, program name first.
///
/// # Errors
/// Wrong arguments; help and version, which end the program too.
pub(super) fn parse(mut typed: Vec<OsString>) -> Result<Command, Failure> {
    help_first(&mut typed);
    let short = is_short_for_serve(&typed);
    if short {
        typed.insert(1, "serve".into());
    }
    dashes::double(&mut typed, &mut arguments::program());
    let parsed = with_values_as_meant(arguments::program())
        .try_get_matches_from(&typed)
        .and_then(|mut matches| Arguments::from_arg_matches_mut(&mut matches));
    let command = match parsed {
        Ok(arguments) => arguments.command,
        Err(error) => return Err(explain(&error, &typed)),
    };
    if let (Command::Serve(serve), true) = (&command, short) {
        let files = &serve.input.files;
        files
            .iter()
            .try_for_each(|file| refuse_command_as_file(file))?;
    }
    Ok(command)
}

/// An environment variable that is set to nothing counts as unset: that is how compose files and
/// unit files leave one out.
///
/// And what looks like a negative number after a flag is its value, so that its value is what is told
/// to be wrong.
fn with_values_as_meant(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|command| {
        command.mut_args(|argument| {
            let takes_value = !argument.is_positional() && argument.get_action().takes_values();
            let argument = argument.allow_negative_numbers(takes_value);
            let value = argument.get_env().and_then(env::var_os);
            match value {
                Some(value) if value.is_empty() => argument.env(Resettable::Reset),
                _ => argument,
            }
        })
    })
}

/// `reflectd help serve` is `reflectd serve --help`, `reflectd version` is `reflectd --version`.
fn help_first(typed: &mut Vec<OsString>) {
    if let Some(first) = typed.get_mut(1) {
        if *first == "-version" || *first == "-help" {
            // As Go's programs take them.
            *first = format!("-{}", first.to_string_lossy()).into();
        } else if *first == "version" && !Path::new("version").exists() {
            *first = "--version".into();
        }
    }
    if typed.get(1).is_some_and(|word| word == "help") && !Path::new("help").exists() {
        typed.remove(1);
        typed.push("--help".into());
    }
}

/// Whether the command is left out, as in `reflectd user.proto` or `reflectd --listen :0 protos`.
fn is_short_for_serve(typed: &[OsString]) -> bool {
    let Some(first) = typed.get(1) else {
        return false;
    };
    let text = first.to_string_lossy();
    if is_command(first) || ["-h", "--help", "-V", "--version"].contains(&&*text) {
        return false;
    }
    // A bare word that is no file is more likely a command with a typing error.
    text.starts_with('-') || text.contains(['.', '/', '\\']) || Path::new(first).exists()
}

fn is_command(word: &OsStr) -> bool {
    arguments::program()
        .get_subcommands()
        .any(|command| command.get_name() == word)
}

/// `reflectd --keep-going check protos` would look for a file named `check`.
fn refuse_command_as_file(file: &Path) -> Result<(), Failure> {
    if !is_command(file.as_os_str()) || file.exists() {
        return Ok(());
    }
    let name = file.display();
    Err(Failure::usage(format!(
        "`{name}` is a command, and the command comes first: `reflectd {name} …`; a file of that \
         name is ./{name}"
    )))
}

/// Help and version as they are; errors on one line, with what was most likely meant.
fn explain(error: &clap::Error, typed: &[OsString]) -> Failure {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return match error.print() {
                Ok(()) => Failure::silent(Exit::Success),
                Err(error) => error.into(),
            };
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Where standard error cannot be written to there is no place to say so.
            let _ = error.print();
            return Failure::silent(Exit::Usage);
        }
        _ => {}
    }
    let what = what_is_wrong(error, typed);
    match what.ends_with('?') {
        // A better hint than any help.
        true => Failure::usage(what),
        false => Failure::usage(format!("{what}; see `{} --help`", command(typed))),
    }
}

/// The command as it is typed in full.
fn command(typed: &[OsString]) -> String {
    match typed.get(1).filter(|word| is_command(word)) {
        Some(command) => format!("reflectd {}", command.to_string_lossy()),
        None => "reflectd".to_owned(),
    }
}

fn what_is_wrong(error: &clap::Error, typed: &[OsString]) -> String {
    let context = |kind| error.get(kind).map(text).filter(|text| !text.is_empty());
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let meant = context(ContextKind::SuggestedArg);
            format!(
                "`{}` has no flag {argument}{}",
                command(typed),
                did_you_mean(meant)
            )
        }
        ErrorKind::InvalidSubcommand => {
            let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            let meant = context(ContextKind::SuggestedSubcommand);
            let meant = did_you_mean(meant);
            format!("{word:?} is neither a command nor a file or folder here{meant}")
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => match value {
            Some(value) if let Some(word) = taken_for_short(&value, typed) => format!(
                "`{}` has no flag {word}; did you mean {}?",
                command(typed),
                flag(&argument)
            ),
            Some(value) => {
                let origin = origin(&argument, &value, typed);
                let wanted = wanted(error);
                // Some say it themselves.
                let said = format!("{} {value}: ", flag(&argument));
                let wanted = wanted.strip_prefix(&said).unwrap_or(&wanted);
                format!("{value:?} is no value for {origin}: {wanted}")
            }
            None => format!("{argument} wants a value{}", one_of(error, ":")),
        },
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        ErrorKind::ArgumentConflict => match context(ContextKind::PriorArg) {
            Some(other) if other != argument => {
                format!("{argument} and {other} do not go together")
            }
            _ => format!("{argument} was given more than once"),
        },
        _ => first_line(error),
    }
}

/// The word, if a long flag with one dash was taken for a short one with a value: `-rate`.
fn taken_for_short<'a>(value: &str, typed: &'a [OsString]) -> Option<&'a str> {
    let words = typed.iter().filter_map(|word| word.to_str());
    let mut words = words.take_while(|word| *word != "--");
    words.find(|word| {
        let letters = word.strip_prefix('-').filter(|rest| rest.ends_with(value));
        letters.is_some_and(|letters| {
            letters.len() == value.len() + 1 && letters.chars().all(|c| c.is_ascii_lowercase())
        })
    })
}

/// A flag without what stands behind it.
fn flag(argument: &str) -> &str {
    argument.split([' ', '=']).next().unwrap_or_default()
}

/// Why a value does not do.
fn wanted(error: &clap::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => {
            let meant = error.get(ContextKind::SuggestedValue).map(text);
            format!("it wants{}{}", one_of(error, ""), did_you_mean(meant))
        }
    }
}

/// What leads to them, and the values that a flag takes, where they are few.
fn one_of(error: &clap::Error, lead: &str) -> String {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => {
            format!("{lead} {}", values.join(" or "))
        }
        _ => String::new(),
    }
}

fn did_you_mean(meant: Option<String>) -> String {
    match meant {
        Some(meant) => format!("; did you mean {meant}?"),
        None => String::new(),
    }
}

/// The flag as it is typed, or the variable if that is where the value comes from.
fn origin(argument: &str, value: &str, typed: &[OsString]) -> String {
    let flag = flag(argument);
    let name = flag
        .trim_start_matches('-')
        .replace('-', "_")
        .to_uppercase();
    let variable = format!("REFLECTD_{name}");
    let was_typed = typed
        .iter()
        .any(|word| word.to_string_lossy().starts_with(flag));
    match env::var(&variable) {
        Ok(set) if !was_typed && set.contains(value) => variable,
        _ => flag.to_owned(),
    }
}

fn text(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(" or "),
        other => other.to_string(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}
