//! What is written where: results to standard output, everything else to standard error.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use reflectd::schema::Diagnostics;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::arguments::LogFormat;

/// Writes a command's result.
///
/// # Errors
/// Those of standard output, a reader that has gone among them.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// The same, where a reader that has gone is not the end of what a command does.
///
/// # Errors
/// Those of standard output.
pub(super) fn offer(text: &str) -> io::Result<()> {
    match print(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Tells on standard error why a command failed.
pub(super) fn complain(message: &str) {
    let label = Style::of(&io::stderr()).bad("error:");
    write_stderr(&format!("{label} {}\n", printable(message)));
}

/// A server's words, which are not to steer a terminal: lines are kept, other control characters, and
/// those that turn the direction of the text around, are escaped.
pub(super) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => printable.push(character),
            character if character.is_control() => printable.extend(character.escape_default()),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                printable.extend(character.escape_default());
            }
            character => printable.push(character),
        }
    }
    printable
}

/// Tells on standard error of something that should be known.
pub(super) fn warn(message: &str) {
    let label = Style::of(&io::stderr()).alarming("warning:");
    write_stderr(&format!("{label} {message}\n"));
}

/// Tells what is wrong with the files: with the source lines on a terminal, else on one line each.
pub(super) fn show_diagnostics(diagnostics: &Diagnostics) {
    let stderr = io::stderr();
    if !stderr.is_terminal() {
        write_stderr(&format!("{diagnostics}\n"));
        return;
    }
    write_stderr(&format!("{}\n", diagnostics.render(has_color(&stderr))));
    if diagnostics.has_errors() {
        complain(&summary(diagnostics));
    }
}

/// Whether a stream is a terminal that wants colours (<https://no-color.org>).
pub(super) fn has_color(stream: &impl IsTerminal) -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    stream.is_terminal() && !refused && !dumb
}

/// How wide a table on standard output may be: as wide as the terminal, else without bound.
pub(super) fn width() -> usize {
    let width = terminal_size::terminal_size_of(io::stdout());
    width.map_or(usize::MAX, |(width, _)| usize::from(width.0))
}

/// Sends the library's log to standard error, as `RUST_LOG` says; unless set, warnings and errors,
/// and what `--access-log` asks for.
pub(super) fn start_log(format: LogFormat) {
    let filter = env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = match filter.is_empty() {
        true => LOGGED,
        false => &filter,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(filter);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_color(&io::stderr()))
        // It would tell of a full disk on standard error, which may be a file on that disk, and panic.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    // A second log in one process is refused; the first one stays.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    has_color: bool,
}

impl Style {
    /// Without colours.
    #[cfg(test)]
    pub(super) const PLAIN: Self = Self { has_color: false };

    /// What suits a stream.
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        Self {
            has_color: has_color(stream),
        }
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.paint("\x1b[1m", text)
    }

    pub(super) fn alarming(self, text: &str) -> String {
        self.paint("\x1b[33m", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("\x1b[1;31m", text)
    }

    fn paint(self, color: &str, text: &str) -> String {
        match self.has_color {
            true => format!("{color}{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

fn summary(diagnostics: &Diagnostics) -> String {
    let mut files: Vec<&str> = diagnostics.errors().map(|error| error.file()).collect();
    let errors = files.len();
    files.dedup();
    format!(
        "{} in {}",
        counted(errors, "error"),
        counted(files.len(), "file")
    )
}

/// `1 file`, `2 files`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

const LOGGED: &str = "warn,reflectd::access=info";

/// Writes to standard error what has a form of its own.
pub(super) fn write_stderr(text: &str) {
    // Where standard error cannot be written to there is no place to say so.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
