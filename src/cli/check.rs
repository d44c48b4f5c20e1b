//! `reflectd check`: do the files compile, and how would each method be answered?

use reflectd::{
    binding::Plan,
    schema::{Diagnostic, Diagnostics, Severity},
};
use serde::Serialize;

use super::{
    arguments::CheckArguments,
    console,
    failure::{Exit, Failure},
    plan::{self, MethodEntry},
};

pub(super) fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let (plan, diagnostics) = match arguments.input.compile(&arguments.input_limits)? {
        Ok(loaded) => {
            let plan = arguments.answers.plan(&loaded.schema)?;
            (Some(plan), loaded.diagnostics)
        }
        Err(diagnostics) => (None, diagnostics),
    };
    if !diagnostics.is_empty() {
        console::show_diagnostics(&diagnostics);
    }
    match (arguments.json, &plan) {
        (true, plan) => console::print(&json(plan.as_ref(), &diagnostics))?,
        (false, Some(plan)) => console::print(&text(plan))?,
        (false, None) => {}
    }
    match diagnostics.has_errors() {
        true => Err(Failure::silent(Exit::Proto)),
        false => Ok(()),
    }
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    /// Empty if there is no schema because of errors.
    methods: Vec<MethodEntry<'a>>,
    diagnostics: Vec<DiagnosticEntry<'a>>,
}

/// What there is to tell of a file.
#[derive(Serialize)]
struct DiagnosticEntry<'a> {
    severity: &'static str,
    file: &'a str,
    /// Line and column from 1; null for what has no place.
    line: Option<u32>,
    column: Option<u32>,
    length: Option<u32>,
    message: &'a str,
    help: Option<&'a str>,
}

impl<'a> From<&'a Diagnostic> for DiagnosticEntry<'a> {
    fn from(diagnostic: &'a Diagnostic) -> Self {
        Self {
            severity: match diagnostic.severity() {
                Severity::Error => "error",
                Severity::Warning => "warning",
                _ => "note",
            },
            file: diagnostic.file(),
            line: diagnostic.line(),
            column: diagnostic.column(),
            length: diagnostic.length(),
            message: diagnostic.message(),
            help: diagnostic.help(),
        }
    }
}

fn json(plan: Option<&Plan>, diagnostics: &Diagnostics) -> String {
    let document = Document {
        methods: plan.map(plan::entries).unwrap_or_default(),
        diagnostics: diagnostics.iter().map(DiagnosticEntry::from).collect(),
    };
    let text = serde_json::to_string_pretty(&document);
    text.expect("strings and nulls can always be written as JSON") + "\n"
}

fn text(plan: &Plan) -> String {
    let separator = if plan.methods().len() > 0 { "\n" } else { "" };
    format!("{}{separator}{}\n", plan::table(plan), plan::summary(plan))
}
