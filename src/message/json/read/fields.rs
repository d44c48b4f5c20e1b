//! The fields of a message.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Context, FieldSeed};
use crate::{
    Schema,
    message::{body::Body, path::Segment},
    schema::layout::{Cardinality, Layout},
};

/// The fields of a message, by either of their names.
pub(super) fn read_fields<'de, A: MapAccess<'de>>(
    layout: &Layout,
    context: Context<'_>,
    mut map: A,
) -> Result<Body, A::Error> {
    let mut body = Body::default();
    let mut seen = Seen::default();
    let mut likely = 0;
    while let Some(slot) = map.next_key_seed(NameSeed {
        layout,
        context,
        likely,
    })? {
        let Some(slot) = slot else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        let name = || &layout.info(slot).json_name;
        if !seen.insert(slot) {
            let name = name();
            return Err(A::Error::custom(format!("field `{name}` is there twice")));
        }
        likely = slot + 1;
        let is_message = layout.field(slot).field_type.is_message();
        let seed = FieldSeed {
            layout,
            slot,
            context: match is_message && layout.field(slot).cardinality != Cardinality::Map {
                true => context.below()?,
                false => context,
            },
        };
        let value = map
            .next_value_seed(seed)
            .inspect_err(|_| context.path.borrow_mut().push(Segment::field(name())))?;
        let Some(value) = value else { continue };
        if let Some(other) = other_member(layout, &body, slot) {
            let other = &layout.info(other).json_name;
            let name = name();
            return Err(A::Error::custom(format!(
                "fields `{other}` and `{name}` are of one oneof, and both are there"
            )));
        }
        body.put(layout, slot, value);
    }
    Ok(body)
}

/// The fields that were there: a bit for each of the first, and a list of the others, in order.
#[derive(Default)]
struct Seen {
    first: u64,
    others: Vec<u16>,
}

impl Seen {
    /// Whether a field is there for the first time.
    fn insert(&mut self, slot: u16) -> bool {
        if let Some(bit) = 1_u64.checked_shl(slot.into()) {
            let is_new = self.first & bit == 0;
            self.first |= bit;
            return is_new;
        }
        match self.others.binary_search(&slot) {
            Ok(_) => false,
            Err(at) => {
                self.others.insert(at, slot);
                true
            }
        }
    }
}

/// Another member of a field's oneof that is set.
fn other_member(layout: &Layout, body: &Body, slot: u16) -> Option<u16> {
    let oneof = usize::from(layout.field(slot).oneof).checked_sub(1)?;
    let members = layout.oneofs[oneof].iter().copied();
    let mut set = members.filter(|member| body.slots.get(*member).is_some());
    set.find(|member| *member != slot)
}

/// The slot of a field's name; `None` if there is none, and that is read over.
struct NameSeed<'a> {
    layout: &'a Layout,
    context: Context<'a>,
    /// The slot behind that of the name before: names mostly come in the order of the numbers.
    likely: u16,
}

impl NameSeed<'_> {
    fn slot(&self, name: &str) -> Option<u16> {
        let likely = (self.likely..u16::MAX).zip(self.layout.infos.iter().skip(self.likely.into()));
        let mut likely = likely.take(NAMES_COMPARED_MAX);
        match likely.find(|(_, info)| *info.json_name == *name) {
            Some((slot, _)) => Some(slot),
            None => self.layout.by_json_name(name),
        }
    }
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<u16>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u16>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<u16>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the name of a field of `{}`",
            self.layout.descriptor.full_name()
        )
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<u16>, E> {
        let slot = self.slot(name);
        if slot.is_some() || self.context.options.ignore_unknown {
            return Ok(slot);
        }
        let names = self.layout.infos.iter().map(|info| &*info.json_name);
        let hint = Schema::nearest(name, names);
        let hint = hint.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let of = self.layout.descriptor.full_name();
        Err(E::custom(format!("`{of}` has no field `{name}`{hint}")))
    }
}

/// So many names are compared before one is looked up, which hashes it.
const NAMES_COMPARED_MAX: usize = 4;
