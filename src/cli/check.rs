//! `reflectd check`: do the files compile, and how would each method be answered?

use reflectd::binding::Plan;
use serde::Serialize;

use super::{
    arguments::CheckArguments,
    console,
    failure::{Exit, Failure},
    plan::{self, MethodEntry},
};

pub(super) fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let loaded = arguments.input.load(&arguments.input_limits)?;
    if !arguments.input.sources.keep_going && !loaded.schema.notes().is_empty() {
        console::show_diagnostics(loaded.schema.notes());
    }
    let plan = arguments.answers.plan(&loaded.schema)?;
    console::print(&match arguments.json {
        true => json(&plan),
        false => text(&plan),
    })?;
    match loaded.has_errors {
        true => Err(Failure::silent(Exit::Proto)),
        false => Ok(()),
    }
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    methods: Vec<MethodEntry<'a>>,
}

fn json(plan: &Plan) -> String {
    let document = Document {
        methods: plan::entries(plan),
    };
    let text = serde_json::to_string_pretty(&document);
    text.expect("strings and nulls can always be written as JSON") + "\n"
}

fn text(plan: &Plan) -> String {
    let separator = if plan.methods().len() > 0 { "\n" } else { "" };
    format!("{}{separator}{}\n", plan::table(plan), plan::summary(plan))
}
