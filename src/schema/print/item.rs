//! Files, messages, enums and services.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    MethodDescriptorProto, ServiceDescriptorProto,
    descriptor_proto::{ExtensionRange, ReservedRange},
};

use super::{Printer, field::quoted, tag};

/// A path and what is there.
pub(super) type At<'a, T> = (Vec<i32>, &'a T);

/// The items of a list with their paths.
pub(super) fn each<'a, T>(
    path: &[i32],
    tag: i32,
    items: &'a [T],
) -> impl Iterator<Item = At<'a, T>> {
    (0..)
        .zip(items)
        .map(move |(index, item)| (below(path, &[tag, index]), item))
}

pub(super) fn below(path: &[i32], rest: &[i32]) -> Vec<i32> {
    [path, rest].concat()
}

impl Printer<'_> {
    pub(super) fn file(&mut self) {
        let proto = self.proto;
        let syntax = if self.labelled { "proto2" } else { "proto3" };
        self.out
            .statement(&[tag::SYNTAX], &format!("syntax = \"{syntax}\";"));
        let scope = proto.package();
        if !scope.is_empty() {
            self.out.gap();
            self.out
                .statement(&[tag::PACKAGE], &format!("package {scope};"));
        }
        self.out.gap();
        for (index, name) in (0..).zip(self.imports.clone()) {
            let kind = match index {
                index if proto.public_dependency.contains(&index) => "public ",
                index if proto.weak_dependency.contains(&index) => "weak ",
                _ => "",
            };
            let import = format!("import {kind}{};", quoted(name.as_bytes()));
            self.out.statement(&[tag::DEPENDENCY, index], &import);
        }
        self.out.gap();
        self.option_statements(scope, &[tag::FILE_OPTIONS]);
        for (path, service) in each(&[], tag::SERVICE, &proto.service) {
            self.out.gap();
            self.service(scope, &path, service);
        }
        for (path, kind) in each(&[], tag::ENUM_TYPE, &proto.enum_type) {
            self.out.gap();
            self.enumeration(scope, &path, kind);
        }
        let members = Members {
            message: None,
            fields: Vec::new(),
            nested: each(&[], tag::MESSAGE_TYPE, &proto.message_type).collect(),
            extensions: each(&[], tag::EXTENSION, &proto.extension).collect(),
        };
        self.members(scope, &[], &members);
    }

    pub(super) fn message(&mut self, scope: &str, path: &[i32], message: &DescriptorProto) {
        self.out.open(path, &format!("message {}", message.name()));
        self.message_body(scope, path, message);
        self.out.close();
    }

    /// What stands between the braces of a message or a group.
    pub(super) fn message_body(&mut self, scope: &str, path: &[i32], message: &DescriptorProto) {
        let scope = &joined(scope, message.name());
        self.option_statements(scope, &below(path, &[tag::MESSAGE_OPTIONS]));
        for (path, kind) in each(path, tag::NESTED_ENUM, &message.enum_type) {
            self.enumeration(scope, &path, kind);
        }
        let members = Members {
            message: Some(message),
            fields: each(path, tag::FIELD, &message.field).collect(),
            nested: each(path, tag::NESTED_TYPE, &message.nested_type).collect(),
            extensions: each(path, tag::NESTED_EXTENSION, &message.extension).collect(),
        };
        self.members(scope, path, &members);
        for (path, range) in each(path, tag::EXTENSION_RANGE, &message.extension_range) {
            self.extension_range(scope, &path, range);
        }
        let ranges = message.reserved_range.iter().map(reserved_range);
        self.reserved(
            &below(path, &[tag::RESERVED_RANGE, 0]),
            ranges,
            &message.reserved_name,
        );
    }

    /// Fields, messages and extensions.
    ///
    /// A map field and a group declare a message where they stand, so what is printed must put the
    /// messages around them in the order of the descriptor.
    fn members(&mut self, scope: &str, path: &[i32], members: &Members<'_>) {
        let declared = members.declared(scope);
        let mut order = Order {
            nested: &members.nested,
            declared: &declared,
            next: 0,
        };
        order.print(self, scope);
        let mut oneofs_done = Vec::new();
        for (index, (field_path, field)) in members.fields.iter().enumerate() {
            let Some(message) = members.message else {
                continue;
            };
            order.before(self, scope, index);
            match field.oneof_index.filter(|_| !field.proto3_optional()) {
                Some(oneof) if oneofs_done.contains(&oneof) => {}
                Some(oneof) => {
                    oneofs_done.push(oneof);
                    self.oneof(outer(scope), path, message, oneof);
                }
                None => self.plain_field(scope, field_path, &message.nested_type, field),
            }
            order.after(self, scope, index);
        }
        let siblings: Vec<DescriptorProto> = members.siblings().cloned().collect();
        let mut index = members.fields.len();
        let extendee = |(_, field): &At<'_, FieldDescriptorProto>| field.extendee.clone();
        for block in members
            .extensions
            .chunk_by(|a, b| extendee(a) == extendee(b))
        {
            let indices = index..index + block.len();
            index = indices.end;
            indices.clone().for_each(|at| order.before(self, scope, at));
            if path.is_empty() {
                self.out.gap();
            }
            self.extend(scope, &siblings, block);
            indices.for_each(|at| order.after(self, scope, at));
        }
    }

    /// A oneof and all of its fields. `scope` is that of its message.
    pub(super) fn oneof(
        &mut self,
        scope: &str,
        path: &[i32],
        message: &DescriptorProto,
        oneof: i32,
    ) {
        let declared = usize::try_from(oneof).ok();
        let Some(declared) = declared.and_then(|index| message.oneof_decl.get(index)) else {
            return;
        };
        let inner = joined(scope, message.name());
        let oneof_path = below(path, &[tag::ONEOF_DECL, oneof]);
        self.out
            .open(&oneof_path, &format!("oneof {}", declared.name()));
        self.option_statements(&inner, &below(&oneof_path, &[tag::ONEOF_OPTIONS]));
        for (path, field) in each(path, tag::FIELD, &message.field) {
            if field.oneof_index == Some(oneof) {
                self.plain_field(&inner, &path, &message.nested_type, field);
            }
        }
        self.out.close();
    }

    fn extension_range(&mut self, scope: &str, path: &[i32], range: &ExtensionRange) {
        let options = self.option_list(scope, &below(path, &[tag::RANGE_OPTIONS]), Vec::new());
        let (start, last) = (range.start(), range.end().saturating_sub(1));
        let numbers = match range.end() {
            // The parser wants a range before a list of options.
            end if end > MESSAGE_NUMBER_MAX => format!("{start} to max"),
            _ if start == last && options.is_empty() => start.to_string(),
            _ => format!("{start} to {last}"),
        };
        self.out
            .statement(path, &format!("extensions {numbers}{options};"));
    }

    fn reserved(&mut self, path: &[i32], ranges: impl Iterator<Item = String>, names: &[String]) {
        let ranges: Vec<String> = ranges.collect();
        if !ranges.is_empty() {
            self.out
                .statement(path, &format!("reserved {};", ranges.join(", ")));
        }
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| quoted(name.as_bytes())).collect();
            self.out
                .statement(&[], &format!("reserved {};", names.join(", ")));
        }
    }

    pub(super) fn enumeration(&mut self, scope: &str, path: &[i32], kind: &EnumDescriptorProto) {
        self.out.open(path, &format!("enum {}", kind.name()));
        self.option_statements(scope, &below(path, &[tag::ENUM_OPTIONS]));
        for (path, value) in each(path, tag::ENUM_VALUE, &kind.value) {
            self.enum_value(scope, &path, value);
        }
        let ranges = kind
            .reserved_range
            .iter()
            .map(|range| match (range.start(), range.end()) {
                (start, end) if start == end => start.to_string(),
                (start, i32::MAX) => format!("{start} to max"),
                (start, end) => format!("{start} to {end}"),
            });
        self.reserved(
            &below(path, &[tag::ENUM_RESERVED_RANGE, 0]),
            ranges,
            &kind.reserved_name,
        );
        self.out.close();
    }

    pub(super) fn enum_value(
        &mut self,
        scope: &str,
        path: &[i32],
        value: &EnumValueDescriptorProto,
    ) {
        let options = self.option_list(scope, &below(path, &[tag::ENUM_VALUE_OPTIONS]), Vec::new());
        let statement = format!("{} = {}{options};", value.name(), value.number());
        self.out.statement(path, &statement);
    }

    pub(super) fn service(&mut self, scope: &str, path: &[i32], service: &ServiceDescriptorProto) {
        self.out.open(path, &format!("service {}", service.name()));
        let scope = &joined(scope, service.name());
        self.option_statements(scope, &below(path, &[tag::SERVICE_OPTIONS]));
        for (path, method) in each(path, tag::METHOD, &service.method) {
            self.method(scope, &path, method);
        }
        self.out.close();
    }

    pub(super) fn method(&mut self, scope: &str, path: &[i32], method: &MethodDescriptorProto) {
        let side = |streaming: bool, name: &str| {
            let name = self.name(scope, name);
            if streaming {
                format!("stream {name}")
            } else {
                name
            }
        };
        let input = side(method.client_streaming(), method.input_type());
        let output = side(method.server_streaming(), method.output_type());
        let head = format!("rpc {}({input}) returns ({output})", method.name());
        let options_path = below(path, &[tag::METHOD_OPTIONS]);
        if self.options(scope, &options_path).is_empty() {
            self.out.statement(path, &format!("{head};"));
        } else {
            self.out.open(path, &head);
            self.option_statements(scope, &options_path);
            self.out.close();
        }
    }
}

/// What a message or a file declares.
struct Members<'a> {
    /// None for a file.
    message: Option<&'a DescriptorProto>,
    fields: Vec<At<'a, FieldDescriptorProto>>,
    nested: Vec<At<'a, DescriptorProto>>,
    extensions: Vec<At<'a, FieldDescriptorProto>>,
}

impl<'a> Members<'a> {
    fn siblings(&self) -> impl Iterator<Item = &'a DescriptorProto> {
        self.nested.iter().map(|(_, nested)| *nested)
    }

    /// Which nested message each field, and behind the fields each extension, declares.
    fn declared(&self, scope: &str) -> Vec<Option<usize>> {
        let all = self.fields.iter().chain(&self.extensions);
        let declared = all.map(|(_, field)| {
            self.siblings()
                .position(|nested| declares(scope, field, nested))
        });
        declared.collect()
    }
}

/// Prints nested messages so that they keep their order around those that fields declare.
struct Order<'a> {
    nested: &'a [At<'a, DescriptorProto>],
    /// The nested message that each field or extension declares.
    declared: &'a [Option<usize>],
    /// The first nested message that is not printed yet.
    next: usize,
}

impl Order<'_> {
    fn print(&mut self, printer: &mut Printer<'_>, scope: &str) {
        let declared = |index: &usize| self.declared.contains(&Some(*index));
        let end = (self.next..self.nested.len()).find(declared);
        self.print_until(printer, scope, end.unwrap_or(self.nested.len()));
    }

    fn print_until(&mut self, printer: &mut Printer<'_>, scope: &str, end: usize) {
        while self.next < end {
            let (path, message) = &self.nested[self.next];
            if !self.declared.contains(&Some(self.next)) {
                if path.len() == 2 {
                    printer.out.gap();
                }
                printer.message(scope, path, message);
            }
            self.next += 1;
        }
    }

    fn before(&mut self, printer: &mut Printer<'_>, scope: &str, field: usize) {
        if let Some(index) = self.declared[field] {
            self.print_until(printer, scope, index);
        }
    }

    fn after(&mut self, printer: &mut Printer<'_>, scope: &str, field: usize) {
        if let Some(index) = self.declared[field] {
            self.next = self.next.max(index + 1);
            self.print(printer, scope);
        }
    }
}

/// Whether a field is a map whose entries, or a group whose contents, a message describes.
fn declares(scope: &str, field: &FieldDescriptorProto, message: &DescriptorProto) -> bool {
    use prost_types::field_descriptor_proto::Type;

    let is_entry = message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry());
    let full_name = joined(scope, message.name());
    let is_type = field.type_name().strip_prefix('.') == Some(full_name.as_str());
    is_type && (is_entry || field.r#type() == Type::Group)
}

fn reserved_range(range: &ReservedRange) -> String {
    match (range.start(), range.end().saturating_sub(1)) {
        (start, last) if start == last => start.to_string(),
        (start, last) if last >= MESSAGE_NUMBER_MAX => format!("{start} to max"),
        (start, last) => format!("{start} to {last}"),
    }
}

pub(super) fn joined(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}

pub(super) fn outer(scope: &str) -> &str {
    scope.rsplit_once('.').map_or("", |(outer, _)| outer)
}

/// The largest field number (language guide, "Assigning Field Numbers").
const MESSAGE_NUMBER_MAX: i32 = 536_870_911;
