//! What is wrong with the files, and where.

mod render;

use std::{cell::OnceCell, cmp::Ordering, fmt, ops::Range};

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but not quite as it stands there.
    Warning,
    /// Something was decided that should be known.
    Note,
}

/// One thing to be told about a file, at one place of it where there is one.
///
/// `Display` gives it on one line, `file:line:col: message`, as compilers do, so that editors find
/// the place; [`render`](Self::render) adds the source line with the place underlined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    file: String,
    place: Option<Place>,
    message: String,
    help: Option<String>,
}

impl Diagnostic {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The file as it would be opened: the path that was named, or the one where an import was
    /// found; `<name>` for what has no path.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<u32> {
        self.place.as_ref().map(|place| place.line)
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> Option<u32> {
        self.place.as_ref().map(|place| place.column)
    }

    /// How many characters of the line are meant, at least 1.
    pub fn length(&self) -> Option<u32> {
        self.place.as_ref().map(|place| place.length)
    }

    /// The line itself, cut where it is very long.
    pub fn source_line(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.excerpt.as_str())
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How to mend it, or what else to look at.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Several lines for a terminal: the message, the source line, the place underlined, the help.
    /// `color` adds ANSI colours.
    pub fn render(&self, color: bool) -> String {
        render::render(self, color)
    }

    pub(super) fn error(file: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(Severity::Error, file.as_ref(), message.as_ref())
    }

    pub(super) fn warning(file: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(Severity::Warning, file.as_ref(), message.as_ref())
    }

    pub(super) fn note(file: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(Severity::Note, file.as_ref(), message.as_ref())
    }

    pub(super) fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    pub(super) fn with_help(mut self, help: impl AsRef<str>) -> Self {
        self.help = Some(printable(help.as_ref()));
        self
    }

    fn new(severity: Severity, file: &str, message: &str) -> Self {
        Self {
            severity,
            file: printable(file),
            place: None,
            message: printable(message),
            help: None,
        }
    }

    /// File, line and column first: the order in which they are told.
    fn key(&self) -> impl Ord {
        let place = self.place.as_ref().map(|place| (place.line, place.column));
        let help = self.help.as_deref();
        (&self.file, place, self.severity, &self.message, help)
    }

    /// `file:line:col: ` and, for what is no error, its severity.
    fn prefix(&self) -> String {
        let at = self.place.as_ref().map_or_else(String::new, |place| {
            format!("{}:{}:", place.line, place.column)
        });
        let severity = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
            Severity::Note => "note: ",
        };
        format!("{}:{at} {severity}", self.file)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix(), self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl PartialOrd for Diagnostic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Diagnostic {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// What there is to tell, in the order of files and lines, each thing once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    entries: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The entries, in the order of files and lines.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Diagnostic> {
        self.entries.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.iter()
            .filter(|entry| entry.severity == Severity::Error)
    }

    /// Whether one of the entries is an error.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// What is to be told even if there are no errors.
    pub(super) fn without_errors(&self) -> Self {
        let entries = self
            .iter()
            .filter(|entry| entry.severity != Severity::Error);
        Self {
            entries: entries.cloned().collect(),
        }
    }

    /// All entries for a terminal, an empty line between them.
    pub fn render(&self, color: bool) -> String {
        let rendered: Vec<String> = self.iter().map(|entry| entry.render(color)).collect();
        rendered.join("\n")
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort();
        entries.dedup();
        Self { entries }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{entry}")?;
        }
        Ok(())
    }
}

/// A place in a source file, with the line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: u32,
    column: u32,
    length: u32,
    excerpt: String,
    /// The column, from 1, within `excerpt`.
    excerpt_column: u32,
}

impl Place {
    pub(super) fn line(&self) -> u32 {
        self.line
    }
}

/// The text of a source file, and where its lines begin.
#[derive(Debug)]
pub(super) struct SourceText {
    shown: String,
    text: String,
    /// Where its lines begin: counted when the first place is asked for.
    line_starts: OnceCell<Vec<usize>>,
}

impl SourceText {
    /// `shown` is the file as the user would open it.
    pub(super) fn new(shown: String, text: String) -> Self {
        Self {
            shown,
            text,
            line_starts: OnceCell::new(),
        }
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// An error at a range of byte offsets.
    pub(super) fn error(&self, span: Range<usize>, message: impl AsRef<str>) -> Diagnostic {
        Diagnostic::error(&self.shown, message).at(self.place(span))
    }

    /// The place of a range of byte offsets; what is out of bounds or inside a character is moved
    /// to the nearest place that is not.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let start = self.floor(span.start);
        let line = self.line_starts().partition_point(|&begin| begin <= start) - 1;
        let begin = self.line_starts()[line];
        let whole = self.text[begin..].lines().next().unwrap_or("");
        let before = self.text[begin..start].chars().count();
        let end = self
            .floor(span.end)
            .clamp(start, begin + whole.len().max(start - begin));
        let length = self.text[start..end].chars().count().max(1);
        let (excerpt, skipped) = excerpt(whole, before);
        Place {
            line: saturated(line + 1),
            column: saturated(before + 1),
            length: saturated(length),
            excerpt,
            excerpt_column: saturated(before - skipped + 1),
        }
    }

    /// The place of a `SourceCodeInfo` span, which counts lines and bytes from 0.
    pub(super) fn place_of(&self, span: &[i32]) -> Option<Place> {
        let (start_line, start, end_line, end) = match *span {
            [line, start, end] => (line, start, line, end),
            [start_line, start, end_line, end] => (start_line, start, end_line, end),
            _ => return None,
        };
        let offset = |line: i32, column: i32| {
            let begin = self.line_starts().get(usize::try_from(line).ok()?)?;
            begin.checked_add(usize::try_from(column).ok()?)
        };
        Some(self.place(offset(start_line, start)?..offset(end_line, end)?))
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            let after_newlines = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after_newlines).collect()
        })
    }

    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// The part of a line around a column (from 0), and how many characters before it are left out.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let skipped = column.saturating_sub(EXCERPT_CHARS / 2);
    let clean = |character: char| match character {
        '\t' => '\t',
        character if is_harmful(character) => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    let shown = line.chars().skip(skipped).take(EXCERPT_CHARS).map(clean);
    (shown.collect(), skipped)
}

/// Whether a character steers a terminal or turns the direction of the text around: names and texts
/// come from files that anybody may have written, and go to terminals and logs.
fn is_harmful(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes harmful characters.
pub(super) fn printable(text: &str) -> String {
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    let escaped = |character: char| match is_harmful(character) {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Longest part of a source line that is shown.
const EXCERPT_CHARS: usize = 160;
