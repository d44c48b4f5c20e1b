//! A symbol's place in its file.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto,
};

use super::tag;

/// What a symbol turned out to be.
pub(super) struct Found<'a> {
    /// The full name of what it is declared in.
    pub(super) scope: String,
    /// Its `SourceCodeInfo` path.
    pub(super) path: Vec<i32>,
    pub(super) item: Item<'a>,
}

pub(super) enum Item<'a> {
    Message(&'a DescriptorProto),
    Enum(&'a EnumDescriptorProto),
    EnumValue(&'a EnumValueDescriptorProto),
    Service(&'a ServiceDescriptorProto),
    Method(&'a MethodDescriptorProto),
    Field(&'a DescriptorProto, &'a FieldDescriptorProto),
    /// A oneof of a message, by its index.
    Oneof(&'a DescriptorProto, i32),
    /// An extension, and the messages declared beside it.
    Extension(&'a [DescriptorProto], &'a FieldDescriptorProto),
}

/// Finds a symbol in the file that defines it.
pub(super) fn find<'a>(file: &'a FileDescriptorProto, symbol: &str) -> Option<Found<'a>> {
    let inner = match file.package() {
        "" => symbol,
        package => symbol.strip_prefix(package)?.strip_prefix('.')?,
    };
    let parts: Vec<&str> = inner.split('.').collect();
    let scope = Scope {
        name: file.package().to_owned(),
        path: Vec::new(),
    };
    if let Some((index, service)) = position(&file.service, |service| service.name() == parts[0]) {
        return scope
            .enter(tag::SERVICE, index)
            .in_service(service, &parts[1..]);
    }
    let types = scope.in_types(
        &file.message_type,
        &file.enum_type,
        tag::MESSAGE_TYPE,
        tag::ENUM_TYPE,
        &parts,
    );
    types.or_else(|| scope.extension(&file.extension, &file.message_type, tag::EXTENSION, &parts))
}

struct Scope {
    name: String,
    path: Vec<i32>,
}

impl Scope {
    fn enter(&self, tag: i32, index: i32) -> Self {
        Self {
            name: self.name.clone(),
            path: [&self.path[..], &[tag, index]].concat(),
        }
    }

    fn named(mut self, name: &str) -> Self {
        self.name = match self.name.as_str() {
            "" => name.to_owned(),
            outer => format!("{outer}.{name}"),
        };
        self
    }

    fn found(self, item: Item<'_>) -> Found<'_> {
        Found {
            scope: self.name,
            path: self.path,
            item,
        }
    }

    fn in_types<'a>(
        &self,
        messages: &'a [DescriptorProto],
        enums: &'a [EnumDescriptorProto],
        message_tag: i32,
        enum_tag: i32,
        parts: &[&str],
    ) -> Option<Found<'a>> {
        if let Some((index, message)) = position(messages, |message| message.name() == parts[0]) {
            let scope = self.enter(message_tag, index);
            return match &parts[1..] {
                [] => Some(scope.found(Item::Message(message))),
                rest => scope.named(message.name()).in_message(message, rest),
            };
        }
        let [name] = parts else {
            return None;
        };
        for (index, kind) in (0..).zip(enums) {
            let scope = self.enter(enum_tag, index);
            if kind.name() == *name {
                return Some(scope.found(Item::Enum(kind)));
            }
            // An enum's values are its siblings (descriptor.proto, EnumValueDescriptorProto).
            if let Some((index, value)) = position(&kind.value, |value| value.name() == *name) {
                let scope = scope.enter(tag::ENUM_VALUE, index);
                return Some(scope.found(Item::EnumValue(value)));
            }
        }
        None
    }

    fn in_message<'a>(&self, message: &'a DescriptorProto, parts: &[&str]) -> Option<Found<'a>> {
        let types = self.in_types(
            &message.nested_type,
            &message.enum_type,
            tag::NESTED_TYPE,
            tag::NESTED_ENUM,
            parts,
        );
        if types.is_some() {
            return types;
        }
        let [name] = parts else {
            return None;
        };
        if let Some((index, field)) = position(&message.field, |field| field.name() == *name) {
            return Some(
                self.enter(tag::FIELD, index)
                    .found(Item::Field(message, field)),
            );
        }
        if let Some((index, _)) = position(&message.oneof_decl, |oneof| oneof.name() == *name) {
            return Some(
                self.enter(tag::ONEOF_DECL, index)
                    .found(Item::Oneof(message, index)),
            );
        }
        self.extension(
            &message.extension,
            &message.nested_type,
            tag::NESTED_EXTENSION,
            parts,
        )
    }

    fn in_service<'a>(
        self,
        service: &'a ServiceDescriptorProto,
        parts: &[&str],
    ) -> Option<Found<'a>> {
        match parts {
            [] => Some(self.found(Item::Service(service))),
            [name] => {
                let (index, method) = position(&service.method, |method| method.name() == *name)?;
                let scope = self.enter(tag::METHOD, index).named(service.name());
                Some(scope.found(Item::Method(method)))
            }
            _ => None,
        }
    }

    fn extension<'a>(
        &self,
        extensions: &'a [FieldDescriptorProto],
        siblings: &'a [DescriptorProto],
        tag: i32,
        parts: &[&str],
    ) -> Option<Found<'a>> {
        let [name] = parts else {
            return None;
        };
        let (index, field) = position(extensions, |extension| extension.name() == *name)?;
        Some(
            self.enter(tag, index)
                .found(Item::Extension(siblings, field)),
        )
    }
}

/// The first item that fits, with its index as paths count.
fn position<T>(items: &[T], fits: impl Fn(&T) -> bool) -> Option<(i32, &T)> {
    (0..).zip(items).find(|(_, item)| fits(item))
}
