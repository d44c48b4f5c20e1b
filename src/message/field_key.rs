//! The ways to say which field is meant.

use crate::{
    message::FieldError,
    schema::{
        Field,
        layout::{FieldLayout, Layout},
    },
};

/// Names a field of a message: its name in the file (`&str`), its number (`u32`), or a [`Field`]
/// handle that was looked up once and is used many times.
///
/// A handle of another message type, or of the same type in another schema, is a [`FieldError`].
pub trait FieldKey: resolve::Resolve {}

impl FieldKey for &str {}
impl FieldKey for &String {}
impl FieldKey for u32 {}
impl FieldKey for &Field {}

/// Seals [`FieldKey`]: what a key resolves to is no part of the public surface.
pub(super) mod resolve {
    use super::Field;

    pub trait Resolve: Copy {
        fn key(&self) -> Key<'_>;
    }

    /// How a field is named.
    #[derive(Clone, Copy, Debug)]
    pub enum Key<'a> {
        Name(&'a str),
        Number(u32),
        Handle(&'a Field),
    }
}

use resolve::Key;

impl resolve::Resolve for &str {
    #[inline]
    fn key(&self) -> Key<'_> {
        Key::Name(self)
    }
}

impl resolve::Resolve for &String {
    #[inline]
    fn key(&self) -> Key<'_> {
        Key::Name(self)
    }
}

impl resolve::Resolve for u32 {
    #[inline]
    fn key(&self) -> Key<'_> {
        Key::Number(*self)
    }
}

impl resolve::Resolve for &Field {
    #[inline]
    fn key(&self) -> Key<'_> {
        Key::Handle(self)
    }
}

/// The field that is meant: its slot and its row.
#[inline]
pub(super) fn slot_of<'a>(
    field: &'a impl FieldKey,
    layout: &'a Layout,
) -> Result<(u16, &'a FieldLayout), FieldError> {
    match field.key() {
        Key::Handle(field) if field.layout_id() == layout.id => Ok((field.slot(), field.layout())),
        Key::Handle(field) => Err(FieldError::foreign(layout, field)),
        Key::Name(name) => {
            let slot = layout.by_name(name);
            slot.map(|slot| (slot, layout.field(slot)))
                .ok_or_else(|| FieldError::unknown_name(layout, name))
        }
        Key::Number(number) => match layout.by_number(number) {
            Some(found) if !layout.info(found.0).is_extension() => Ok(found),
            _ => Err(FieldError::unknown_number(layout, number)),
        },
    }
}
