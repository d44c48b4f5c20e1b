//! A serialised `google.protobuf.FileDescriptorSet`, as `protoc -o` and `buf build -o` write it.
//!
//! The set is taken apart on the wire, so that each file keeps the bytes that were read: decoded
//! descriptors drop custom options and all fields that are not known here.

mod valid;

use bytes::{Buf, Bytes};
use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_types::{FileDescriptorProto, SourceCodeInfo};

/// One file of a set.
#[derive(Debug)]
pub(super) struct SetFile {
    /// Without its source code info.
    pub(super) descriptor: FileDescriptorProto,
    /// What was read.
    pub(super) original: Bytes,
    /// The same without source code info.
    pub(super) stripped: Bytes,
    pub(super) source_code_info: Option<SourceCodeInfo>,
}

/// A file that cannot be used, by its name, or by its place in the set if it has none.
#[derive(Debug)]
pub(super) struct BadFile {
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) help: Option<&'static str>,
}

/// Takes a set apart.
///
/// # Errors
/// If the bytes are no descriptor set; what is wrong with one file is told in its place.
pub(super) fn files(set: Bytes) -> Result<Vec<Result<SetFile, BadFile>>, String> {
    let mut files = Vec::new();
    for field in fields(set) {
        let field = field.map_err(|error| format!("is not a FileDescriptorSet: {error}"))?;
        // FileDescriptorSet has the one field `repeated FileDescriptorProto file = 1`.
        let (FILE, Some(original)) = (field.tag, field.value) else {
            return Err("is not a FileDescriptorSet".to_owned());
        };
        files.push(file(original, files.len()));
    }
    match files.is_empty() {
        true => Err("holds no file".to_owned()),
        false => Ok(files),
    }
}

fn file(original: Bytes, index: usize) -> Result<SetFile, BadFile> {
    let bad = |name: &str, reason: String, help| BadFile {
        name: match name {
            "" => format!("file {} of the set", index + 1),
            name => name.to_owned(),
        },
        reason,
        help,
    };
    let undecodable = |error: String| bad("", format!("cannot be decoded: {error}"), None);
    let mut descriptor = FileDescriptorProto::decode(original.clone())
        .map_err(|error| undecodable(error.to_string()))?;
    let source_code_info = descriptor.source_code_info.take();
    let mut stripped = Vec::with_capacity(original.len());
    let mut edition = false;
    for field in fields(original.clone()) {
        let field = field.map_err(undecodable)?;
        edition |= field.tag == EDITION;
        if field.tag != SOURCE_CODE_INFO {
            stripped.extend_from_slice(&field.whole);
        }
    }
    // The pool must not see a syntax that it does not know: it panics.
    match (edition, descriptor.syntax.as_deref().unwrap_or("")) {
        (false, "" | "proto2" | "proto3") => {}
        (true, _) | (_, "editions") => {
            let reason =
                "is written with an edition, and editions are not supported yet".to_owned();
            let help = "write it with syntax = \"proto3\" or \"proto2\"";
            return Err(bad(descriptor.name(), reason, Some(help)));
        }
        (_, unknown) => {
            let reason = format!("has the unknown syntax \"{unknown}\"");
            return Err(bad(descriptor.name(), reason, None));
        }
    }
    valid::check(&descriptor).map_err(|reason| bad(descriptor.name(), reason, None))?;
    Ok(SetFile {
        descriptor,
        original,
        stripped: stripped.into(),
        source_code_info,
    })
}

/// A serialised `FileDescriptorProto` with the first of its imports only.
pub(super) fn with_imports(file: Bytes, imports: usize) -> Bytes {
    let mut seen = 0;
    let mut kept = Vec::with_capacity(file.len());
    for field in fields(file.clone()) {
        let Ok(field) = field else {
            return file;
        };
        seen += usize::from(field.tag == DEPENDENCY);
        if field.tag != DEPENDENCY || seen <= imports {
            kept.extend_from_slice(&field.whole);
        }
    }
    kept.into()
}

/// One field as it stands on the wire.
struct WireField {
    tag: u32,
    /// The field with its key.
    whole: Bytes,
    /// The contents of a length-delimited field.
    value: Option<Bytes>,
}

/// The fields of a message, in the order of the wire.
fn fields(mut message: Bytes) -> impl Iterator<Item = Result<WireField, String>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = next_field(&mut message);
        if field.is_err() {
            message.clear();
        }
        Some(field)
    })
}

fn next_field(message: &mut Bytes) -> Result<WireField, String> {
    let begin = message.clone();
    let (tag, wire_type) = decode_key(message).map_err(|error| error.to_string())?;
    let mut value = None;
    if wire_type == WireType::LengthDelimited {
        let length = decode_varint(message).map_err(|error| error.to_string())?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > message.len() {
            return Err("the bytes are cut short".to_owned());
        }
        value = Some(message.split_to(length));
    } else {
        skip_field(wire_type, tag, message, DecodeContext::default())
            .map_err(|error| error.to_string())?;
    }
    let whole = begin.slice(..begin.len() - message.remaining());
    Ok(WireField { tag, whole, value })
}

// Field numbers of descriptor.proto.
const FILE: u32 = 1;
const DEPENDENCY: u32 = 3;
const SOURCE_CODE_INFO: u32 = 9;
const EDITION: u32 = 14;
