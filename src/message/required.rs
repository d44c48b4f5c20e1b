//! The required fields of proto2.

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value as Reflected};

use crate::{
    message::{MapKeyRef, Message},
    schema::Field,
};

impl Message {
    /// Whether every `required` field (proto2) is set, here and in all sub-messages.
    pub fn is_initialized(&self) -> bool {
        self.missing_required().is_empty()
    }

    /// The paths of the `required` fields (proto2) that are not set: `address.zip`,
    /// `phones[2].number`.
    pub fn missing_required(&self) -> Vec<String> {
        let mut missing = Vec::new();
        collect_missing(&self.inner, "", &mut missing);
        missing
    }
}

fn collect_missing(message: &DynamicMessage, path: &str, missing: &mut Vec<String>) {
    for field in message.descriptor().fields() {
        let required = Field::new(field.clone()).features().required;
        if required && !message.has_field(&field) {
            missing.push(format!("{path}{}", field.name()));
        }
    }
    for (field, value) in message.fields() {
        let path = format!("{path}{}", field.name());
        collect_missing_in_value(value, &path, missing);
    }
    for (extension, value) in message.extensions() {
        let path = format!("{path}{}", extension.json_name());
        collect_missing_in_value(value, &path, missing);
    }
}

fn collect_missing_in_value(value: &Reflected, path: &str, missing: &mut Vec<String>) {
    match value {
        Reflected::Message(message) => collect_missing(message, &format!("{path}."), missing),
        Reflected::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_missing_in_value(item, &format!("{path}[{index}]"), missing);
            }
        }
        Reflected::Map(entries) => {
            for (key, value) in entries {
                let path = format!("{path}{}", MapKeyRef::from(key).in_path());
                collect_missing_in_value(value, &path, missing);
            }
        }
        _ => {}
    }
}
