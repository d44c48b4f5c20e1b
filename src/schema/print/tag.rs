//! Field numbers of descriptor.proto, of which `SourceCodeInfo` paths are made.

// FileDescriptorProto
pub(super) const PACKAGE: i32 = 2;
pub(super) const DEPENDENCY: i32 = 3;
pub(super) const MESSAGE_TYPE: i32 = 4;
pub(super) const ENUM_TYPE: i32 = 5;
pub(super) const SERVICE: i32 = 6;
pub(super) const EXTENSION: i32 = 7;
pub(super) const FILE_OPTIONS: i32 = 8;
pub(super) const SYNTAX: i32 = 12;
// DescriptorProto
pub(super) const FIELD: i32 = 2;
pub(super) const NESTED_TYPE: i32 = 3;
pub(super) const NESTED_ENUM: i32 = 4;
pub(super) const EXTENSION_RANGE: i32 = 5;
pub(super) const NESTED_EXTENSION: i32 = 6;
pub(super) const MESSAGE_OPTIONS: i32 = 7;
pub(super) const ONEOF_DECL: i32 = 8;
pub(super) const RESERVED_RANGE: i32 = 9;
pub(super) const RANGE_OPTIONS: i32 = 3;
// FieldDescriptorProto and OneofDescriptorProto
pub(super) const FIELD_OPTIONS: i32 = 8;
pub(super) const ONEOF_OPTIONS: i32 = 2;
// EnumDescriptorProto and EnumValueDescriptorProto
pub(super) const ENUM_VALUE: i32 = 2;
pub(super) const ENUM_OPTIONS: i32 = 3;
pub(super) const ENUM_RESERVED_RANGE: i32 = 4;
pub(super) const ENUM_VALUE_OPTIONS: i32 = 3;
// ServiceDescriptorProto and MethodDescriptorProto
pub(super) const METHOD: i32 = 2;
pub(super) const SERVICE_OPTIONS: i32 = 3;
pub(super) const METHOD_OPTIONS: i32 = 4;
