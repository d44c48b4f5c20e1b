//! Flat tables of message types: what decoding, encoding and access ask of a field, answered once.
//!
//! A [`Tables`] belongs to a descriptor pool. It has a place for each message type and each enum, and
//! fills one when it is first asked for, so that a schema of ten thousand types costs what its calls
//! use. Tables refer to each other by index, so that types that contain themselves are no cycle.

mod enums;
mod fields;
mod well_known;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use prost_reflect::{DescriptorPool, EnumDescriptor, MessageDescriptor};

pub(crate) use enums::EnumLayout;
pub(crate) use fields::{
    Cardinality, Declared, Default, FieldInfo, FieldLayout, FieldType, WireType,
};
pub(crate) use well_known::JsonForm;

/// The tables of one descriptor pool.
pub(crate) struct Tables {
    types: Box<[Type]>,
    /// Indexes of `types` and of `enums`, by full name.
    type_names: HashMap<Box<str>, u32>,
    enums: Box<[Enum]>,
    enum_names: HashMap<Box<str>, u32>,
    pool: DescriptorPool,
}

struct Type {
    descriptor: MessageDescriptor,
    layout: OnceLock<Layout>,
    /// Whether it or a type inside it has required fields.
    requires: OnceLock<bool>,
}

struct Enum {
    descriptor: EnumDescriptor,
    layout: OnceLock<EnumLayout>,
}

/// The table of one message type. Its fields, extensions included, are in the order of their numbers;
/// a *slot* is a field's place in that order.
pub(crate) struct Layout {
    pub(crate) fields: Box<[FieldLayout]>,
    /// What is asked for seldom, by slot.
    pub(crate) infos: Box<[FieldInfo]>,
    /// The members of each oneof, by slot. The oneofs that `optional` makes are not among them.
    pub(crate) oneofs: Box<[Box<[u16]>]>,
    /// The slot of each small number, [`NO_SLOT`] where there is none.
    low_numbers: Box<[u16]>,
    /// Slots in the order of the fields' names.
    by_name: Box<[u16]>,
    json_names: OnceLock<HashMap<Box<str>, u16>>,
    pub(crate) has_required: bool,
    /// How many of the fields are lists or maps.
    pub(crate) lists: usize,
    pub(crate) json_form: JsonForm,
    pub(crate) descriptor: MessageDescriptor,
    /// Its place among the pool's types.
    pub(crate) index: u32,
    /// What no other table of this process has.
    pub(crate) id: u64,
}

impl Tables {
    /// The tables of a pool: the same for as long as anybody has them.
    pub(crate) fn of(pool: &DescriptorPool) -> Arc<Self> {
        static KNOWN: Mutex<Vec<Weak<Tables>>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find_map(|tables| {
            let tables = tables.upgrade()?;
            (tables.pool == *pool).then_some(tables)
        });
        found.unwrap_or_else(|| {
            let tables = Arc::new(Self::new(pool));
            known.retain(|tables| tables.strong_count() > 0);
            known.push(Arc::downgrade(&tables));
            tables
        })
    }

    fn new(pool: &DescriptorPool) -> Self {
        let types: Box<[Type]> = pool
            .all_messages()
            .map(|descriptor| Type {
                descriptor,
                layout: OnceLock::new(),
                requires: OnceLock::new(),
            })
            .collect();
        let enums: Box<[Enum]> = pool
            .all_enums()
            .map(|descriptor| Enum {
                descriptor,
                layout: OnceLock::new(),
            })
            .collect();
        Self {
            type_names: indexes(types.iter().map(|of| of.descriptor.full_name())),
            enum_names: indexes(enums.iter().map(|of| of.descriptor.full_name())),
            types,
            enums,
            pool: pool.clone(),
        }
    }

    /// The index of a message type.
    pub(crate) fn index_of(&self, full_name: &str) -> Option<u32> {
        self.type_names.get(full_name).copied()
    }

    /// The table of a message type, made now if it never was.
    ///
    /// # Panics
    /// If there is no type of that index; indexes come from these tables only.
    #[inline]
    pub(crate) fn layout(&self, index: u32) -> &Layout {
        match self.types[index as usize].layout.get() {
            Some(layout) => layout,
            None => self.make_layout(index),
        }
    }

    #[cold]
    fn make_layout(&self, index: u32) -> &Layout {
        let of = &self.types[index as usize];
        of.layout
            .get_or_init(|| Layout::new(self, &of.descriptor, index))
    }

    /// Whether a message of a type can lack required fields (proto2), its own or those of a message
    /// inside it.
    pub(crate) fn requires(&self, index: u32) -> bool {
        *self.types[index as usize].requires.get_or_init(|| {
            let mut seen = HashSet::from([index]);
            let mut ahead = vec![index];
            while let Some(index) = ahead.pop() {
                let layout = self.layout(index);
                if layout.has_required {
                    return true;
                }
                let inner = layout.fields.iter();
                let inner = inner.filter(|field| field.field_type.is_message());
                ahead.extend(inner.map(|field| field.inner).filter(|of| seen.insert(*of)));
            }
            false
        })
    }

    /// The descriptor of a message type, whose table need not be made for it.
    pub(crate) fn descriptor(&self, index: u32) -> &MessageDescriptor {
        &self.types[index as usize].descriptor
    }

    /// The table of an enum, made now if it never was.
    ///
    /// # Panics
    /// As for [`layout`](Self::layout).
    #[inline]
    pub(crate) fn enum_layout(&self, index: u32) -> &EnumLayout {
        let of = &self.enums[index as usize];
        of.layout
            .get_or_init(|| EnumLayout::new(of.descriptor.clone()))
    }
}

fn indexes<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<Box<str>, u32> {
    (0..)
        .zip(names)
        .map(|(index, name)| (name.into(), index))
        .collect()
}

impl Layout {
    fn new(tables: &Tables, descriptor: &MessageDescriptor, index: u32) -> Self {
        let mut oneofs: Vec<Vec<u16>> = Vec::new();
        let mut rows = fields::rows(tables, descriptor);
        for (slot, row) in (0..u16::MAX).zip(&mut rows) {
            if let Some(oneof) = row.oneof {
                if oneofs.len() <= oneof {
                    oneofs.resize(oneof + 1, Vec::new());
                }
                oneofs[oneof].push(slot);
                row.layout.oneof = u16::try_from(oneof + 1).unwrap_or(0);
            }
        }
        let (fields, infos): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| (row.layout, row.info)).unzip();
        let mut by_name: Box<[u16]> = (0_u16..).take(infos.len()).collect();
        by_name.sort_by_key(|slot| &*infos[usize::from(*slot)].name);
        Self {
            low_numbers: low_numbers(&fields),
            by_name,
            json_names: OnceLock::new(),
            lists: fields
                .iter()
                .filter(|field| field.cardinality != Cardinality::One)
                .count(),
            has_required: infos.iter().any(|info| info.features.required),
            oneofs: oneofs.into_iter().map(Vec::into_boxed_slice).collect(),
            fields: fields.into(),
            infos: infos.into(),
            json_form: JsonForm::of(descriptor.full_name()),
            descriptor: descriptor.clone(),
            index,
            id: IDS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// How many fields the type has, its extensions included.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field by its number, with its slot.
    #[inline]
    pub(crate) fn by_number(&self, number: u32) -> Option<(u16, &FieldLayout)> {
        let slot = match self.low_numbers.get(number as usize) {
            Some(slot) => *slot,
            None => self.by_high_number(number)?,
        };
        Some((slot, self.fields.get(usize::from(slot))?))
    }

    fn by_high_number(&self, number: u32) -> Option<u16> {
        let found = self
            .fields
            .binary_search_by_key(&number, |field| field.number);
        found.ok().and_then(|slot| u16::try_from(slot).ok())
    }

    /// The slot of a field's name in the file; extensions have none.
    pub(crate) fn by_name(&self, name: &str) -> Option<u16> {
        let found = self
            .by_name
            .binary_search_by_key(&name, |slot| &*self.infos[usize::from(*slot)].name);
        let slot = self.by_name[found.ok()?];
        (!self.infos[usize::from(slot)].is_extension()).then_some(slot)
    }

    /// The slot of a name in JSON: the field's name in lowerCamelCase, or in the file, or an
    /// extension's full name in brackets.
    pub(crate) fn by_json_name(&self, name: &str) -> Option<u16> {
        let names = self.json_names.get_or_init(|| {
            let mut names = HashMap::new();
            for (slot, info) in (0..u16::MAX).zip(&self.infos) {
                if !info.is_extension() {
                    names.insert(info.name.clone(), slot);
                }
            }
            for (slot, info) in (0..u16::MAX).zip(&self.infos) {
                names.insert(info.json_name.clone(), slot);
            }
            names
        });
        names.get(name).copied()
    }

    #[inline]
    pub(crate) fn field(&self, slot: u16) -> &FieldLayout {
        &self.fields[usize::from(slot)]
    }

    #[inline]
    pub(crate) fn info(&self, slot: u16) -> &FieldInfo {
        &self.infos[usize::from(slot)]
    }

    /// All fields with their slots, in the order of their numbers, extensions included.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u16, &FieldLayout)> {
        (0..u16::MAX).zip(&self.fields)
    }
}

static IDS: AtomicU64 = AtomicU64::new(0);

/// Numbers up to this are looked up by index: all those whose key is of one or two bytes are, if the
/// type has none above.
const LOW_NUMBERS_MAX: u32 = 2048;

/// No type has as many fields.
const NO_SLOT: u16 = u16::MAX;

fn low_numbers(fields: &[FieldLayout]) -> Box<[u16]> {
    let last = fields
        .iter()
        .map(|field| field.number)
        .take_while(|number| *number < LOW_NUMBERS_MAX.min(16 + 8 * fields.len() as u32))
        .last();
    let mut slots = vec![NO_SLOT; last.map_or(0, |last| last as usize + 1)];
    for (slot, field) in (0..u16::MAX).zip(fields) {
        if let Some(place) = slots.get_mut(field.number as usize) {
            *place = slot;
        }
    }
    slots.into()
}
