//! What a descriptor must be before the pool may see it.
//!
//! A compiler never writes what is refused here; a file that somebody made up may hold it, and the
//! pool, or the messages decoded with it later, would panic or misread it. protoc's
//! `DescriptorBuilder` refuses the same.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    ServiceDescriptorProto, UninterpretedOption,
    field_descriptor_proto::{Label, Type},
};

use crate::schema::Features;

/// Checks a file.
///
/// # Errors
/// The first thing that is wrong, with the name of where it is.
pub(super) fn check(file: &FileDescriptorProto) -> Result<(), String> {
    if file.name().is_empty() {
        return Err("has no name".to_owned());
    }
    if !file.package().is_empty() {
        file.package().split('.').try_for_each(identifier)?;
    }
    interpreted(file.options.as_ref().map(|o| &o.uninterpreted_option))?;
    let proto3 = !Features::has_proto2_fields(file);
    for message in &file.message_type {
        check_message(message, proto3)?;
    }
    file.enum_type.iter().try_for_each(check_enum)?;
    file.service.iter().try_for_each(check_service)?;
    file.extension.iter().try_for_each(check_extension)
}

fn check_message(message: &DescriptorProto, proto3: bool) -> Result<(), String> {
    let name = message.name();
    identifier(name)?;
    let inside = |error: String| format!("{error}, in {name}");
    let options = message.options.as_ref();
    interpreted(options.map(|o| &o.uninterpreted_option)).map_err(inside)?;
    if options.is_some_and(|options| options.map_entry()) {
        check_map_entry(message).map_err(inside)?;
    }
    for field in &message.field {
        check_field(field, message, proto3).map_err(inside)?;
    }
    for (index, oneof) in message.oneof_decl.iter().enumerate() {
        identifier(oneof.name()).map_err(inside)?;
        interpreted(oneof.options.as_ref().map(|o| &o.uninterpreted_option)).map_err(inside)?;
        if members(message, index) == 0 {
            return Err(inside(format!("oneof {} has no field", oneof.name())));
        }
    }
    let reserved = message.reserved_range.iter().map(|r| (r.start(), r.end()));
    let extensions = message.extension_range.iter().map(|r| (r.start(), r.end()));
    for (start, end) in reserved.chain(extensions) {
        if start < 1 || end <= start {
            return Err(inside(format!("{start} to {end} is no range of numbers")));
        }
    }
    for range in &message.extension_range {
        interpreted(range.options.as_ref().map(|o| &o.uninterpreted_option)).map_err(inside)?;
    }
    message
        .extension
        .iter()
        .try_for_each(check_extension)
        .map_err(inside)?;
    message
        .enum_type
        .iter()
        .try_for_each(check_enum)
        .map_err(inside)?;
    for nested in &message.nested_type {
        check_message(nested, proto3).map_err(inside)?;
    }
    Ok(())
}

fn check_extension(extension: &FieldDescriptorProto) -> Result<(), String> {
    let name = extension.name();
    if extension.extendee().is_empty() {
        return Err(format!("extension {name} extends nothing"));
    }
    if extension.oneof_index.is_some() || extension.label() == Label::Required {
        return Err(format!("extension {name} is required or in a oneof"));
    }
    check_plain_field(extension)
}

fn check_field(
    field: &FieldDescriptorProto,
    message: &DescriptorProto,
    proto3: bool,
) -> Result<(), String> {
    let name = field.name();
    if field.extendee.is_some() {
        return Err(format!("field {name} extends another message"));
    }
    if proto3 && (field.label() == Label::Required || field.r#type == Some(Type::Group as i32)) {
        return Err(format!(
            "field {name} is required or a group, which proto3 does not have"
        ));
    }
    if let Some(index) = field.oneof_index {
        let index = usize::try_from(index).ok();
        let index = index.filter(|&index| index < message.oneof_decl.len());
        let Some(index) = index else {
            return Err(format!("field {name} is in a oneof that is not there"));
        };
        if field.label() != Label::Optional
            || field.proto3_optional() && members(message, index) > 1
        {
            return Err(format!("field {name} cannot be in a oneof"));
        }
    } else if field.proto3_optional() {
        return Err(format!(
            "field {name} is optional without a oneof of its own"
        ));
    }
    let entries = message.nested_type.iter();
    let mut entries =
        entries.filter(|nested| nested.options.as_ref().is_some_and(|o| o.map_entry()));
    let last = field.type_name().rsplit('.').next();
    if entries.any(|entry| Some(entry.name()) == last) && field.label() != Label::Repeated {
        return Err(format!("field {name} is a map that is not repeated"));
    }
    check_plain_field(field)
}

fn check_plain_field(field: &FieldDescriptorProto) -> Result<(), String> {
    let name = field.name();
    identifier(name)?;
    interpreted(field.options.as_ref().map(|o| &o.uninterpreted_option))?;
    // A type may be left out where a type name says it.
    let kind = match field.r#type {
        Some(kind) => Some(
            Type::try_from(kind)
                .map_err(|_| format!("field {name} has the unknown type {kind}"))?,
        ),
        None if field.type_name().is_empty() => return Err(format!("field {name} has no type")),
        None => None,
    };
    if let Some(label) = field.label
        && Label::try_from(label).is_err()
    {
        return Err(format!("field {name} has the unknown label {label}"));
    }
    if kind == Some(Type::Bytes) && !is_c_escaped(field.default_value()) {
        return Err(format!("field {name} has a default that is not escaped"));
    }
    Ok(())
}

/// `map<Key, Value>` is a repeated message of this shape (language guide, "Maps"); readers of maps
/// rely on both fields.
fn check_map_entry(entry: &DescriptorProto) -> Result<(), String> {
    let shape = |field: &FieldDescriptorProto, name: &str, number: i32| {
        field.name() == name
            && field.number() == number
            && field.label() == Label::Optional
            && field.oneof_index.is_none()
    };
    let [key, value] = &entry.field[..] else {
        return Err("a map entry has one key and one value".to_owned());
    };
    let key_type = !matches!(
        key.r#type(),
        Type::Double | Type::Float | Type::Bytes | Type::Message | Type::Group | Type::Enum
    );
    let nothing_else = entry.nested_type.is_empty()
        && entry.enum_type.is_empty()
        && entry.extension.is_empty()
        && entry.extension_range.is_empty()
        && entry.oneof_decl.is_empty();
    let whole =
        shape(key, "key", 1) && key_type && key.type_name.is_none() && shape(value, "value", 2);
    match whole && nothing_else && value.r#type() != Type::Group {
        true => Ok(()),
        false => Err("a map entry is not a key and a value".to_owned()),
    }
}

fn check_enum(kind: &EnumDescriptorProto) -> Result<(), String> {
    let name = kind.name();
    identifier(name)?;
    let inside = |error: String| format!("{error}, in {name}");
    interpreted(kind.options.as_ref().map(|o| &o.uninterpreted_option)).map_err(inside)?;
    for value in &kind.value {
        identifier(value.name()).map_err(inside)?;
        interpreted(value.options.as_ref().map(|o| &o.uninterpreted_option)).map_err(inside)?;
    }
    match kind
        .reserved_range
        .iter()
        .find(|range| range.end() < range.start())
    {
        Some(range) => {
            let (start, end) = (range.start(), range.end());
            Err(inside(format!("{start} to {end} is no range of numbers")))
        }
        None => Ok(()),
    }
}

fn check_service(service: &ServiceDescriptorProto) -> Result<(), String> {
    let name = service.name();
    identifier(name)?;
    let inside = |error: String| format!("{error}, in {name}");
    interpreted(service.options.as_ref().map(|o| &o.uninterpreted_option)).map_err(inside)?;
    for method in &service.method {
        identifier(method.name()).map_err(inside)?;
        interpreted(method.options.as_ref().map(|o| &o.uninterpreted_option)).map_err(inside)?;
    }
    Ok(())
}

/// `[A-Za-z_][A-Za-z0-9_]*` (language specification, "Letters and digits").
fn identifier(name: &str) -> Result<(), String> {
    let mut characters = name.chars();
    let begins = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    match begins && characters.all(|next| next.is_ascii_alphanumeric() || next == '_') {
        true => Ok(()),
        false => Err(format!("\"{name}\" is no name")),
    }
}

/// Options are interpreted before a set is written (descriptor.proto, `UninterpretedOption`).
fn interpreted(options: Option<&Vec<UninterpretedOption>>) -> Result<(), String> {
    match options {
        Some(options) if !options.is_empty() => Err("options are not interpreted".to_owned()),
        _ => Ok(()),
    }
}

fn members(message: &DescriptorProto, oneof: usize) -> usize {
    let index = i32::try_from(oneof).ok();
    let fields = message.field.iter();
    fields
        .filter(|field| field.oneof_index.is_some() && field.oneof_index == index)
        .count()
}

/// Whether a default of `bytes` is "C escaped (all bytes >= 128 are escaped)" (descriptor.proto,
/// `default_value`): the pool cuts it at byte offsets.
fn is_c_escaped(default: &str) -> bool {
    let mut rest = default.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        rest = &rest[at + 1..];
        if let [b'4'..=b'7', b'0'..=b'7', b'0'..=b'7', ..] = rest {
            return false;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    default.is_ascii()
}
