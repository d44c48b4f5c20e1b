//! The values of an enum, to be found by number.

use prost_reflect::EnumDescriptor;

/// The values of an enum type.
pub(crate) struct EnumLayout {
    /// The first name of each number, in the order of the numbers.
    names: Box<[(i32, Box<str>)]>,
    /// The number that was declared first, which an unset field reads as.
    pub(crate) first: i32,
    /// Whether it is google.protobuf.NullValue, JSON's null.
    pub(crate) is_null: bool,
    pub(crate) descriptor: EnumDescriptor,
}

impl EnumLayout {
    pub(super) fn new(descriptor: EnumDescriptor) -> Self {
        let values = descriptor.enum_descriptor_proto().value.iter();
        let names = values.map(|value| (value.number(), value.name().into()));
        let mut names: Vec<(i32, Box<str>)> = names.collect();
        let first = names.first().map_or(0, |(number, _)| *number);
        // A stable order: the first name of a number stays the first.
        names.sort_by_key(|(number, _)| *number);
        names.dedup_by_key(|(number, _)| *number);
        Self {
            names: names.into(),
            first,
            is_null: descriptor.full_name() == "google.protobuf.NullValue",
            descriptor,
        }
    }

    /// The name of a number, the first one where names share it.
    pub(crate) fn name(&self, number: i32) -> Option<&str> {
        let index = match usize::try_from(number) {
            // Most enums count from 0.
            Ok(index) if matches!(self.names.get(index), Some((of, _)) if *of == number) => index,
            _ => self
                .names
                .binary_search_by_key(&number, |(of, _)| *of)
                .ok()?,
        };
        self.names.get(index).map(|(_, name)| &**name)
    }

    /// The number of a name.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        let value = self.descriptor.get_value_by_name(name)?;
        Some(value.number())
    }
}
