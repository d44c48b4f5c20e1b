//! Descriptors back to proto source form, comments included.
//!
//! What is printed compiles to the descriptors that it was printed from.

mod field;
mod find;
mod item;
mod option;
mod tag;
mod writer;

use std::collections::{BTreeSet, HashSet};

use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage};
use prost_types::FileDescriptorProto;

use super::{
    Features,
    file::{File, FileIndex},
};
use find::Found;
use writer::Writer;

/// The source form of a file, by its import name, or of a symbol; of a package what is in it.
pub(super) fn describe(files: &FileIndex, symbol: &str) -> Option<String> {
    if let Some(file) = files.by_name(symbol) {
        let mut printer = Printer::new(files, &file);
        printer.file();
        return Some(printer.out.finish());
    }
    let symbol = symbol.strip_prefix('.').unwrap_or(symbol);
    let Some(file) = files.containing_symbol(symbol) else {
        return package(files, symbol);
    };
    let mut printer = Printer::new(files, &file);
    let proto = file.descriptor().file_descriptor_proto();
    let found = find::find(proto, symbol)?;
    printer.found(&found);
    Some(printer.out.finish())
}

/// What a package holds, one line each, in the order of the files' names.
fn package(files: &FileIndex, package: &str) -> Option<String> {
    let mut inside: Vec<File> = files
        .all()
        .filter(|file| file.package() == package && !package.is_empty())
        .collect();
    inside.sort_by(|a, b| a.name().cmp(b.name()));
    if inside.is_empty() {
        return None;
    }
    let mut text = format!("package {package};\n");
    for file in inside {
        let proto = file.descriptor().file_descriptor_proto();
        let mut list = |kind: &str, names: &mut dyn Iterator<Item = &str>| {
            for name in names {
                text.push_str(&format!("{kind} {package}.{name}\n"));
            }
        };
        list(
            "service",
            &mut proto.service.iter().map(|service| service.name()),
        );
        list(
            "message",
            &mut proto.message_type.iter().map(|message| message.name()),
        );
        list("enum", &mut proto.enum_type.iter().map(|kind| kind.name()));
        list(
            "extension",
            &mut proto.extension.iter().map(|field| field.name()),
        );
    }
    Some(text)
}

/// Prints items of one file.
struct Printer<'a> {
    pool: &'a DescriptorPool,
    proto: &'a FileDescriptorProto,
    /// The same with custom options, which the plain one drops.
    dynamic: Option<DynamicMessage>,
    imports: Vec<String>,
    /// All packages, and those that they lie in.
    packages: HashSet<String>,
    /// Whether a singular field is written with a label.
    labelled: bool,
    out: Writer,
}

impl<'a> Printer<'a> {
    fn new(files: &'a FileIndex, file: &'a File) -> Self {
        let pool = files.pool();
        let proto = file.descriptor().file_descriptor_proto();
        let kind = pool
            .get_message_by_name("google.protobuf.FileDescriptorProto")
            .unwrap_or_else(|| FileDescriptorProto::default().descriptor());
        let encoded = file.descriptor().encode_to_vec();
        Self {
            pool,
            proto,
            dynamic: DynamicMessage::decode(kind, encoded.as_slice()).ok(),
            imports: file.dependencies().collect(),
            packages: packages(pool),
            labelled: Features::has_proto2_fields(proto),
            out: Writer::new(files.comments(file.name())),
        }
    }

    fn found(&mut self, found: &Found<'_>) {
        let (scope, path) = (found.scope.as_str(), &found.path);
        match found.item {
            find::Item::Message(message) => self.message(scope, path, message),
            find::Item::Enum(kind) => self.enumeration(scope, path, kind),
            find::Item::EnumValue(value) => self.enum_value(scope, path, value),
            find::Item::Service(service) => self.service(scope, path, service),
            find::Item::Method(method) => self.method(scope, path, method),
            find::Item::Field(parent, field) => self.member(scope, path, parent, field),
            find::Item::Oneof(parent, index) => {
                let parent_path = &path[..path.len() - 2];
                self.oneof(item::outer(scope), parent_path, parent, index);
            }
            find::Item::Extension(siblings, field) => {
                self.extend(scope, siblings, &[(path.clone(), field)]);
            }
        }
    }

    /// A type's name as it has to be written in a scope: without its leading dot, unless its first
    /// part means something else there (language specification, "Name Resolution").
    fn name(&self, scope: &str, dotted: &str) -> String {
        let full_name = dotted.strip_prefix('.').unwrap_or(dotted);
        let first = full_name.split('.').next().unwrap_or(full_name);
        let mut enclosing = Some(scope).filter(|scope| !scope.is_empty());
        while let Some(outer) = enclosing {
            if self.is_name(&format!("{outer}.{first}")) {
                return format!(".{full_name}");
            }
            enclosing = outer.rsplit_once('.').map(|(outer, _)| outer);
        }
        full_name.to_owned()
    }

    fn is_name(&self, full_name: &str) -> bool {
        self.pool.get_message_by_name(full_name).is_some()
            || self.pool.get_enum_by_name(full_name).is_some()
            || self.pool.get_service_by_name(full_name).is_some()
            || self.pool.get_extension_by_name(full_name).is_some()
            || self.packages.contains(full_name)
    }
}

fn packages(pool: &DescriptorPool) -> HashSet<String> {
    let named: BTreeSet<String> = pool
        .files()
        .map(|file| file.package_name().to_owned())
        .collect();
    let outer = |package: String| {
        std::iter::successors(Some(package), |inner| {
            inner.rsplit_once('.').map(|(outer, _)| outer.to_owned())
        })
    };
    named.into_iter().flat_map(outer).collect()
}
