//! A diagnostic drawn for a terminal.

use super::{Diagnostic, Place, Severity};

pub(super) fn render(diagnostic: &Diagnostic, color: bool) -> String {
    let paint = |style: &str, text: &str| match color {
        true => format!("\x1b[{style}m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    let style = match diagnostic.severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
        Severity::Note => CYAN,
    };
    let mut lines = vec![format!(
        "{}{}",
        paint(BOLD, &diagnostic.prefix()),
        diagnostic.message
    )];
    let mut margin = String::new();
    if let Some(place) = &diagnostic.place {
        let number = place.line.to_string();
        margin = " ".repeat(number.len());
        let (line, underline) = drawn(place);
        lines.push(format!("{} {line}", paint(BLUE, &format!("{number} |"))));
        let bar = paint(BLUE, &format!("{margin} |"));
        lines.push(format!("{bar} {}", paint(style, &underline)));
    }
    if let Some(help) = &diagnostic.help {
        let label = paint(BOLD, "help:");
        lines.push(format!("{margin} {} {label} {help}", paint(BLUE, "=")));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The line with its tabs made spaces, and the line that underlines the place.
fn drawn(place: &Place) -> (String, String) {
    let at = (place.excerpt_column - 1) as usize;
    let wide = |text: &mut dyn Iterator<Item = char>| -> usize {
        text.map(|character| if character == '\t' { TAB.len() } else { 1 })
            .sum()
    };
    let indent = wide(&mut place.excerpt.chars().take(at));
    let marked = place.excerpt.chars().skip(at).take(place.length as usize);
    let length = wide(&mut marked.into_iter()).max(1);
    let underline = format!("{}{}", " ".repeat(indent), "^".repeat(length));
    (place.excerpt.replace('\t', TAB), underline)
}

const TAB: &str = "    ";

// SGR parameters (ECMA-48, 8.3.117).
const BOLD: &str = "1";
const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";
const CYAN: &str = "1;36";
