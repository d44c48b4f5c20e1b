//! The plan as a table for people.

use std::fmt;

use super::{MethodPlan, Plan};

impl Plan {
    /// The plan as lines of at most `width` characters, where words allow: for every service its
    /// methods, what each does, and why.
    ///
    /// ```text
    /// user.UserInfo
    ///   addUser  create User by id  User → UserId: `UserId` is a key of `User` (Value ↔ id)
    ///   getUser  get User by id     UserId → User: `UserId` is a key of `User` (Value ↔ id)
    /// ```
    pub fn table(&self, width: usize) -> String {
        let methods: Vec<_> = self.methods().collect();
        let rows: Vec<_> = methods.iter().map(|method| Row::of(method)).collect();
        let columns = Columns::of(&rows, width);
        let mut table = String::new();
        let mut service = None;
        for (method, row) in methods.iter().zip(&rows) {
            if service != Some(method.service()) {
                service = Some(method.service());
                table.push_str(method.service());
                table.push('\n');
            }
            columns.write(row, &mut table);
        }
        table
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(usize::MAX))
    }
}

struct Row {
    name: String,
    answer: String,
    why: String,
}

impl Row {
    fn of(method: &MethodPlan) -> Self {
        let answer = match (method.op(), method.resource(), method.key()) {
            (Some(op), Some(resource), Some(key)) => {
                let resource = resource.rsplit('.').next().unwrap_or(resource);
                format!("{op} {resource} by {key}")
            }
            _ => method.answered_by().to_string(),
        };
        let fix = method.fix().map(|fix| format!("; {fix}"));
        Self {
            name: method.name().to_owned(),
            answer,
            why: format!("{}{}", method.reason(), fix.unwrap_or_default()),
        }
    }
}

/// Where the columns begin and end, counted in characters.
struct Columns {
    name: usize,
    answer: usize,
    /// The first column of the reasons; beneath the rest where that would leave too little room.
    why_at: usize,
    why_beneath: bool,
    width: usize,
}

impl Columns {
    fn of(rows: &[Row], width: usize) -> Self {
        let widest = |column: fn(&Row) -> &str| {
            rows.iter()
                .map(|row| column(row).chars().count())
                .max()
                .unwrap_or_default()
        };
        let (name, answer) = (widest(|row| &row.name), widest(|row| &row.answer));
        let beside = INDENT + name + GAP + answer + GAP;
        let why_beneath = beside + WHY_MIN > width;
        Self {
            name,
            answer,
            why_at: if why_beneath { INDENT * 3 } else { beside },
            why_beneath,
            width,
        }
    }

    fn write(&self, row: &Row, table: &mut String) {
        let (name, answer) = (self.name, self.answer);
        let mut line = format!(
            "{:INDENT$}{:name$}{:GAP$}{:answer$}",
            "", row.name, "", row.answer
        );
        if self.why_beneath {
            finish(&mut line, table);
        }
        for part in wrap(
            &row.why,
            self.width.saturating_sub(self.why_at).max(WHY_MIN),
        ) {
            let missing = self.why_at.saturating_sub(line.chars().count());
            line.extend(std::iter::repeat_n(' ', missing));
            line.push_str(&part);
            finish(&mut line, table);
        }
    }
}

/// Ends a line without blanks at its end.
fn finish(line: &mut String, table: &mut String) {
    table.push_str(line.trim_end());
    table.push('\n');
    line.clear();
}

/// Breaks a text at blanks into lines of at most `width` characters; a longer word has its own. An
/// option and its value stay together, to be copied as one.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = text.replace("--bind ", "--bind\u{a0}");
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
        .into_iter()
        .map(|line| line.replace('\u{a0}', " "))
        .collect()
}

const INDENT: usize = 2;
const GAP: usize = 2;
/// Narrower than this, reasons are set beneath.
const WHY_MIN: usize = 36;
