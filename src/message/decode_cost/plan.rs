//! What the walk has to know of each field, asked of the descriptors once.

use std::collections::BTreeMap;

use prost_reflect::{Kind, MessageDescriptor, prost::encoding::WireType};

/// The types of one walk, found as it meets them.
#[derive(Default)]
pub(super) struct Plans {
    types: Vec<TypePlan>,
}

struct TypePlan {
    descriptor: MessageDescriptor,
    /// The fields that have come, those with small numbers apart.
    low: [Option<FieldPlan>; LOW_NUMBERS],
    high: BTreeMap<u32, FieldPlan>,
}

#[derive(Clone, Copy)]
pub(super) struct FieldPlan {
    pub(super) shape: Shape,
    pub(super) scalar: Scalar,
    /// The index of the type of its values, where these are messages.
    pub(super) contents: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Shape {
    One,
    List,
    Map,
}

#[derive(Clone, Copy)]
pub(super) enum Scalar {
    Number(WireType),
    Text,
    /// Shared with the encoding, so that it takes nothing of its own.
    Bytes,
    Message,
    Group,
}

impl Plans {
    pub(super) fn of_type(&mut self, descriptor: &MessageDescriptor) -> usize {
        let known = self
            .types
            .iter()
            .position(|known| known.descriptor == *descriptor);
        known.unwrap_or_else(|| {
            self.types.push(TypePlan {
                descriptor: descriptor.clone(),
                low: [None; LOW_NUMBERS],
                high: BTreeMap::new(),
            });
            self.types.len() - 1
        })
    }

    /// The field with a number, if the type or one of its extensions has it.
    pub(super) fn field(&mut self, of_type: usize, number: u32) -> Option<FieldPlan> {
        let low = usize::try_from(number)
            .ok()
            .filter(|low| *low < LOW_NUMBERS);
        let of = self.types.get(of_type)?;
        let known = match low {
            Some(low) => of.low.get(low).copied().flatten(),
            None => of.high.get(&number).copied(),
        };
        if known.is_some() {
            return known;
        }
        let (shape, kind, group) = describe(&of.descriptor, number)?;
        let plan = self.plan(shape, &kind, group);
        let of = self.types.get_mut(of_type)?;
        match low.and_then(|low| of.low.get_mut(low)) {
            Some(slot) => *slot = Some(plan),
            None => {
                of.high.insert(number, plan);
            }
        }
        Some(plan)
    }

    fn plan(&mut self, shape: Shape, kind: &Kind, group: bool) -> FieldPlan {
        let (scalar, contents) = match kind {
            Kind::Message(of) if group => (Scalar::Group, self.of_type(of)),
            Kind::Message(of) => (Scalar::Message, self.of_type(of)),
            Kind::String => (Scalar::Text, 0),
            Kind::Bytes => (Scalar::Bytes, 0),
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
                (Scalar::Number(WireType::SixtyFourBit), 0)
            }
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
                (Scalar::Number(WireType::ThirtyTwoBit), 0)
            }
            _ => (Scalar::Number(WireType::Varint), 0),
        };
        FieldPlan {
            shape,
            scalar,
            contents,
        }
    }
}

fn describe(descriptor: &MessageDescriptor, number: u32) -> Option<(Shape, Kind, bool)> {
    if let Some(field) = descriptor.get_field(number) {
        let shape = shape(field.is_list(), field.is_map());
        return Some((shape, field.kind(), field.is_group()));
    }
    let extension = descriptor.get_extension(number)?;
    let shape = shape(extension.is_list(), extension.is_map());
    Some((shape, extension.kind(), extension.is_group()))
}

fn shape(is_list: bool, is_map: bool) -> Shape {
    match (is_list, is_map) {
        (true, _) => Shape::List,
        (_, true) => Shape::Map,
        _ => Shape::One,
    }
}

impl Scalar {
    pub(super) fn is_packable(self) -> bool {
        matches!(self, Self::Number(_))
    }
}

const LOW_NUMBERS: usize = 64;
