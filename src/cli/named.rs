//! What the words of `list` and `describe` name: a server, files, a symbol.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{dial, failure::Failure};

/// The words, sorted out.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Named {
    pub(super) address: Option<String>,
    pub(super) files: Vec<PathBuf>,
    pub(super) symbol: Option<String>,
}

impl Named {
    /// Sorts words out. `elsewhere`: files are named by flags, too. `unix`: the first word is the path
    /// of a socket.
    ///
    /// # Errors
    /// A word that can be read in two ways, or in none; more servers or symbols than one; nowhere to
    /// look.
    pub(super) fn sort(words: &[String], elsewhere: bool, unix: bool) -> Result<Self, Failure> {
        let mut named = Self::default();
        let sockets = words.len().min(usize::from(unix));
        let (socket, words) = words.split_at(sockets);
        named.address = socket.first().cloned();
        for word in words {
            named.take(word).map_err(Failure::usage)?;
        }
        if named.address.is_none() && named.files.is_empty() && !elsewhere {
            return Err(Failure::usage(match &named.symbol {
                Some(word) => neither(word),
                None => NOTHING_NAMED.to_owned(),
            }));
        }
        if let (Some(address), Some(file)) = (&named.address, named.files.first()) {
            return Err(Failure::usage(format!(
                "{address} is a server and {} is a file: name one or the other",
                file.display()
            )));
        }
        Ok(named)
    }

    fn take(&mut self, word: &str) -> Result<(), String> {
        let has_place = self.address.is_some() || !self.files.is_empty();
        let is_host = dial::host(word).is_some();
        let exists = Path::new(word).exists();
        if is_host && exists {
            return Err(format!(
                "{word:?} is a file here and can be the address of a server: say ./{word} or \
                 http://{word}"
            ));
        }
        let is_special = |file: fs::Metadata| !file.is_file() && !file.is_dir();
        if dial::is_almost_host(word) && !exists || fs::metadata(word).is_ok_and(is_special) {
            return Err(dial::no_address(word));
        }
        let (place, what) = match (dial::is_url(word) || is_host, exists) {
            (true, false) | (true, true) => (&mut self.address, "server"),
            (false, true) => {
                self.files.push(word.into());
                return Ok(());
            }
            (false, false) if is_path(word) => {
                self.files.push(word.into());
                return Ok(());
            }
            (false, false) => (&mut self.symbol, "symbol"),
        };
        match place {
            None => {
                *place = Some(word.to_owned());
                Ok(())
            }
            // The first of two is more likely what was not found.
            Some(first) if what == "symbol" && !has_place => Err(neither(first)),
            Some(first) => Err(format!("{first} and {word} are two {what}s: name one")),
        }
    }
}

/// A method's full name as descriptors have it: `/package.Service/Method`, `package.Service/Method` and
/// `.package.Service` are names too.
pub(super) fn full_name(typed: &str) -> String {
    typed.trim_start_matches(['/', '.']).replace('/', ".")
}

/// Whether a word that is not there looks more like a path than like a symbol.
fn is_path(word: &str) -> bool {
    let name = word.trim_start_matches('/');
    let is_symbol = |part: &str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        !part.is_empty() && part.chars().all(letter)
    };
    let parts: Vec<&str> = name.split('/').collect();
    let has_extension = EXTENSIONS.iter().any(|extension| word.ends_with(extension));
    has_extension
        || parts.len() > 2
        || !parts.iter().all(|part| is_symbol(part))
        || parts[0].chars().all(|c| c == '.')
}

fn neither(word: &str) -> String {
    format!(
        "{word:?} is neither a file or folder here nor the address of a server, which is HOST:PORT, \
         http://…, https://… or unix:PATH"
    )
}

const EXTENSIONS: &[&str] = &[".proto", ".pb", ".binpb", ".protoset", ".desc", ".fds"];

const NOTHING_NAMED: &str = "no input: name the address of a server (HOST:PORT), or .proto files, \
                             folders of them or descriptor sets, for example `reflectd list \
                             localhost:10010`";

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(words: &str) -> Named {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        Named::sort(&words, true, false).unwrap()
    }

    #[test]
    fn words_are_told_apart() {
        for address in [
            "localhost:1",
            ":1",
            "[::1]:1",
            "http://a",
            "https://a:1",
            "unix:a",
        ] {
            let named = sort(&format!("{address} a.B"));
            assert_eq!(named.address.as_deref(), Some(address));
            assert_eq!(named.symbol.as_deref(), Some("a.B"));
        }
        for symbol in ["a.B", "a", ".a.B", "a.B/c", "/a.B/c", "a.B.c"] {
            assert_eq!(sort(symbol).symbol.as_deref(), Some(symbol));
        }
        for file in [
            "src", "a.proto", "a/b.pb", "./a", "../a/b", "a/", "a/b/c", "a-b",
        ] {
            assert_eq!(sort(file).files, [PathBuf::from(file)]);
        }
    }
}
