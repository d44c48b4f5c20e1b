//! The required fields of proto2.

use super::{Message, MessageRef, ValueRef};

impl Message {
    /// Whether every `required` field (proto2) is set, here and in all sub-messages.
    pub fn is_initialized(&self) -> bool {
        self.missing_required().is_empty()
    }

    /// The paths of the `required` fields (proto2) that are not set: `address.zip`,
    /// `phones[2].number`.
    pub fn missing_required(&self) -> Vec<String> {
        self.as_ref().missing_required()
    }
}

impl MessageRef<'_> {
    /// As for [`Message::missing_required`].
    pub fn missing_required(self) -> Vec<String> {
        let mut missing = Vec::new();
        collect_missing(self, "", &mut missing);
        missing
    }
}

fn collect_missing(message: MessageRef<'_>, path: &str, missing: &mut Vec<String>) {
    let layout = message.layout;
    if !message.tables().requires(layout.index) {
        return;
    }
    let set: Vec<_> = message.set_values().collect();
    if layout.has_required {
        let is_set = |slot: &u16| set.binary_search_by_key(slot, |(set, _)| *set).is_ok();
        let required = layout.infos.iter().zip(0_u16..);
        for (info, _) in required.filter(|(info, slot)| info.features.required && !is_set(slot)) {
            missing.push(format!("{path}{}", info.name));
        }
    }
    for (slot, value) in set {
        if !layout.field(slot).field_type.is_message() {
            continue;
        }
        let info = layout.info(slot);
        let name = match info.is_extension() {
            true => &info.json_name,
            false => &info.name,
        };
        collect_missing_in_value(value, &format!("{path}{name}"), missing);
    }
}

fn collect_missing_in_value(value: ValueRef<'_>, path: &str, missing: &mut Vec<String>) {
    match value {
        ValueRef::Message(message) => collect_missing(message, &format!("{path}."), missing),
        ValueRef::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_missing_in_value(item, &format!("{path}[{index}]"), missing);
            }
        }
        ValueRef::Map(entries) => {
            for (key, value) in entries.sorted() {
                collect_missing_in_value(value, &format!("{path}{}", key.in_path()), missing);
            }
        }
        _ => {}
    }
}
