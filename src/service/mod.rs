//! The services that every server has, written with nothing but what any handler can use.

pub(crate) mod health;
pub(crate) mod pages;
pub(crate) mod reflection;

pub use health::{Health, ServingStatus};

use crate::{
    schema::{MessageType, Method, Schema},
    server::ServerBuilder,
};

/// Whether a built-in service is to answer a path of `ours`, its own schema.
///
/// Not if somebody has registered it. Not either if another schema has a method of that path which
/// is something else: that one is its owner's, even unanswered.
fn is_vacant(builder: &ServerBuilder, ours: &Schema, path: &str) -> bool {
    let theirs = builder
        .schemas()
        .iter()
        .find_map(|schema| schema.method(path));
    let same_shape = match (theirs, ours.method(path)) {
        (Some(theirs), Some(ours)) => is_same_shape(theirs, ours),
        _ => true,
    };
    same_shape && !builder.has(path)
}

/// Whether what reads and writes the messages of `ours` can do so with those of `theirs`.
fn is_same_shape(theirs: &Method, ours: &Method) -> bool {
    theirs.kind() == ours.kind()
        && has_fields_of(theirs.input(), ours.input())
        && has_fields_of(theirs.output(), ours.output())
}

fn has_fields_of(theirs: &MessageType, ours: &MessageType) -> bool {
    ours.fields().all(|ours| {
        theirs.field(ours.name()).is_some_and(|theirs| {
            theirs.number() == ours.number()
                && theirs.is_list() == ours.is_list()
                && theirs.kind().to_string() == ours.kind().to_string()
        })
    })
}
