//! Enum types and their values: thin, cheap handles on the descriptors.

use std::fmt;

use prost_reflect::{EnumDescriptor, EnumValueDescriptor};

use super::Features;

/// An enum type. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct EnumType {
    descriptor: EnumDescriptor,
}

impl EnumType {
    pub(crate) fn new(descriptor: EnumDescriptor) -> Self {
        Self { descriptor }
    }

    /// The prost-reflect descriptor.
    pub fn descriptor(&self) -> &EnumDescriptor {
        &self.descriptor
    }

    /// `package.Enum`.
    pub fn full_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// Whether it has no other numbers than the file names (proto2).
    pub fn is_closed(&self) -> bool {
        Features::closes(&self.descriptor)
    }

    /// The values in the order of their numbers, aliases included.
    pub fn values(&self) -> impl ExactSizeIterator<Item = EnumValue> + '_ {
        self.descriptor.values().map(EnumValue::new)
    }

    /// The number of a value's name.
    pub fn number(&self, name: &str) -> Option<i32> {
        self.descriptor
            .get_value_by_name(name)
            .map(|value| value.number())
    }

    /// The value of a number; the first one where names share it.
    pub fn value(&self, number: i32) -> Option<EnumValue> {
        self.descriptor.get_value(number).map(EnumValue::new)
    }
}

impl fmt::Debug for EnumType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnumType({})", self.full_name())
    }
}

/// One value of an enum type.
#[derive(Clone, PartialEq, Eq)]
pub struct EnumValue {
    descriptor: EnumValueDescriptor,
}

impl EnumValue {
    fn new(descriptor: EnumValueDescriptor) -> Self {
        Self { descriptor }
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// The number on the wire.
    pub fn number(&self) -> i32 {
        self.descriptor.number()
    }
}

impl fmt::Debug for EnumValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnumValue({} = {})", self.name(), self.number())
    }
}
