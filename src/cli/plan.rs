//! How each method is answered, as a table for people and as JSON for programs.

use std::io;

use reflectd::{
    Schema,
    binding::{AnsweredBy, MethodPlan, Op, Plan},
};
use serde::Serialize;

use super::{
    arguments::Answers,
    console::{self, Style},
    failure::Failure,
};

impl Answers {
    /// Infers how the methods are answered, but for those that `--bind` decides.
    ///
    /// # Errors
    /// A `--bind` that does not fit the schema.
    pub(super) fn plan(&self, schema: &Schema) -> Result<Plan, Failure> {
        Plan::infer(schema, &self.bind).map_err(|error| Failure::usage(error.to_string()))
    }
}

/// One method of a plan, as `check --json` and the ready event have it.
#[derive(Debug, Serialize)]
pub(super) struct MethodEntry<'a> {
    path: &'a str,
    kind: &'static str,
    answered_by: &'static str,
    op: Option<&'static str>,
    resource: Option<&'a str>,
    key: Option<&'a str>,
    reason: &'a str,
    /// The option that would bind a method that nothing answers.
    fix: Option<&'a str>,
}

impl<'a> From<&'a MethodPlan> for MethodEntry<'a> {
    fn from(method: &'a MethodPlan) -> Self {
        Self {
            path: method.path(),
            kind: method.kind().as_str(),
            answered_by: method.answered_by().as_str(),
            op: method.op().map(Op::as_str),
            resource: method.resource(),
            key: method.key(),
            reason: method.reason(),
            fix: method.fix(),
        }
    }
}

/// The methods of a plan in the order of the files.
pub(super) fn entries(plan: &Plan) -> Vec<MethodEntry<'_>> {
    plan.methods().map(MethodEntry::from).collect()
}

/// Whether a method of the plan needs a store.
pub(super) fn needs_store(plan: &Plan) -> bool {
    plan.methods()
        .any(|method| method.answered_by() == AnsweredBy::Store)
}

/// For every service its methods, what each does, and why.
pub(super) fn table(plan: &Plan) -> String {
    let style = Style::of(&io::stdout());
    let table = plan.table(console::width());
    let lines = table.lines().map(|line| match line.starts_with(' ') {
        true => format!("{line}\n"),
        false => format!("{}\n", style.strong(line)),
    });
    lines.collect()
}

/// `3 methods, 2 answered, 1 unimplemented`.
pub(super) fn summary(plan: &Plan) -> String {
    let methods = plan.methods().len();
    let unanswered = plan
        .methods()
        .filter(|method| method.answered_by() == AnsweredBy::Nothing)
        .count();
    let answered = methods - unanswered;
    let methods = console::counted(methods, "method");
    format!("{methods}, {answered} answered, {unanswered} unimplemented")
}
