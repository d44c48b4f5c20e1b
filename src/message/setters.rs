//! Writing into a message.

use super::{
    FieldError, FieldKey, MapKey, Message, MessageRef, Value, ValueRef,
    body::{Body, Slot},
    field_key::slot_of,
    fit::{Misfit, fit, fit_key, fit_one, fit_value},
    lending::Context,
    pool::Inner,
    received::Received,
};
use crate::schema::layout::{Cardinality, Layout};

/// Writing. A setter that fails leaves the message as it was.
impl Message {
    /// Sets a field, whatever it held; a member of a oneof unsets the other members.
    ///
    /// What fits:
    /// - an integer field takes every integer type, if the value is in its range;
    /// - `double` takes `f64`, `f32` and integers that it holds exactly, `float` takes these and
    ///   an `f64` as the nearest `f32`;
    /// - `string` takes strings, `bytes` takes byte strings, `bool` takes `bool`;
    /// - an enum takes the name of one of its values or a number (a closed one, of proto2, only
    ///   those that it names);
    /// - a message field takes a [`Message`] of its type, a repeated one a `Vec`, a map a
    ///   `HashMap` or `BTreeMap`.
    ///
    /// Numbers that were received for it and that its closed enum does not name go with what it held.
    ///
    /// # Errors
    /// If there is no such field, or the value does not fit it; and if messages would lie deeper inside
    /// each other than [`MESSAGE_NESTING_MAX`](crate::limits::MESSAGE_NESTING_MAX).
    pub fn set(&mut self, field: impl FieldKey, value: impl Into<Value>) -> Result<(), FieldError> {
        let Inner { body, context } = &mut *self.inner;
        let (tables, layout) = (context.tables(), context.message_type.layout());
        let (slot, _) = slot_of(&field, layout)?;
        let fitted = fit(tables, layout, slot, value.into());
        let fitted = fitted.map_err(|misfit| FieldError::misfit(layout.info(slot), misfit))?;
        body.put(layout, slot, fitted);
        Ok(())
    }

    /// Adds an element at the end of a repeated field.
    ///
    /// # Errors
    /// If there is no such field, it is not repeated, or the value does not fit its elements, as for
    /// [`set`](Self::set).
    pub fn push(
        &mut self,
        field: impl FieldKey,
        value: impl Into<Value>,
    ) -> Result<(), FieldError> {
        let Inner { body, context } = &mut *self.inner;
        let (tables, layout) = (context.tables(), context.message_type.layout());
        let (slot, _) = slot_of(&field, layout)?;
        let (row, info) = (layout.field(slot), layout.info(slot));
        if row.cardinality != Cardinality::List {
            return Err(FieldError::wrong_type(info, "take an element"));
        }
        let item = fit_one(tables, row, value.into());
        let item = item.map_err(|misfit| FieldError::misfit(info, misfit))?;
        body.slots.height = body.slots.height.max(item.height());
        match (item, body.own(context, slot)) {
            (Slot::Bits(bits), Slot::Numbers(items)) => items.push(bits),
            (item, Slot::Values(items)) => items.push(item),
            _ => {}
        }
        Ok(())
    }

    /// Puts an entry into a map field, in place of the one with the same key.
    ///
    /// # Errors
    /// If there is no such field, it is no map, or key or value do not fit, as for [`set`](Self::set).
    pub fn insert(
        &mut self,
        field: impl FieldKey,
        key: impl Into<MapKey>,
        value: impl Into<Value>,
    ) -> Result<(), FieldError> {
        let Inner { body, context } = &mut *self.inner;
        let (tables, layout) = (context.tables(), context.message_type.layout());
        let (slot, _) = slot_of(&field, layout)?;
        let (row, info) = (layout.field(slot), layout.info(slot));
        if row.cardinality != Cardinality::Map {
            return Err(FieldError::wrong_type(info, "take an entry"));
        }
        let entry = tables.layout(row.inner);
        let misfit = |misfit: Misfit| FieldError::misfit(info, misfit);
        let key = fit_key(tables, entry, key.into()).map_err(misfit)?;
        let value = fit_value(tables, entry, value.into()).map_err(misfit)?;
        body.slots.height = body.slots.height.max(value.height());
        if let Slot::Map(entries) = body.own(context, slot) {
            entries.insert(key, value);
        }
        Ok(())
    }

    /// Unsets a field.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn clear(&mut self, field: impl FieldKey) -> Result<(), FieldError> {
        let Inner { body, context } = &mut *self.inner;
        let layout = context.message_type.layout();
        let (slot, row) = slot_of(&field, layout)?;
        // Another member of its oneof that was received before it must not be written in its place.
        if row.oneof != 0 && MessageRef::new(context, body).is_set(slot) {
            body.unset_others(layout, slot);
        }
        body.unset(slot);
        Ok(())
    }

    /// Unsets all fields, those included that the schema does not know.
    pub fn clear_all(&mut self) {
        self.inner.body = Body::default();
    }
}

impl Message {
    /// Puts a value that fits into a slot.
    pub(super) fn put(&mut self, slot: u16, value: Slot) {
        let Inner { body, context } = &mut *self.inner;
        body.put(context.message_type.layout(), slot, value);
    }
}

impl Body {
    /// The elements or entries of a slot, to be added to: those that were received are copied first.
    fn own(&mut self, context: &Context, slot: u16) -> &mut Slot {
        let held = match self.slots.get(slot) {
            Some(Slot::Cleared) => {
                self.slots.remove(slot);
                Some(empty(context.message_type.layout(), slot))
            }
            Some(_) => None,
            None => Some(MessageRef::new(context, self).to_slot(slot)),
        };
        self.slots
            .get_or_insert(slot, || held.unwrap_or(Slot::Cleared))
    }

    pub(super) fn put(&mut self, layout: &Layout, slot: u16, value: Slot) {
        let field = layout.field(slot);
        if field.oneof != 0 {
            self.unset_others(layout, slot);
        }
        let says_nothing = match field.cardinality {
            Cardinality::One => !field.presence && value.is_default(),
            Cardinality::List | Cardinality::Map => value.is_default(),
        };
        match says_nothing {
            true => self.unset(slot),
            false => self.slots.set(slot, value),
        }
    }

    /// Unsets the other members of a field's oneof.
    fn unset_others(&mut self, layout: &Layout, slot: u16) {
        let oneof = usize::from(layout.field(slot).oneof) - 1;
        let members = layout.oneofs[oneof].iter();
        for member in members.filter(|member| **member != slot) {
            self.unset(*member);
        }
    }

    fn unset(&mut self, slot: u16) {
        match self.received.bytes().is_empty() {
            true => self.slots.remove(slot),
            false => self.slots.set(slot, Slot::Cleared),
        }
    }
}

fn empty(layout: &Layout, slot: u16) -> Slot {
    let field = layout.field(slot);
    match field.cardinality {
        Cardinality::Map => Slot::Map(Default::default()),
        _ if field.field_type.is_number() => Slot::Numbers(Vec::new()),
        _ => Slot::Values(Vec::new()),
    }
}

impl MessageRef<'_> {
    /// A copy of the elements or entries of a field.
    fn to_slot(self, slot: u16) -> Slot {
        match (self.value(slot), empty(self.layout, slot)) {
            (ValueRef::List(items), Slot::Numbers(mut numbers)) => {
                numbers.extend(items.iter().map(ValueRef::bits));
                Slot::Numbers(numbers)
            }
            (ValueRef::List(items), _) => {
                Slot::Values(items.iter().map(ValueRef::to_slot).collect())
            }
            (ValueRef::Map(entries), _) => {
                let entries = entries.iter();
                Slot::Map(
                    entries
                        .map(|(key, value)| (key.to_owned(), value.to_slot()))
                        .collect(),
                )
            }
            (one, _) => one.to_slot(),
        }
    }

    /// A copy of what the message holds. It shares the bytes, if it was received.
    pub(super) fn to_body(self) -> Body {
        let (start, end) = self.range();
        let received = match end - start {
            0 => Received::default(),
            _ => {
                let bytes = self.received().bytes.slice(start..end);
                Received::trusted(self.message_type(), bytes)
            }
        };
        Body {
            received,
            slots: self.slots().clone(),
        }
    }
}

impl ValueRef<'_> {
    /// A copy of one value.
    fn to_slot(self) -> Slot {
        match self {
            Self::Str(value) => Slot::Text(value.to_owned()),
            Self::Bytes(value) => Slot::Bytes(bytes::Bytes::copy_from_slice(value)),
            Self::Message(value) => Slot::Message(Box::new(value.to_body())),
            // Lists and maps hold none.
            Self::List(_) | Self::Map(_) => Slot::Cleared,
            number => Slot::Bits(number.bits()),
        }
    }
}
