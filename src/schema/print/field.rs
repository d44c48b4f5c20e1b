//! Fields, groups, maps and extensions.

use prost_types::{
    DescriptorProto, FieldDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use super::{
    Printer,
    item::{At, below, joined},
    tag,
};

impl Printer<'_> {
    /// A field of a message, by itself.
    pub(super) fn member(
        &mut self,
        scope: &str,
        path: &[i32],
        parent: &DescriptorProto,
        field: &FieldDescriptorProto,
    ) {
        self.plain_field(scope, path, &parent.nested_type, field);
    }

    /// `extend Message { … }`
    pub(super) fn extend(
        &mut self,
        scope: &str,
        siblings: &[DescriptorProto],
        fields: &[At<'_, FieldDescriptorProto>],
    ) {
        let extendee = fields.first().map_or("", |(_, field)| field.extendee());
        let head = format!("extend {}", self.name(scope, extendee));
        self.out.open(NO_COMMENTS, &head);
        for (path, field) in fields {
            self.plain_field(scope, path, siblings, field);
        }
        self.out.close();
    }

    /// A field. `scope` is the full name of its message; `siblings` are the messages beside it.
    pub(super) fn plain_field(
        &mut self,
        scope: &str,
        path: &[i32],
        siblings: &[DescriptorProto],
        field: &FieldDescriptorProto,
    ) {
        let full_name = field.type_name().strip_prefix('.').unwrap_or_default();
        let own = (0..)
            .zip(siblings)
            .find(|(_, message)| joined(scope, message.name()) == full_name);
        let entry = own.filter(|(_, message)| {
            let options = message.options.as_ref();
            options.is_some_and(|options| options.map_entry())
        });
        let options = self.field_options(scope, path, field);
        let number = field.number();
        if let Some((_, entry)) = entry {
            let part = |index: usize| {
                let part = entry.field.get(index);
                part.map_or_else(String::new, |part| self.type_of(scope, part))
            };
            let kind = format!("map<{}, {}>", part(0), part(1));
            let statement = format!("{kind} {} = {number}{options};", field.name());
            self.out.statement(path, &statement);
            return;
        }
        let label = self.label(field);
        match own {
            Some((index, group)) if field.r#type() == Type::Group => {
                let head = format!("{label}group {} = {number}{options}", group.name());
                let group_path = beside(path, index);
                // Compilers differ in whether a comment is the field's or the message's.
                let commented = self.out.has_comments(path);
                let comment_path = if commented { path } else { &group_path };
                self.out.open(comment_path, &head);
                self.message_body(scope, &group_path, group);
                self.out.close();
            }
            _ => {
                let kind = self.type_of(scope, field);
                let statement = format!("{label}{kind} {} = {number}{options};", field.name());
                self.out.statement(path, &statement);
            }
        }
    }

    fn label(&self, field: &FieldDescriptorProto) -> &'static str {
        match field.label() {
            Label::Repeated => "repeated ",
            Label::Required => "required ",
            Label::Optional if field.proto3_optional() => "optional ",
            Label::Optional if self.labelled && field.oneof_index.is_none() => "optional ",
            Label::Optional => "",
        }
    }

    fn type_of(&self, scope: &str, field: &FieldDescriptorProto) -> String {
        match field.r#type() {
            Type::Message | Type::Enum | Type::Group => self.name(scope, field.type_name()),
            // TYPE_UINT32 is written `uint32`.
            scalar => scalar
                .as_str_name()
                .trim_start_matches("TYPE_")
                .to_lowercase(),
        }
    }

    fn field_options(&self, scope: &str, path: &[i32], field: &FieldDescriptorProto) -> String {
        let mut first = Vec::new();
        if let Some(default) = &field.default_value {
            let value = match field.r#type() {
                Type::String => quoted(default.as_bytes()),
                Type::Bytes => format!("\"{}\"", with_quotes_escaped(default)),
                _ => default.clone(),
            };
            first.push(("default".to_owned(), value));
        }
        if let Some(name) = &field.json_name
            && *name != default_json_name(field.name())
            && field.extendee.is_none()
        {
            first.push(("json_name".to_owned(), quoted(name.as_bytes())));
        }
        self.option_list(scope, &below(path, &[tag::FIELD_OPTIONS]), first)
    }
}

/// The path of the group that a field declares: a message beside it.
fn beside(path: &[i32], index: i32) -> Vec<i32> {
    let parent = &path[..path.len() - 2];
    let tag = if parent.is_empty() {
        tag::MESSAGE_TYPE
    } else {
        tag::NESTED_TYPE
    };
    below(parent, &[tag, index])
}

/// `snake_case` to `lowerCamelCase` (language guide, "JSON Mapping").
fn default_json_name(name: &str) -> String {
    let mut upper = false;
    let mut json = String::with_capacity(name.len());
    for character in name.chars() {
        match (character, upper) {
            ('_', _) => upper = true,
            (character, true) => {
                json.push(character.to_ascii_uppercase());
                upper = false;
            }
            (character, false) => json.push(character),
        }
    }
    json
}

/// A string literal.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                character if character.is_ascii_control() => {
                    text.push_str(&format!("\\{:03o}", u32::from(character)));
                }
                character => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\{byte:03o}"));
        }
    }
    text.push('"');
    text
}

/// The default of a `bytes` field is kept escaped, but its quotes need not be.
fn with_quotes_escaped(default: &str) -> String {
    let mut text = String::with_capacity(default.len());
    let mut characters = default.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => {
                text.push('\\');
                text.extend(characters.next());
            }
            character => text.push(character),
        }
    }
    text
}

/// An `extend` block has no comments of its own: several share one location.
const NO_COMMENTS: &[i32] = &[-1];
