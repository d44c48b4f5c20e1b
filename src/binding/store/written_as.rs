//! How rows are encoded: of message and enum types, what decides how bytes are read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::schema::{EnumType, Field, Kind, MessageType};

/// Types by their full names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Types(pub(super) BTreeMap<String, TypeAs>);

/// What is known of a type: with all that it ever had, as long as there are rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TypeAs {
    /// The fields of a message, by number.
    Fields(BTreeMap<u32, FieldAs>),
    /// The values of an enum, by name.
    Values(BTreeMap<String, i32>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FieldAs {
    name: String,
    /// As in the `.proto` file: `string`, `repeated user.Address`.
    #[serde(rename = "type")]
    declared: String,
    /// Whether no row is without it; not known of what earlier versions recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    required: Option<bool>,
    /// Whether it is a group; not known of what earlier versions recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delimited: Option<bool>,
}

/// What is different, in words.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What rows would be misread by.
    pub(super) misread: Vec<String>,
    /// What is fine if it was meant so.
    pub(super) renamed: Vec<String>,
}

impl Types {
    /// These types of today's schema, and all that they are made of.
    pub(super) fn today(roots: impl IntoIterator<Item = MessageType>) -> Self {
        let mut types = Self::default();
        let mut open: Vec<MessageType> = roots.into_iter().collect();
        while let Some(message_type) = open.pop() {
            if types.0.contains_key(message_type.full_name()) {
                continue;
            }
            for field in message_type.fields() {
                match field.kind() {
                    Kind::Message(inner) => open.push(inner),
                    Kind::Enum(inner) => types.add(inner.full_name(), TypeAs::of_enum(&inner)),
                    _ => {}
                }
            }
            types.add(message_type.full_name(), TypeAs::of_message(&message_type));
        }
        types
    }

    pub(super) fn add(&mut self, name: &str, recorded: TypeAs) {
        self.0.insert(name.to_owned(), recorded);
    }

    /// The names of those that rows of `roots` may hold, as far as they are known here.
    pub(super) fn reached_from<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a str>,
    ) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = roots.into_iter().collect();
        while let Some(name) = open.pop() {
            let Some((name, found)) = self.0.get_key_value(name) else {
                continue;
            };
            if let (true, TypeAs::Fields(fields)) = (reached.insert(name.as_str()), found) {
                open.extend(fields.values().map(FieldAs::of_type));
            }
        }
        reached
    }

    /// What is different in `now`.
    pub(super) fn compare(&self, now: &Self) -> Changes {
        let mut changes = Changes::default();
        for (name, then) in &self.0 {
            match (then, now.0.get(name)) {
                (_, None) => {}
                (TypeAs::Fields(then), Some(TypeAs::Fields(now))) => {
                    changes.compare_fields(name, then, now);
                }
                (TypeAs::Values(then), Some(TypeAs::Values(now))) => {
                    changes.compare_values(name, then, now);
                }
                (_, Some(now)) => {
                    let what = match now {
                        TypeAs::Fields(_) => "an enum, and is a message now",
                        TypeAs::Values(_) => "a message, and is an enum now",
                    };
                    changes.misread.push(format!("{name} was {what}"));
                }
            }
        }
        changes
    }

    /// Whether no type is another here and there.
    pub(super) fn agree_with(&self, others: &Self) -> bool {
        let mut others = others.0.iter();
        others.all(|(name, other)| self.0.get(name).is_none_or(|of| of.agrees_with(other)))
    }

    /// Adds what others have, which agree with these.
    pub(super) fn join(&mut self, others: Self) {
        for (name, other) in others.0 {
            let joined = match self.0.remove(&name) {
                Some(of) => of.joined(other),
                None => other,
            };
            self.0.insert(name, joined);
        }
    }

    /// With what is new, and still with what was removed: rows may have it.
    pub(super) fn followed_by(mut self, today: Self) -> Self {
        for (name, now) in today.0 {
            let new = match self.0.remove(&name) {
                Some(old) => old.followed_by(now),
                None => now,
            };
            self.0.insert(name, new);
        }
        self
    }
}

impl TypeAs {
    fn of_message(message_type: &MessageType) -> Self {
        let fields = message_type.fields();
        Self::Fields(
            fields
                .map(|field| (field.number(), FieldAs::today(&field)))
                .collect(),
        )
    }

    fn of_enum(enum_type: &EnumType) -> Self {
        let values = enum_type.values();
        Self::Values(
            values
                .map(|value| (value.name().to_owned(), value.number()))
                .collect(),
        )
    }

    fn followed_by(self, now: Self) -> Self {
        match (self, now) {
            (Self::Fields(mut all), Self::Fields(now)) => {
                // What is removed is missing in the rows that are written from now on.
                all.values_mut().for_each(|old| old.required = Some(false));
                all.extend(now);
                Self::Fields(all)
            }
            (Self::Values(mut all), Self::Values(now)) => {
                all.extend(now);
                Self::Values(all)
            }
            (_, now) => now,
        }
    }

    fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fields(fields), Self::Fields(others)) => others.iter().all(|(number, other)| {
                let field = fields.get(number);
                field.is_none_or(|field| field.agrees_with(other))
            }),
            (Self::Values(values), Self::Values(others)) => others.iter().all(|(name, other)| {
                let number = values.get(name);
                number.is_none_or(|number| number == other)
            }),
            _ => false,
        }
    }

    /// What rows may have of which some are of the one and some of the other.
    fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fields(fields), Self::Fields(others)) => Self::Fields(join(fields, others)),
            (Self::Values(mut values), Self::Values(others)) => {
                values.extend(others);
                Self::Values(values)
            }
            (of, _) => of,
        }
    }

    /// Numbers and names of a message's fields, by which it is known again under another name.
    pub(super) fn field_names(&self) -> Vec<(u32, String)> {
        match self {
            Self::Fields(fields) => {
                let names = fields.iter();
                names
                    .map(|(number, of)| (*number, of.name.clone()))
                    .collect()
            }
            Self::Values(_) => Vec::new(),
        }
    }

    pub(super) fn field_name(&self, number: u32) -> Option<&str> {
        match self {
            Self::Fields(fields) => fields.get(&number).map(|field| &*field.name),
            Self::Values(_) => None,
        }
    }
}

impl FieldAs {
    fn today(field: &Field) -> Self {
        let repeated = if field.is_list() || field.is_map() {
            REPEATED
        } else {
            ""
        };
        let features = field.features();
        Self {
            name: field.name().to_owned(),
            declared: format!("{repeated}{}", field.kind()),
            required: Some(features.required),
            delimited: Some(features.delimited),
        }
    }

    fn of_type(&self) -> &str {
        let declared = &self.declared;
        declared.strip_prefix(REPEATED).unwrap_or(declared)
    }

    fn agrees_with(&self, other: &Self) -> bool {
        let encodings = self.delimited.zip(other.delimited);
        (&self.name, &self.declared) == (&other.name, &other.declared)
            && encodings.is_none_or(|(one, other)| one == other)
    }

    fn joined(mut self, other: &Self) -> Self {
        self.delimited = self.delimited.or(other.delimited);
        self.required = match (self.required, other.required) {
            (Some(one), Some(other)) => Some(one && other),
            (known, None) | (None, known) => known.filter(|required| !required),
        };
        self
    }

    /// As rows have it of which some were written without it.
    fn missing_in_some(mut self) -> Self {
        self.required = Some(false);
        self
    }
}

type Fields = BTreeMap<u32, FieldAs>;

/// The fields of both, of which those are required that are so in both.
fn join(mut fields: Fields, others: Fields) -> Fields {
    let mut joined = Fields::new();
    for (number, other) in others {
        let both = match fields.remove(&number) {
            Some(field) => field.joined(&other),
            None => other.missing_in_some(),
        };
        joined.insert(number, both);
    }
    let only = fields.into_iter();
    joined.extend(only.map(|(number, field)| (number, field.missing_in_some())));
    joined
}

impl Changes {
    /// Adds others, but for those that are told already.
    pub(super) fn add(&mut self, others: Self) {
        for (told, new) in [
            (&mut self.misread, others.misread),
            (&mut self.renamed, others.renamed),
        ] {
            for change in new {
                if !told.contains(&change) {
                    told.push(change);
                }
            }
        }
    }

    fn compare_fields(
        &mut self,
        message: &str,
        then: &BTreeMap<u32, FieldAs>,
        now: &BTreeMap<u32, FieldAs>,
    ) {
        let places: BTreeMap<&str, u32> = now.iter().map(|(at, new)| (&*new.name, *at)).collect();
        for (number, old) in then {
            let name = &old.name;
            match (places.get(&**name), now.get(number)) {
                (Some(at), _) if at != number => self.misread.push(format!(
                    "{message}: `{name}` had the number {number}, and has {at} now"
                )),
                (_, Some(new)) => self.compare_field(message, *number, old, new),
                (_, None) => {}
            }
        }
        for (number, new) in now {
            if new.required == Some(true) && !then.contains_key(number) {
                let name = &new.name;
                self.misread.push(format!(
                    "{message}: field {number}, `{name}`, is new and required, and rows that were \
                     written before do not have it; make it optional"
                ));
            }
        }
    }

    fn compare_field(&mut self, message: &str, number: u32, old: &FieldAs, new: &FieldAs) {
        let (name, was, is) = (&old.name, &old.declared, &new.declared);
        if was != is {
            self.misread.push(format!(
                "{message}: field {number}, `{name}`, was {was}, and is {is} now"
            ));
        } else if let (Some(was), Some(is)) = (old.delimited, new.delimited)
            && was != is
        {
            let what = if is {
                "was no group, and is one now"
            } else {
                "was a group, and is a message with its length before it now"
            };
            self.misread
                .push(format!("{message}: field {number}, `{name}`, {what}"));
        } else if *name != new.name {
            self.renamed.push(format!(
                "{message}: field {number} was `{name}`, and is `{0}` now; rows that were \
                 written before show there what they had as `{name}`: if `{0}` means something \
                 else, give it a number that was never used",
                new.name
            ));
        }
        if (old.required, new.required) == (Some(false), Some(true)) {
            self.misread.push(format!(
                "{message}: field {number}, `{0}`, is required now, and rows that were written \
                 before may not have it; make it optional again",
                new.name
            ));
        }
    }

    fn compare_values(
        &mut self,
        of: &str,
        then: &BTreeMap<String, i32>,
        now: &BTreeMap<String, i32>,
    ) {
        let numbers: BTreeSet<i32> = now.values().copied().collect();
        for (name, number) in then {
            match now.get(name) {
                Some(is) if is != number => self.misread.push(format!(
                    "{of}: `{name}` had the number {number}, and has {is} now"
                )),
                None if numbers.contains(number) => self.renamed.push(format!(
                    "{of}: the number {number} was `{name}`, and has another name now: if that means \
                     something else, give it a number that was never used"
                )),
                _ => {}
            }
        }
    }
}

const REPEATED: &str = "repeated ";
