//! Long flags as Go's programs take them: `-plaintext` is `--plaintext`, and so is `-plaintext=true`.

use std::{env, ffi::OsString};

use clap::ArgAction;

/// Gives long flags of the command that was typed (the second word) their second dash.
///
/// A word that is neither a long flag nor begins with a short one gets it, too: what was meant can
/// only be told of `--plaintxt`, not of `-p -l -a …`.
///
/// A switch with a value is there or is not.
pub(super) fn double(typed: &mut Vec<OsString>, program: &mut clap::Command) {
    program.build();
    let Some(command) = typed.get(1).and_then(|name| program.find_subcommand(name)) else {
        return;
    };
    let mut words = typed.split_off(2);
    let end = words.iter().position(|word| word == "--");
    let literal = words.split_off(end.unwrap_or(words.len()));
    for mut word in words {
        if is_long(&word, command) {
            let mut doubled = OsString::from("-");
            doubled.push(&*word);
            word = doubled;
        }
        typed.extend(switched(word, command));
    }
    typed.extend(literal);
}

/// What a word stands for: a switch that is `=true` is the switch, one that is `=false` nothing,
/// unless its variable says something else.
fn switched(word: OsString, command: &clap::Command) -> Option<OsString> {
    let long = word.to_str().and_then(|word| word.strip_prefix("--"));
    let split = long.and_then(|word| word.split_once('='));
    let Some((name, value @ ("true" | "false"))) = split else {
        return Some(word);
    };
    let switch = command.get_arguments().find(|argument| {
        matches!(argument.get_action(), ArgAction::SetTrue) && argument.get_long() == Some(name)
    });
    match switch {
        None => Some(word),
        Some(_) if value == "true" => Some(format!("--{name}").into()),
        Some(switch) if switch.get_env().and_then(env::var_os).is_some() => Some(word),
        Some(_) => None,
    }
}

fn is_long(word: &OsString, command: &clap::Command) -> bool {
    let Some(name) = word.to_str().and_then(|word| word.strip_prefix('-')) else {
        return false;
    };
    let mut letters = name.chars();
    let Some(first) = letters.next().filter(char::is_ascii_alphabetic) else {
        return false;
    };
    if letters.next().is_none() {
        return false;
    }
    let name = name.split('=').next().unwrap_or_default();
    let mut flags = command.get_arguments();
    let is_flag = command.get_arguments().any(|flag| {
        let aliases = flag.get_all_aliases().unwrap_or_default();
        flag.get_long() == Some(name) || aliases.contains(&name)
    });
    is_flag
        || !flags.any(|flag| {
            let aliases = flag.get_all_short_aliases().unwrap_or_default();
            flag.get_short() == Some(first) || aliases.contains(&first)
        })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;

    fn doubled(typed: &str) -> String {
        let mut words: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        double(&mut words, &mut Arguments::command());
        let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
        words.join(" ")
    }

    #[test]
    fn long_flags_get_their_second_dash_and_nothing_else_does() {
        for (typed, meant) in [
            (
                "r call -plaintext -d {} a:1 b/c",
                "r call --plaintext -d {} a:1 b/c",
            ),
            (
                "r call -max-time=3 -vv -H x:y",
                "r call --max-time=3 -vv -H x:y",
            ),
            (
                "r call -protoset a.pb -help",
                "r call --protoset a.pb --help",
            ),
            ("r call -plaintxt", "r call --plaintxt"),
            (
                "r call -plaintext=true -emit-defaults=false -d x=true",
                "r call --plaintext -d x=true",
            ),
            (
                "r call -Iproto -v -1 - --tls",
                "r call -Iproto -v -1 - --tls",
            ),
            ("r call -- -plaintext", "r call -- -plaintext"),
            (
                "r serve -l0 -listen 0 -data x",
                "r serve -l0 --listen 0 --data x",
            ),
            ("r -plaintext", "r -plaintext"),
        ] {
            assert_eq!(doubled(typed), meant);
        }
    }
}
