//! What syntax (and later editions) decides about a field, computed once.
//!
//! This is the only file that asks for `syntax()`; everything else asks [`Features`].

use prost_reflect::{
    Cardinality, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, Syntax,
};
use prost_types::{FieldDescriptorProto, FileDescriptorProto, field_descriptor_proto::Label};

/// The resolved features of one field (`google.protobuf.FeatureSet` of descriptor.proto).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// Whether "not set" differs from "set to the default".
    pub presence: bool,
    /// Whether the field must be set (proto2 `required`).
    pub required: bool,
    /// Whether a repeated scalar is written packed.
    pub packed: bool,
    /// Whether an enum value that the file does not name is kept apart as unknown field.
    pub closed_enum: bool,
    /// Whether a string that is not UTF-8 is refused when it is parsed.
    pub utf8_checked: bool,
    /// Whether a sub-message is written as a group (start and end tags) instead of with its length.
    pub delimited: bool,
}

impl Features {
    pub(super) fn of(field: &FieldDescriptor) -> Self {
        let proto3 = field.parent_file().syntax() == Syntax::Proto3;
        let closed_enum = match field.kind() {
            Kind::Enum(kind) => Self::closes(&kind),
            _ => false,
        };
        Self {
            presence: field.supports_presence(),
            required: field.cardinality() == Cardinality::Required,
            packed: packs(
                field.field_descriptor_proto(),
                &field.kind(),
                field.is_packed(),
            ),
            closed_enum,
            utf8_checked: proto3,
            delimited: field.is_group(),
        }
    }

    pub(super) fn of_extension(extension: &ExtensionDescriptor) -> Self {
        let closed_enum = match extension.kind() {
            Kind::Enum(kind) => Self::closes(&kind),
            _ => false,
        };
        Self {
            presence: extension.supports_presence(),
            required: false,
            packed: packs(
                extension.field_descriptor_proto(),
                &extension.kind(),
                extension.is_packed(),
            ),
            closed_enum,
            utf8_checked: extension.parent_file().syntax() == Syntax::Proto3,
            delimited: extension.is_group(),
        }
    }

    /// Whether the enum type is closed: it has no other numbers than the file names.
    pub(super) fn closes(kind: &EnumDescriptor) -> bool {
        kind.parent_file().syntax() == Syntax::Proto2
    }

    /// Whether the fields of a file are those of proto2: each has a label, and `required` and groups
    /// are allowed.
    pub(super) fn has_proto2_fields(file: &FileDescriptorProto) -> bool {
        file.syntax() != "proto3"
    }
}

/// What the option says, and else the syntax. prost-reflect decides it before it has read the options
/// of a file that was compiled here, so the option is asked again.
fn packs(field: &FieldDescriptorProto, kind: &Kind, reflected: bool) -> bool {
    let packable = !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_));
    let is_list = field.label() == Label::Repeated;
    match field.options.as_ref().and_then(|options| options.packed) {
        Some(packed) => packed && packable && is_list,
        None => reflected,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Schema;

    #[test]
    fn packed_is_as_the_option_says() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos/message");
        let files = ["everything.proto", "legacy.proto"].map(|file| folder.join(file));
        let compiled = Schema::compile(files, [&folder]).unwrap();
        let described = Schema::from_descriptor_set(compiled.descriptor_pool().encode_to_vec());
        for schema in [compiled, described.unwrap()] {
            for (message, field, packed) in [
                ("everything.Everything", "int32s", true),
                ("everything.Everything", "unpacked", false),
                ("everything.Everything", "strings", false),
                ("legacy.Legacy", "numbers", false),
                ("legacy.Legacy", "packed", true),
            ] {
                let field = schema.message(message).unwrap().field(field).unwrap();
                assert_eq!(field.features().packed, packed, "{field:?}");
            }
        }
    }
}
