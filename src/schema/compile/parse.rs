//! Text → descriptor with unresolved names, or all that is wrong with the syntax.

use std::{
    collections::HashSet,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;
use miette::Diagnostic as _;
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, SourceCodeInfo,
};

use crate::{
    limits::{PROTO_ERRORS_PER_FILE_MAX, PROTO_NESTING_MAX, PROTO_REPARSE_BYTES},
    schema::{
        diagnostic::{Diagnostic, SourceText},
        source::{ImportStatement, Outline, statement_around},
    },
};

/// What a text turned out to be.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) package: String,
    pub(super) imports: Vec<ImportStatement>,
    /// The descriptor, without name and source code info, and the comments; none if there are
    /// problems.
    pub(super) file: Option<(Box<FileDescriptorProto>, Bytes)>,
    pub(super) problems: Vec<Diagnostic>,
}

/// Parses a file and finds every error of its syntax.
pub(super) fn parse(text: &SourceText) -> Parsed {
    let outline = Outline::of(text.text());
    let mut parsed = Parsed {
        package: outline.package.clone(),
        imports: outline.imports.clone(),
        file: None,
        problems: Vec::new(),
    };
    if let Some(problem) = refused(text, &outline) {
        parsed.problems.push(problem);
        return parsed;
    }
    match descriptor(text.text()) {
        Ok(mut file) => {
            let comments = comments(file.source_code_info.take());
            parsed.package = file.package().to_owned();
            parsed.imports = located_imports(&file, &outline);
            parsed.problems = forbidden(text, &file, &parsed.imports);
            if parsed.problems.is_empty() {
                parsed.file = Some((Box::new(file), comments));
            }
        }
        Err(failure) => parsed.problems = all_errors(text, failure),
    }
    parsed
}

/// The locations of a file's declarations, for telling where an error is. Empty if the text does
/// not parse.
pub(super) fn locations(text: &SourceText) -> SourceCodeInfo {
    let file = descriptor_with_locations(text);
    file.and_then(|file| file.source_code_info)
        .unwrap_or_default()
}

/// The descriptor as the parser gives it; none if the text does not parse.
pub(super) fn descriptor_with_locations(text: &SourceText) -> Option<FileDescriptorProto> {
    descriptor(text.text()).ok()
}

/// Of the locations of a file those with comments, encoded: the rest is of no use once the file is
/// compiled, and several times as large as all that the pool needs.
pub(super) fn comments(info: Option<SourceCodeInfo>) -> Bytes {
    let mut info = info.unwrap_or_default();
    info.location.retain(|location| {
        location.leading_comments.is_some()
            || location.trailing_comments.is_some()
            || !location.leading_detached_comments.is_empty()
    });
    info.encode_to_vec().into()
}

fn refused(text: &SourceText, outline: &Outline) -> Option<Diagnostic> {
    if let Some(span) = &outline.too_deep {
        let message = format!("nests deeper than {PROTO_NESTING_MAX} brackets");
        return Some(text.error(span.clone(), message));
    }
    let (edition, span) = outline.edition.as_ref()?;
    let message = format!("editions are not supported yet: this file has edition = \"{edition}\"");
    let help = "write it with syntax = \"proto3\" or \"proto2\"; a descriptor set made of it is \
                refused as well";
    Some(text.error(span.clone(), message).with_help(help))
}

enum Failure {
    Syntax(protox::Error),
    Panic,
}

/// The parser is not known to panic; a file that makes it must not end the process all the same.
fn descriptor(text: &str) -> Result<FileDescriptorProto, Failure> {
    let parse = AssertUnwindSafe(|| protox::file::File::from_source("", text));
    match catch_unwind(parse) {
        Ok(Ok(file)) => Ok(file.into()),
        Ok(Err(error)) => Err(Failure::Syntax(error)),
        Err(_) => Err(Failure::Panic),
    }
}

/// The imports by their parsed names, and where the outline saw them.
fn located_imports(file: &FileDescriptorProto, outline: &Outline) -> Vec<ImportStatement> {
    let spans = outline.imports.iter().map(|import| import.span.clone());
    let spans = spans.chain(std::iter::repeat(0..0));
    let names = file.dependency.iter().cloned();
    let located = names.zip(spans);
    located
        .map(|(name, span)| ImportStatement { name, span })
        .collect()
}

/// What protoc refuses and the parser lets pass.
fn forbidden(
    text: &SourceText,
    file: &FileDescriptorProto,
    imports: &[ImportStatement],
) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let twice = imports.iter().filter(|import| !seen.insert(&import.name));
    let mut problems: Vec<_> = twice
        .map(|import| {
            let message = format!("import \"{}\" is listed twice", import.name);
            text.error(import.span.clone(), message)
        })
        .collect();
    if file.message_type.iter().any(sets_map_entry) {
        let at = text.text().find("map_entry").unwrap_or(0);
        let message = "the option map_entry cannot be set";
        let help = "write a field of type map<Key, Value>";
        problems.push(
            text.error(at..at + "map_entry".len(), message)
                .with_help(help),
        );
    }
    let mut reserved = Vec::new();
    for message in &file.message_type {
        add_reserved_names(message, &mut reserved);
    }
    for of in &file.enum_type {
        add_reserved_values(of, &mut reserved);
    }
    problems.extend(reserved.iter().map(|name| {
        let message = format!("the name '{name}' is used, and reserved");
        Diagnostic::error(text.shown(), message)
    }));
    capped(problems, text.shown())
}

/// The fields and values in a message whose names it says are no longer used: `User.mail`.
fn add_reserved_names(message: &DescriptorProto, found: &mut Vec<String>) {
    let reserved: HashSet<_> = message.reserved_name.iter().map(String::as_str).collect();
    let used = message.field.iter().map(FieldDescriptorProto::name);
    let used = used.filter(|name| reserved.contains(name));
    found.extend(used.map(|name| format!("{}.{name}", message.name())));
    for nested in &message.nested_type {
        add_reserved_names(nested, found);
    }
    for of in &message.enum_type {
        add_reserved_values(of, found);
    }
}

fn add_reserved_values(of: &EnumDescriptorProto, found: &mut Vec<String>) {
    let reserved: HashSet<_> = of.reserved_name.iter().map(String::as_str).collect();
    let used = of.value.iter().map(EnumValueDescriptorProto::name);
    let used = used.filter(|name| reserved.contains(name));
    found.extend(used.map(|name| format!("{}.{name}", of.name())));
}

/// A message that calls itself a map entry need not have a key and a value.
fn sets_map_entry(message: &DescriptorProto) -> bool {
    let options = message.options.iter();
    let mut names = options.flat_map(|options| &options.uninterpreted_option);
    names.any(|option| option.name.len() == 1 && option.name[0].name_part == "map_entry")
        || message.nested_type.iter().any(sets_map_entry)
}

/// Every error of a file. The parser gives up a message at its first syntax error and reads on in
/// the midst of it, so only the first one is believed; the statement around it is blanked out and
/// the rest parsed again.
fn all_errors(text: &SourceText, failure: Failure) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut rest = text.text().to_owned();
    let mut failure = failure;
    let rounds = (PROTO_REPARSE_BYTES / text.text().len().max(1)).min(PROTO_ERRORS_PER_FILE_MAX);
    for round in 0.. {
        let error = match failure {
            Failure::Syntax(error) => error,
            Failure::Panic => {
                problems.push(panicked(text.shown()));
                break;
            }
        };
        let errors = flattened(&error);
        let Some(first) = errors.iter().find(|error| error.is_syntax()) else {
            let blanked = round > 0;
            let told = errors
                .iter()
                .filter(|error| !(blanked && error.is_emptiness()));
            problems.extend(told.map(|error| error.diagnostic(text)));
            break;
        };
        problems.push(first.diagnostic(text));
        let Some(span) = first.span().filter(|_| round < rounds) else {
            break;
        };
        let statement = statement_around(&rest, span.start);
        // The first statement is that of the syntax, and decides what the others may say.
        if statement.start == 0 {
            break;
        }
        blank(&mut rest, statement);
        match descriptor(&rest) {
            Ok(_) => break,
            Err(next) => failure = next,
        }
    }
    capped(problems, text.shown())
}

/// What is told if a library panics, which is a defect of this program.
pub(super) fn panicked(shown: &str) -> Diagnostic {
    Diagnostic::error(
        shown,
        "the compiler failed on this file, which is a defect in it",
    )
    .with_help("please report it with the file")
}

/// Leaves out what nobody would read to its end.
pub(super) fn capped(mut problems: Vec<Diagnostic>, shown: &str) -> Vec<Diagnostic> {
    if problems.len() > PROTO_ERRORS_PER_FILE_MAX {
        let more = problems.len() - PROTO_ERRORS_PER_FILE_MAX;
        problems.truncate(PROTO_ERRORS_PER_FILE_MAX);
        problems.push(Diagnostic::error(shown, format!("has {more} more errors")));
    }
    problems
}

/// Overwrites a range with spaces, so that all else keeps its place.
fn blank(text: &mut String, range: Range<usize>) {
    let spaces: String = text[range.clone()]
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(range, &spaces);
}

struct SyntaxError<'a>(&'a dyn miette::Diagnostic);

fn flattened(error: &protox::Error) -> Vec<SyntaxError<'_>> {
    let related = error.related().into_iter().flatten();
    std::iter::once(error as &dyn miette::Diagnostic)
        .chain(related)
        .map(SyntaxError)
        .collect()
}

impl SyntaxError<'_> {
    /// Whether the parser lost its way here: everything it says about later tokens may be wrong.
    fn is_syntax(&self) -> bool {
        let message = self.0.to_string();
        SYNTAX_ERRORS.iter().any(|begin| message.starts_with(begin))
    }

    /// Whether it says that something is missing, which may be because it was blanked out.
    fn is_emptiness(&self) -> bool {
        self.0.to_string().contains("must have at least one")
    }

    fn span(&self) -> Option<Range<usize>> {
        let labels: Vec<_> = self.0.labels()?.collect();
        let again = labels.iter().rfind(|label| {
            let text = label.label();
            text.is_some_and(|text| text.contains("again"))
        });
        let label = again.or_else(|| labels.first())?;
        Some(label.offset()..label.offset() + label.len())
    }

    fn diagnostic(&self, text: &SourceText) -> Diagnostic {
        let end = text.text().trim_end().len();
        let span = self.span().unwrap_or(end..end);
        let help = self.0.help().map(|help| help.to_string());
        let (message, help) = match (self.0.to_string(), help) {
            // The parser gives two errors the same text.
            (_, Some(help)) if help.starts_with("imports may not") => {
                ("invalid import path".to_owned(), Some(help))
            }
            // Most often the statement of the syntax is missing.
            (message, _) if message.starts_with("fields must have a label") => {
                (NO_LABEL.to_owned(), Some(NO_SYNTAX.to_owned()))
            }
            told => told,
        };
        let error = text.error(span, message);
        match help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}

const NO_LABEL: &str = "a field of proto2 must be optional, repeated or required";
const NO_SYNTAX: &str = "a file of proto3 begins with syntax = \"proto3\";";

/// How the messages of the lexer and the parser proper begin; all others are about what a statement
/// means.
const SYNTAX_ERRORS: [&str; 12] = [
    "expected ",
    "invalid token",
    "integer is too large",
    "invalid string character",
    "unterminated string",
    "invalid string escape",
    "nested block comments",
    "invalid identifier",
    "whitespace is required",
    "'#' comments",
    "'f' suffix",
    "identifiers may not be negative",
];
