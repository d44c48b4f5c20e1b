//! Long flags with one dash, as Go's programs take them: `-plaintext` is `--plaintext`.

use std::ffi::OsString;

/// Gives long flags of the command that was typed (the second word) their second dash.
///
/// A word that is neither a long flag nor begins with a short one gets it, too: what was meant can
/// only be told of `--plaintxt`, not of `-p -l -a …`.
pub(super) fn double(typed: &mut [OsString], program: &mut clap::Command) {
    program.build();
    let Some(command) = typed.get(1).and_then(|name| program.find_subcommand(name)) else {
        return;
    };
    let words = typed.iter_mut().skip(2);
    for word in words.take_while(|word| *word != "--") {
        if is_long(word, command) {
            let mut doubled = OsString::from("-");
            doubled.push(&*word);
            *word = doubled;
        }
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
