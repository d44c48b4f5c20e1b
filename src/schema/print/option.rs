//! Options, custom ones included.

use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value, text_format::FormatOptions};

use super::{Printer, field::quoted};

/// A name as it stands before the `=`, and the value behind it.
type NamedValue = (String, String);

impl Printer<'_> {
    /// `option name = value;` for each option of an options message.
    pub(super) fn option_statements(&mut self, scope: &str, path: &[i32]) {
        for (name, value) in self.options(scope, path) {
            self.out
                .statement(NO_COMMENTS, &format!("option {name} = {value};"));
        }
    }

    /// ` [name = value, …]`, or nothing where there is no option.
    pub(super) fn option_list(&self, scope: &str, path: &[i32], first: Vec<NamedValue>) -> String {
        let options = first.into_iter().chain(self.options(scope, path));
        let options: Vec<String> = options
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let length: usize = options.iter().map(|option| option.len() + 2).sum();
        match options.is_empty() {
            true => String::new(),
            false
                if length <= LINE_LENGTH && !options.iter().any(|option| option.contains('\n')) =>
            {
                format!(" [{}]", options.join(", "))
            }
            false => format!(" [\n{}\n]", indented(&options.join(",\n"))),
        }
    }

    /// The options of the options message at a path, in the order of their numbers.
    pub(super) fn options(&self, scope: &str, path: &[i32]) -> Vec<NamedValue> {
        let Some(options) = self.dynamic.as_ref().and_then(|file| at(file, path)) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (field, value) in options.fields() {
            // `map_entry` is what a field of type `map<Key, Value>` says, and cannot be written.
            if field.name() != "map_entry" {
                let values = values(value, &field.kind());
                all.extend(
                    values
                        .into_iter()
                        .map(|value| (field.name().to_owned(), value)),
                );
            }
        }
        for (extension, value) in options.extensions() {
            let name = format!("({})", self.name(scope, extension.full_name()));
            let values = values(value, &extension.kind());
            all.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
        all
    }
}

/// The message at a path of field numbers and, behind those of repeated fields, indices.
fn at(message: &DynamicMessage, path: &[i32]) -> Option<DynamicMessage> {
    let [number, rest @ ..] = path else {
        return Some(message.clone());
    };
    let field = message
        .descriptor()
        .get_field(u32::try_from(*number).ok()?)?;
    if !message.has_field(&field) {
        return None;
    }
    match (&*message.get_field(&field), rest) {
        (Value::List(items), [index, rest @ ..]) => at(
            items.get(usize::try_from(*index).ok()?)?.as_message()?,
            rest,
        ),
        (Value::Message(inner), rest) => at(inner, rest),
        _ => None,
    }
}

/// The values of an option: a repeated one is written once for each of its elements.
fn values(value: &Value, kind: &Kind) -> Vec<String> {
    match value {
        Value::List(items) => items.iter().map(|item| literal(item, kind)).collect(),
        Value::Map(entries) => {
            let value_kind = kind
                .as_message()
                .map(|entry| entry.map_entry_value_field().kind());
            let value_kind = value_kind.as_ref().unwrap_or(kind);
            let entries = entries.iter().map(|(key, value)| {
                let key = literal(&Value::from(key.clone()), kind);
                format!("{{ key: {key} value: {} }}", literal(value, value_kind))
            });
            let mut entries: Vec<String> = entries.collect();
            // A map has no order of its own.
            entries.sort();
            entries
        }
        single => vec![literal(single, kind)],
    }
}

fn literal(value: &Value, kind: &Kind) -> String {
    match (value, kind) {
        (Value::String(text), _) => quoted(text.as_bytes()),
        (Value::Bytes(bytes), _) => quoted(bytes),
        (Value::EnumNumber(number), Kind::Enum(kind)) => match kind.get_value(*number) {
            Some(value) => value.name().to_owned(),
            None => number.to_string(),
        },
        (Value::Message(message), _) => aggregate(message),
        // Shortest forms that read back as the same number.
        (Value::F32(number), _) => format!("{number:?}").to_lowercase(),
        (Value::F64(number), _) => format!("{number:?}").to_lowercase(),
        (value, _) => value.to_string(),
    }
}

/// `{ … }` in text format, on one line if that is short.
fn aggregate(message: &DynamicMessage) -> String {
    let format = FormatOptions::new().pretty(true).expand_any(false);
    let text = message.to_text_format_with_options(&format);
    let words: Vec<&str> = text.lines().map(str::trim_start).collect();
    let line = words.join(" ");
    match line.is_empty() {
        true => "{}".to_owned(),
        false if line.len() <= LINE_LENGTH => format!("{{ {line} }}"),
        false => format!("{{\n{}\n}}", indented(&text)),
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

const LINE_LENGTH: usize = 60;

/// Options have no comments that are kept.
const NO_COMMENTS: &[i32] = &[-1];
