//! The lines of what is wrong with names, types and options.
//!
//! Files are added to the pool without their source code info: the pool would keep two copies of it,
//! and the time it takes to rewrite it grows with the square of a file's options. Its errors come
//! without lines then; for the few files that have errors they are found by adding the file again.

use std::collections::HashMap;

use miette::Diagnostic as _;
use prost_reflect::DescriptorError;
use prost_types::{
    DescriptorProto, FileDescriptorProto, SourceCodeInfo, source_code_info::Location,
};

use super::parse::{capped, descriptor_with_locations, locations};
use crate::{
    limits::PROTO_LOCATE_COMPARISONS_MAX,
    schema::diagnostic::{Diagnostic, Place, SourceText},
};

/// The place of a declaration, by its `SourceCodeInfo` path.
pub(super) fn place(text: &SourceText, path: &[i32]) -> Option<Place> {
    let info = locations(text);
    let location = info
        .location
        .iter()
        .find(|location| location.path == path)?;
    text.place_of(&location.span)
}

/// All errors of a parsed file with their lines. `add` adds it to the pool, and fails again.
pub(super) fn errors(
    text: &SourceText,
    error: &DescriptorError,
    add: impl FnOnce(FileDescriptorProto) -> Result<(), DescriptorError>,
) -> Vec<Diagnostic> {
    let mut file = descriptor_with_locations(text).unwrap_or_default();
    let info = file.source_code_info.take().unwrap_or_default();
    let located = match each(error).count().saturating_mul(info.location.len()) {
        0..=PROTO_LOCATE_COMPARISONS_MAX => {
            file.source_code_info = Some(numbered(&info, &file));
            add(file).err()
        }
        _ => None,
    };
    let Some(located) = located else {
        let all = each(error).map(|error| told(text.shown(), "", error));
        return capped(all.collect(), text.shown());
    };
    let columns = " ".repeat(info.location.len() + 1);
    let located = located.with_source_code(&columns);
    let all = each(&located).map(|error| {
        let told = told(text.shown(), "", error);
        let place = |label| {
            let location = info.location.get(offset(error, label)?)?;
            text.place_of(&location.span)
        };
        let found = FOUND.iter().find_map(|label| place(label));
        let first = place("first defined here").map(|place| place.line());
        match first.filter(|_| told.help().is_none()) {
            Some(line) => told
                .at(found)
                .with_help(format!("it is first defined in line {line}")),
            None => told.at(found),
        }
    });
    capped(all.collect(), text.shown())
}

/// All errors of a file of a descriptor set, which has no lines.
pub(super) fn unlocated(shown: &str, name: &str, error: &DescriptorError) -> Vec<Diagnostic> {
    let all = each(error).map(|error| told(shown, &format!("{name}: "), error));
    capped(all.collect(), shown)
}

/// The pool tells places by label, as offsets into a text that is given to it, and it counts
/// characters where source code info counts bytes. Given spans that are the numbers of the
/// locations, in a text of one long line, the offsets that come back are those numbers.
fn numbered(info: &SourceCodeInfo, file: &FileDescriptorProto) -> SourceCodeInfo {
    let at = |path: Vec<i32>, number: i32| Location {
        path,
        span: vec![0, number, number + 1],
        ..Location::default()
    };
    let numbers: HashMap<&[i32], i32> = (0..)
        .zip(&info.location)
        .map(|(number, location)| (location.path.as_slice(), number))
        .collect();
    let own = (0..).zip(&info.location);
    let mut location: Vec<Location> = own
        .map(|(number, location)| at(location.path.clone(), number))
        .collect();
    for (value_type, field) in map_values(file) {
        if let Some(&number) = numbers.get(field.as_slice()) {
            location.push(at(value_type, number));
        }
    }
    SourceCodeInfo { location }
}

/// The path of each map's value type, which is in a message that stands nowhere in the text, and
/// that of the map field itself.
fn map_values(file: &FileDescriptorProto) -> Vec<(Vec<i32>, Vec<i32>)> {
    let mut all = Vec::new();
    let top = (0..).zip(&file.message_type);
    let mut pending: Vec<(Vec<i32>, &DescriptorProto)> = top
        .map(|(index, message)| (vec![MESSAGE_TYPE, index], message))
        .collect();
    while let Some((path, message)) = pending.pop() {
        let below = |tag: i32, index: i32| [&path[..], &[tag, index]].concat();
        for (index, nested) in (0..).zip(&message.nested_type) {
            let nested_path = below(NESTED_TYPE, index);
            let mut fields = (0..).zip(&message.field);
            let field = fields.find(|(_, field)| field.type_name() == nested.name());
            let is_entry = nested
                .options
                .as_ref()
                .is_some_and(|options| options.map_entry());
            if let (true, Some((field, _))) = (is_entry, field) {
                let value_type = [&nested_path[..], &[FIELD, 1, TYPE_NAME]].concat();
                all.push((value_type, below(FIELD, field)));
            }
            pending.push((nested_path, nested));
        }
    }
    all
}

fn offset(error: &dyn miette::Diagnostic, label: &str) -> Option<usize> {
    let mut labels = error.labels()?;
    let found = labels.find(|found| found.label() == Some(label))?;
    Some(found.offset())
}

fn each(error: &DescriptorError) -> impl Iterator<Item = &dyn miette::Diagnostic> {
    let related = error.related().into_iter().flatten();
    std::iter::once(error as &dyn miette::Diagnostic).chain(related)
}

fn told(shown: &str, prefix: &str, error: &dyn miette::Diagnostic) -> Diagnostic {
    let cause = error.source().map(|cause| format!(": {cause}"));
    let message = format!("{prefix}{error}{}", cause.unwrap_or_default());
    let told = Diagnostic::error(shown, message);
    match error.help() {
        Some(help) => told.with_help(help.to_string()),
        None => told,
    }
}

/// The labels that the pool gives to the place at fault, the surest first.
const FOUND: [&str; 4] = [
    "defined again here",
    "found here",
    "defined here",
    "enum defined here",
];

// Field numbers of descriptor.proto.
const MESSAGE_TYPE: i32 = 4;
const FIELD: i32 = 2;
const NESTED_TYPE: i32 = 3;
const TYPE_NAME: i32 = 6;
