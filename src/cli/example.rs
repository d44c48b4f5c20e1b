//! A grpcurl line to copy, which works: a method that adds something, and plausible JSON for it.

use std::net::SocketAddr;

use reflectd::{
    Schema,
    binding::{Op, Plan},
    schema::{Field, Kind, MessageType, Method},
};
use serde_json::json;

use super::{address, arguments::Input};

/// The line for a server at `listening`; `None` if clients cannot know what its services look like.
pub(super) fn line(
    schema: &Schema,
    plan: &Plan,
    listening: SocketAddr,
    without_reflection: Option<&Input>,
) -> Option<String> {
    let source = match without_reflection {
        None => String::new(),
        Some(input) => source(input)?,
    };
    let address = address::to_dial(listening);
    let create = plan
        .methods()
        .find(|method| method.op() == Some(Op::Create));
    let call = create.and_then(|plan| Some((schema.method(plan.path())?, plan.key())));
    Some(match call {
        Some((method, key)) => {
            let path = method.path().trim_start_matches('/');
            let data = request(method, key);
            format!("grpcurl -plaintext {source}-d '{data}' {address} {path}")
        }
        None => format!("grpcurl -plaintext {source}{address} list"),
    })
}

/// The flags with which grpcurl reads the one file that was named.
fn source(input: &Input) -> Option<String> {
    let sources = &input.sources;
    if !sources.proto.is_empty() {
        return None;
    }
    match (input.files.as_slice(), sources.descriptor_set.as_slice()) {
        ([file], []) if file.extension()? == "proto" && sources.import_path.is_empty() => {
            let folder = file
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.map_or_else(|| ".".into(), |folder| folder.to_string_lossy());
            let name = file.file_name()?.to_string_lossy();
            Some(format!("-import-path {folder} -proto {name} "))
        }
        ([], [set]) => Some(format!("-protoset {} ", set.display())),
        _ => None,
    }
}

/// Plausible JSON for a request, the key left to the server.
fn request(method: &Method, key: Option<&str>) -> String {
    // An apostrophe would end the shell's quotes.
    message(method.input(), key, DEPTH_MAX).replace('\'', "\\u0027")
}

/// The first fields of a message, and all that are required.
fn message(of: &MessageType, key: Option<&str>, depth: usize) -> String {
    let mut taken: Vec<String> = Vec::new();
    let mut oneofs = Vec::new();
    for field in of.fields() {
        let is_extra = taken.len() >= FIELDS_MAX || Some(field.name()) == key;
        if is_extra && !field.features().required {
            continue;
        }
        if let Some(oneof) = field.oneof() {
            if oneofs.contains(&oneof) {
                continue;
            }
            oneofs.push(oneof);
        }
        if let Some(value) = value(&field, key, depth) {
            taken.push(format!("{}: {value}", json!(field.json_name())));
        }
    }
    format!("{{{}}}", taken.join(", "))
}

fn value(field: &Field, key: Option<&str>, depth: usize) -> Option<String> {
    if field.is_list() || field.is_map() {
        return None;
    }
    let value = match field.kind() {
        Kind::String => json!(string(field.name())),
        Kind::Bytes => json!("AQID"),
        Kind::Bool => json!(true),
        Kind::Double | Kind::Float => json!(1.5),
        Kind::Enum(kind) => {
            let meant = kind.values().find(|value| value.number() != 0);
            json!(meant.or_else(|| kind.values().next())?.name())
        }
        // The JSON of google.protobuf's own types has forms of its own, of no interest here.
        Kind::Message(inner) if inner.full_name().starts_with("google.protobuf.") => return None,
        Kind::Message(_) if depth == 0 => return None,
        Kind::Message(inner) => return Some(message(&inner, key, depth - 1)),
        _ => json!(1),
    };
    Some(value.to_string())
}

fn string(field: &str) -> String {
    let words = field.to_lowercase().replace('_', " ");
    match words.as_str() {
        "name" | "first name" | "full name" | "display name" | "user name" => "Ada".to_owned(),
        "email" | "email address" => "ada@example.com".to_owned(),
        // Parts of resource names and paths.
        "parent" => "some-parent".to_owned(),
        _ if words.ends_with(" id") => format!("some-{}", words.replace(' ', "-")),
        _ => format!("some {words}"),
    }
}

/// More would not fit on a line.
const FIELDS_MAX: usize = 3;

/// The request, and the resource in it.
const DEPTH_MAX: usize = 1;
